"""Columns of text in ``text/csv``: categories, and labels that are words.

Cells of text are read as Python's ``csv`` reads them: in quotes they may hold commas, and quotes written twice. Spaces
and tabs around them do not count. A cell ends in its line. What is not UTF-8 is a mistake.

``TextCoder`` puts numbers in the place of texts and changes nothing else, line by line, so that the decoder of numbers
reads the rest and finds what is wrong with it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linear_learner.formats.content_type import CSV
from linear_learner.formats.csv_arrow import distinct, has_commas, lines_of, pick, read_columns
from linear_learner.formats.csv_cells import NOT_A_NUMBER, SPACES, problem_of
from linear_learner.formats.faults import NOT_UTF8, UNKNOWN_LABEL, Fault, error_of
from linear_learner.formats.line_blocks import count_lines
from linear_learner.formats.schema_learner import SchemaLearner
from linear_learner.formats.sniffing import BYTE_ORDER_MARK
from linear_learner.formats.table_schema import MISSING_LEVEL, UNSEEN, TableSchema, is_no_label

if TYPE_CHECKING:
    import pyarrow as pa

_SPACES = SPACES.decode()
_OPEN_QUOTES = "The quotes around a cell do not close in its line"
_END = "end"


@dataclass(frozen=True)
class TextColumns:
    """Where a file has what. ``width`` counts all columns; ``features`` are the positions of the features, in their
    order, and ``label`` is that of the label, None in a request. Lines equal to ``header`` are no rows."""

    width: int
    features: tuple[int, ...]
    label: int | None
    header: bytes
    source: str

    def without_header(self, text: bytes) -> tuple[bytes, bytes]:
        """What is no row at the beginning of whole lines, and the rest, which may hold the header again."""
        header = self.header.strip(SPACES)
        end = text.find(b"\n") + 1
        begins_so = header and text[: end - 1].strip(SPACES).removeprefix(BYTE_ORDER_MARK) == header
        return (text[:end], text[end:]) if begins_so else (b"", text)

    def read_plain(self, body: bytes, wanted: Sequence[int]) -> list[pa.Array] | None:
        """Some columns of what ``without_header`` leaves; None where its lines have to be looked at one by one, as they
        have if the header may be among them."""
        header = self.header.strip(SPACES)
        return None if header and header in body else read_columns(body, self.width, wanted)

    def rows(self, text: bytes, first_line: int) -> list[list[str]]:
        """The cells of whole lines, of which ``first_line`` is the number of the first; no cells of a line that is
        blank or a header. ClientError for one that cannot be read."""
        lines = text.split(b"\n")[:-1]
        header = self.header.strip(SPACES)
        if header and header in text:
            lines = [b"" if line.strip(SPACES).removeprefix(BYTE_ORDER_MARK) == header else line for line in lines]
        rows = _rows(lines)
        if rows is None:
            problems = ((number, _problem_of(line)) for number, line in enumerate(lines, first_line))
            faults = [Fault(problem, number) for number, problem in problems if problem]
            raise error_of(faults, source=self.source, content_type=CSV)
        return rows


def _rows(lines: Sequence[bytes]) -> list[list[str]] | None:
    """The cells of each line; None if one of them cannot be read by itself."""
    try:
        # A quote that is not closed goes on in the next line: it would swallow the end.
        rows = list(csv.reader((*map(_text, lines), _END), skipinitialspace=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return rows[:-1] if len(rows) == len(lines) + 1 and rows[-1] == [_END] else None


def _problem_of(line: bytes) -> str:
    """What is wrong with a line by itself, "" if nothing is."""
    try:
        rows = list(csv.reader((_text(line), _END), skipinitialspace=True))
    except UnicodeDecodeError:
        return NOT_UTF8
    except csv.Error as error:
        if "field limit" in str(error):
            return f"A cell has more than {csv.field_size_limit()} characters, too many for a category or a label"
        return f"The row cannot be read: {error}"
    return "" if len(rows) == 2 else _OPEN_QUOTES


def _text(line: bytes) -> str:
    return line.decode().strip(_SPACES)


def columns_with_text(text: bytes, first_line: int, columns: TextColumns) -> set[int]:
    """Which features, counted from 0, hold a text in any of whole lines."""
    found = enumerate(_distinct(text, first_line, columns, columns.features))
    return {i for i, cells in found if any(problem_of(cell.encode()) == NOT_A_NUMBER for cell in cells)}


def show(learner: SchemaLearner, text: bytes, first_line: int, columns: TextColumns) -> None:
    """Tell the learner what is in whole lines. Those of another width are no rows; whoever decodes them says so."""
    wanted = [columns.features[i] for i in learner.categories]
    if learner.settings.text_labels and columns.label is not None:
        wanted.append(columns.label)
    found = dict(zip(wanted, _distinct(text, first_line, columns, wanted), strict=True))
    for i in learner.categories:
        learner.add_levels(i, found[columns.features[i]], columns.source)
    if columns.label in found:
        learner.add_classes(found[columns.label], columns.source)


def _distinct(text: bytes, first_line: int, columns: TextColumns, positions: Sequence[int]) -> list[set[str]]:
    """The different texts at each position."""
    _, body = columns.without_header(text)
    arrays = columns.read_plain(body, positions) if positions else []
    if arrays is not None:
        found = [distinct(array) for array in arrays]
        if all(found):
            return [{cell.strip(_SPACES) for cell in cells} for cells, _ in filter(None, found)]
    rows = [row for row in columns.rows(text, first_line) if len(row) == columns.width]
    return [{cell.strip(_SPACES) for cell in {row[position] for row in rows}} for position in positions]


def _cell(row: Sequence[str], position: int) -> str:
    return row[position].strip(_SPACES)


class TextCoder:
    """Makes lines of numbers of the lines of a file, from the first one on: a category becomes the number of its level,
    UNSEEN if it is none, and a label that of its class. With ``allow_missing``, nothing is a category as well. A
    ClientError names the first few labels of a block that are no class."""

    def __init__(self, schema: TableSchema, columns: TextColumns, *, first_line: int, allow_missing: bool) -> None:
        self._columns = columns
        self._line = first_line
        self._class_codes = {text: str(number) for text, number in schema.class_codes.items()}
        self._codes: list[tuple[int, Mapping[str, str]]] = []
        for position, column in zip(columns.features, schema.columns, strict=bool(schema.columns)):
            if column.levels is not None:
                codes = {level: str(number) for level, number in column.codes.items()}
                # A missing category stays as it is where that is a mistake.
                codes.setdefault(MISSING_LEVEL, str(UNSEEN) if allow_missing else "")
                self._codes.append((position, codes))

    def __call__(self, text: bytes) -> bytes:
        """The next lines."""
        coded = self._plain(text)
        if coded is None:
            rows = self._columns.rows(text, self._line)
            self._check_labels(rows)
            coded = "".join(f"{self._line_of(row)}\n" for row in rows).encode()
        self._line += count_lines(text)
        return coded

    def _plain(self, text: bytes) -> bytes | None:
        """The lines, if nothing about them needs to be looked at one by one."""
        head, body = self._columns.without_header(text)
        columns = self._columns.read_plain(body, range(self._columns.width))
        if columns is None:
            return None
        codes = dict(self._codes)
        if self._class_codes and self._columns.label is not None:
            codes[self._columns.label] = self._class_codes
        for position, column in enumerate(columns):
            if position in codes:
                found = distinct(column)
                if found is None:
                    return None
                cells = [cell.strip(_SPACES) for cell in found[0]]
                if position == self._columns.label and not codes[position].keys() >= set(cells):
                    return None
                coded = [codes[position].get(cell, str(UNSEEN)) for cell in cells]
                columns[position] = pick(coded, found[1])
            elif b'"' in text and has_commas(column):
                return None
        return b"\n" * bool(head) + lines_of(columns)

    def _line_of(self, row: list[str]) -> str:
        if len(row) != self._columns.width:
            # Its width is what is wrong with it.
            return ",".join("0" * len(row))
        for position, codes in self._codes:
            row[position] = codes.get(row[position].strip(_SPACES), str(UNSEEN))
        if self._class_codes and self._columns.label is not None:
            label = row[self._columns.label].strip(_SPACES)
            # A missing one stays as it is, which is a mistake of numbers too.
            row[self._columns.label] = self._class_codes.get(label, label if is_no_label(label) else "")
        line = ",".join(row)
        if line.count(",") >= len(row) or '"' in line:
            # Of a number that is none.
            line = ",".join(f'"{cell}"' if "," in cell else cell for cell in row)
        return line

    def _is_known(self, label: str) -> bool:
        return label in self._class_codes or is_no_label(label)

    def _check_labels(self, rows: Sequence[Sequence[str]]) -> None:
        at = self._columns.label
        if not self._class_codes or at is None:
            return
        faults = [
            Fault(UNKNOWN_LABEL, self._line + i, f"column {at + 1}", _cell(row, at))
            for i, row in enumerate(rows)
            if len(row) == self._columns.width and not self._is_known(_cell(row, at))
        ]
        if faults:
            raise error_of(faults, source=self._columns.source, content_type=CSV)
