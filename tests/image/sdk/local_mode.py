"""Processes that use the real SageMaker SDK in local mode: what they get, how they end, what is cleared away."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from containers import docker
from environments import Sdk

from linear_learner.model import artifact

MODEL_FILES = {"additional-params.json", "manifest.json", "mx-mod-0000.params", "mx-mod-symbol.json", "model_algo-1"}
SECONDS_FOR_A_SCRIPT = 600
KEY = "none"
REGION = "sa-east-1"
"""One that few use, since the tests name an image as Amazon's registry of this region does."""
NETWORK = "sagemaker-local"
"""The SDK's own name."""

# Where docker-compose notes the folder of the file that a container comes from.
COMPOSE_FOLDER = "com.docker.compose.project.working_dir"

LOCAL_MODE = """\
local:
  serving_port: {port}
  container_root: {root}
"""
DEFAULTS = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


@dataclass(frozen=True)
class Aws:
    """The address that stands for all of AWS."""

    url: str

    def client(self, service: str) -> Any:
        """boto3's."""
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)


@dataclass(frozen=True)
class Run:
    """A script that ran to its end: what it reported, what it and the SDK printed, and the folder of its data."""

    report: dict[str, Any]
    log: str
    folder: Path

    def seconds(self, section: str) -> float:
        """How long a section of the document took."""
        return float(self.log.partition(f"== {section}: ")[2].split(" ", 1)[0])


ScriptRunner = Callable[[Sdk, str], Run]
"""Runs the script of this name with the SDK."""


def share_right(model: Path, rows: Path) -> float:
    """The share of a CSV file's rows (label first) that a packed model gets right, as our own reader opens it."""
    table = np.loadtxt(rows, np.float32, delimiter=",")
    predicted = artifact.load(model).predict(table[:, 1:]).predicted_label
    return float(np.mean(predicted == table[:, 0]))


def environment(image: str, folder: Path, aws: Aws) -> dict[str, str]:
    """Of a script: it meets nothing of the user's own AWS and SDK settings, nor AWS, and a port that is free."""
    home = folder / "home"
    (home / ".sagemaker").mkdir(parents=True)
    (folder / "containers").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / ".sagemaker" / "config.yaml").write_text(LOCAL_MODE.format(port=port, root=folder / "containers"))
    (home / "defaults.yaml").write_text(DEFAULTS)
    own = ("AWS_", "SAGEMAKER_", "PYTHON")
    others = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **others,
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": aws.url,
        "SAGEMAKER_VALIDATE_ROLE": "false",  # v3 would ask IAM what moto cannot answer
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(home / "defaults.yaml"),
        "EXAMPLE_IMAGE": image,
        "EXAMPLE_FOLDER": str(folder),
    }


def run_process(command: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """Exit code and output. With the process, those that it started end too."""
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    late = False
    try:
        log, _ = process.communicate(timeout=SECONDS_FOR_A_SCRIPT)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if late:
        log, _ = process.communicate()
        pytest.fail(f"{command[-1]} took more than {SECONDS_FOR_A_SCRIPT} s; it printed:\n{log}")
    return process.returncode, log


@contextlib.contextmanager
def without_traces(folder: Path) -> Iterator[None]:
    """What the SDK leaves behind is removed: stopped containers, the network, and names given to the image."""
    had_network = docker("network", "inspect", NETWORK).returncode == 0
    try:
        yield
    finally:
        for container, place in labelled(COMPOSE_FOLDER):
            if Path(place).is_relative_to(folder):
                docker("rm", "--force", container)
        if not had_network:
            docker("network", "rm", NETWORK)
        names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        for name in names:
            if f".ecr.{REGION}.amazonaws.com/linear-learner:" in name:
                docker("image", "rm", name)


def labelled(label: str) -> list[tuple[str, str]]:
    """Id and value of all containers, running or not, that have this label."""
    form = f'{{{{.ID}}}} {{{{.Label "{label}"}}}}'
    lines = docker("ps", "--all", "--filter", f"label={label}", "--format", form).stdout.splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]
