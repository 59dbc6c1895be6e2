from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_judge import frame

from linear_learner.errors import ClientError
from linear_learner.formats.recordio import MAGIC_BYTES, RecordReader, header, padded
from linear_learner.model.mxnet_import import mx

PAYLOADS = [b"one", b"", b"four", b"twelve bytes"]
VALID = b"".join(map(frame, PAYLOADS))


def reader(data: bytes, block_size: int = 1 << 16) -> RecordReader:
    return RecordReader(io.BytesIO(data), source="part-0", block_size=block_size)


def payloads(data: bytes, block_size: int = 1 << 16) -> list[bytes]:
    records = reader(data, block_size)
    return list(iter(records.next_payload, None))


@pytest.mark.parametrize("block_size", [1, 2, 3, 7, 16, 1 << 16])
def test_records_come_out_whatever_the_blocks(block_size: int) -> None:
    assert payloads(VALID, block_size) == PAYLOADS


def test_header_and_padding_are_those_of_the_frame() -> None:
    for payload in PAYLOADS:
        assert frame(payload) == header(len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


@given(st.lists(st.lists(st.sampled_from([MAGIC_BYTES, b"abcd", b"\0", b"xy"])).map(b"".join), max_size=5))
def test_records_that_mxnet_writes_in_parts_are_joined(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes]
) -> None:
    file = tmp_path_factory.mktemp("recordio") / "data.rec"
    writer = mx.recordio.MXRecordIO(str(file), "w")
    for row in rows:
        writer.write(row)
    writer.close()
    assert payloads(file.read_bytes(), block_size=5) == rows


def test_a_payload_that_holds_the_magic_number_may_be_whole() -> None:
    assert payloads(frame(MAGIC_BYTES * 3)) == [MAGIC_BYTES * 3]


def test_the_padding_of_the_last_record_may_be_missing() -> None:
    assert payloads(frame(b"four") + frame(b"one")[:-1]) == [b"four", b"one"]


def test_a_record_that_is_cut_short_is_told_with_number_and_byte() -> None:
    # The fourth record begins after frames of 12, 8 and 12 bytes.
    with pytest.raises(
        ClientError, match=r"is cut short: its header promises 12 bytes, 9 are left \(part-0, row 4, byte 32"
    ):
        payloads(VALID[:-3])
    with pytest.raises(ClientError, match=r"is cut short: its header has 6 of 8 bytes \(part-0, row 4, byte 32"):
        payloads(VALID[: 32 + 6], block_size=5)
    with pytest.raises(ClientError, match=r"is cut short: its header has 2 of 8 bytes"):
        payloads(VALID[: 32 + 2])


def test_a_length_far_beyond_the_end_takes_no_memory() -> None:
    with pytest.raises(ClientError, match="promises 536870911 bytes, 3 are left"):
        payloads(struct.pack("<II", 0xCED7230A, (1 << 29) - 1) + b"abc")


def test_other_bytes_where_a_record_should_start_are_told() -> None:
    with pytest.raises(ClientError, match=r"magic number 0xCED7230A but with 0x31322c33 \(part-0, row 2, byte 12"):
        payloads(frame(b"four") + b"12,3\n5,6\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([3], "starts with a part that is not a first one"),
        ([2], "starts with a part that is not a first one"),
        ([7], "starts with a part that is not a first one"),
        ([1, 0], "has a first part that no last part follows"),
        ([1, 2, 1], "has a first part that no last part follows"),
        ([1], "is cut short"),
        ([1, 2], "is cut short"),
    ],
)
def test_parts_out_of_order_are_refused(flags: list[int], message: str) -> None:
    data = b"".join(struct.pack("<II", 0xCED7230A, flag << 29 | 4) + b"abcd" for flag in flags)
    with pytest.raises(ClientError, match=f"The record {message}.*part-0, row 1, byte 0"):
        payloads(data)


@given(st.binary(max_size=64), st.integers(1, 20))
def test_any_bytes_give_records_or_a_client_error(tail: bytes, block_size: int) -> None:
    try:
        assert payloads(VALID + tail, block_size)[:4] == PAYLOADS
    except ClientError as error:
        assert "part-0, row" in error.where


def test_frames_of_one_size_are_taken_many_at_once() -> None:
    records = reader(b"".join(frame(bytes([i]) * 4) for i in range(5)), block_size=30)
    frames = records.next_frames(12, limit=10)
    np.testing.assert_array_equal(frames[:, 8:], [[0] * 4, [1] * 4])  # two whole frames in a block of 30 bytes
    records.skip(12, 1)
    assert records.records == 1
    assert records.next_payload() == bytes([1]) * 4
    assert len(records.next_frames(12, limit=1)) == 1
    np.testing.assert_array_equal(records.next_frames(12, limit=10)[:, 8], [2, 3, 4])
    records.skip(36, 3)
    assert records.next_frames(12, limit=10).shape == (0, 12)
    assert records.next_payload() is None


def test_a_record_takes_the_memory_that_it_has_not_what_its_header_promises() -> None:
    tracemalloc.start()
    with pytest.raises(ClientError, match="is cut short"):
        payloads(header(1 << 28) + bytes(300_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_block_is_the_next_bytes_and_takes_none() -> None:
    records = reader(VALID, block_size=20)
    block, is_final = records.block()
    assert (bytes(block), is_final) == (VALID[:20], False)
    records.skip(12, 1)
    assert (records.position, records.records) == (12, 1)
    block, is_final = records.block()
    assert (bytes(block), is_final) == (VALID[12:32], False)
    assert records.next_payload() == b""
    records.skip(12, 1)
    block, is_final = records.block()
    assert (bytes(block), is_final) == (VALID[32:], True)  # nothing after it, although it is not short


def test_blocks_and_frames_stay_as_they_were() -> None:
    data = b"".join(frame(bytes([i]) * 4) for i in range(8))
    records = reader(data, block_size=24)
    blocks = []
    for _ in range(2):
        blocks.append(records.block()[0])
        records.skip(24, 2)
    frames = records.next_frames(12, limit=2)
    records.skip(24, 2)
    assert records.next_payload() == bytes([6]) * 4
    assert b"".join(blocks) == data[:48]
    np.testing.assert_array_equal(frames[:, 8], [4, 5])


def test_memory_is_used_again_once_nobody_looks_into_a_block() -> None:
    records = reader(frame(bytes(4)) * 800, block_size=240)
    places = set()
    for _ in range(20):
        places.add(np.frombuffer(records.block()[0], np.uint8).ctypes.data)
        records.skip(240, 20)
    assert len(places) <= 3  # what is left of one block is copied to the next


@pytest.mark.parametrize("block_size", [1, 4, 1 << 16])
def test_a_record_can_be_put_back(block_size: int) -> None:
    in_parts = struct.pack("<II", 0xCED7230A, 1 << 29 | 4) + b"four" + struct.pack("<II", 0xCED7230A, 3 << 29 | 3)
    records = reader(VALID + in_parts + b"end\0" + VALID, block_size)
    taken = []
    while (payload := records.next_payload()) is not None:
        records.put_back()
        assert records.records == len(taken)
        assert records.next_payload() == payload
        taken.append(payload)
    assert taken == [*PAYLOADS, b"four" + MAGIC_BYTES + b"end", *PAYLOADS]


def test_a_stream_may_give_less_than_it_is_asked_for(tmp_path: Path) -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size or 3))

    records = RecordReader(Dripping(VALID), source="part-0", block_size=1 << 16)
    assert list(iter(records.next_payload, None)) == PAYLOADS
