"""Fuzzes the native decoders under AddressSanitizer and UndefinedBehaviorSanitizer, or another sanitizer of g++:

    .venv/bin/python tests/fuzz/fuzz_decoders.py --seconds 60

Examples of every format are written, damaged at random and decoded in all ways; see fuzz_decoders.cc. The exit code is
0 if nothing was found.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "container" / "linear_learner" / "native"
FLAGS = ["-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-Wall", "-Wextra"]

sys.path.append(str(HERE.parents[0] / "unit" / "formats"))
import record_judge as judge  # noqa: E402 (it lives with the tests of the plain decoder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 2**32, help="for the damage; the time if not given"
    )
    parser.add_argument("--sanitizer", default="address,undefined", help="as for g++'s -fsanitize")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), arguments.sanitizer)
        examples = write_examples(Path(folder))
        print(f"seed {arguments.seed}", flush=True)
        command = [str(program), str(arguments.seconds), str(arguments.seed), *map(str, examples)]
        sys.exit(subprocess.run(command, check=False).returncode)


def build(folder: Path, sanitizer: str) -> Path:
    """Compile the decoders and the fuzzer."""
    sources = [*sorted(NATIVE.glob("decoders*.cc")), HERE / "fuzz_decoders.cc"]

    def compiled(source: Path) -> str:
        target = str(folder / f"{source.stem}.o")
        flags = [*FLAGS, f"-fsanitize={sanitizer}", f"-I{NATIVE}"]
        subprocess.run(["g++", *flags, "-c", str(source), "-o", target], check=True)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, sources))
    program = folder / "fuzz_decoders"
    subprocess.run(["g++", f"-fsanitize={sanitizer}", "-pthread", *objects, "-o", str(program)], check=True)
    return program


def write_examples(folder: Path) -> list[Path]:
    """One file for each kind of block."""
    examples = {f"{i}.csv": text for i, text in enumerate(csv_examples())}
    examples.update({f"{i}.svm": text for i, text in enumerate(libsvm_examples())})
    examples.update({f"{i}.records": block for i, block in enumerate(record_examples())})
    for name, block in examples.items():
        (folder / name).write_bytes(block)
    return [folder / name for name in examples]


def csv_examples() -> list[bytes]:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(12, 4))
    return [
        b"label,a,b\n1,2,3\n\nlabel,a,b\r\n4,5,6\n",
        lines([[repr(float(x)) for x in row] for row in table]),
        lines([[f"{x:.18e}" for x in row] for row in table]),
        lines([[f"{x:.3f}" for x in row] for row in table], "\r\n"),
        lines([[f' "{x:.6f}"\t' for x in row] for row in table]),
        lines([[f"+{abs(x):.25f}" for x in row] for row in table]),
        lines([["1", "", "nan", "N/A"], ["0", " ", '""', "null"]] * 6),
        lines([["16777217", "1e-40", "7e-46", "3.4028235677973366e+38"]] * 6),
        lines([[str(x) for x in row] for row in rng.integers(0, 11, size=(4, 60))]),
        lines([[str(x) for x in row] for row in rng.integers(0, 2, size=(40, 2000))]),
        b"1\n0.5\n-2\n" * 40,
    ]


def libsvm_examples() -> list[bytes]:
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.choice(300, 6, replace=False)) + 1 for _ in range(20)]
    return [
        b"1 1:0.5 3:2\n0 qid:4 2:-1e-3 # a comment\n\n# one alone\n-1\n",
        b"".join(b"1 " + b" ".join(f"{i}:{float(rng.normal())!r}".encode() for i in row) + b"\n" for row in rows),
        b"".join(b"0 " + b" ".join(b"%d:1" % i for i in row[::-1]) + b"\r\n" for row in rows),
        b"1:2 7:nan 9:\n0:1\t5:3.25\n",
    ]


def lines(rows: list[list[str]], end: str = "\n") -> bytes:
    return "".join(",".join(row) + end for row in rows).encode()


def record_examples() -> list[bytes]:
    rows = np.random.default_rng(0).integers(0, 127, size=(9, 5))
    dense = [
        judge.file_of(*(judge.record(row, 1, kind=kind, label_kind=label_kind, cls=cls) for row in rows))
        for kind in judge.TENSORS
        for label_kind in judge.TENSORS
        for cls in (judge.Record, judge.UnpackedRecord)
    ]
    payload = judge.record(np.frombuffer(judge.frame(b"")[:4] * 3, np.float32), 1).SerializeToString()
    head, *parts = payload.split(judge.frame(b"")[:4])
    in_parts = part(head, 1) + b"".join(part(middle, 2) for middle in parts[:-1]) + part(parts[-1], 3)
    few = [[1, 5, 300], [300, 2], [], [7]]
    rng = np.random.default_rng(0)
    many = [np.unique(2 ** rng.uniform(0, bits, 25)).astype(int) for bits in (7, 14, 21, 27, 29) for _ in range(3)]
    sparse = [sparse_example(few, 1000, cls) for cls in (judge.Record, judge.UnpackedRecord)]
    sparse += [sparse_example(many, 1 << 30, judge.Record, kind) for kind in judge.TENSORS]
    return [*dense, *sparse, rows_that_pack_nothing() + sparse_example(few[:1], 1000, judge.Record), in_parts * 3]


def rows_that_pack_nothing() -> bytes:
    """Sparse rows, of 1000 columns, whose keys and values are there and hold none; protobuf would leave them out."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def entry(number: int, tensor: bytes) -> bytes:
        return field(number, field(1, b"values") + field(2, field(2, tensor)))

    nothing = field(1, b"") + field(2, b"") + field(3, b"\xe8\x07")
    return judge.frame(entry(1, nothing) + entry(2, field(1, struct.pack("<f", 1)))) * 4


def sparse_example(rows: list, columns: int, cls: type, kind: str = "float32") -> bytes:
    messages = []
    for keys in rows:
        message = judge.record([], 1, cls=cls, kind=kind)
        tensor = getattr(message.features["values"], judge.TENSORS[kind])
        tensor.keys.extend(keys)
        tensor.values.extend(range(len(keys)))
        tensor.shape.append(columns)
        messages.append(message)
    return judge.file_of(*messages)


def part(payload: bytes, flag: int) -> bytes:
    frame = bytearray(judge.frame(payload))
    frame[7] |= flag << 5
    return bytes(frame)


if __name__ == "__main__":
    main()
