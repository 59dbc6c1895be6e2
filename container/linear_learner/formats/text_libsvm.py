"""``text/libsvm``: one sparse row a line, a label and then ``index:value`` for each value that is not zero.

    1 3:0.5 7:2e-3 12:1     # a comment
    0 qid:4 1:1

Between the parts are spaces or tabs. Indices count from ``Options.index_base``, come in any order, and each at most
once in a row. ``qid``, which groups rows for ranking, is skipped. A value is the float32 nearest to the float64 that is
nearest to the text. Blank lines, comments and a byte order mark are skipped. Source: the README of LIBSVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

import numpy as np

from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import LIBSVM
from linear_learner.formats.csr import CsrMatrix, index_type
from linear_learner.formats.csv_cells import NOT_A_NUMBER, problem_of
from linear_learner.formats.faults import MISSING, Fault, error_of, malformed
from linear_learner.formats.line_blocks import BLOCK_SIZE, EndlessLine, line_blocks
from linear_learner.formats.native_blocks import in_native_order, libsvm_rows
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.recordio import MAGIC_BYTES
from linear_learner.formats.sniffing import advice
from linear_learner.native.decoders import LibsvmRows

LARGEST_COLUMN = 2**31 - 2
"""The last column, from 0, of rows whose columns can be counted in 32 bits."""
_MOST_DIGITS = 10
_TOO_WIDE = "Found an index beyond the last feature"
_INDEX_ZERO = "Found index 0, and indices count from 1"
_FIXES = {
    _INDEX_ZERO: f"If they count from 0, set the content type '{LIBSVM}; index_base=0'",
    _TOO_WIDE: "Set feature_dim to the largest number of features in all channels, or drop the rows",
}
_FIXES_OF_REQUESTS = {**_FIXES, _TOO_WIDE: "Send the features that the model has, and no others"}


def decode(
    stream: BinaryIO,
    *,
    label_size: int,
    source: str,
    threads: int = 1,
    block_size: int = BLOCK_SIZE,
    options: Options = DEFAULTS,
) -> Iterator[Batch]:
    """Batches of sparse rows. With ``label_size`` 1 every row begins with its label; with 0 (a request) a label may be
    there and is skipped whatever it is, as in requests of CSV. Only where no pair follows must it be a number: else
    text of any other kind would be rows of zeros.

    The rows have ``options.feature_dim`` columns; where that is None, each batch has as many as the largest of its
    indices says, and its ``width_is_open``. ClientError names file, row (the number of the line, from 1), index and
    value, for the first few bad rows of a block.
    """
    first_line = 1
    texts = line_blocks(stream, block_size, source, LIBSVM)
    decode_block = partial(libsvm_rows, label_size=label_size, options=options)
    try:
        for text, found in in_native_order(decode_block, texts, threads):
            if first_line == 1 and text.startswith(MAGIC_BYTES):
                # Its second byte begins a comment, so that nothing else would be found wrong.
                where, fix = f"{source}, row 1", advice(text, LIBSVM)
                raise malformed("The data is not text", where=where, content_type=LIBSVM, fix=fix)
            if found is None:
                batch = Block(text, first_line, source).parse(label_size, options)
                first_line += text.count(b"\n")
            else:
                batch = _batch_of(found, first_line, source, options)
                first_line += found.lines
            if len(batch):
                yield batch
    except EndlessLine as error:
        raise error.at(first_line) from None


def _batch_of(found: LibsvmRows, first_line: int, source: str, options: Options) -> Batch:
    rows = found.rows
    features = CsrMatrix(rows.row_starts, rows.columns, rows.values, (len(rows.row_starts) - 1, rows.feature_dim))
    numbers = None if found.row_numbers is None else found.row_numbers + (first_line - 1)
    return Batch(features, found.labels, source, first_line, numbers, width_is_open=options.feature_dim is None)


@dataclass
class _Rows:
    """The rows of a block, one after the other."""

    labels: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class _BadRow(Exception):  # noqa: N818 (says what is the matter)
    """What is wrong with a row: the problem, where in it, and the text."""

    def __init__(self, problem: str, place: str | None = None, value: bytes | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place
        self.value = None if value is None else value.decode("utf-8", "replace")


@dataclass(frozen=True)
class Block:
    """Some whole lines of a file, read in plain Python; ``first_line`` is the number of the first of them, from 1."""

    text: bytes
    first_line: int
    source: str

    def parse(self, label_size: int, options: Options) -> Batch:
        """ClientError for the first few bad rows."""
        rows, faults = _Rows(), []
        for number, line in enumerate(self.text.split(b"\n")[:-1], self.first_line):
            tokens = line.partition(b"#")[0].split()
            if tokens:
                try:
                    _add(tokens, number, rows, label_size, options)
                except _BadRow as bad:
                    faults.append(Fault(bad.problem, number, bad.place, bad.value))
        if faults:
            is_first = not rows.numbers and self.first_line == 1
            known = (_FIXES if label_size else _FIXES_OF_REQUESTS).get(faults[0].problem)
            fix = known or (advice(self.text, LIBSVM) if is_first else "")
            raise error_of(faults, source=self.source, content_type=LIBSVM, fix=fix)
        return self._batch(rows, label_size, options)

    def _batch(self, rows: _Rows, label_size: int, options: Options) -> Batch:
        width = options.feature_dim if options.feature_dim is not None else max(rows.indices, default=-1) + 1
        indptr = np.zeros(len(rows.lengths) + 1, np.int64)
        np.cumsum(rows.lengths, out=indptr[1:])
        features = CsrMatrix(
            indptr,
            np.array(rows.indices, index_type(width)),
            np.array(rows.values, np.float64).astype(np.float32),
            (len(rows.lengths), width),
        )
        labels = np.array(rows.labels, np.float64).astype(np.float32) if label_size else None
        lines = self.text.count(b"\n")
        numbers = None if len(rows.numbers) == lines else np.array(rows.numbers, np.int64)
        return Batch(features, labels, self.source, self.first_line, numbers, width_is_open=options.feature_dim is None)


def _add(tokens: list[bytes], number: int, rows: _Rows, label_size: int, options: Options) -> None:
    """One row more, or _BadRow and none."""
    label = 0.0
    pairs = tokens
    if label_size or b":" not in tokens[0]:
        pairs = tokens[1:]
        if label_size or not pairs:
            label = _label(tokens[0])
    if pairs and pairs[0].startswith(b"qid:"):
        pairs = pairs[1:]
    row: dict[int, float] = {}
    for pair in pairs:
        index, colon, value = pair.partition(b":")
        if not colon:
            raise _BadRow("Found a part that is not index:value", None, pair)
        column = _column(index, pair, options)
        if column in row:
            raise _BadRow("The row has an index twice", f"index {column + options.index_base}", pair)
        problem = problem_of(value)
        is_missing = problem == MISSING and options.allow_missing
        if problem is not None and not is_missing:
            raise _BadRow(problem, f"index {column + options.index_base}", value)
        row[column] = float("nan") if is_missing else float(value)
    columns = sorted(row)
    rows.labels.append(label)
    rows.numbers.append(number)
    rows.lengths.append(len(columns))
    rows.indices += columns
    rows.values += [row[column] for column in columns]


def _label(token: bytes) -> float:
    problem = problem_of(token)
    if problem == NOT_A_NUMBER and b":" in token:
        raise _BadRow("The row does not begin with a label", None, token)
    if problem is not None:
        raise _BadRow(problem, "label", token)
    return float(token)


def _column(index: bytes, pair: bytes, options: Options) -> int:
    """The column, from 0, of an index as it is written."""
    if not index.isdigit():
        raise _BadRow("Found an index that is not a whole number from 0 on", None, pair)
    # Python takes long for thousands of digits.
    digits = index.lstrip(b"0")
    column = int(digits or b"0") - options.index_base if len(digits) <= _MOST_DIGITS else LARGEST_COLUMN + 1
    if column < 0:
        raise _BadRow(_INDEX_ZERO, None, pair)
    if column > LARGEST_COLUMN:
        raise _BadRow(f"Found an index beyond {LARGEST_COLUMN + options.index_base}", None, pair)
    if options.feature_dim is not None and column >= options.feature_dim:
        raise _BadRow(_TOO_WIDE, f"{options.feature_dim} features", pair)
    return column
