"""Jobs on several hosts: one process for each, on an address of its own below 127.0.0.0/8."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from job_folder import RECORDIO, JobFolder, Outcome

SECONDS_FOR_A_JOB = 120

Processes = list[subprocess.Popen[str]]


class Hosts:
    """The folders of a job's hosts, in the order of their ranks."""

    def __init__(self, base: Path, count: int, names: list[str] | None = None, **settings: object) -> None:
        network = random.SystemRandom().randrange(1 << 14)
        # Sorted as texts, too.
        self.names = names or [f"127.{64 + network // 256}.{network % 256}.{i + 1}" for i in range(count)]
        self.folders = [JobFolder(base / f"host-{i}") for i in range(count)]
        for name, folder in zip(self.names, self.folders, strict=True):
            folder.hyperparameters("binary_classifier", **settings)
            # The interface that SDK v3 names does not exist.
            resources = {"current_host": name, "hosts": self.names[::-1], "network_interface_name": "ethwe"}
            folder.config("resourceconfig", resources)

    def describe(self, distribution: str | None, content_type: str | None, *channels: str, mode: str = "File") -> Hosts:
        described = {"TrainingInputMode": mode}
        described |= {} if distribution is None else {"S3DistributionType": distribution}
        described |= {} if content_type is None else {"ContentType": content_type}
        for folder in self.folders:
            folder.config("inputdataconfig", dict.fromkeys(channels, described))
        return self

    def shard(
        self, channel: str, features: np.ndarray, labels: np.ndarray, shares: list[float], content_type: str = RECORDIO
    ) -> Hosts:
        """Host i gets ``shares[i]`` of the rows, in a file of its own; where that is nothing, there is none."""
        ends = np.round(np.cumsum(shares) / sum(shares) * len(labels)).astype(int)
        for folder, start, stop in zip(self.folders, [0, *ends], ends, strict=False):
            (folder.base / "input/data" / channel).mkdir(parents=True, exist_ok=True)
            folder.file(f"input/data/{channel}/.amazon.manifest", b"{}")
            if stop > start:
                folder.channel(channel, features[start:stop], labels[start:stop], content_type=content_type)
        return self

    def run(self, *, late: Mapping[int, float] | None = None, **environ: str) -> list[Outcome]:
        """To their ends; ``late``: seconds by which a host starts after the others."""
        with self.running(late=late, **environ) as processes:
            return self.outcomes(processes)

    def outcomes(self, processes: list[subprocess.Popen[str]]) -> list[Outcome]:
        end = time.monotonic() + SECONDS_FOR_A_JOB
        outcomes = []
        for folder, process in zip(self.folders, processes, strict=True):
            process.wait(end - time.monotonic())
            outcomes.append(Outcome(process.returncode, self.log(folder), folder.base))
        return outcomes

    @contextlib.contextmanager
    def running(
        self, *, late: Mapping[int, float] | None = None, **environ: str
    ) -> Iterator[list[subprocess.Popen[str]]]:
        processes: list[subprocess.Popen[str]] = []
        try:
            for number in sorted(range(len(self.folders)), key=lambda i: (late or {}).get(i, 0.0)):
                time.sleep((late or {}).get(number, 0.0))
                processes.append(self._start(self.folders[number], environ))
            yield [process for _, process in sorted(zip(self._order(late), processes, strict=True), key=lambda p: p[0])]
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _order(self, late: Mapping[int, float] | None) -> list[int]:
        return sorted(range(len(self.folders)), key=lambda i: (late or {}).get(i, 0.0))

    def _start(self, folder: JobFolder, environ: Mapping[str, str]) -> subprocess.Popen[str]:
        with (folder.base / "log").open("w") as log:
            return folder.start(stdout=log, **environ)

    @staticmethod
    def log(folder: JobFolder) -> str:
        return (folder.base / "log").read_text()

    def wait_until(self, processes: list[subprocess.Popen[str]], ready: Callable[[str], bool]) -> None:
        """Until the log of the first host says so."""
        end = time.monotonic() + SECONDS_FOR_A_JOB
        while not ready(self.log(self.folders[0])):
            if time.monotonic() > end or processes[0].poll() is not None:
                pytest.fail("\n".join(map(self.log, self.folders)))
            time.sleep(0.05)

    def orphans(self) -> list[str]:
        """Processes of the parameter servers that run for this job."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if "DMLC_ROLE" in command and any(f"={name} " in f"{command} " for name in self.names):
                    found.append(command)
        return found


def all_well(outcomes: list[Outcome]) -> None:
    assert [outcome.code for outcome in outcomes] == [0] * len(outcomes), "\n".join(o.log for o in outcomes)


def no_orphans(hosts: Hosts) -> bool:
    """The kernel takes a moment to end them."""
    end = time.monotonic() + 5
    while hosts.orphans() and time.monotonic() < end:
        time.sleep(0.1)
    return not hosts.orphans()


class Pipe:
    """Makes and fills the pipes of a channel, pass after pass, as the platform does for each start of a job, until
    ``stop``."""

    def __init__(self, folder: JobFolder, channel: str, content: bytes, passes: int = 1000) -> None:
        self._data = folder.base / "input/data"
        self._channel, self._content, self._passes = channel, content, passes
        self._ends = threading.Event()
        self._data.mkdir(parents=True, exist_ok=True)
        for old in self._pipes():
            old.unlink()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """It may wait for a reader, and gets one that leaves at once."""
        self._ends.set()
        while self._thread.is_alive():
            for path in self._pipes():
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(0.05)

    def _pipes(self) -> list[Path]:
        return list(self._data.glob(f"{self._channel}_*"))

    def _write(self) -> None:
        for number in range(self._passes):
            if self._ends.is_set():
                return
            path = self._data / f"{self._channel}_{number}"
            os.mkfifo(path)
            with contextlib.suppress(BrokenPipeError), path.open("wb") as pipe:
                pipe.write(self._content)
