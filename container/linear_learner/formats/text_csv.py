"""``text/csv``: one row a line, numbers between commas; in training files perhaps a header line first.

Cells are told in ``csv_cells``; double quotes around them are allowed. A value is the float32 nearest to the float64
that is nearest to the text. Lines end with LF or CRLF, the last one perhaps with neither; blank lines and a byte order
mark are skipped.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV
from linear_learner.formats.csv_cells import NOT_A_NUMBER, NUMBER, SPACES, find_fault
from linear_learner.formats.csv_header import (
    cell_count,
    cells_of,
    fault_of_header_with,
    fault_of_table_header,
    header_names,
    names_with,
    table_header_names,
)
from linear_learner.formats.csv_separators import line_end_advice, separator_advice, text_separator_advice
from linear_learner.formats.csv_texts import TextCoder, TextColumns, columns_with_text, show
from linear_learner.formats.faults import (
    LABEL_REMEDY,
    MISSING,
    VERIFY,
    Fault,
    all_finite,
    check_utf8,
    error_of,
    malformed,
)
from linear_learner.formats.label_column import label_position
from linear_learner.formats.line_blocks import BLOCK_SIZE, EndlessLine, count_lines, line_blocks
from linear_learner.formats.native_blocks import csv_rows, in_native_order
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.schema_learner import SchemaLearner
from linear_learner.formats.sniffing import BYTE_ORDER_MARK, advice
from linear_learner.formats.width import check_width

_NO_FEATURES = "The rows have a label but no features"
_INDEX_REMEDY = (
    "The first line is a header whose first column has no name, as pandas writes its index: leave that column out "
    "(index=False)"
)
_LINES_BELOW_A_HEADER = 100
"""To look at, of a table with text, until one of them tells whether the first line is a header."""
_NUMERIC = b"0123456789+-.eE" + SPACES
_QUOTED_CELL = re.compile(rb'(?<![^,\n])[ \t]*"([^",\n]*)"[ \t\r]*(?![^,\n])')
_BLANK_CELL = re.compile(rb"(?<![^,\n])[ \t\r]+(?![^,\n])")


def decode(
    stream: BinaryIO,
    *,
    label_size: int,
    source: str,
    threads: int = 1,
    block_size: int = BLOCK_SIZE,
    options: Options = DEFAULTS,
) -> Iterator[Batch]:
    """Batches of rows, all of one width. With ``label_size`` 1 the first line may be a header, if the options allow
    one, and the label is the column that ``options.label_column`` names, or else the first; with 0 all columns are
    features.

    Holds ``threads + 2`` blocks of about ``block_size`` bytes, or of one line where that is longer, and what is decoded
    of them. ClientError names file, row (the number of the line, from 1), column (from 1) and value, for the first few
    bad rows of a block.
    """
    blocks = line_blocks(stream, block_size, source, CSV)
    head, first_line = head_of(blocks)
    if not head:
        return
    schema = options.schema
    known = None if schema is None else frozenset({*schema.names, options.label_column} - {""})
    classes = () if schema is None else schema.classes
    form = replace(
        form_of(
            *(head, first_line, label_size, options.label_column, source, known),
            classes=classes,
            may_have_header=options.header,
        ),
        allow_missing=options.allow_missing,
    )
    if schema is not None:
        columns = form.text_columns(source)
        if schema.columns:
            if options.by_name:
                schema = schema.arranged(form.names_of_features, source)
            if len(columns.features) != len(schema.columns):
                columns.rows(head, first_line)  # where quotes do not close, that is what is wrong
            check_width(len(columns.features), len(schema.columns), place=f"{source}, row {form.first_row}")
            schema.check_names(form.names_of_features, source)
        code = TextCoder(schema, columns, first_line=first_line, allow_missing=options.allow_missing)
        head, blocks = code(head), map(code, blocks)
    decode_block = partial(
        csv_rows,
        label_size=form.label_size,
        columns=form.width,
        header=form.header,
        allow_missing=form.allow_missing,
    )
    texts = in_native_order(decode_block, blocks, threads)
    first = head, decode_block(head)
    rows = 0
    try:
        for text, found in itertools.chain([first], texts):
            if found is None:
                batch = Block(text, first_line, source).parse(form)
                first_line += text.count(b"\n")
            else:
                numbers = None if found.row_numbers is None else found.row_numbers + (first_line - 1)
                batch = Batch(found.features, found.labels, source, first_line, numbers, form.feature_names)
                first_line += found.lines
            if form.label_at is not None:
                batch = _with_label(batch, form.label_at, source)
            if not batch.feature_dim:
                where = f"{source}, row {form.first_row}"
                raise malformed(_NO_FEATURES, where=where, content_type=CSV)
            rows += len(batch)
            if len(batch) or not rows:
                yield batch
    except EndlessLine as error:
        raise error.at(first_line) from None


def learn(stream: BinaryIO, learner: SchemaLearner, *, source: str, block_size: int = BLOCK_SIZE) -> Iterator[int]:
    """Show the learner all rows of a file, the first of them also to find the columns with text."""
    settings = learner.settings
    blocks = line_blocks(stream, block_size, source, CSV)
    head, line = head_of(blocks)
    if not head:
        return
    form = form_of(head, line, 1, settings.label_column, source, settings.known_names)
    columns, names, first_line = form.text_columns(source), form.names_of_features, line
    if not columns.features:
        lines = [text for _, text in itertools.islice(rows_of(head), 2)]
        where = f"{source}, row {form.first_row}"
        raise malformed(_NO_FEATURES, where=where, content_type=CSV, fix=_advice(head, lines))
    learner.check_width(len(columns.features), f"{source}, row {form.first_row}")
    if names is not None:
        learner.name_columns(names)
    try:
        for text in itertools.chain([head], blocks):
            if columns.without_header(text)[1].strip():
                if not learner.begun:
                    learner.begin(names, columns.features, columns_with_text(text, line, columns), source)
                if learner.seeks_nothing:
                    return
                show(learner, text, line, columns)
            line += count_lines(text)
            yield line - first_line
    except EndlessLine as error:
        raise error.at(line) from None


@dataclass(frozen=True)
class Form:
    """What the rows of a file look like. ``width`` counts all columns; ``label_size`` of them stand before the features
    and are the label. Where another column is, ``label_at`` says which, and ``label_size`` is 0. ``header`` is the
    header line without its end, b"" if there is none, and ``feature_names`` the names in it but for the first
    ``label_size``. ``first_row`` is the number of the first line that is not blank. ``allow_missing``: features
    that are missing are NaN."""

    label_size: int
    width: int
    first_row: int
    header: bytes = b""
    feature_names: tuple[str, ...] | None = None
    label_at: int | None = None
    allow_missing: bool = False

    @property
    def label(self) -> int | None:
        """The position of the label's column, None in a request."""
        return 0 if self.label_size else self.label_at

    @property
    def names_of_features(self) -> tuple[str, ...] | None:
        """``feature_names`` without that of the label, wherever it is."""
        if self.feature_names is None or self.label_at is None:
            return self.feature_names
        return self.feature_names[: self.label_at] + self.feature_names[self.label_at + 1 :]

    def text_columns(self, source: str) -> TextColumns:
        features = tuple(position for position in range(self.width) if position != self.label)
        return TextColumns(self.width, features, self.label, self.header, source)

    def is_skipped(self, line: bytes) -> bool:
        """A header comes again where files were joined."""
        text = line.strip(SPACES)
        return not text or (self.header != b"" and text.removeprefix(BYTE_ORDER_MARK) == self.header.strip(SPACES))


def form_of(
    head: bytes,
    first_line: int,
    label_size: int,
    label_column: str,
    source: str,
    known_names: frozenset[str] | None = None,
    *,
    classes: tuple[str, ...] = (),
    may_have_header: bool = True,
) -> Form:
    """``head``: whole lines, number ``first_line`` the first, among them the first two rows if there are two.
    ``known_names``: of tables with text, names that only a header holds; ``classes``: texts of labels, where they are
    known. ClientError if no column goes by the name ``label_column``."""
    rows = rows_of(head)
    number, first = next(rows)
    others = [line for _, line in itertools.islice(rows, 1 if known_names is None else _LINES_BELOW_A_HEADER)]
    if not label_size or not may_have_header:
        names = None
    elif known_names is None:
        names = header_names(first, others[0] if others else None) or names_with(label_column, first)
    else:
        names = table_header_names(first, others, known_names, classes)
    row = first_line + number
    if names is None:
        if label_size and label_column:
            raise ClientError(
                f"The file has no header that names the column '{label_column}', as label_column says",
                where=f"{source}, row {row}",
                fix=_header_remedy(label_column, [first, *others[:1]], head),
            )
        may_be_header = known_names is not None and label_size > 0 and may_have_header
        if may_be_header and (fault := fault_of_table_header(first, others, known_names or frozenset())):
            remedy = "Please give each column a name of its own; if it is a row, put a header over it"
            raise ClientError(
                f"The first line looks like a header, and {fault}",
                where=f"{source}, row {row}",
                fix=remedy if cells_of(first)[0] else _INDEX_REMEDY,
            )
        return Form(label_size, first.count(b",") + 1 if known_names is None else cell_count(first), row)
    check_utf8(first, f"{source}, row {row}")
    header, label_at = first.removesuffix(b"\r"), label_position(label_column, names, source)
    if label_at == 0:
        return Form(label_size, len(names), row, header, names[label_size:])
    return Form(0, len(names), row, header, names, label_at)


def _with_label(batch: Batch, label_at: int, source: str) -> Batch:
    """The batch with one of its columns as the label. ClientError where that is missing."""
    names, columns = batch.feature_names or (), batch.features
    assert isinstance(columns, np.ndarray)  # noqa: S101 (for the type checker: a CSV row is dense)
    labels = columns[:, label_at].copy()
    faults = []
    for row in np.flatnonzero(np.isnan(labels)):
        number = batch.first_row + int(row) if batch.row_numbers is None else int(batch.row_numbers[row])
        faults.append(Fault(MISSING, number, f"column {label_at + 1}"))
    if faults:
        raise error_of(faults, source=source, content_type=CSV, fix=LABEL_REMEDY)
    return replace(
        batch,
        features=np.delete(columns, label_at, axis=1),
        labels=labels,
        feature_names=names[:label_at] + names[label_at + 1 :],
    )


def rows_of(text: bytes) -> Iterator[tuple[int, bytes]]:
    """(number from 0, line) of each line that is not blank, of whole lines."""
    start = number = 0
    while start < len(text):
        end = text.index(b"\n", start)
        line = text[start:end]
        if line.strip(SPACES):
            yield number, line
        start, number = end + 1, number + 1


def head_of(blocks: Iterator[bytes]) -> tuple[bytes, int]:
    """The blocks up to the second row, joined, and the number of their first line. Of blank lines before the first row
    whole blocks are left out. b"" if there is no row."""
    pieces: list[bytes] = []
    first_line, rows = 1, 0
    try:
        for text in blocks:
            rows += sum(1 for _ in itertools.islice(rows_of(text), 2))
            if rows:
                pieces.append(text)
            else:
                first_line += text.count(b"\n")
            if rows > 1:
                break
    except EndlessLine as error:
        raise error.at(first_line + sum(map(count_lines, pieces))) from None
    return b"".join(pieces), first_line


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
    """Some whole lines of a file, read in plain Python; ``first_line`` is the number of the first of them, from 1."""

    text: bytes
    first_line: int
    source: str

    def parse(self, form: Form) -> Batch:
        table, row_numbers = self._table(form)
        features = table[:, form.label_size :]
        labels = table[:, 0] if form.label_size else None
        return Batch(features, labels, self.source, self.first_line, row_numbers, form.feature_names)

    def _table(self, form: Form) -> tuple[np.ndarray, np.ndarray | None]:
        """All columns, and the rows' numbers where lines were skipped."""
        table = parse_numbers(self.text, form.width)
        if table is not None:
            return table, None
        lines = self.text.split(b"\n")[:-1]
        kept = np.array([i for i, line in enumerate(lines) if not form.is_skipped(line)], np.int64)
        tidy = b"".join(lines[i] + b"\n" for i in kept)
        if b'"' in tidy:
            tidy = _QUOTED_CELL.sub(rb"\1", tidy)
        table = parse_numbers(tidy, form.width)
        if table is None:
            tidy_lines = tidy.split(b"\n")[:-1]
            faults = _faults(tidy_lines, self.first_line + kept, form)
            if faults:
                raise self._error(faults, tidy_lines, self.first_line + kept, form)
            table = _with_missing(tidy_lines, form.width)
        return table, None if len(kept) == len(lines) else self.first_line + kept

    def _error(self, faults: list[Fault], lines: list[bytes], numbers: np.ndarray, form: Form) -> ClientError:
        """The error for what is wrong with some of the lines."""
        fix, fault = "", faults[0]
        is_first = self.first_line <= form.first_row and fault.row == numbers[0]
        if fault.problem == NOT_A_NUMBER and is_first:
            # With decimal commas, a row between other separators may pass for a header.
            fix = separator_advice(lines[:2])
            if not fix and not form.header:
                fix = _advice(self.text, lines[:2]) or f"{VERIFY}; {_about_header(form)}"
        elif fault.problem == MISSING and form.label is not None and fault.place == f"column {form.label + 1}":
            fix = _INDEX_REMEDY if is_first and _begins_with_index(lines) else LABEL_REMEDY
        return error_of(faults, source=self.source, content_type=CSV, fix=fix)


def _faults(lines: list[bytes], numbers: np.ndarray, form: Form) -> list[Fault]:
    optional_from = form.label_size if form.allow_missing else None
    candidates = (
        find_fault(line, int(number), form.width, optional_from) for line, number in zip(lines, numbers, strict=True)
    )
    return [fault for fault in candidates if fault is not None]


def _with_missing(lines: list[bytes], width: int) -> np.ndarray:
    """float32 (n, width) of lines without a fault, NaN where a value is missing."""
    cells = (cell.strip(SPACES) for line in lines for cell in line.split(b","))
    numbers = [float(cell) if NUMBER.fullmatch(cell) else np.nan for cell in cells]
    return np.array(numbers, np.float64).astype(np.float32).reshape(-1, width)


def _begins_with_index(lines: list[bytes]) -> bool:
    """Whether the first line is a header but for its first column."""
    first, *others = (line.partition(b",")[2] for line in lines[:2])
    return header_names(first, others[0] if others else None) is not None


def _advice(head: bytes, lines: list[bytes]) -> str:
    """How to mend text of which commas make no columns: it begins with ``head``, its rows with ``lines``. "" if nothing
    is known."""
    return advice(head, CSV) or line_end_advice(lines[0]) or text_separator_advice(lines)


def _header_remedy(label_column: str, lines: list[bytes], head: bytes) -> str:
    """How to mend a file that has no header with the name of the label; ``lines`` are its first ones."""
    fix = separator_advice(lines) or _advice(head, lines)
    fault = fault_of_header_with(label_column, lines[0])
    if not fix and fault:
        is_nameless = not lines[0].partition(b",")[0].strip(SPACES + b'"')
        has_index = is_nameless and _begins_with_index(lines)
        fix = _INDEX_REMEDY if has_index else f"{fault}: give each column a name of its own"
    return fix or (
        "begin each file with the names of its columns, no name twice; or leave label_column out, with the label first"
    )


def _about_header(form: Form) -> str:
    mend = "give each column a name of its own, or remove the line" if form.label_size else "remove it"
    return f"if row {form.first_row} is a header line, {mend}"
