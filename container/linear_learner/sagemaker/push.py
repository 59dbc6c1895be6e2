"""``linear-learner sagemaker push``: the container's image, from the local Docker engine to ECR."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Sequence

from linear_learner.aws import Account, Refused
from linear_learner.errors import ClientError
from linear_learner.sagemaker.requests import tags
from linear_learner.sagemaker.watch import tell

STDERR = 2
"""The file descriptor."""
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+|/)[a-z0-9]+)*")


def push(account: Account, image: str, repository: str | None) -> int:
    """Make the repository if it is not there, log in to it, and push. The address of the image is printed, for --image
    of the other commands."""
    name, tag = _name_and_tag(image)
    repository = repository or name.rpartition("/")[2]
    if not _REPOSITORY.fullmatch(repository):
        raise ClientError(f"'{repository}' cannot be a repository", where="--repository", fix="use lower-case letters")
    docker = shutil.which("docker")
    if docker is None:
        raise ClientError("Docker is not on the PATH", fix="install Docker, and build the image with 'make image'")
    _docker([docker, "image", "inspect", "--format", "{{.Id}}", image], f"There is no image {image}")
    address = f"{_repository_uri(account, repository)}:{tag}"
    user, password = _login(account)
    _docker(
        [docker, "login", "--username", user, "--password-stdin", address.partition("/")[0]],
        "The login failed",
        password,
    )
    _docker([docker, "tag", image, address], "The image cannot be tagged")
    tell(f"Pushing {address}")
    # Its progress goes to stderr: on stdout the address stands alone.
    done = subprocess.run([docker, "push", address], stdout=STDERR, check=False)  # noqa: S603 (no shell, our own words)
    if done.returncode != 0:
        raise ClientError("docker push failed, for what it says above", where=address)
    print(address)
    return 0


def _name_and_tag(image: str) -> tuple[str, str]:
    """``registry:5000/name:1`` -> ("registry:5000/name", "1"); the tag is ``latest`` without one."""
    if "@" in image:
        raise ClientError("An image with a digest has no tag to push", where=image, fix="name the image by its tag")
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def _repository_uri(account: Account, name: str) -> str:
    try:
        found = account.call("ecr", "DescribeRepositories", where=name, repositoryNames=[name])["repositories"]
        return str(found[0]["repositoryUri"])
    except Refused as error:
        if error.code != "RepositoryNotFoundException":
            raise
    made = account.call("ecr", "CreateRepository", where=name, repositoryName=name, tags=tags())
    tell(f"Repository {name} is created.")
    return str(made["repository"]["repositoryUri"])


def _login(account: Account) -> tuple[str, str]:
    """User and password of the registry, good for 12 hours."""
    token = account.call("ecr", "GetAuthorizationToken")["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def _docker(command: Sequence[str], problem: str, password: str | None = None) -> None:
    """The password goes in by stdin: arguments can be seen by everyone on the machine."""
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=False)  # noqa: S603 (as above)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ClientError(f"{problem}: {said[-1] if said else 'docker says nothing'}", where="docker " + command[1])
