"""What do checkpoints cost a job whose epochs take about ten seconds?

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --epochs 20 --folder /mnt/disk

Two trainings of 32 models, one of dense rows, whose state is small, and one of sparse rows in many columns, whose state
is large: weights, two moments and the best epoch of every model. Every second epoch ends with a checkpoint and the
others with none, so that what else the machine does hits both alike; the cost is the difference of the medians. A job
writes a checkpoint after every epoch as long as it takes at most 3 % of the time, and less often beyond that. Prints a
Markdown table and writes results/checkpoints.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "container"))

from linear_learner import openblas  # noqa: E402

openblas.prepare()  # before NumPy is there

import engine as engine_benchmark  # noqa: E402
import numpy as np  # noqa: E402

from linear_learner.data.chunk import Chunk  # noqa: E402
from linear_learner.environment import cpu_count  # noqa: E402
from linear_learner.formats.csr import CsrMatrix, Rows  # noqa: E402
from linear_learner.model.losses import BINARY  # noqa: E402
from linear_learner.training.cluster.averaging import Averaging  # noqa: E402
from linear_learner.training.cluster.interface import ALONE  # noqa: E402
from linear_learner.training.engines.state import State  # noqa: E402
from linear_learner.training.epochs.checkpoint import SHARE_OF_TIME, Checkpoints  # noqa: E402
from linear_learner.training.epochs.early_stopping import EarlyStopping  # noqa: E402
from linear_learner.training.epochs.progress import EpochReport, Progress  # noqa: E402
from linear_learner.training.logs.log_lines import Timers  # noqa: E402
from linear_learner.training.trainer import train  # noqa: E402

SECONDS = 10.0
VALUES_IN_A_ROW = 30


@dataclass(frozen=True)
class Case:
    name: str
    columns: int
    sparse: bool


CASES = (Case("dense rows, 30 features", 30, False), Case("sparse rows, 300,000 columns", 300_000, True))


def some_rows(case: Case) -> tuple[Rows, np.ndarray]:
    random, count = np.random.default_rng(0), 50_000
    labels = (random.random(count) < 0.5).astype(np.float32)
    values = random.standard_normal((count, VALUES_IN_A_ROW), np.float32)
    if not case.sparse:
        return values, labels
    # One column in each of as many equal stretches, so that they ascend.
    stretch = case.columns // VALUES_IN_A_ROW
    columns = random.integers(0, stretch, (count, VALUES_IN_A_ROW)) + np.arange(VALUES_IN_A_ROW) * stretch
    indptr = np.arange(count + 1, dtype=np.int64) * VALUES_IN_A_ROW
    return CsrMatrix(indptr, columns.ravel().astype(np.int32), values.ravel(), (count, case.columns)), labels


class LongEpochs:
    """Goes over the same rows until about ``seconds`` are over, and then as often in every epoch."""

    def __init__(self, chunk: Chunk, seconds: float) -> None:
        self._chunk = chunk
        self._seconds = seconds
        self._times: int | None = None

    @property
    def rows(self) -> int | None:
        return None if self._times is None else self._times * len(self._chunk.order)

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        times, began = 0, time.perf_counter()
        while times < self._times if self._times is not None else time.perf_counter() - began < self._seconds:
            yield self._chunk
            times += 1
        self._times = times


class EveryOther(Checkpoints):
    """``seconds``: of each one that was written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.seconds: list[float] = []
        self._epochs = 0

    def due(self, *, epoch_is_over: bool = False) -> bool:
        self._epochs += epoch_is_over
        return epoch_is_over and self._epochs % 2 == 0

    def save(self, progress: Progress) -> None:
        began = time.perf_counter()
        super().save(progress)
        self.seconds.append(time.perf_counter() - began)


def measure(case: Case, epochs: int, folder: Path) -> dict[str, object]:
    features, labels = some_rows(case)
    chunk = Chunk(features, labels, np.random.default_rng(1).permutation(len(labels)))
    judging = replace(chunk, order=chunk.order[:1000])
    state = State.zeros(engine_benchmark.CANDIDATES, 1, case.columns)
    progress = Progress.at_the_start(state, EarlyStopping(10**6, 0.001, higher_is_better=False))
    checkpoints = EveryOther(folder)
    ends = [time.perf_counter()]

    def note(report: EpochReport) -> None:
        ends.append(time.perf_counter())

    train(
        engine_benchmark.engine_of(
            engine_benchmark.Case(BINARY, "logistic", len(labels), case.columns), "native", cpu_count()
        ),
        progress,
        LongEpochs(chunk, SECONDS),
        mini_batch_size=engine_benchmark.MINI_BATCH,
        max_epochs=epochs + 1,
        averaging=Averaging(ALONE, "adam"),
        judge=lambda: judging,
        criterion=None,
        report=note,
        timers=Timers(),
        should_stop=lambda: False,
        snapshots=2 if case.sparse else 16,
        checkpoints=checkpoints,
    )
    # The report of an epoch comes before its checkpoint: what is written after epoch n makes the time to the next one.
    times = np.diff(ends)[1:]
    after, alone = times[1::2], times[0::2]
    with_one, without = statistics.median(after), statistics.median(alone)
    cost = with_one / without - 1
    written = statistics.median(checkpoints.seconds)
    return {
        "case": case.name,
        "megabytes": sum(array.nbytes for array in progress.pack().values()) / 1e6,
        "epoch_seconds": without,
        "with_checkpoint_seconds": with_one,
        "write_seconds": written,
        "cost": cost,
        "in_every_epoch": written / without,
        "in_a_job": min(written / without, SHARE_OF_TIME),
        "epochs": {"with": list(after), "without": list(alone)},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, help="of each training, half of them with a checkpoint")
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: a temporary one)")
    arguments = parser.parse_args()
    print("| 32 models | checkpoint | epoch | with a checkpoint | difference | writing, of an epoch | of a job |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    found = []
    for case in CASES:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            row = measure(case, arguments.epochs, Path(folder))
        found.append(row)
        print(
            f"| {row['case']} | {row['megabytes']:.2f} MB, {1e3 * row['write_seconds']:.0f} ms "
            f"| {row['epoch_seconds']:.2f} s | {row['with_checkpoint_seconds']:.2f} s | {row['cost']:.1%} "
            f"| {row['in_every_epoch']:.2%} | {row['in_a_job']:.2%} |",
            flush=True,
        )
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    facts = {"processors": cpu_count(), "load_average": os.getloadavg()[0], "cases": found}
    (results / "checkpoints.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
