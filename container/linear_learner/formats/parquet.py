"""``application/x-parquet``: tables, one column the label, the others features with their names.

Columns are floats, integers, booleans or decimals, and texts where ``Options.schema`` says what they become. The label
is the column that ``Options.label_column`` names, or else the first. The index that pandas writes as a column,
``__index_level_0__``, is left out.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import PARQUET
from linear_learner.formats.faults import (
    LABEL_REMEDY,
    MISSING,
    UNKNOWN_LABEL,
    Fault,
    all_finite,
    error_of,
    malformed,
    not_utf8,
    problem_of_number,
    text_advice,
)
from linear_learner.formats.in_order import in_order
from linear_learner.formats.label_column import label_position
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.parquet_texts import codes_for, is_text, may_be_category, texts_of
from linear_learner.formats.schema_learner import SchemaLearner
from linear_learner.formats.sniffing import PARQUET_MAGIC, SNIFFED_BYTES, advice
from linear_learner.formats.table_schema import MISSING_LEVEL, UNSEEN, is_no_label
from linear_learner.formats.width import check_width

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

BLOCK_CELLS = 1 << 18
"""Cells of a batch: few enough that the columns of its table are filled in the processor's cache."""
READ_AHEAD = 1 << 24
"""Bytes that are read at a time of all columns together, so that not a whole row group is held."""
COPIED_BYTES = 1 << 20
"""At a time, of a stream that has no way back."""
JOINT = 2 * PARQUET_MAGIC
"""Where one file ends and another begins."""

_LEAST_AHEAD = 1 << 12
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def decode(
    stream: BinaryIO,
    *,
    label_size: int,
    source: str,
    threads: int = 1,
    block_cells: int = BLOCK_CELLS,
    options: Options = DEFAULTS,
) -> Iterator[Batch]:
    """Batches of rows, all of one width. With ``label_size`` 0 all columns are features.

    Row groups are read one after the other, and of each no more than the pages that a batch needs. The end of the file
    says what is in it, so that a stream without a way back is copied to a temporary file first. ClientError names the
    column and, of values, the first few bad rows of a batch.
    """
    with _opened(stream, source) as table:
        if table is None:
            return
        columns = _Columns(table.schema_arrow, label_size, source, options)
        if not table.metadata.num_rows:
            yield columns.no_rows()
        batches = _numbered(_record_batches(table, columns.names, block_cells, threads))
        for _, batch in in_order(columns.batch, batches, threads):
            yield batch


def learn(stream: BinaryIO, learner: SchemaLearner, *, source: str, block_cells: int = BLOCK_CELLS) -> Iterator[int]:
    """Show the learner the texts in all rows of a file; which columns may hold some, their types say."""
    with _opened(stream, source) as table:
        if table is None:
            return
        found = table.schema_arrow
        names = _names_of(found, source)
        label = label_position(learner.settings.label_column, names, source) if names else 0
        positions = [i for i in range(len(names)) if i != label]
        learner.check_width(len(positions), source)
        if not learner.begun:
            features = [names[i] for i in positions]
            with_text = {i for i, name in enumerate(features) if is_text(found.field(name).type)}
            learner.begin(features, positions, with_text, source)
        categories = {i: names[positions[i]] for i in learner.categories}
        text_labels = learner.settings.text_labels
        wanted = [*categories.values(), *([names[label]] if text_labels and names else [])]
        for name in wanted:
            _check_category(name, found.field(name).type, source)
        if not wanted:
            return
        shown = 0
        for rows in _record_batches(table, wanted, block_cells, threads=1):
            for i, name in categories.items():
                learner.add_levels(i, _texts(rows, name, source)[0], source)
            if text_labels:
                learner.add_classes(_texts(rows, names[label], source)[0], source)
            shown += len(rows)
            yield shown


class _Columns:
    """Which columns of a file are read, in order, and what makes numbers of them."""

    def __init__(self, schema: pa.Schema, label_size: int, source: str, options: Options) -> None:
        self._source = source
        self._allow_missing = options.allow_missing
        self._has_schema = options.schema is not None
        self.names = _names_of(schema, source)
        self._label = label_position(options.label_column, self.names, source) if label_size and self.names else None
        if len(self.names) <= label_size:
            raise self._malformed("The file has no column for features")
        types = [schema.field(name).type for name in self.names]
        self._codes = {i: codes_for(types[i], codes) for i, codes in self._codes_of(options).items()}
        for i, name in enumerate(self.names):
            if i in self._codes:
                _check_category(name, types[i], source)
            else:
                self._check_type(name, types[i])

    def batch(self, numbered: tuple[pa.RecordBatch, int]) -> Batch:
        """The rows of a record batch, which comes with the number of the first."""
        rows, first_row = numbered
        positions = range(len(self.names))
        others = [i for i in positions if i != self._label]
        features = self._numbers(rows, others, first_row, self._allow_missing)
        labels = None if self._label is None else self._labels(rows, self._label, first_row)
        names = tuple(self.names[i] for i in positions if i != self._label)
        return Batch(features, labels, self._source, first_row, None, names)

    def no_rows(self) -> Batch:
        """The batch of a table without rows, which has columns all the same."""
        names = tuple(name for i, name in enumerate(self.names) if i != self._label)
        labels = None if self._label is None else np.empty(0, np.float32)
        return Batch(np.empty((0, len(names)), np.float32), labels, self._source, feature_names=names)

    def _codes_of(self, options: Options) -> dict[int, Mapping[str, int]]:
        """The numbers of the texts in a column, by its position."""
        codes: dict[int, Mapping[str, int]] = {}
        schema = options.schema
        if schema is None:
            return codes
        if schema.columns:
            features = [i for i in range(len(self.names)) if i != self._label]
            names = [self.names[i] for i in features]
            if options.by_name:
                schema = schema.arranged(names, self._source)
            check_width(len(features), len(schema.columns), place=self._source)
            schema.check_names(names, self._source)
            columns = zip(features, schema.columns, strict=True)
            codes = {i: column.codes for i, column in columns if column.levels is not None}
        return {**codes, self._label: schema.class_codes} if schema.classes and self._label is not None else codes

    def _labels(self, rows: pa.RecordBatch, position: int, first_row: int) -> np.ndarray:
        labels = self._numbers(rows, [position], first_row, False)[:, 0]
        if position in self._codes:
            unknown = np.flatnonzero(labels == UNSEEN)
            name, column = self.names[position], rows.column(position)
            faults = [
                Fault(UNKNOWN_LABEL, first_row + int(row), f"column '{name}'", str(column[int(row)].as_py()))
                for row in unknown
            ]
            if faults:
                raise error_of(faults, source=self._source, content_type=PARQUET)
        return labels

    def _numbers(self, rows: pa.RecordBatch, positions: list[int], first_row: int, allow_missing: bool) -> np.ndarray:
        """Some columns as float32 (n, d), all finite; or NaN too, with ``allow_missing``."""
        table = np.empty((len(rows), len(positions)), np.float32)
        with np.errstate(over="ignore"):
            for at, position in enumerate(positions):
                table[:, at] = self._column(rows, position, allow_missing)
        if not all_finite(table):
            good = ~np.isinf(table) if allow_missing else np.isfinite(table)
            if not good.all():
                raise self._error(rows, good, positions, first_row)
        return table

    def _column(self, rows: pa.RecordBatch, position: int, allow_missing: bool) -> np.ndarray:
        """The numbers of a column, (n,), NaN where a value is missing."""
        codes = self._codes.get(position)
        if codes is None:
            return _as_numpy(rows.column(position))
        texts, which = _texts(rows, self.names[position], self._source)
        missing = codes.get(MISSING_LEVEL, UNSEEN) if allow_missing else np.nan
        numbers = [codes.get(text, UNSEEN) if text != MISSING_LEVEL else missing for text in texts]
        if position == self._label:
            numbers = [codes.get(text, np.nan if is_no_label(text) else UNSEEN) for text in texts]
        return np.array(numbers, np.float32)[which]

    def _error(self, rows: pa.RecordBatch, good: np.ndarray, positions: list[int], first_row: int) -> Exception:
        """``good``: bool (n, d), which of the values are."""
        faults = []
        for row in np.flatnonzero(~good.all(axis=1)):
            position = positions[int(np.argmin(good[row]))]
            value = rows.column(position)[int(row)].as_py()
            nothing = value is None or position in self._codes
            problem = problem_of_number(np.nan if nothing else float(value))
            shown = "null" if value is None else str(value)
            faults.append(Fault(problem, first_row + int(row), f"column '{self.names[position]}'", shown))
        lacks_label = faults[0].problem == MISSING and positions == [self._label]
        return error_of(faults, source=self._source, content_type=PARQUET, fix=LABEL_REMEDY if lacks_label else "")

    def _check_type(self, name: str, found: pa.DataType) -> None:
        import pyarrow as pa

        kinds = pa.types
        known = (kinds.is_floating, kinds.is_integer, kinds.is_boolean, kinds.is_decimal, kinds.is_null)
        if not any(is_kind(found) for is_kind in known):
            fix = f"write it as numbers, leave it out, or {text_advice(has_schema=self._has_schema)}"
            if not may_be_category(found):
                fix = "write it as numbers or as text, or leave it out"
            raise self._malformed(f"Column '{name}' is of type {found}, which is not a number", fix=fix)

    def _malformed(self, problem: str, fix: str = "") -> Exception:
        return malformed(problem, where=self._source, content_type=PARQUET, fix=fix)


def _names_of(schema: pa.Schema, source: str) -> list[str]:
    """The columns that are read, in order. ClientError if two have one name, by which pyarrow finds neither."""
    names = [name for name in schema.names if not _PANDAS_INDEX.fullmatch(name)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        problem = f"The file has more than one column '{twice}'"
        raise malformed(problem, where=source, content_type=PARQUET)
    return names


def _check_category(name: str, found: pa.DataType, source: str) -> None:
    if not may_be_category(found):
        raise malformed(
            f"Column '{name}' is of type {found}, which is neither text, whole numbers nor booleans",
            where=source,
            content_type=PARQUET,
            fix="write it as text",
        )


def _texts(rows: pa.RecordBatch, name: str, source: str) -> tuple[list[str], np.ndarray]:
    """See ``parquet_texts``."""
    import pyarrow as pa

    try:
        return texts_of(rows.column(name))
    except pa.ArrowInvalid:
        raise malformed(
            f"Column '{name}' has numbers that are not whole, and is to be one of categories or of text labels",
            where=source,
            content_type=PARQUET,
            fix="take it out of categorical_columns, or write it as text",
        ) from None
    except UnicodeDecodeError:
        raise not_utf8(f"{source}, column '{name}'") from None


@contextmanager
def _opened(stream: BinaryIO, source: str) -> Iterator[ParquetFile | None]:
    """The file, None where it is empty. What pyarrow finds wrong with it, then or later, is a ClientError."""
    # Here and not above: jobs and servers without Parquet need not wait for it.
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, read_metadata

    with _seekable(stream, source) as file:
        head = file.read(SNIFFED_BYTES)
        if not head:
            yield None
            return
        try:
            metadata = read_metadata(file)
            ahead = READ_AHEAD // max(1, metadata.num_columns)
            yield ParquetFile(file, metadata=metadata, buffer_size=max(ahead, _LEAST_AHEAD))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # of a column's name, the last
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk, and not of pyarrow, whose own have no number
            problem = f"The file cannot be read as Parquet: {str(error).splitlines()[0]}"
            raise malformed(problem, where=source, content_type=PARQUET, fix=advice(head, PARQUET)) from None


def _record_batches(table: ParquetFile, names: list[str], block_cells: int, threads: int) -> Iterator[pa.RecordBatch]:
    """The rows of some columns, group by group."""
    for group in range(table.num_row_groups):
        yield from table.iter_batches(
            max(1, block_cells // len(names)), row_groups=[group], columns=names, use_threads=threads > 1
        )


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Each with the number of its first row."""
    first_row = 1
    for rows in batches:
        yield rows, first_row
        first_row += len(rows)


def _as_numpy(column: pa.Array) -> np.ndarray:
    """The numbers of a column, (n,), NaN where it has null."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan, np.float32)
    if column.null_count and pa.types.is_integer(column.type):
        # Rounded once, as NumPy rounds whole numbers without null; a safe cast refuses those that it would round.
        column = column.cast(pa.float32(), safe=False)
    elif column.null_count or not pa.types.is_primitive(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.float64())
    return cast(np.ndarray, column.to_numpy(zero_copy_only=False))


@contextmanager
def _seekable(stream: BinaryIO, source: str) -> Iterator[Any]:
    """The bytes of the stream as a file that one can go back in. ClientError where they are those of several files, as
    a pipe may bring them: the end of the last would be taken for that of all."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as file:
        before = b""
        while piece := stream.read(COPIED_BYTES):
            if JOINT in before + piece:
                raise malformed(
                    "Several Parquet files come one after the other, and only the end of each tells what is in it",
                    where=source,
                    content_type=PARQUET,
                    fix="Please use File mode, with each of them as a file of its own",
                )
            before = (before + piece)[1 - len(JOINT) :]
            file.write(piece)
        file.seek(0)
        yield file
