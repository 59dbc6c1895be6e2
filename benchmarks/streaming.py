"""Does memory stay constant, and time linear, however much comes through a pipe?

    python benchmarks/streaming.py                      1 GB of recordIO in a pass, one pass
    python benchmarks/streaming.py --gb 0.25,0.5,1,2 --rounds 3    three jobs for each size, in turns
    python benchmarks/streaming.py --format csv

A default job in Pipe mode, in a process of its own: 30 features, two classes, 32 models, and a validation channel of
20,000 rows. Rows are made once, 64 MB of them, and written over and over; what the writer takes is part of the time on
the clock, and not of the processor time, which is the job's alone and which other work on the machine disturbs less.

Prints a row for each size, the least times and the highest peak of its jobs, and writes results/streaming.json. Of
several sizes it also prints what another GB costs, between each and the next: what a job takes to start and to finish
drops out of that, and where time is linear, it is the same from row to row. Fails if the peak is above 700 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FEATURES = 30
BLOCK = 64 * 10**6
GB = 10**9
PEAK_MB = 700
RECORDIO, CSV = "application/x-recordio-protobuf", "text/csv"


@dataclass(frozen=True)
class Job:
    """What one job took. ``gb``: of all passes, as written. ``seconds_per_gb``: of each GB on its way into the pipe."""

    gb: float
    peak_mb: float
    seconds: float
    cpu_seconds: float
    seconds_per_gb: list[float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", default="1", help="size of a pass, or several by comma (default: 1)")
    parser.add_argument("--epochs", type=int, default=1, help="passes (default: 1)")
    parser.add_argument("--rounds", type=int, default=1, help="jobs of each size (default: 1)")
    parser.add_argument("--format", choices=("recordio", "csv"), default="recordio")
    arguments = parser.parse_args()
    encode, content_type = {"recordio": (recordio, RECORDIO), "csv": (csv, CSV)}[arguments.format]
    block, validation = block_of(encode), encode(*rows(20_000, seed=2))
    print(f"| {arguments.format}, passes x GB | peak memory | seconds | processor | first GB | median GB | last GB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    sizes = [float(size) for size in arguments.gb.split(",")]
    taken: dict[float, list[Job]] = {size: [] for size in sizes}
    for _, size in product(range(arguments.rounds), sizes):
        with tempfile.TemporaryDirectory() as folder:
            make_job(Path(folder), content_type, arguments.epochs, validation)
            taken[size].append(run(Path(folder), block, arguments.epochs, round(size * GB)))
    jobs = [best(taken[size]) for size in sizes]
    for size, job in zip(sizes, jobs, strict=True):
        print(f"| {arguments.epochs} x {size:g} | {row(job)} |")
    print_growth(jobs)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    outcome = {**vars(arguments), "jobs": [asdict(job) for job in jobs]}
    (results / "streaming.json").write_text(json.dumps(outcome, indent=1))
    return int(max(job.peak_mb for job in jobs) > PEAK_MB)


def run(base: Path, block: bytes, epochs: int, size: int) -> Job:
    """The job in ``base`` over ``epochs`` passes of ``size`` bytes, rounded up to whole blocks."""
    began = time.monotonic()
    with (base / "log").open("w") as log:
        command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(base)]
        environ = {**os.environ, "PYTHONPATH": str(HERE.parent / "container")}
        job = subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
    times = [seconds for number in range(epochs) for seconds in write(base / f"input/data/train_{number}", block, size)]
    _, status, usage = os.wait4(job.pid, 0)
    total = time.monotonic() - began
    if status:
        sys.exit((base / "log").read_text()[-2000:])
    written = epochs * -(-size // len(block)) * len(block)
    return Job(written / GB, usage.ru_maxrss / 1024, total, usage.ru_utime + usage.ru_stime, times)


def best(jobs: list[Job]) -> Job:
    """The least times and the highest peak of jobs of one size."""
    return Job(
        jobs[0].gb,
        max(job.peak_mb for job in jobs),
        min(job.seconds for job in jobs),
        min(job.cpu_seconds for job in jobs),
        min((job.seconds_per_gb for job in jobs), key=sum),
    )


def row(job: Job) -> str:
    times = job.seconds_per_gb
    return (
        f"{job.peak_mb:.0f} MB | {job.seconds:.1f} | {job.cpu_seconds:.1f} "
        f"| {times[0]:.2f} s | {np.median(times):.2f} s | {times[-1]:.2f} s"
    )


def print_growth(jobs: list[Job]) -> None:
    """What another GB costs between each size and the next."""
    if len(jobs) < 2:
        return
    print("\n| from, to GB | seconds a GB more | processor seconds a GB more | peak memory more |")
    print("|---|---:|---:|---:|")
    for less, more in pairwise(jobs):
        grown = more.gb - less.gb
        print(
            f"| {less.gb:.2f}, {more.gb:.2f} | {(more.seconds - less.seconds) / grown:.2f} "
            f"| {(more.cpu_seconds - less.cpu_seconds) / grown:.2f} | {more.peak_mb - less.peak_mb:+.0f} MB |"
        )


def make_job(base: Path, content_type: str, epochs: int, validation: bytes) -> None:
    files = {
        "hyperparameters": {"predictor_type": "binary_classifier", "epochs": str(epochs)},
        "inputdataconfig": {
            "train": {"ContentType": content_type, "TrainingInputMode": "Pipe"},
            "validation": {"ContentType": content_type},
        },
    }
    (base / "input/config").mkdir(parents=True)
    for name, content in files.items():
        (base / f"input/config/{name}.json").write_text(json.dumps(content))
    (base / "input/data/validation").mkdir(parents=True)
    (base / "input/data/validation/part-0").write_bytes(validation)


def write(pipe: Path, block: bytes, size: int) -> list[float]:
    """``size`` bytes, rounded up to whole blocks, through a new pipe; returns the seconds of each GB, and of the rest
    as if it were one."""
    os.mkfifo(pipe)
    times, written, since = [], 0, 0
    with pipe.open("wb", buffering=0) as stream:
        began = time.monotonic()
        while written < size:
            stream_all(stream.fileno(), block)
            written += len(block)
            if written - since >= GB or written >= size:
                now = time.monotonic()
                times.append((now - began) * GB / (written - since))
                began, since = now, written
    return times


def stream_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (n, d) and labels (n,) of two overlapping classes."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, FEATURES)).astype(np.float32)
    direction = np.random.default_rng(0).normal(size=FEATURES)
    return features, (features @ direction + 3 * random.normal(size=count) > 0).astype(np.float32)


def block_of(encode: object) -> bytes:
    """About BLOCK bytes of different rows."""
    assert callable(encode)
    one = encode(*rows(1000, seed=1))
    block: bytes = encode(*rows(BLOCK * 1000 // len(one), seed=1))
    return block


def csv(features: np.ndarray, labels: np.ndarray) -> bytes:
    table = np.column_stack([labels, features])
    return b"".join(b",".join(b"%.6g" % value for value in row) + b"\n" for row in table.tolist())


def recordio(features: np.ndarray, labels: np.ndarray) -> bytes:
    """As the SageMaker SDK writes them: all records have one layout, of which only the numbers change."""

    def field(number: int, payload: bytes) -> bytes:
        assert len(payload) < 1 << 14
        size = [len(payload)] if len(payload) < 128 else [len(payload) & 127 | 128, len(payload) >> 7]
        return bytes([number << 3 | 2, *size]) + payload

    def entry(numbers: bytes) -> bytes:
        return field(1, b"values") + field(2, field(2, field(1, numbers)))

    feature_bytes, label_bytes = features.astype("<f4").tobytes(), labels.astype("<f4").tobytes()
    width = 4 * features.shape[1]
    frames = []
    for i in range(len(labels)):
        row = entry(feature_bytes[i * width : (i + 1) * width])
        payload = field(1, row) + field(2, entry(label_bytes[4 * i : 4 * i + 4]))
        frames.append(struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4))
    return b"".join(frames)


if __name__ == "__main__":
    sys.exit(main())
