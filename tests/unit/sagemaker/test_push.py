"""``linear-learner sagemaker push``: ECR is moto's; docker is a program that notes how it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from linear_learner import aws
from linear_learner.cli import main

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DOCKER = """#!{python}
import sys
with open("{notes}", "a") as notes:
    print(*sys.argv[1:], sep=" ", file=notes)
    if "--password-stdin" in sys.argv:
        print("password:", sys.stdin.read(), file=notes)
if sys.argv[1] == "push":
    print("progress")
if sys.argv[1] == "{failing}":
    sys.exit("first line\\nno such thing")
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a docker on the PATH of which one command fails; returns what reads how it was called."""
    notes = tmp_path / "notes"

    def install(failing: str = "") -> Any:
        program = tmp_path / "docker"
        program.write_text(DOCKER.format(python=sys.executable, notes=notes, failing=failing))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return lambda: notes.read_text().splitlines() if notes.exists() else []

    return install


@pytest.mark.parametrize(
    ("arguments", "name", "tag"),
    [
        (["linear-learner"], "linear-learner", "latest"),
        (["localhost:5000/team/linear-learner:1"], "linear-learner", "1"),
        (["linear-learner:1", "--repository", "team/ll"], "team/ll", "1"),
    ],
)
def test_an_image_is_pushed_to_a_repository_that_is_made_for_it(
    service: Any, docker: Any, arguments: list[str], name: str, tag: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = docker()
    assert main(["sagemaker", "push", *arguments]) == 0
    address = f"{REGISTRY}/{name}:{tag}"
    out, err = capfd.readouterr()
    assert out == f"{address}\n" and "progress" in err
    password = calls()[2].removeprefix("password: ")
    assert calls() == [
        f"image inspect --format {{{{.Id}}}} {arguments[0]}",
        f"login --username AWS --password-stdin {REGISTRY}",
        f"password: {password}",
        f"tag {arguments[0]} {address}",
        f"push {address}",
    ]
    assert len(password) > 10 and password not in out + err


def test_a_repository_that_is_there_is_used(service: Any, docker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    aws.client("ecr").create_repository(repositoryName="linear-learner")
    service.sent.clear()
    docker()
    assert main(["sagemaker", "push", "linear-learner"]) == 0
    assert service.requests("CreateRepository") == []


@pytest.mark.parametrize(
    ("failing", "sentence", "is_sent"),
    [
        ("image", "There is no image linear-learner: no such thing (docker image)", False),
        ("login", "The login failed: no such thing (docker login)", True),
        ("tag", "The image cannot be tagged: no such thing", True),
        ("push", "docker push failed", True),
    ],
)
def test_what_docker_says_is_told(
    service: Any, docker: Any, failing: str, sentence: str, is_sent: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    docker(failing)
    assert main(["sagemaker", "push", "linear-learner"]) == 2
    assert sentence in capfd.readouterr().err
    assert bool(service.sent) == is_sent


def test_without_docker_nothing_is_sent(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["sagemaker", "push", "linear-learner"]) == 2
    assert "Docker is not on the PATH" in capsys.readouterr().err
    assert service.sent == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["image@sha256:0"], "has no tag to push"),
        (["image", "--repository", "Team"], "'Team' cannot be a repository"),
    ],
)
def test_what_ecr_would_refuse_is_told(
    service: Any, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sagemaker", "push", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert service.sent == []
