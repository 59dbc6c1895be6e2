"""RecordIO framing: where the records of a stream begin and end.

A record is the magic number 0xCED7230A and a length word, both little-endian uint32, the payload, and zeros up to a
multiple of four. The length word's upper three bits mark a record that was written in parts (1 first, 2 middle, 3 last)
because its payload holds the magic number on a multiple of four; that number stands between the parts.

Source: the SageMaker SDK's writer, and dmlc-core's ``recordio.h``, by which MXNet writes.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, cast

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.content_type import RECORDIO_PROTOBUF
from linear_learner.formats.faults import malformed
from linear_learner.native.decoders import Room

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
HEADER_SIZE = 8
PART_LENGTH = (1 << 29) - 1
"""The bits of a length word that are the length of a part; those above mark the part."""
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def header(length: int) -> bytes:
    """The eight bytes before a payload of ``length`` bytes that is written whole."""
    return struct.pack("<II", MAGIC, length)


def padded(length: int) -> int:
    """``length`` rounded up to a multiple of four."""
    return -(-length // 4) * 4


def framed(payload: bytes) -> bytes:
    """A record of one part."""
    return header(len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


class RecordReader:
    """Reads the records of a stream, one payload at a time or many frames of one size at once.

    Holds a block of ``block_size`` bytes, which lies in ``room`` if it is given, or one record where that is larger.
    ``records`` counts those taken so far.
    """

    def __init__(self, stream: BinaryIO, *, source: str, block_size: int, room: Room | None = None) -> None:
        self.records = 0
        self._stream = cast(io.BufferedIOBase, stream)  # BinaryIO says nothing of readinto
        self._source = source
        self._block_size = block_size
        self._room = room or Room()
        self._memory = memoryview(b"")
        self._data = self._memory[:0]  # what is held, at the beginning of _memory
        self._ended = False
        self._position = 0
        self._offset = 0  # of _data[0] in the stream
        self._record_start = 0  # of the latest record, in _data

    @property
    def position(self) -> int:
        """The byte of the stream at which the next record begins."""
        return self._offset + self._position

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end of the stream."""
        self._fill(size)
        return bytes(self._data[self._position : self._position + size])

    def block(self) -> tuple[memoryview, bool]:
        """The next ``block_size`` bytes, fewer at the end of the stream, and whether none follow; none is taken. They
        stay as they are for as long as anyone looks into them."""
        self._start_record()
        self._fill(self._block_size + 1)
        held = self._data[self._position :]
        return held[: self._block_size], len(held) <= self._block_size

    def next_payload(self) -> bytes | None:
        """The payload of the next record, or None at the end. ClientError for bytes that are not a whole record."""
        self._start_record()
        if not self.peek(1):
            return None
        begin = self.position
        flag, payload = self._next_part(begin)
        if flag == _FIRST:
            parts = [payload]
            while flag != _LAST:
                flag, payload = self._next_part(begin)
                if flag not in (_MIDDLE, _LAST):
                    raise self._error("has a first part that no last part follows", begin)
                parts.append(payload)
            payload = MAGIC_BYTES.join(parts)
        elif flag != _WHOLE:
            raise self._error("starts with a part that is not a first one", begin)
        self.records += 1
        return payload

    def next_frames(self, size: int, limit: int) -> np.ndarray:
        """The next bytes in memory as frames of ``size`` bytes each, uint8 (n, size), n <= ``limit``; a view, likewise.
        Whether they are frames is for the caller to see; none is taken before ``skip``."""
        self._start_record()
        self._fill(size)
        count = min((len(self._data) - self._position) // size, limit)
        flat = np.frombuffer(self._data, np.uint8, count * size, self._position) if count else np.empty(0, np.uint8)
        return flat.reshape(count, size)

    def skip(self, size: int, records: int) -> None:
        """Take ``records`` records of ``size`` bytes in all, which are in memory."""
        self._position += size
        self.records += records

    def put_back(self) -> None:
        """Take back that ``next_payload`` took a record."""
        self._position = self._record_start
        self.records -= 1

    def _start_record(self) -> None:
        self._record_start = self._position

    def _next_part(self, begin: int) -> tuple[int, bytes]:
        """(flag, payload) of the next part of the record that begins at byte ``begin`` of the stream."""
        head = self.peek(HEADER_SIZE)
        if not MAGIC_BYTES.startswith(head[:4]):
            raise self._error(f"does not start with the magic number 0x{MAGIC:X} but with 0x{head[:4].hex()}", begin)
        if len(head) < HEADER_SIZE:
            raise self._error(f"is cut short: its header has {len(head)} of {HEADER_SIZE} bytes", begin)
        word = struct.unpack("<I", head[4:])[0]
        flag, length = divmod(word, PART_LENGTH + 1)
        self._fill(HEADER_SIZE + padded(length))
        available = len(self._data) - self._position - HEADER_SIZE
        if available < length:
            raise self._error(f"is cut short: its header promises {length} bytes, {available} are left", begin)
        start = self._position + HEADER_SIZE
        # The zeros after the very last record carry nothing: a writer may leave them out.
        self._position = start + min(padded(length), available)
        return flag, bytes(self._data[start : start + length])

    def _fill(self, size: int) -> None:
        """Hold at least ``size`` bytes from the position on, if the stream has them. What was read of the latest record
        stays."""
        while (missing := size - (len(self._data) - self._position)) > 0 and not self._ended:
            held = len(self._data)
            room = len(self._memory) - held
            if not room or room < missing <= self._block_size + 1:
                self._make_room(missing)
                held = len(self._data)
            count = self._stream.readinto(self._memory[held:])
            self._data = self._memory[: held + count]
            self._ended = not count

    def _make_room(self, missing: int) -> None:
        """For ``missing`` bytes, or fewer: a long record takes the memory that it has, not what its header promises,
        and is copied again as often as that doubles."""
        kept = self._data[self._record_start :]
        room = min(max(missing, self._block_size + 1), max(self._block_size + 1, len(kept)))
        size = len(kept) + room
        # Others may still look into the old memory. That of a long record is not kept for what comes after it.
        is_usual = size <= 2 * self._block_size
        self._memory = (self._room.array(size, np.uint8) if is_usual else np.empty(size, np.uint8)).data
        self._memory[: len(kept)] = kept
        self._data = self._memory[: len(kept)]
        self._offset += self._record_start
        self._position -= self._record_start
        self._record_start = 0

    def _error(self, problem: str, begin: int) -> ClientError:
        where = f"{self._source}, row {self.records + 1}, byte {begin}"
        return malformed(f"The record {problem}", where=where, content_type=RECORDIO_PROTOBUF)
