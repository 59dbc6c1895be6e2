"""How fast are files decoded? Channels of every format, beside the readers that people use otherwise.

    python benchmarks/decoding.py                     on all processors that it may use
    python benchmarks/decoding.py --cores 1           on one
    python benchmarks/decoding.py --only ours,polars  some of the readers
    python benchmarks/decoding.py --files sparse      files with this word in their names

CSV and Parquet are read by pandas, polars and pyarrow too, LIBSVM by scikit-learn, and recordIO by the SageMaker SDK
(``read_records``, which ends with a list of Record objects), by it and then gathered into a matrix of SciPy (NumPy for
dense ones), and in the way of SageMaker's XGBoost container, which gathers each record as protobuf has parsed it.

Every reader gets the same files, warm in the page cache, on the same processors, in turns; the median of its times
counts (one that takes more than MOST_SECONDS reads a file once). Processor time stands beside it, which other work on
the machine disturbs less. The process keeps freed memory as a job does, whoever reads. Ours ends with what training
takes: features (n, d), float32 or sparse rows, and labels, checked, every row's place known. The others end with their
own table, pandas' of float32 and those of polars and pyarrow of what they infer. Prints Markdown tables and writes
results/decoding-CORES.json. The others are measured where they are installed; the SDK is ``sagemaker<3``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import resource
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
sys.path.insert(0, str(HERE.parent / "container"))

from linear_learner.allocator import keep_freed_memory  # noqa: E402
from linear_learner.data.channel_reader import ChannelReader  # noqa: E402
from linear_learner.environment import ChannelConfig  # noqa: E402
from linear_learner.native import decoders  # noqa: E402

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"
LIBSVM, PARQUET = "text/libsvm", "application/x-parquet"
MOST_SECONDS = 5.0
SPARSE_COLUMNS = 10_000

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
    columns = [np.sort(random.choice(SPARSE_COLUMNS, 40, replace=False)) for _ in range(50_000)]
    values = random.standard_normal((50_000, 40)).astype(np.float32)
    labels = random.integers(0, 2, 50_000)
    rows = list(zip(labels.tolist(), columns, values, strict=True))
    yield sample(folder, "sparse recordIO, 50,000 x 40 of 10,000", RECORDIO, len(rows), map(sparse_record, rows))
    yield sample(folder, "sparse LIBSVM, 50,000 x 40 of 10,000", LIBSVM, len(rows), map(libsvm_line, rows))
    if importlib.util.find_spec("pyarrow"):
        yield sample(folder, "Parquet, 284,000 x 31 float32", PARQUET, len(decimals), [parquet(decimals)])


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
    numbers = table.astype("<f4")
    return b"".join(framed(entry(1, row[1:].tobytes()) + entry(2, row[:1].tobytes())) for row in numbers)


def sparse_record(row: tuple[int, np.ndarray, np.ndarray]) -> bytes:
    """A label, columns and values, likewise."""
    label, columns, values = row
    keys, shape = b"".join(map(varint, columns.tolist())), varint(SPARSE_COLUMNS)
    features = entry(1, values.tobytes(), field(2, keys) + field(3, shape))
    return framed(features + entry(2, np.float32(label).tobytes()))


def entry(number: int, values: bytes, more: bytes = b"") -> bytes:
    tensor = field(2, field(1, values) + more)
    return field(number, field(1, b"values") + field(2, tensor))


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def framed(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def libsvm_line(row: tuple[int, np.ndarray, np.ndarray]) -> bytes:
    label, columns, values = row
    pairs = " ".join(f"{column + 1}:{value}" for column, value in zip(columns, values, strict=True))
    return f"{label} {pairs}\n".encode()


def parquet(table: np.ndarray) -> bytes:
    import pyarrow
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(pyarrow.table({f"c{i}": column for i, column in enumerate(table.T)}), content)
    return content.getvalue()


# -- readers ---------------------------------------------------------------------------------------------------------


def readers(cores: int) -> dict[str, dict[str, Reader]]:
    """By content type and name."""
    found: dict[str, dict[str, Reader]] = {
        kind: {"ours": ours(kind), "ours, plain Python": ours_in_python(kind)} for kind in (CSV, RECORDIO, LIBSVM)
    }
    found[PARQUET] = {"ours": ours(PARQUET)}
    for name, module, make in (
        ("pandas", "pandas", with_pandas),
        ("polars", "polars", with_polars),
        ("pyarrow", "pyarrow", with_pyarrow),
        ("scikit-learn", "sklearn.datasets", with_sklearn),
        ("SageMaker SDK", "sagemaker.amazon.common", with_sdk),
        ("SageMaker SDK and arrays", "sagemaker.amazon.common", with_sdk_and_arrays),
        ("as XGBoost container", "sagemaker.amazon.common", as_xgboost_container),
    ):
        try:
            for kind, reader in make(importlib.import_module(module), cores).items():
                found[kind][name] = reader
        except ImportError:
            print(f"{name} is not installed and is left out", file=sys.stderr)
    return found


def ours(content_type: str) -> Reader:
    return lambda folder: ChannelReader(ChannelConfig("train", folder, content_type)).read()[0]


def ours_in_python(content_type: str) -> Reader:
    def read(folder: Path) -> object:
        with patch.object(decoders, "available", return_value=False):
            return ours(content_type)(folder)

    return read


def with_pandas(pandas: ModuleType, cores: int) -> dict[str, Reader]:
    return {
        CSV: lambda folder: pandas.read_csv(folder / "part-0", header=None, dtype=np.float32),
        PARQUET: lambda folder: pandas.read_parquet(folder / "part-0"),
    }


def with_polars(polars: ModuleType, cores: int) -> dict[str, Reader]:
    return {
        CSV: lambda folder: polars.read_csv(folder / "part-0", has_header=False),
        PARQUET: lambda folder: polars.read_parquet(folder / "part-0"),
    }


def with_pyarrow(pyarrow: ModuleType, cores: int) -> dict[str, Reader]:
    csv, tables = importlib.import_module("pyarrow.csv"), importlib.import_module("pyarrow.parquet")
    pyarrow.set_cpu_count(cores)
    options = csv.ReadOptions(autogenerate_column_names=True, use_threads=cores > 1)
    return {
        CSV: lambda folder: csv.read_csv(folder / "part-0", read_options=options),
        PARQUET: lambda folder: tables.read_table(folder / "part-0", use_threads=cores > 1),
    }


def with_sklearn(datasets: ModuleType, cores: int) -> dict[str, Reader]:
    def read(folder: Path) -> object:
        return datasets.load_svmlight_file(str(folder / "part-0"), n_features=SPARSE_COLUMNS, dtype=np.float32)

    return {LIBSVM: read}


def with_sdk(common: ModuleType, cores: int) -> dict[str, Reader]:
    def read(folder: Path) -> object:
        with (folder / "part-0").open("rb") as stream:
            return common.read_records(stream)

    return {RECORDIO: read}


def with_sdk_and_arrays(common: ModuleType, cores: int) -> dict[str, Reader]:
    def read(folder: Path) -> object:
        with (folder / "part-0").open("rb") as stream:
            return arrays(common.read_records(stream))

    return {RECORDIO: read}


def as_xgboost_container(common: ModuleType, cores: int) -> dict[str, Reader]:
    messages = importlib.import_module("sagemaker.amazon.record_pb2")

    def parsed(payload: bytes) -> object:
        record = messages.Record()
        record.ParseFromString(payload)
        return record

    def read(folder: Path) -> object:
        with (folder / "part-0").open("rb") as stream:
            return arrays(map(parsed, common.read_recordio(stream)))

    return {RECORDIO: read}


def arrays(records: Iterable[Any]) -> tuple[object, np.ndarray]:
    """Features, a matrix of SciPy where they are sparse, and labels of records that protobuf has parsed."""
    from scipy.sparse import csr_matrix

    values, keys, lengths, labels = [], [], [], []
    for record in records:
        tensor = record.features["values"].float32_tensor
        values.extend(tensor.values)
        keys.extend(tensor.keys)
        lengths.append(len(tensor.values))
        labels.append(record.label["values"].float32_tensor.values[0])
    features = np.array(values, np.float32)
    if not keys:
        return features.reshape(len(lengths), -1), np.array(labels, np.float32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return csr_matrix((features, keys, starts)), np.array(labels, np.float32)


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
            if turn and spent[name] and spent[name][0].wall > MOST_SECONDS:
                continue
            start, cpu_before = time.perf_counter(), cpu_seconds()
            result = read(found.folder)
            once = Spent(time.perf_counter() - start, cpu_seconds() - cpu_before)
            del result
            if turn or once.wall > MOST_SECONDS:
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
    parser.add_argument("--files", default="", help="a word in the names of the files to read")
    arguments = parser.parse_args()
    if not decoders.available():
        sys.exit("the native library is missing: make native")
    os.sched_setaffinity(0, allowed[: arguments.cores])
    keep_freed_memory()
    os.environ["POLARS_MAX_THREADS"] = str(arguments.cores)
    chosen = arguments.only.split(",") if arguments.only else None
    by_type = readers(arguments.cores)
    results = {}
    with tempfile.TemporaryDirectory(prefix="linear-learner-decoding-") as folder:
        for found in make_samples(Path(folder)):
            if arguments.files not in found.name:
                continue
            by_name = {name: read for name, read in by_type[found.content_type].items() if not chosen or name in chosen}
            if by_name:
                rows = summary(found, measure(found, by_name, arguments.rounds))
                print_table(found, arguments.cores, rows)
                results[found.name] = {"bytes": found.bytes, "rows": found.rows, "readers": rows}
    RESULTS.mkdir(exist_ok=True)
    report = {
        "cores": arguments.cores,
        "versions": versions(["numpy", "pandas", "polars", "pyarrow", "scikit-learn", "sagemaker", "protobuf"]),
        "files": results,
    }
    (RESULTS / f"decoding-{arguments.cores}.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
