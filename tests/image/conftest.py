"""Running the built image. Without an engine or the image these tests fail; they never skip."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import Container, Job, answers, docker

TEST_DIR = Path(__file__).resolve().parents[2] / "local_test" / "test_dir"
SECONDS_FOR_A_JOB = 180


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", default="linear-learner", help="name of the image under test")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """Name of the image under test."""
    name = str(request.config.getoption("--image"))
    found = docker("image", "inspect", name)
    if found.returncode != 0:
        pytest.fail(f"the image tests need a Docker engine and an image made by `make image`: {found.stdout.strip()}")
    return name


@pytest.fixture(scope="session")
def new_base(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a fresh /opt/ml with the bundled data in it, and these hyperparameters beside the bundled ones."""

    def make(**hyperparameters: str) -> Path:
        base = tmp_path_factory.mktemp("opt-ml", numbered=True)
        shutil.copytree(TEST_DIR / "input", base / "input")
        (base / "model").mkdir()
        (base / "output").mkdir()
        path = base / "input" / "config" / "hyperparameters.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **hyperparameters}))
        return base

    return make


@pytest.fixture(scope="session")
def run(image: str) -> Callable[..., Job]:
    """Runs ``docker run [OPTIONS] -v BASE:/opt/ml IMAGE COMMAND...`` to its end."""

    def run_container(base: Path, *command: str, options: tuple[str, ...] = ()) -> Job:
        name = f"linear-learner-test-{uuid.uuid4().hex[:12]}"
        arguments = ("run", "--rm", "--name", name, *options, "-v", f"{base}:/opt/ml", image, *command)
        try:
            done = docker(*arguments, timeout=SECONDS_FOR_A_JOB)
        except subprocess.TimeoutExpired as late:
            docker("rm", "--force", name)
            pytest.fail(f"{command} took more than {SECONDS_FOR_A_JOB} s; it printed: {late.stdout!r}")
        return Job(base, done.returncode, done.stdout)

    return run_container


@pytest.fixture(scope="session")
def trained(new_base: Callable[..., Path], run: Callable[..., Job]) -> Job:
    """The job of local_test/test_dir, run once for all tests."""
    job = run(new_base(), "train")
    assert job.exit_code == 0, job.log
    return job


@pytest.fixture(scope="session")
def start(image: str) -> Iterator[Callable[..., Container]]:
    """Starts ``docker run --detach [OPTIONS] IMAGE COMMAND...``; what it started is removed in the end."""
    started = []

    def start_container(*command: str, options: tuple[str, ...] = ()) -> Container:
        container = Container(f"linear-learner-test-{uuid.uuid4().hex[:12]}")
        done = docker("run", "--detach", "--name", container.name, *options, image, *command)
        assert done.returncode == 0, done.stdout
        started.append(container)
        return container

    yield start_container
    for container in started:
        docker("rm", "--force", container.name)


@pytest.fixture(scope="session")
def serve(start: Callable[..., Container]) -> Callable[..., tuple[Container, str]]:
    """Starts a server on the model below BASE, mounted read-only as SageMaker does; returns it and its address."""

    def start_server(base: Path, *, port: int = 8080, options: tuple[str, ...] = ()) -> tuple[Container, str]:
        mount = ("-v", f"{base / 'model'}:/opt/ml/model:ro", "-p", f"127.0.0.1::{port}")
        server = start("serve", options=(*mount, *options))
        address = server.address(port)
        server.wait_until(lambda: answers(f"{address}/ping"), "GET /ping says 200")
        return server, address

    return start_server
