"""Does memory stay constant, and time linear, however much comes through a pipe?

    python benchmarks/streaming.py                      1 GB of recordIO in a pass, one pass
    python benchmarks/streaming.py --gb 10              ten times as much
    python benchmarks/streaming.py --format csv

A default job in Pipe mode, in a process of its own: 30 features, two classes, 32 models, and a validation channel of
20,000 rows. Rows are made once, 64 MB of them, and written over and over; what the writer takes is part of the time.
Prints the job's peak memory and the time of each GB, and writes results/streaming.json. Fails if the peak is above
700 MB.
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
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FEATURES = 30
BLOCK = 64 * 10**6
GB = 10**9
PEAK_MB = 700
RECORDIO, CSV = "application/x-recordio-protobuf", "text/csv"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=1, help="size of a pass (default: 1)")
    parser.add_argument("--epochs", type=int, default=1, help="passes (default: 1)")
    parser.add_argument("--format", choices=("recordio", "csv"), default="recordio")
    arguments = parser.parse_args()
    encode, content_type = {"recordio": (recordio, RECORDIO), "csv": (csv, CSV)}[arguments.format]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        block = block_of(encode)
        make_job(base, content_type, arguments.epochs, encode(*rows(20_000, seed=2)))
        began = time.monotonic()
        with (base / "log").open("w") as log:
            command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", folder]
            environ = {**os.environ, "PYTHONPATH": str(HERE.parent / "container")}
            job = subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
        times = [
            seconds
            for number in range(arguments.epochs)
            for seconds in write(base / f"input/data/train_{number}", block, round(arguments.gb * GB))
        ]
        _, status, usage = os.wait4(job.pid, 0)
        total = time.monotonic() - began
        if status:
            print((base / "log").read_text()[-2000:])
            return 1
    return report(arguments, times, total, usage.ru_maxrss / 1024)


def report(arguments: argparse.Namespace, times: list[float], total: float, peak_mb: float) -> int:
    """``times``: seconds of each GB. Returns the exit code."""
    print(f"| {arguments.format}, passes x GB | peak memory | whole job | first GB | median GB | last GB |")
    print("|---|---:|---:|---:|---:|---:|")
    print(
        f"| {arguments.epochs} x {arguments.gb:g} | {peak_mb:.0f} MB | {total:.1f} s | {times[0]:.2f} s "
        f"| {np.median(times):.2f} s | {times[-1]:.2f} s |"
    )
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    outcome = {**vars(arguments), "peak_mb": peak_mb, "seconds": total, "seconds_per_gb": times}
    (results / "streaming.json").write_text(json.dumps(outcome, indent=1))
    return int(peak_mb > PEAK_MB)


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
