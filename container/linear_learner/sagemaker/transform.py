"""``linear-learner sagemaker transform``: predictions for files in S3, written to S3."""

from __future__ import annotations

from functools import partial

from linear_learner.aws import Account
from linear_learner.errors import ClientError
from linear_learner.s3 import S3Path
from linear_learner.sagemaker import requests
from linear_learner.sagemaker.deploy import undo, undone_on_error
from linear_learner.sagemaker.description import Machines, check_name
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.model_source import ModelSource
from linear_learner.sagemaker.uploads import send
from linear_learner.sagemaker.watch import Log, ended, failure, goes_on, tell, wait

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_KEPT = "Once it is done, 'linear-learner sagemaker delete {name}' deletes the model of that name."


def transform(
    account: Account,
    source: ModelSource,
    name: str,
    machines: Machines,
    *,
    rows: S3Path,
    target: S3Path,
    content_type: str,
    accept: str,
    waits: bool,
    dry_run: bool,
) -> int:
    """Make a model and a transform job of one ``name``, follow the job to its end and delete the model."""
    check_name(name)
    made = {
        "CreateModel": requests.model(name, source.image, source.role, source.data),
        "CreateTransformJob": requests.transform_job(
            name,
            model=name,
            source=rows.uri,
            target=str(target),
            content_type=content_type,
            accept=accept,
            machines=machines,
        ),
    }
    if dry_run:
        return show_requests(made, source.uploads)
    send(account, "Model", name, source.uploads)
    with undone_on_error(account) as done:
        account.call("sagemaker", "CreateModel", where=name, **made["CreateModel"])
        done.append(("Model", name))
        account.call("sagemaker", "CreateTransformJob", where=name, **made["CreateTransformJob"])
    tell(f"Transform job {name} is created.")
    if not waits:
        tell(_KEPT.format(name=name))
        return 0
    describe = partial(account.call, "sagemaker", "DescribeTransformJob", where=name, TransformJobName=name)
    try:
        answer = wait(describe, "TransformJobStatus", is_done=ended, log=Log(account, LOG_GROUP, name))
    except KeyboardInterrupt:
        tell(_KEPT.format(name=name))
        look, stop = (f"{verb}-transform-job --transform-job-name" for verb in ("describe", "stop"))
        return goes_on("transform job", name, account, look=look, stop=f"aws sagemaker {stop}")
    except Exception:
        tell(_KEPT.format(name=name))
        raise
    undo(account, [("Model", name)])
    if answer["TransformJobStatus"] == "Failed":
        raise failure("transform job", answer.get("FailureReason", ""), name)
    if answer["TransformJobStatus"] == "Stopped":
        raise ClientError("The transform job was stopped", where=name)
    print(f"Transform job {name} is done.\noutput {target}")
    return 0
