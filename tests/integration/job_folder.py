"""The folder of a training job, laid out as SageMaker does it, and what came of running it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from linear_learner.environment import Environment
from linear_learner.training import job

CONTAINER = Path(__file__).parents[2] / "container"
CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"
TELL_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Environment of a process that lists on stderr what it imports."""
FILES = {"additional-params.json", "manifest.json", "mx-mod-symbol.json", "mx-mod-0000.params", "model_algo-1"}


@dataclass(frozen=True)
class Outcome:
    """``log``: what the job wrote to stdout. ``base``: its folder."""

    code: int
    log: str
    base: Path

    @property
    def model_dir(self) -> Path:
        return self.base / "model"

    @property
    def failure(self) -> str | None:
        file = self.base / "output/failure"
        return file.read_text(encoding="utf-8") if file.exists() else None

    @property
    def facts(self) -> dict[str, Any]:
        """additional-params.json."""
        facts: dict[str, Any] = json.loads((self.model_dir / "additional-params.json").read_text())
        return facts

    def found(self, regex: str) -> list[str]:
        """What the group of ``regex`` captures in the log, as a tuner searches it: line by line, anywhere in a line."""
        return [match[1] for line in self.log.splitlines() if (match := re.search(regex, line))]

    def final(self, channel: str, metric: str) -> float:
        """The final value of a metric, from its #quality_metric line, of which there is one."""
        (text,) = self.found(rf"#quality_metric: host=\S+, {channel} {re.escape(metric)} <\w+>=(\S+)")
        return float(text)

    def objective(self, channel: str) -> float:
        """The final objective, the first of a channel's metrics."""
        return next(iter(self.finals(channel).values()))

    def finals(self, channel: str) -> dict[str, float]:
        pattern = rf"#quality_metric: host=\S+, {channel} (\S+) <\w+>=(\S+)"
        return {match[1]: float(match[2]) for match in re.finditer(pattern, self.log)}

    def metrics_lines(self) -> list[dict[str, Any]]:
        """The #metrics lines, by a parser that knows no NaN and no Infinity."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        lines = [line.removeprefix("#metrics ") for line in self.log.splitlines() if line.startswith("#metrics ")]
        return [json.loads(line, parse_constant=refuse) for line in lines]

    def rows_of_epochs(self) -> list[int]:
        """How many rows each epoch saw."""
        lines = [line for line in self.metrics_lines() if line["Dimensions"].get("Meta") == "training_data_iter"]
        return [int(line["Metrics"]["Number of Records Since Last Reset"]["sum"]) for line in lines]


class JobFolder:
    """Writes the files of a job below ``base``, and runs it."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def hyperparameters(self, predictor_type: str | None = None, **values: object) -> JobFolder:
        """As strings, which is how they come on the service."""
        given = values if predictor_type is None else {"predictor_type": predictor_type, **values}
        return self.config("hyperparameters", {name: str(value) for name, value in given.items()})

    def config(self, name: str, content: object) -> JobFolder:
        """input/config/NAME.json: an object to write as JSON, or the bytes themselves."""
        return self.file(
            f"input/config/{name}.json", content if isinstance(content, bytes) else json.dumps(content).encode()
        )

    def channel(
        self, name: str, features: np.ndarray, labels: np.ndarray, *, content_type: str = CSV, files: int = 1
    ) -> JobFolder:
        """``features``: (n, d). ``labels``: (n,)."""
        write = csv if content_type == CSV else recordio
        for number, rows in enumerate(np.array_split(np.arange(len(labels)), files)):
            self.file(f"input/data/{name}/part-{number}", write(features[rows], labels[rows]))
        return self

    def file(self, path: str, content: bytes) -> JobFolder:
        (self.base / path).parent.mkdir(parents=True, exist_ok=True)
        (self.base / path).write_bytes(content)
        return self

    def run(self, job_name: str | None = None, should_stop: Callable[[], bool] | None = None) -> Outcome:
        """In this process, which is left as it was."""
        package = logging.getLogger("linear_learner")
        handlers, level, handler = package.handlers[:], package.level, signal.getsignal(signal.SIGTERM)
        try:
            with contextlib.redirect_stdout(io.StringIO()) as log:
                code = job.run(Environment(self.base, job_name), should_stop)
        finally:
            package.handlers[:] = handlers
            package.setLevel(level)
            signal.signal(signal.SIGTERM, handler)
        return Outcome(code, log.getvalue(), self.base)

    def train(self, predictor_type: str, rows: tuple[np.ndarray, np.ndarray], **settings: Any) -> Outcome:
        """Run a job that works, with a train channel of ``rows`` and no other."""
        outcome = self.hyperparameters(predictor_type, **settings).channel("train", *rows).run()
        assert outcome.code == 0, outcome.failure
        return outcome

    def start(self, stdout: IO[str] | int = subprocess.PIPE, **environ: str) -> subprocess.Popen[str]:
        """As a process of its own, by the command line; stdout and stderr come through one pipe, or go to a file."""
        own = {name: value for name, value in os.environ.items() if name != "TRAINING_JOB_NAME"}
        return subprocess.Popen(
            [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(self.base)],
            env={**own, "PYTHONPATH": str(CONTAINER), **environ},
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run_process(self, **environ: str) -> Outcome:
        with self.start(**environ) as process:
            log, _ = process.communicate(timeout=120)
        return Outcome(process.returncode, log, self.base)


def imported(outcome: Outcome) -> set[str]:
    """The modules that a process imported, started with TELL_IMPORTS."""
    return set(re.findall(r"import time: .*\| +(\S+)$", outcome.log, re.MULTILINE))


def csv(features: np.ndarray, labels: np.ndarray) -> bytes:
    """Label first; the shortest digits that give each float32 back."""
    rows = np.column_stack([labels, features]).astype(np.float32)
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def recordio(features: np.ndarray, labels: np.ndarray, *, double: bool = False) -> bytes:
    """Dense records as the SageMaker SDK writes them: float32 tensors, or with ``double`` float64 ones."""
    rows = zip(features.tolist(), labels.tolist(), strict=True)
    return b"".join(frame(record(row, [label], double=double)) for row, label in rows)


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def record(row: list[float], label: list[float], *, double: bool = False) -> bytes:
    """Record {1: features, 2: label}, each a map entry {1: "values", 2: Value}."""
    return _field(1, _entry(row, double)) + _field(2, _entry(label, double))


def _entry(numbers: list[float], double: bool) -> bytes:
    packed = struct.pack(f"<{len(numbers)}{'d' if double else 'f'}", *numbers)
    return _field(1, b"values") + _field(2, _field(3 if double else 2, _field(1, packed)))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protobuf message; its number is below 16."""
    length, size = len(payload), []
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + payload
