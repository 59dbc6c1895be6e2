"""Data that the platform has put into records of RecordIO on its way into a pipe, as ``RecordWrapperType`` asks it to.

Each object of S3, or each line of an augmented manifest, is the payload of one record then. Source: "Channel" of the
SageMaker API, "Augmented Manifest Files for Training Jobs" of the SageMaker Developer Guide.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from linear_learner.data.channel_file import PACKED_MAGIC
from linear_learner.errors import ClientError
from linear_learner.formats.content_type import CSV, LIBSVM, RECORDIO_PROTOBUF, parse
from linear_learner.formats.recordio import HEADER_SIZE, MAGIC_BYTES, PART_LENGTH
from linear_learner.formats.sniffing import content_type_of, first_payload

_PARTS_THAT_GO_ON = (1, 2)
"""Marks of a part that another one follows: the first, and those in the middle."""


def is_wrapped(head: bytes, content_type: str | None) -> bool:
    """Whether records, of which the first ``head`` shows the beginning, hold data of this content type, or (if it is
    None) of one that their bytes tell, packed or not. Records of RecordIO-protobuf that are not wrapped are as they
    should be; none of these begins as packed data do."""
    if not head.startswith(MAGIC_BYTES):
        return False
    payload = first_payload(head)
    name = content_type_of(payload) if content_type is None else parse(content_type).name
    return name != RECORDIO_PROTOBUF or payload.startswith((MAGIC_BYTES, *PACKED_MAGIC))


def unwrapped(records: BinaryIO, head: bytes, source: str) -> io.BufferedReader:
    """The payloads of the records, one after the other, each line of text with an end. ``head``: as in ``is_wrapped``.
    Reading raises ClientError where a record is damaged."""
    is_text = content_type_of(first_payload(head)) in (CSV, LIBSVM)
    return io.BufferedReader(_Unwrapped(records, b"\n" if is_text else b"", source))


class _Unwrapped(io.RawIOBase):
    """See ``unwrapped``. Of an object of many gigabytes no more is held than is asked for."""

    def __init__(self, records: BinaryIO, end: bytes, source: str) -> None:
        super().__init__()
        self._records = records
        self._end = end
        self._source = source
        self._number = 0
        self._left = 0  # bytes of the part
        self._padding = 0
        self._goes_on = False  # whether another part follows this one
        self._needs_end = False
        self._ready = b""  # what stands between payloads or parts

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        room = memoryview(target).cast("B")
        while not self._ready and not self._left:
            if not self._next_part():
                return 0
        if self._ready:
            piece, self._ready = self._ready[: len(room)], self._ready[len(room) :]
        else:
            piece = self._records.read(min(len(room), self._left))
            if not piece:
                raise self._error(f"is cut short: {self._left} bytes of what its header promises are missing")
            self._left -= len(piece)
            self._needs_end = bool(self._end) and not piece.endswith(self._end)
        room[: len(piece)] = piece
        return len(piece)

    def _next_part(self) -> bool:
        """Go to the next part, or to the end of the last payload; False at the end of all."""
        self._records.read(self._padding)
        self._padding = 0
        if not self._goes_on and self._needs_end:
            self._ready, self._needs_end = self._end, False
            return True
        head = self._records.read(HEADER_SIZE)
        if not head and not self._goes_on:
            return False
        self._number += not self._goes_on
        if len(head) < HEADER_SIZE:
            raise self._error(f"is cut short: its header has {len(head)} of {HEADER_SIZE} bytes")
        if not head.startswith(MAGIC_BYTES):
            raise self._error(f"does not start with the magic number of RecordIO but with 0x{head[:4].hex()}")
        (word,) = struct.unpack("<I", head[4:])
        self._ready = MAGIC_BYTES if self._goes_on else b""
        mark, self._left = divmod(word, PART_LENGTH + 1)
        self._padding = -self._left % 4
        self._goes_on = mark in _PARTS_THAT_GO_ON
        return True

    def _error(self, problem: str) -> ClientError:
        return ClientError(
            f"Record {self._number}, in which RecordWrapperType has the data wrapped, {problem}",
            where=self._source,
            fix="check what writes the pipe; with RecordWrapperType None it gets the data as they are",
        )
