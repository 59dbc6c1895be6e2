"""How fast are files decoded? Channels of CSV and dense recordIO-protobuf, beside pandas, polars and pyarrow for CSV.

    python benchmarks/decoding.py                     on all processors that it may use
    python benchmarks/decoding.py --cores 1           on one
    python benchmarks/decoding.py --only ours,polars  some of the readers

Every reader gets the same files, warm in the page cache, on the same processors, in turns; the median of its times
counts. Processor time stands beside it, which other work on the machine disturbs less. Ours ends with what training
takes: features float32 (n, d) and labels, checked, every row's place known. The others end with their own table,
pandas' of float32 and those of polars and pyarrow of what they infer. Prints Markdown tables and writes
results/decoding-CORES.json. Needs numpy alone; pandas, polars and pyarrow are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import resource
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
sys.path.insert(0, str(HERE.parent / "container"))

from linear_learner.data.channel_reader import read_channel  # noqa: E402
from linear_learner.environment import ChannelConfig  # noqa: E402
from linear_learner.native import decoders  # noqa: E402

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"

Reader = Callable[[Path], object]
"""Reads the one file of a folder."""


@dataclass(frozen=True)
class Sample:
    """A folder with one file of ``rows`` rows."""

    name: str
    content_type: str
    folder: Path
    rows: int

    @property
    def file(self) -> Path:
        return self.folder / "part-0"

    @property
    def bytes(self) -> int:
        return self.file.stat().st_size


# -- files -----------------------------------------------------------------------------------------------------------


def make_samples(folder: Path) -> Iterator[Sample]:
    """Decimals as pandas and NumPy write float32, pixels, and the decimals as records."""
    random = np.random.default_rng(0)
    decimals = random.standard_normal((284_000, 31)).astype(np.float32)
    decimals[:, 0] = decimals[:, 0] > 1
    pixels = random.integers(0, 256, (20_000, 785)) * (random.random((20_000, 785)) < 0.2)
    yield sample(folder, "CSV, 284,000 x 31 decimals", CSV, len(decimals), csv_lines(decimals))
    yield sample(folder, "CSV, 20,000 x 785 pixels", CSV, len(pixels), csv_lines(pixels))
    yield sample(folder, "recordIO, 284,000 x 31 float32", RECORDIO, len(decimals), [records(decimals)])


def sample(folder: Path, name: str, content_type: str, rows: int, pieces: Iterator[bytes] | list[bytes]) -> Sample:
    made = Sample(name, content_type, folder / name.replace(" ", "-"), rows)
    made.folder.mkdir()
    with made.file.open("wb") as stream:
        stream.writelines(pieces)
    return made


def csv_lines(table: np.ndarray) -> Iterator[bytes]:
    for row in table:
        yield (",".join(map(str, row)) + "\n").encode()


def records(table: np.ndarray) -> bytes:
    """Rows (label first) as the SageMaker SDK's writer lays out a dense float32 record."""

    def entry(number: int, values: bytes) -> bytes:
        tensor = field(2, field(1, values))
        return field(number, field(1, b"values") + field(2, tensor))

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)

    numbers = table.astype("<f4")
    payloads = [entry(1, row[1:].tobytes()) + entry(2, row[:1].tobytes()) for row in numbers]
    return b"".join(
        struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4) for payload in payloads
    )


# -- readers ---------------------------------------------------------------------------------------------------------


def readers(cores: int) -> dict[str, dict[str, Reader]]:
    """By content type and name."""
    csv_readers: dict[str, Reader] = {"ours": ours(CSV), "ours, plain Python": ours_in_python(CSV)}
    for name, make in (("pandas", with_pandas), ("polars", with_polars), ("pyarrow", with_pyarrow)):
        try:
            csv_readers[name] = make(importlib.import_module(name), cores)
        except ImportError:
            print(f"{name} is not installed and is left out", file=sys.stderr)
    return {CSV: csv_readers, RECORDIO: {"ours": ours(RECORDIO), "ours, plain Python": ours_in_python(RECORDIO)}}


def ours(content_type: str) -> Reader:
    return lambda folder: read_channel(ChannelConfig("train", folder, content_type))


def ours_in_python(content_type: str) -> Reader:
    def read(folder: Path) -> object:
        with patch.object(decoders, "available", return_value=False):
            return ours(content_type)(folder)

    return read


def with_pandas(pandas: ModuleType, cores: int) -> Reader:
    return lambda folder: pandas.read_csv(folder / "part-0", header=None, dtype=np.float32)


def with_polars(polars: ModuleType, cores: int) -> Reader:
    return lambda folder: polars.read_csv(folder / "part-0", has_header=False)


def with_pyarrow(pyarrow: ModuleType, cores: int) -> Reader:
    csv = importlib.import_module("pyarrow.csv")
    pyarrow.set_cpu_count(cores)
    options = csv.ReadOptions(autogenerate_column_names=True, use_threads=cores > 1)
    return lambda folder: csv.read_csv(folder / "part-0", read_options=options)


# -- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """Seconds of one reading: on the clock, and of all processors together."""

    wall: float
    cpu: float


def measure(found: Sample, by_name: dict[str, Reader], rounds: int) -> dict[str, list[Spent]]:
    """What each reader spends in each round, after one round that does not count."""
    spent: dict[str, list[Spent]] = {name: [] for name in by_name}
    for turn in range(rounds + 1):
        for name, read in by_name.items():
            start, cpu_before = time.perf_counter(), cpu_seconds()
            result = read(found.folder)
            once = Spent(time.perf_counter() - start, cpu_seconds() - cpu_before)
            del result
            if turn:
                spent[name].append(once)
    return spent


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def summary(found: Sample, spent: dict[str, list[Spent]]) -> list[dict[str, object]]:
    rows = []
    for name, times in spent.items():
        wall = statistics.median(once.wall for once in times)
        cpu = statistics.median(once.cpu for once in times)
        rows.append(
            {
                "reader": name,
                "seconds": round(wall, 4),
                "fastest": round(min(once.wall for once in times), 4),
                "CPU seconds": round(cpu, 4),
                "MB/s": round(found.bytes / wall / 1e6),
                "rows/s": round(found.rows / wall),
                "MB/CPU-s": round(found.bytes / cpu / 1e6),
            }
        )
    return rows


def print_table(found: Sample, cores: int, rows: list[dict[str, object]]) -> None:
    print(f"\n{found.name}, {found.bytes / 1e6:.0f} MB, {cores} core{'s' if cores > 1 else ''}\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("| --- |" + " ---: |" * (len(rows[0]) - 1))
    for row in rows:
        print(
            "| " + " | ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()) + " |"
        )


def versions(names: list[str]) -> dict[str, str]:
    known = {"python": sys.version.split()[0]}
    for name in names:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            known[name] = "not installed"
    return known


def main() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=len(allowed))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="readers, by comma")
    arguments = parser.parse_args()
    if not decoders.available():
        sys.exit("the native library is missing: make native")
    os.sched_setaffinity(0, allowed[: arguments.cores])
    os.environ["POLARS_MAX_THREADS"] = str(arguments.cores)
    chosen = arguments.only.split(",") if arguments.only else None
    by_type = readers(arguments.cores)
    results = {}
    with tempfile.TemporaryDirectory(prefix="linear-learner-decoding-") as folder:
        for found in make_samples(Path(folder)):
            by_name = {name: read for name, read in by_type[found.content_type].items() if not chosen or name in chosen}
            if by_name:
                rows = summary(found, measure(found, by_name, arguments.rounds))
                print_table(found, arguments.cores, rows)
                results[found.name] = {"bytes": found.bytes, "rows": found.rows, "readers": rows}
    RESULTS.mkdir(exist_ok=True)
    report = {
        "cores": arguments.cores,
        "versions": versions(["numpy", "pandas", "polars", "pyarrow"]),
        "files": results,
    }
    (RESULTS / f"decoding-{arguments.cores}.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
