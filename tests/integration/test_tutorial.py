"""docs/tutorial.md is true: its commands, run in order as they stand there, print what it says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIAL = REPOSITORY / "docs/tutorial.md"
PORT = "8080"
"""The port in the tutorial; the test takes a free one."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def examples() -> list[tuple[str, list[str]]]:
    """(command, lines that it prints) for every console example."""
    blocks = re.findall(r"```console\n\$ (.*?)\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    return [(command, output.splitlines()) for command, output in blocks]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run: with the data, and with linear-learner on the path."""
    (tmp_path / "local_test").mkdir()
    shutil.copy(REPOSITORY / "local_test/penguins.csv", tmp_path / "local_test")
    command = tmp_path / "bin/linear-learner"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m linear_learner.cli "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.fixture
def port() -> str:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return str(any_port.getsockname()[1])


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY / "container"),
        }
        self.background: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout.splitlines()

    def serve(self, command: str, port: str) -> None:
        words = shlex.split(command.removesuffix("&"))
        server = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL)
        self.background.append(server)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2).close()
                return
            except (urllib.error.URLError, OSError):
                assert server.poll() is None and time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        for server in self.background:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture
def shell(folder: Path) -> Iterator[Shell]:
    shell = Shell(folder)
    yield shell
    shell.stop()


def agrees(written: str, printed: str) -> bool:
    """The words alike, the numbers nearly: their last digits may differ from processor to processor."""
    if NUMBER.sub("#", written).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(written), NUMBER.findall(printed), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=0.05, abs=0.01) for a, b in pairs)


def check(written: list[str], printed: list[str]) -> None:
    """Every line that is written was printed, in that order; where ``...`` stands, others may come between."""
    place, may_skip = 0, False
    for line in written:
        if line == "...":
            may_skip = True
            continue
        end = len(printed) if may_skip else place + 1
        found = next((i for i in range(place, min(end, len(printed))) if agrees(line, printed[i])), None)
        assert found is not None, f"the tutorial says {line!r}, and printed was\n" + "\n".join(printed[place:end])
        place, may_skip = found + 1, False
    assert may_skip or place == len(printed), "the tutorial leaves out\n" + "\n".join(printed[place:])


def test_the_tutorial_prints_what_it_says(shell: Shell, port: str) -> None:
    run = examples()
    assert len(run) == 5, "five commands, from a table to an answer"
    for command, written in run:
        command = command.replace(f"localhost:{PORT}", f"127.0.0.1:{port}").replace(f"--port {PORT}", f"--port {port}")
        if command.endswith("&"):
            shell.serve(command, port)
        else:
            check(written, shell.run(command))
    report = (shell.folder / "penguins/report.html").read_text()
    assert "Chinstrap" in report
    assert "bill_length_mm" in report


def test_a_line_that_is_not_printed_is_found() -> None:
    check(["a 1.001", "...", "c"], ["a 1.002", "b", "c"])
    for written in (["a", "c"], ["...", "d"], ["a 2", "..."]):
        with pytest.raises(AssertionError):
            check(written, ["a 1", "b", "c"])
