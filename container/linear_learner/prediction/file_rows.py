"""The rows of files to predict: decoded as the server decodes requests, or with their labels as training reads them."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np

from linear_learner.data.channel_file import rejoined
from linear_learner.environment import cpu_count
from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats import CHANNEL_DECODERS
from linear_learner.formats.batch import Batch
from linear_learner.formats.column_order import OtherColumns, order_of
from linear_learner.formats.content_type import CSV, PARQUET, parse
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.csv_header import FirstLine
from linear_learner.formats.file_names import content_type_by_name
from linear_learner.formats.json_records import JSON_DECODERS
from linear_learner.formats.line_blocks import LONGEST_LINE
from linear_learner.formats.options import Options
from linear_learner.formats.sniffing import BYTE_ORDER_MARK, SNIFFED_BYTES, content_type_of
from linear_learner.formats.table_schema import TableSchema
from linear_learner.formats.width import WrongWidth
from linear_learner.model.served_model import ServedModel
from linear_learner.serving import table_rows
from linear_learner.serving.rows import order_of_features

ByHeader = Callable[[FirstLine, Sequence[str], int], list[int] | None]
TABLES = (CSV, PARQUET, *JSON_DECODERS)
"""Content types whose rows are those of people's tables, with text where the training data had some."""
_LABEL_FIX = "if it is the label, add --has-label, or --label-column with its name"


@dataclass(frozen=True)
class Reading:
    """How files are read. ``content_type``: as a user writes it; None to go by the file's name, or else by its first
    bytes. ``has_label``: each row carries its label, in the column ``label_column`` or, if that is "", in the first."""

    content_type: str | None = None
    has_label: bool = False
    label_column: str = ""


def decode(
    unpacked: BinaryIO, source: str, model: ServedModel, reading: Reading, unseen: Counter[str] | None = None
) -> Iterator[Batch]:
    """Batches of the rows of file ``source``, their columns in the order of the model's wherever both have names.
    ``unpacked`` are the file's bytes. ``unseen``: see ``table_rows.features``. ClientError names file and row."""
    stream = unpacked if isinstance(unpacked, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, unpacked))
    written = reading.content_type or content_type_by_name(source) or content_type_of(_head(stream))
    kind = parse(written)
    schema = model.schema if model.schema is not None and kind.name in TABLES else None
    table = schema if schema is not None and schema.columns else None
    names = model.names if table is None else table.names
    allow_missing = model.fills is not None
    if kind.name in JSON_DECODERS:
        if reading.has_label:
            raise ClientError("Records in JSON have no labels", where=source, fix="give rows in another form")
        batches = JSON_DECODERS[kind.name](
            cast(BinaryIO, stream),
            source=source,
            feature_dim=model.model.feature_dim if table is None else len(table.columns),
            feature_names=names,
            allow_missing=allow_missing,
            schema=table,
        )
        return _records(batches) if table is None else table_rows.features(batches, table, None, unseen)
    if kind.name not in CHANNEL_DECODERS:
        raise UnsupportedContentType(written, supported=[*JSON_DECODERS, *CHANNEL_DECODERS], where=source)
    rows, order = cast(BinaryIO, stream), None
    if kind.name == CSV and names and not reading.has_label:
        by_header = order_of_features if table is None else table_rows.order_of_columns
        rows, order = _after_header(stream, by_header, names, source)
    if table is not None and order is not None:
        schema = table.in_order([int(i) for i in np.argsort(order)])
    options = Options(
        model.model.feature_dim,
        index_base=kind.index_base,
        label_column=reading.label_column,
        allow_missing=allow_missing,
        schema=schema if table is not None or reading.has_label else None,
        by_name=True,
    )
    label_size = int(reading.has_label)
    batches = CHANNEL_DECODERS[kind.name](
        rows, label_size=label_size, source=source, threads=cpu_count(), options=options
    )
    if table is None:
        return _in_order(batches, model, order, reading)
    return table_rows.features(_by_name(batches, table, reading), table, order, unseen)


def _records(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Of JSON, with the place of a record that does not fit the model."""
    try:
        yield from batches
    except WrongWidth as error:
        raise _misfit(error.found, error.expected, error.place) from None


def _head(stream: io.BufferedReader) -> bytes:
    return stream.peek(SNIFFED_BYTES)[:SNIFFED_BYTES]


def _after_header(
    stream: io.BufferedReader, by_header: ByHeader, names: Sequence[str], source: str
) -> tuple[BinaryIO, list[int] | None]:
    """The rows, and where in them the model's columns are if a header tells."""
    first, blank = stream.readline(LONGEST_LINE).removeprefix(BYTE_ORDER_MARK), 0
    while first.isspace():
        first, blank = stream.readline(LONGEST_LINE), blank + 1
    try:
        line = FirstLine(first, blank + 1, source, is_only=not stream.peek(1))
        order = by_header(line, names, 0)
    except ClientError as error:
        raise ClientError(error.message, where=error.where, fix=f"{error.fix}; {_LABEL_FIX}") from None
    # A blank line in its stead: it is skipped, and the rows keep their numbers.
    return rejoined(b"\n" * blank + (first if order is None else b"\n"), cast(BinaryIO, stream)), order


def _in_order(
    batches: Iterator[Batch], model: ServedModel, order: list[int] | None, reading: Reading
) -> Iterator[Batch]:
    """Batches with the columns of the model, by ``order`` or by the names that batches bring."""
    for batch in batches:
        if batch.feature_names is not None and model.names:
            order = _order_by_names(batch, model.names, reading)
        _check_width(batch, model.model.feature_dim, reading)
        if order is not None and not isinstance(batch.features, CsrMatrix):
            batch = replace(batch, features=np.ascontiguousarray(batch.features[:, order]))
        yield batch


def _by_name(batches: Iterator[Batch], table: TableSchema, reading: Reading) -> Iterator[Batch]:
    """Batches with the columns of the table in its order, by the names that batches bring."""
    try:
        for batch in batches:
            if batch.feature_names is None or not table.has_names:
                yield batch
            else:
                assert isinstance(batch.features, np.ndarray)  # noqa: S101 (for the type checker: tables are dense)
                order = _order_by_names(batch, table.names, reading)
                yield replace(batch, features=batch.features[:, order], feature_names=table.names)
    except OtherColumns as error:
        raise _misnamed(error, reading) from None


def _order_by_names(batch: Batch, names: Sequence[str], reading: Reading) -> list[int]:
    try:
        return order_of(names, batch.feature_names or (), batch.source)
    except OtherColumns as error:
        raise _misnamed(error, reading) from None


def _misnamed(error: OtherColumns, reading: Reading) -> ClientError:
    if error.missing is None:
        return ClientError(
            f"The file has a column '{error.strange}', which is no feature of the model",
            where=error.where,
            fix=_LABEL_FIX,
        )
    fix = ""
    if reading.label_column == error.missing:
        fix = "--label-column takes it for the label: name the label's column, or leave the option out"
    elif reading.has_label and not reading.label_column:
        fix = (
            "if it is the first one, --has-label takes it for the label: name the label's column with --label-column, "
            "or leave --has-label out"
        )
    return ClientError(f"The file has no column '{error.missing}', a feature of the model", where=error.where, fix=fix)


def _check_width(batch: Batch, expected: int, reading: Reading) -> None:
    found = batch.feature_dim
    if found == expected:
        return
    fix = ""
    if found == expected + 1 and not reading.has_label:
        fix = "if its first column is the label, add --has-label"
    elif found == expected - 1 and reading.has_label:
        fix = "if the rows have no labels, leave out --has-label"
    where = batch.where(0) if len(batch) else batch.source
    raise _misfit(found, expected, where, fix)


def _misfit(found: int, expected: int, where: str, fix: str = "") -> ClientError:
    return ClientError(f"The rows have {found} features, and the model has {expected}", where=where, fix=fix)
