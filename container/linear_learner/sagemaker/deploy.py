"""``linear-learner sagemaker deploy``: an endpoint that answers with a trained model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from linear_learner.aws import Account
from linear_learner.errors import LinearLearnerError
from linear_learner.sagemaker import requests
from linear_learner.sagemaker.description import Machines, check_name
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.model_source import ModelSource
from linear_learner.sagemaker.requests import KINDS, named
from linear_learner.sagemaker.uploads import send
from linear_learner.sagemaker.watch import failure, goes_on, tell, wait


def deploy(
    account: Account,
    source: ModelSource,
    name: str,
    machines: Machines,
    *,
    serverless_mb: int | None,
    waits: bool,
    dry_run: bool,
) -> int:
    """Make a model, an endpoint configuration and an endpoint, all of one ``name``, and unless told otherwise wait
    until it answers. Where a step fails, what was made before is deleted again."""
    check_name(name)
    made = {
        "Model": requests.model(name, source.image, source.role, source.data),
        "EndpointConfig": requests.endpoint_config(name, machines, serverless_mb),
        "Endpoint": requests.endpoint(name),
    }
    if dry_run:
        return show_requests({KINDS[kind].create: request for kind, request in made.items()}, source.uploads)
    describe = partial(account.call, "sagemaker", "DescribeEndpoint", where=f"endpoint {name}", EndpointName=name)
    send(account, "Model", name, source.uploads)
    with undone_on_error(account) as done:
        for kind, request in made.items():
            account.call("sagemaker", KINDS[kind].create, where=name, **request)
            done.append((kind, name))
    tell(f"Endpoint {name} is being made, which takes some minutes.")
    if not waits:
        return 0
    try:
        answer = wait(describe, "EndpointStatus", is_done=lambda status: status != "Creating")
    except KeyboardInterrupt:
        look, stop = "describe-endpoint --endpoint-name", "linear-learner sagemaker delete"
        return goes_on("making of endpoint", name, account, look=look, stop=stop)
    if answer["EndpointStatus"] != "InService":
        undo(account, done)
        where = f"{name}; its log is /aws/sagemaker/Endpoints/{name}"
        raise failure("endpoint", answer.get("FailureReason", ""), where)
    print("\n".join(_how_to_ask(name, account.region_name())))
    return 0


Made = list[tuple[str, str]]
"""The kind and the name of each thing that was made."""


@contextmanager
def undone_on_error(account: Account) -> Iterator[Made]:
    """The caller notes what it makes; where it is interrupted or fails, all that is deleted again."""
    made: Made = []
    try:
        yield made
    except BaseException:
        undo(account, made)
        raise


def undo(account: Account, made: Made) -> None:
    """Delete it all, last things first. What cannot be deleted is told."""
    for kind, name in reversed(made):
        operation = KINDS[kind].delete
        try:
            account.call("sagemaker", operation, **named(kind, name))
            tell(f"{operation} {name}: it is not needed any more.")
        except LinearLearnerError as error:
            tell(f"{operation} {name} failed, please delete it by hand: {error}")


def _how_to_ask(name: str, region: str) -> Iterator[str]:
    yield f"Endpoint {name} answers. To ask it, and to delete it:"
    yield (
        f"  aws sagemaker-runtime invoke-endpoint --endpoint-name {name} --region {region} --content-type text/csv "
        "--body fileb://rows.csv /dev/stdout"
    )
    yield f"  linear-learner sagemaker delete {name} --region {region}"
