from __future__ import annotations

import gzip
import io
import os
import struct
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.record_wrapping import is_wrapped, unwrapped
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.formats.recordio import MAGIC_BYTES

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"


def record(payload: bytes) -> bytes:
    """As dmlc-core writes it: in parts where the magic number stands on a multiple of four."""
    aligned = [i for i in range(0, len(payload) - 3, 4) if payload[i : i + 4] == MAGIC_BYTES]
    starts, ends = [0, *(i + 4 for i in aligned)], [*aligned, len(payload)]
    marks = [1, *[2] * (len(aligned) - 1), 3] if aligned else [0]
    parts = zip(marks, (payload[start:end] for start, end in zip(starts, ends, strict=True)), strict=True)
    return b"".join(
        MAGIC_BYTES + struct.pack("<I", mark << 29 | len(part)) + part + bytes(-len(part) % 4) for mark, part in parts
    )


def dense_record(label: float, feature: float) -> bytes:
    """A record of RecordIO-protobuf, by hand."""

    def entry(number: int, value: float) -> bytes:
        return bytes([number << 3 | 2, 18]) + b"\x0a\x06values\x12\x08\x12\x06\x0a\x04" + struct.pack("<f", value)

    return record(entry(1, feature) + entry(2, label))


def payloads(records: bytes, size: int = -1) -> bytes:
    stream = unwrapped(io.BytesIO(records), records[:512], "train_0")
    return b"".join(iter(lambda: stream.read(size), b""))


def read(tmp_path: Path, content: bytes, content_type: str | None, *, is_wrapped: bool = True) -> list[list[float]]:
    """The rows that come through a pipe, the label first."""
    os.mkfifo(tmp_path / "train_0")
    threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(content,), daemon=True).start()
    channel = ChannelConfig("train", tmp_path / "train", content_type, "Pipe", is_wrapped=is_wrapped)
    data, _ = ChannelReader(channel).read()
    table: list[list[float]] = np.column_stack([data.labels, data.features]).tolist()
    return table


@pytest.mark.parametrize("content_type", [CSV, None])
@pytest.mark.parametrize(
    "content",
    [
        record(b"1,2\n0,3\n") + record(b"1,4\n"),
        record(b"1,2\n0,3") + record(b"1,4"),  # objects whose last line does not end
        record(b"1,2") + record(b"0,3") + record(b"1,4"),  # one line each
        record(b"y,x\n1,2\n0,3") + record(b"") + record(b"y,x\r\n1,4\r\n"),
        record(b"") + record(b"1,2\n0,3") + record(b"1,4"),  # S3 lists an empty object for the folder first
        b"1,2\n0,3\n1,4\n",  # which nobody wrapped
    ],
)
def test_csv_is_taken_out_of_records(tmp_path: Path, content: bytes, content_type: str | None) -> None:
    assert read(tmp_path, content, content_type) == [[1, 2], [0, 3], [1, 4]]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("content_type", [CSV, None])
def test_packed_objects_are_taken_out_of_records(
    tmp_path: Path, content_type: str | None, pack: Callable[[bytes], bytes]
) -> None:
    content = record(pack(b"1,2\n0,3\n")) + record(pack(b"1,4\n"))
    assert read(tmp_path, content, content_type) == [[1, 2], [0, 3], [1, 4]]


@pytest.mark.parametrize("content_type", [RECORDIO, None])
def test_so_are_packed_records_of_protobuf(tmp_path: Path, content_type: str | None) -> None:
    content = record(gzip.compress(dense_record(1, 2) + dense_record(0, 3))) + record(gzip.compress(dense_record(1, 4)))
    assert read(tmp_path, content, content_type) == [[1, 2], [0, 3], [1, 4]]


@pytest.mark.parametrize("content_type", [RECORDIO, None])
@pytest.mark.parametrize("times", [0, 1])
def test_records_of_protobuf_are_taken_out_of_others_alone(tmp_path: Path, times: int, content_type: str) -> None:
    records = dense_record(1, 2) + dense_record(0, 3)
    content = record(records) + record(dense_record(1, 4)) if times else records + dense_record(1, 4)
    assert read(tmp_path, content, content_type) == [[1, 2], [0, 3], [1, 4]]


def test_nothing_is_taken_out_unasked(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"looks like text/csv in records of RecordIO: .* RecordWrapperType RecordIO"):
        read(tmp_path, record(b"1,2\n0,3\n"), CSV, is_wrapped=False)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_payloads_may_hold_anything(size: int) -> None:
    held = [b"\x00" * 3, MAGIC_BYTES, b"abcd" + MAGIC_BYTES * 2 + b"e", b"", bytes(range(256)) * 40]
    assert payloads(b"".join(map(record, held)), size) == b"".join(held)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        (record(b"1,2\n") + record(b"0,3,4,5\n")[:-3], "Record 2, .* cut short: 3 bytes"),
        (record(b"1,2\n") + record(b"0,3\n")[:5], "Record 2, .* cut short: its header has 5 of 8 bytes"),
        (record(b"1,2\n") + b"0,3\n1,4\n", "Record 2, .* does not start with the magic number .* 0x302c330a"),
        (record(MAGIC_BYTES)[:8], "Record 1, .* cut short: its header has 0 of 8 bytes"),
    ],
)
def test_a_damaged_record_is_told(records: bytes, problem: str) -> None:
    with pytest.raises(ClientError, match=problem):
        payloads(records)


def test_an_object_is_not_held_as_a_whole() -> None:
    size = 64 << 20
    records = io.BytesIO(MAGIC_BYTES + struct.pack("<I", size) + b"1,2\n" * (size // 4))
    stream = unwrapped(records, records.getvalue()[:512], "train_0")
    tracemalloc.start()
    count = sum(map(len, iter(lambda: stream.read(1 << 16), b"")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == size
    assert peak < 1 << 20


def test_a_text_that_is_in_no_record_is_not_wrapped() -> None:
    assert not is_wrapped(b"", CSV)
    assert not is_wrapped(b"1,2\n", CSV)
