"""Fuzzes the decoders by coverage, with atheris: the C++ library and plain Python are held against each other, and the
reader of records against Google's protobuf library.

    .venv/bin/python tests/fuzz/fuzz_formats.py --seconds 60                  all targets, in turns
    .venv/bin/python tests/fuzz/fuzz_formats.py --only csv --seconds 36000 --corpus FOLDER

A corpus folder keeps what reaches new code, for the next run. The exit code is 0 if nothing was found; otherwise the
input that shows it is in a file ``crash-*``.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "container"), str(HERE.parents[0] / "unit" / "formats")]

with atheris.instrument_imports(include=["linear_learner.formats"]):
    from linear_learner.errors import ClientError
    from linear_learner.formats import csv_arrow, json_records, recordio_protobuf, text_csv, text_libsvm
    from linear_learner.formats.options import Options
    from linear_learner.formats.schema_learner import SchemaLearner, TextSettings
    from linear_learner.formats.table_schema import Column, TableSchema

import fuzz_decoders as examples  # noqa: E402 (they lie in the folders named above)
from test_native_blocks import check_same  # noqa: E402
from test_protobuf_record import check_against_protobuf  # noqa: E402

SCHEMA = TableSchema((Column("a"), Column("b", ("", "x", "y, z")), Column("c")), ("no", "yes"))
BLOCK_SIZES = (1, 7, 60, 1 << 16)


def split(data: bytes) -> tuple[dict[str, object], bytes]:
    """How to decode, from the first two bytes, and what."""
    first, second = (data + bytes(2))[:2]
    options = Options(
        feature_dim=9 if first & 1 else None,
        index_base=first >> 1 & 1,
        label_column="a" if first & 12 == 4 else "",
        allow_missing=bool(first >> 4 & 1),
    )
    return {"label_size": second & 1, "block_size": BLOCK_SIZES[second >> 1 & 3], "options": options}, data[2:]


def fuzz_csv(data: bytes) -> None:
    how, text = split(data)
    check_same(text_csv.decode, text, **how)


def fuzz_table(data: bytes) -> None:
    """Any bytes are rows or a ClientError, the same whether pyarrow reads plain lines or not."""
    how, text = split(data)
    how["options"] = replace(how["options"], schema=SCHEMA)
    outcomes = []
    for csv_arrow.LEAST_BYTES in (0, 1 << 62):
        learner = SchemaLearner(TextSettings(("auto",), text_labels=True))
        found: list[object] = []
        try:
            for batch in text_csv.decode(io.BytesIO(text), source="a", **how):
                assert batch.feature_dim == 3
                for rows in SCHEMA.batches(batch):
                    found.append((rows.features.tobytes(), rows.where(0) if len(rows.features) else ""))
            for _ in text_csv.learn(io.BytesIO(text), learner, source="a", block_size=how["block_size"]):
                pass
            found.append(learner.schema())
        except ClientError as error:
            found.append(str(error))
        outcomes.append(found)
    assert outcomes[0] == outcomes[1], outcomes


def fuzz_libsvm(data: bytes) -> None:
    how, text = split(data)
    check_same(text_libsvm.decode, text, **how)


def fuzz_recordio(data: bytes) -> None:
    how, frames = split(data)
    check_same(recordio_protobuf.decode, frames, **how)


def fuzz_record(data: bytes) -> None:
    check_against_protobuf(data)


def fuzz_json(data: bytes) -> None:
    """Any bytes are rows or a ClientError."""
    for decode in json_records.JSON_DECODERS.values():
        for feature_dim in (None, 3):
            try:
                for batch in decode(
                    io.BytesIO(data), source="a", feature_dim=feature_dim, feature_names=("a", "b", "c")
                ):
                    assert feature_dim is None or batch.feature_dim == feature_dim
            except ClientError:
                pass
        try:
            for batch in decode(io.BytesIO(data), source="a", feature_dim=3, feature_names=SCHEMA.names, schema=SCHEMA):
                assert all(rows.feature_dim == SCHEMA.feature_dim for rows in SCHEMA.batches(batch))
        except ClientError:
            pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "csv": fuzz_csv,
    "table": fuzz_table,
    "libsvm": fuzz_libsvm,
    "recordio": fuzz_recordio,
    "record": fuzz_record,
    "json": fuzz_json,
}


def seeds(target: str) -> list[bytes]:
    """Good inputs to begin with: those that the C++ fuzzer damages."""
    if target == "json":
        return [
            b'{"instances": [{"features": [1.5, 2, 3e4]}, {"data": {"features": {"values": [1, 2, 3]}}}]}',
            b'{"features": {"a": 1, "b": 2, "c": 3}}',
            b'{"features": {"a": 1, "b": "y, z", "c": 3}}\n{"features": [1, null, 2]}\n{"features": [1, true, 2]}',
            b'{"features": [1, 2, 3]}\n{"data": {"features": {"keys": [0], "shape": [3], "values": [1]}}}',
        ]
    if target == "table":
        table = b'no,1,x,2\nyes,3,"y, z",4\n'
        return [head + block for head in (b"\0\7", b"\0\1", b"\x10\7") for block in (table, b"w,a,b,c\n" + table)]
    if target == "record":
        return [block[8:] for block in examples.record_examples()]
    blocks = {
        "csv": examples.csv_examples,
        "libsvm": examples.libsvm_examples,
        "recordio": examples.record_examples,
    }[target]()
    return [head + block for block in blocks for head in (b"\0\7", b"\x11\6", b"\x16\3")]


def run(target: str, seconds: int, seed: int, corpus: Path) -> None:
    """Does not return."""
    for i, data in enumerate(seeds(target)):
        (corpus / f"seed-{target}-{i}").write_bytes(data)
    limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=4096", "-timeout=60", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], TARGETS[target])
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of all targets together")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**31 + 1)
    parser.add_argument("--only", choices=TARGETS, help="one target")
    parser.add_argument("--corpus", type=Path, help="folder to begin with and to add to")
    arguments = parser.parse_args()
    if arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            corpus = arguments.corpus or Path(folder)
            corpus.mkdir(parents=True, exist_ok=True)
            run(arguments.only, arguments.seconds, arguments.seed, corpus)
    print(f"seed {arguments.seed}", flush=True)
    for target in TARGETS:
        print(f"- {target}", flush=True)
        command = [sys.executable, __file__, "--only", target, "--seed", str(arguments.seed)]
        command += ["--seconds", str(max(1, arguments.seconds // len(TARGETS)))]
        if arguments.corpus:
            command += ["--corpus", str(arguments.corpus / target)]
        code = subprocess.run(command, check=False).returncode
        if code:
            sys.exit(code)


if __name__ == "__main__":
    main()
