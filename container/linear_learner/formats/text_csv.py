"""``text/csv``: one row a line, numbers between commas, no header.

A cell is a decimal number, as C's ``strtod`` reads it less hexadecimal; spaces, tabs and double quotes around it are
allowed. A value is the float32 nearest to the float64 that is nearest to the text. Lines end with LF or CRLF, the last
one perhaps with neither; blank lines and a byte order mark are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV
from linear_learner.formats.faults import (
    INFINITE,
    MISSING,
    OUT_OF_RANGE,
    VERIFY,
    Fault,
    all_finite,
    error_of,
    malformed,
)
from linear_learner.formats.sniffing import BYTE_ORDER_MARK, advice

BLOCK_SIZE = 1 << 20
LONGEST_LINE = 1 << 29
"""Where no line ends for so many bytes, the data is not CSV (ten million columns take half as many)."""

_SPACES = b" \t\r"
_NUMERIC = b"0123456789+-.eE" + _SPACES
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_QUOTED_CELL = re.compile(rb'(?<![^,\n])[ \t]*"([^",\n]*)"[ \t\r]*(?![^,\n])')
_BLANK_CELL = re.compile(rb"(?<![^,\n])[ \t\r]+(?![^,\n])")
_MISSING_CELL = re.compile(rb"|[+-]?nan|na|n/a|null|none", re.IGNORECASE)
_INFINITE_CELL = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)
_OVERFLOW = float(np.finfo(np.float32).max) + 2.0**103
"""The least number that rounds to a float32 infinity: half a unit in the last place above the largest one."""
_NOT_A_NUMBER = "Found a value that is not a number"


def decode(stream: BinaryIO, *, label_size: int, source: str, block_size: int = BLOCK_SIZE) -> Iterator[Batch]:
    """Batches of rows, all of one width. With ``label_size`` 1 the first column is the label, with 0 (a request) all
    columns are features.

    Holds about ``block_size`` bytes, or one line where that is longer, and as much decoded. ClientError names file, row
    (the number of the line, from 1), column (from 1) and value, for the first few bad rows of a block.
    """
    width = header_row = 0
    first_line = 1
    for text in line_blocks(stream, block_size, source):
        block = Block(text, first_line, source)
        first_line += text.count(b"\n")
        if not width:
            first_row = block.first_row()
            if first_row is None:
                continue  # nothing but blank lines
            header_row, width = first_row
        batch = block.parse(width, header_row)
        if width <= label_size:
            where = f"{source}, row {header_row}"
            raise malformed("The rows have a label but no features", where=where, content_type=CSV)
        if len(batch) and label_size:
            batch = replace(batch, features=batch.features[:, 1:], labels=batch.features[:, 0])
        if len(batch):
            yield batch


def line_blocks(stream: BinaryIO, block_size: int, source: str) -> Iterator[bytes]:
    """The stream in blocks of whole lines of about ``block_size`` bytes. Every block ends with a newline."""
    pieces: list[bytes] = []  # the beginning of a line whose end is not yet read
    held = lines = 0
    at_end = False
    while not at_end:
        data = _read(stream, block_size)
        at_end = len(data) < block_size
        end = len(data) if at_end else data.rfind(b"\n") + 1
        if end or at_end:
            block = b"".join([*pieces, data[:end]])
            if not lines:
                block = block.removeprefix(BYTE_ORDER_MARK)
            if block:
                yield block if block.endswith(b"\n") else block + b"\n"
            lines += block.count(b"\n")
            pieces, held = [], 0
        pieces.append(data[end:])
        held += len(data) - end
        if held > LONGEST_LINE:
            where = f"{source}, row {lines + 1}"
            raise malformed(f"The line does not end for {held} bytes", where=where, content_type=CSV)


def _read(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes, or all that are left; pipes may give fewer at a time."""
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def parse_numbers(text: bytes, width: int) -> np.ndarray | None:
    """Whole lines of plain numbers -> float32 (n, width), or None if anything about them is not plain: a quote, a blank
    line, another width, a cell that is not a finite number. Nothing is looked at twice when all is well."""
    text = text.replace(b"\r\n", b"\n")
    separators = text.translate(None, _NUMERIC)
    rows = len(separators) // width
    if separators != (b"," * (width - 1) + b"\n") * rows:
        return None
    # NumPy reads a cell of nothing but spaces as -1.
    if any(space in text for space in (b" ", b"\t", b"\r")) and _BLANK_CELL.search(text):
        return None
    # The zero at the end is read only if everything before it is.
    try:
        numbers = np.fromstring(text.replace(b"\n", b",") + b"0", np.float32, sep=",")
    except (DeprecationWarning, ValueError):  # which of them, and whether at all, depends on filters and version
        return None
    if len(numbers) != rows * width + 1 or not all_finite(numbers):
        return None
    return numbers[:-1].reshape(rows, width)


@dataclass(frozen=True)
class Block:
    """Some whole lines of a file; ``first_line`` is the number of the first of them, from 1."""

    text: bytes
    first_line: int
    source: str

    def first_row(self) -> tuple[int, int] | None:
        """(number, width) of the first line that is not blank, or None if all are."""
        start, number = 0, self.first_line
        while start < len(self.text):
            end = self.text.index(b"\n", start)
            line = self.text[start:end]
            if line.strip(_SPACES):
                return number, line.count(b",") + 1
            start, number = end + 1, number + 1
        return None

    def parse(self, width: int, header_row: int) -> Batch:
        """A batch of all columns, the label not yet apart. Text in line ``header_row`` may be a header."""
        table = parse_numbers(self.text, width)
        if table is not None:
            return Batch(table, None, self.source, self.first_line)
        lines = self.text.split(b"\n")[:-1]
        kept = np.array([i for i, line in enumerate(lines) if line.strip(_SPACES)], np.int64)
        tidy = b"".join(lines[i] + b"\n" for i in kept)
        if b'"' in tidy:
            tidy = _QUOTED_CELL.sub(rb"\1", tidy)
        table = parse_numbers(tidy, width)
        if table is None:
            raise self._error(tidy.split(b"\n")[:-1], self.first_line + kept, width, header_row)
        row_numbers = None if len(kept) == len(lines) else self.first_line + kept
        return Batch(table, None, self.source, self.first_line, row_numbers)

    def _error(self, lines: list[bytes], numbers: np.ndarray, width: int, header_row: int) -> ClientError:
        """The error for lines that ``parse_numbers`` does not take."""
        candidates = (find_fault(line, int(number), width) for line, number in zip(lines, numbers, strict=True))
        faults = [fault for fault in candidates if fault is not None]
        fix = ""
        if faults[0].row == header_row and faults[0].problem == _NOT_A_NUMBER:
            fix = advice(self.text, CSV) or f"{VERIFY}; if row {header_row} is a header line, remove it"
        return error_of(faults, source=self.source, content_type=CSV, fix=fix)


def find_fault(line: bytes, row: int, width: int) -> Fault | None:
    """What is wrong with a line whose quotes are gone. An empty cell is told only where the width is right: there it is
    a missing value, elsewhere a stray comma."""
    cells = [cell.strip(_SPACES) for cell in line.split(b",")]
    problems = [(column, problem) for column, cell in enumerate(cells) if (problem := _problem(cell)) is not None]
    if len(cells) != width:
        problems = [(column, problem) for column, problem in problems if problem != MISSING]
        if not problems:
            return Fault(f"The row has {len(cells)} columns, the first one has {width}", row)
    if not problems:
        return None
    column, problem = problems[0]
    return Fault(problem, row, f"column {column + 1}", cells[column].decode("utf-8", "replace"))


def _problem(cell: bytes) -> str | None:
    """What is wrong with a cell that has no space around it."""
    if _NUMBER.fullmatch(cell):
        return OUT_OF_RANGE if abs(float(cell)) >= _OVERFLOW else None
    if _MISSING_CELL.fullmatch(cell):
        return MISSING
    return INFINITE if _INFINITE_CELL.fullmatch(cell) else _NOT_A_NUMBER
