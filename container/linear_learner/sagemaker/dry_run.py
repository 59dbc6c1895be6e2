"""Shows what would be sent."""

from __future__ import annotations

import json
from typing import Any

from linear_learner.aws import check_request
from linear_learner.sagemaker.uploads import Upload, summary
from linear_learner.sagemaker.watch import tell


def show_requests(requests: dict[str, dict[str, Any]], uploads: list[Upload]) -> int:
    """Print the requests of SageMaker by operation, in JSON, after the check that the AWS client makes before it sends;
    what would be uploaded goes to stderr. Returns the exit code."""
    for operation, request in requests.items():
        check_request("sagemaker", operation, request)
    if uploads:
        tell(f"Not uploaded: {summary(uploads)}")
    print(json.dumps(requests, indent=2))
    return 0
