"""A stream of text in blocks of whole lines, for the formats that have one row a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.faults import malformed
from linear_learner.formats.sniffing import BYTE_ORDER_MARK

BLOCK_SIZE = 1 << 20
LONGEST_LINE = 1 << 29
"""Where no line ends for so many bytes, the data is no such text (ten million columns of CSV take half as many)."""


class EndlessLine(ClientError):  # noqa: N818 (says what is the matter)
    """A line that does not end for so many ``bytes``; whoever counts the lines before it says which one."""

    def __init__(self, held: int, source: str, content_type: str) -> None:
        error = malformed(f"The line does not end for {held} bytes", where=source, content_type=content_type)
        super().__init__(error.message, where=error.where, fix=error.fix)

    def at(self, row: int) -> ClientError:
        return ClientError(self.message, where=f"{self.where}, row {row}", fix=self.fix)


def line_blocks(stream: BinaryIO, block_size: int, source: str, content_type: str) -> Iterator[bytes]:
    """The stream in blocks of whole lines of about ``block_size`` bytes. Every block ends with a newline. EndlessLine
    for a line that is too long."""
    pieces: list[bytes] = []  # the beginning of a line whose end is not yet read
    held = 0
    at_end, at_beginning = False, True
    while not at_end:
        data = _read(stream, block_size)
        at_end = len(data) < block_size
        end = len(data) if at_end else data.rfind(b"\n") + 1
        if end or at_end:
            block = b"".join([*pieces, memoryview(data)[:end]])
            if at_beginning:
                block, at_beginning = block.removeprefix(BYTE_ORDER_MARK), False
            if block:
                yield block if block.endswith(b"\n") else block + b"\n"
            pieces, held = [], 0
        pieces.append(data[end:])
        held += len(data) - end
        if held > LONGEST_LINE:
            raise EndlessLine(held, source, content_type)


def count_lines(text: bytes) -> int:
    """How many lines end in the text."""
    # Faster than count(), which looks at one byte at a time.
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))


def _read(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes, or all that are left; pipes may give fewer at a time."""
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
