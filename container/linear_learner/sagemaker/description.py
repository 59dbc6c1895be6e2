"""What a user says of a job or an endpoint, checked before anything is sent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linear_learner import hyperparameters
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.validation import plain_text
from linear_learner.s3 import S3Path

LONGEST_NAME, LONGEST_TUNING_NAME = 63, 32
LONGEST_VALUE = 2500
"""Of a hyperparameter. Source: "HyperParameters" of CreateTrainingJob."""
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+")
_IN_ECR = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


@dataclass(frozen=True)
class Machines:
    """``hours``: after which a job is stopped. ``volume_gb``: of each machine's disk."""

    instance_type: str
    instance_count: int = 1
    volume_gb: int = 30
    hours: float = 24.0


@dataclass(frozen=True)
class Job:
    """A training job. ``output``: below which its model, its checkpoints and what is uploaded for it lie.

    ``checkpoints``: where they are kept, if at all. ``is_spot``: on spare machines, which AWS may take back.
    """

    name: str
    image: str
    role: str
    output: S3Path
    machines: Machines
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelConfig]
    checkpoints: S3Path | None = None
    is_spot: bool = False

    def checked(self, region: str | None, *, watched: str = "") -> HyperParameters:
        """The hyperparameters. ``region``: where the job runs, if that is known. ``watched``: the metric that a tuning
        job goes by. ClientError for all that SageMaker or the container would refuse."""
        check_image(self.image, region)
        check_role(self.role)
        check_name(self.name, LONGEST_TUNING_NAME if watched else LONGEST_NAME)
        if "train" not in self.channels:
            raise ClientError("The job has no channel 'train'", fix="name its files: --train data.csv")
        for hyperparameter, value in self.hyperparameters.items():
            if len(value) > LONGEST_VALUE:
                raise ClientError(
                    f"The value of '{hyperparameter}' has {len(value)} characters, and SageMaker takes {LONGEST_VALUE}",
                    fix="shorten it; of columns, numbers are shorter than names, and 'auto' finds those with text",
                )
        extra = {"_tuning_objective_metric": watched} if watched else {}
        hp = hyperparameters.validate({**self.hyperparameters, **extra})
        hosts = self.machines.instance_count
        hyperparameters.check_demands(hyperparameters.without_unused(hp, hosts), self.channels, hosts)
        return hp


@dataclass(frozen=True)
class Tuning:
    """``objective``: the metric to better, ``<channel>:<metric>``. ``ranges``: the user's own, by hyperparameter."""

    objective: str
    ranges: Mapping[str, str]
    most_jobs: int
    at_a_time: int


def as_texts(raw: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters as SageMaker takes them. What is no text, number or boolean is left to the validation."""
    return {name: str(value) if (text := plain_text(value)) is None else text for name, value in raw.items()}


def new_name(now: datetime.datetime | None = None) -> str:
    """For a job or an endpoint: ``linear-learner-20260102-030405``."""
    return f"linear-learner-{now or datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"


def check_name(name: str, longest: int = LONGEST_NAME) -> None:
    if not _NAME.fullmatch(name) or len(name) > longest:
        raise ClientError(
            f"The name '{name}' cannot be used", fix=f"use up to {longest} letters, digits and hyphens between them"
        )


def check_image(image: str, region: str | None) -> None:
    """ClientError for one in ECR of another region than that of the job: SageMaker takes none from elsewhere."""
    found = _IN_ECR.match(image)
    if found and region and found[1] != region:
        raise ClientError(
            f"The image is in region {found[1]}, and the job is to run in {region}",
            where=f"--image {image}",
            fix=f"give --region {found[1]}, or push the image to {region}",
        )


def check_role(role: str) -> None:
    if not _ROLE.fullmatch(role):
        raise ClientError(
            f"'{role}' is not the ARN of a role",
            where="--role",
            fix="write arn:aws:iam::123456789012:role/NAME; 'aws iam list-roles' lists them",
        )
