"""Where the model of an endpoint or of a transform job comes from: a training job, or a model.tar.gz."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from linear_learner.aws import Account
from linear_learner.data.channel_file import GZIP_MAGIC
from linear_learner.errors import ClientError
from linear_learner.s3 import SCHEME, S3Path
from linear_learner.sagemaker.description import check_image, check_name, check_role
from linear_learner.sagemaker.uploads import Upload


@dataclass(frozen=True)
class ModelSource:
    """``data``: the address of the model.tar.gz. ``uploads``: what must be uploaded there before, if anything."""

    data: str
    image: str
    role: str
    uploads: list[Upload]


def model_source(
    account: Account, model: str, *, image: str | None, role: str | None, upload_to: S3Path | None
) -> ModelSource:
    """``model``: a local model.tar.gz, which goes to below ``upload_to``, or one in S3, and ``image`` and ``role`` must
    be given; or the name of a training job, whose own they are unless given. A training job is looked up."""
    uploads: list[Upload] = []
    if model.startswith(SCHEME):
        data = str(S3Path.parse(model))
    elif Path(model).exists():
        uploads.append(_upload(Path(model), upload_to))
        data = str(uploads[0].target)
    else:
        check_name(model)
        job = account.call("sagemaker", "DescribeTrainingJob", where=f"training job {model}", TrainingJobName=model)
        data = job.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        if not data or job["TrainingJobStatus"] not in ("Completed", "Stopped"):
            raise ClientError(
                f"The training job has made no model: it is {job['TrainingJobStatus']}",
                where=model,
                fix="wait until it is done, or name another",
            )
        image, role = image or job["AlgorithmSpecification"]["TrainingImage"], role or job["RoleArn"]
    if not image or not role:
        missing = "--role" if image else "--image"
        raise ClientError(f"{missing} is not given", where=model, fix=f"give {missing}, or name a training job")
    check_role(role)
    check_image(image, account.known_region())
    return ModelSource(data, image, role, uploads)


def _upload(file: Path, folder: S3Path | None) -> Upload:
    if folder is None:
        raise ClientError(
            "The model is on this machine", where=str(file), fix="say where to upload it: --output s3://..."
        )
    with file.open("rb") if file.is_file() else io.BytesIO() as content:
        if content.read(2) != GZIP_MAGIC[:2]:
            raise ClientError("This is no model.tar.gz", where=str(file), fix="name the file that training wrote")
    return Upload(file, folder / "model.tar.gz", file.stat().st_size)
