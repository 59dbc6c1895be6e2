"""``linear-learner sagemaker deploy``: an endpoint that answers with a trained model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from linear_learner.aws import Account
from linear_learner.errors import LinearLearnerError
from linear_learner.sagemaker import requests
from linear_learner.sagemaker.description import Machines, check_name
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.model_source import ModelSource
from linear_learner.sagemaker.uploads import send
from linear_learner.sagemaker.watch import failure, goes_on, tell, wait

DELETE = {
    "CreateModel": "DeleteModel",
    "CreateEndpointConfig": "DeleteEndpointConfig",
    "CreateEndpoint": "DeleteEndpoint",
}
NAME = {"CreateModel": "ModelName", "CreateEndpointConfig": "EndpointConfigName", "CreateEndpoint": "EndpointName"}


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
        "CreateModel": requests.model(name, source.image, source.role, source.data),
        "CreateEndpointConfig": requests.endpoint_config(name, machines, serverless_mb),
        "CreateEndpoint": requests.endpoint(name),
    }
    if dry_run:
        return show_requests(made, source.uploads)
    describe = partial(account.call, "sagemaker", "DescribeEndpoint", where=f"endpoint {name}", EndpointName=name)
    send(source.uploads)
    with undone_on_error(account) as done:
        for operation, request in made.items():
            account.call("sagemaker", operation, where=name, **request)
            done.append((DELETE[operation], {NAME[operation]: name}))
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


Made = list[tuple[str, dict[str, Any]]]
"""What deletes each thing that was made, and its name."""


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
    for operation, name in reversed(made):
        try:
            account.call("sagemaker", operation, **name)
            tell(f"{operation} {', '.join(name.values())}: it is not needed any more.")
        except LinearLearnerError as error:
            tell(f"{operation} {', '.join(name.values())} failed, please delete it by hand: {error}")


def _how_to_ask(name: str, region: str) -> Iterator[str]:
    yield f"Endpoint {name} answers. To ask it, and to delete it:"
    yield (
        f"  aws sagemaker-runtime invoke-endpoint --endpoint-name {name} --region {region} --content-type text/csv "
        "--body fileb://rows.csv /dev/stdout"
    )
    yield f"  linear-learner sagemaker delete {name} --region {region}"
