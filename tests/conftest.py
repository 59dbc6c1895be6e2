"""What holds for all tests.

They compute with the kernels that the command line takes, so that bits can be compared, and take as long as they take:
on a busy machine hypothesis would call a slow example a failure.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from linear_learner import aws, openblas

openblas.prepare()  # before any test imports NumPy
settings.register_profile("default", deadline=None)
# The same examples in every run: an old defect that chance finds should not stop a change that has no part in it.
settings.register_profile("ci", deadline=None, derandomize=True)
# Chance, at length: `make test-properties`.
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

BUCKET, REGION = "a-bucket", "eu-west-1"


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    """The address of a server that answers as AWS does."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def account(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An AWS account that has nothing but the empty bucket BUCKET, to which all calls go; the client of its S3."""
    from moto.moto_api._internal import moto_api_backend

    moto_api_backend.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-no-log-shows")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, "/dev/null")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


@pytest.fixture
def fresh_clients() -> Iterator[None]:
    """No client of another test is used in this one, nor one of this in another; making one takes a moment."""
    aws.client.cache_clear()
    yield
    aws.client.cache_clear()
