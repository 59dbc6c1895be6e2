"""Containers of the image under test, as a person would handle them with the docker command."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS_TO_START = 60


def docker(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """One docker command, its output as text, stderr after stdout."""
    return subprocess.run(
        ["docker", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
    )


@dataclass(frozen=True)
class Job:
    """A container that ran to its end: the folder it had as /opt/ml, its exit code and what it printed."""

    base: Path
    exit_code: int
    log: str


class Container:
    """A container in the background."""

    def __init__(self, name: str) -> None:
        self.name = name

    def log(self) -> str:
        return docker("logs", self.name).stdout

    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(docker("inspect", "--format", "{{json .State}}", self.name).stdout)
        return found

    def execute(self, *command: str) -> str:
        """What a command prints inside the container."""
        done = docker("exec", self.name, *command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def address(self, port: int) -> str:
        """Where the container's port is published on this machine."""
        published = docker("port", self.name, str(port)).stdout.split()
        assert published, f"port {port} is not published: {self.log()}"
        return f"http://{published[0]}"

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not ready():
            if time.monotonic() > deadline or self.state()["Status"] == "exited":
                pytest.fail(
                    f"{what}: not so in {SECONDS_TO_START} s, or the container ended; it printed:\n{self.log()}"
                )
            time.sleep(0.1)

    def stop(self, grace: int = 60) -> float:
        """SIGTERM, and SIGKILL after ``grace`` seconds; returns the seconds it took to end."""
        start = time.monotonic()
        docker("stop", "--time", str(grace), self.name, timeout=grace + 30)
        return time.monotonic() - start


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def post(url: str, body: bytes, content_type: str, accept: str = "application/json") -> str:
    """POST a body; returns the answer's text."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type, "Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(response.read().decode())
