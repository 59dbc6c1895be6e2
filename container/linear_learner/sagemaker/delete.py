"""``linear-learner sagemaker delete``: an endpoint, with its configuration and its models."""

from __future__ import annotations

from typing import Any

from linear_learner.aws import Account, Refused
from linear_learner.errors import ClientError
from linear_learner.s3 import S3Path, remove
from linear_learner.sagemaker.description import check_name
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.requests import KINDS, TAG, named
from linear_learner.sagemaker.watch import tell


def delete(account: Account, name: str, *, with_data: bool, dry_run: bool) -> int:
    """Delete the endpoint, the configuration and the models that ``deploy`` made by this ``name``, as far as they are
    there; and the models' files in S3 where that is asked for. ClientError where there are none, or where one was not
    made by these commands."""
    check_name(name)
    found = {kind: answer for kind in reversed(KINDS) if (answer := _find(account, kind, name))}
    if not found:
        raise ClientError(
            "There is no endpoint, configuration or model of this name", where=name, fix="check the region"
        )
    for kind, answer in found.items():
        _check_ours(account, answer[f"{kind}Arn"], f"{kind} {name}")
    data = [S3Path.parse(found["Model"]["PrimaryContainer"]["ModelDataUrl"])] if with_data and "Model" in found else []
    if dry_run:
        show_requests({KINDS[kind].delete: named(kind, name) for kind in found}, [])
        for place in data:
            tell(f"Not deleted: {place}")
        return 0
    for kind in found:
        account.call("sagemaker", KINDS[kind].delete, where=name, **named(kind, name))
        tell(f"{kind} {name} is deleted.")
    for place in data:
        remove(place)
        tell(f"{place} is deleted.")
    return 0


def _find(account: Account, kind: str, name: str) -> dict[str, Any] | None:
    """What SageMaker says of it; None if there is none."""
    try:
        return account.call("sagemaker", KINDS[kind].describe, where=f"{kind} {name}", **named(kind, name))
    except Refused as error:
        # SageMaker has no code of its own for what is not there.
        if error.code == "ValidationException" and "Could not find" in error.message:
            return None
        raise


def _check_ours(account: Account, arn: str, what: str) -> None:
    tags = account.call("sagemaker", "ListTags", where=what, ResourceArn=arn)["Tags"]
    if not any(tag["Key"] == TAG for tag in tags):
        raise ClientError(
            f"{what} was not made by these commands: it has no tag '{TAG}'",
            where=arn,
            fix="delete it with the tool that made it",
        )
