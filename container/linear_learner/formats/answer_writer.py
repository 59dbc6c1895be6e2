"""Answers of any length as bytes: what the encoders make of all rows at once, made of some rows at a time.

A file of lines ends with a newline, as batch transform assembles one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from linear_learner.formats.content_type import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from linear_learner.formats.encoders import ENCODERS, Answer


@dataclass(frozen=True)
class Frame:
    """What stands before, between and after the rows of an answer. An encoder writes ``begin`` and ``end`` of its own
    where ``is_encoded``."""

    begin: bytes = b""
    between: bytes = b""
    end: bytes = b""
    is_encoded: bool = False


FRAMES = {
    JSON: Frame(b'{"predictions": [', b", ", b"]}", is_encoded=True),
    JSON_LINES: Frame(between=b"\n", end=b"\n"),
    CSV: Frame(between=b"\n", end=b"\n"),
    RECORDIO_PROTOBUF: Frame(),
}


class AnswerWriter:
    """Writes to ``stream`` one answer, of the parts that ``add`` is given. ``close`` writes its end; the stream stays
    open."""

    def __init__(self, stream: BinaryIO, content_type: str) -> None:
        self._stream = stream
        self._encode = ENCODERS[content_type]
        self._frame = FRAMES[content_type]
        self._is_empty = True

    def add(self, part: Answer) -> None:
        """Some rows, one at least."""
        frame, encoded = self._frame, self._encode(part)
        if frame.is_encoded:
            encoded = encoded[len(frame.begin) : len(encoded) - len(frame.end)]
        self._stream.write(frame.begin if self._is_empty else frame.between)
        self._stream.write(encoded)
        self._is_empty = False

    def close(self) -> None:
        """Some rows were added."""
        self._stream.write(self._frame.end)
