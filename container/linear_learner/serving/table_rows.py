"""The rows of a request to a model of tables with text: cells as they are in the table, in its order or by name."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats import SHARED_DECODERS
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV, ContentType
from linear_learner.formats.csv_header import FirstLine, first_line
from linear_learner.formats.faults import check_utf8
from linear_learner.formats.json_records import JSON_DECODERS
from linear_learner.formats.label_column import labels_skipped
from linear_learner.formats.options import Options
from linear_learner.formats.table_schema import TableSchema
from linear_learner.formats.width import WrongWidth


def decode(body: bytes, kind: ContentType, schema: TableSchema, source: str, *, allow_missing: bool) -> Iterator[Batch]:
    """Batches of features, of CSV or JSON, for a ``schema`` that has columns."""
    order = None
    if kind.name == CSV:
        label_size = kind.label_size or 0
        first, rows = first_line(body, source)
        order = order_of_columns(first, schema.names, label_size)
        body = body if order is None else rows
        if label_size:
            body, schema = labels_skipped(body), replace(schema, classes=())
        sent = schema if order is None else schema.in_order([int(i) for i in np.argsort(order)])
        options = Options(allow_missing=allow_missing, schema=sent, header=False)  # it is gone
        batches = SHARED_DECODERS[CSV](io.BytesIO(body), label_size=label_size, source=source, options=options)
    else:
        batches = JSON_DECODERS[kind.name](
            io.BytesIO(body),
            source=source,
            feature_dim=len(schema.columns),
            feature_names=schema.names,
            allow_missing=allow_missing,
            schema=schema,
        )
    return features(batches, schema, order)


def features(
    batches: Iterator[Batch], schema: TableSchema, order: list[int] | None, unseen: Counter[str] | None = None
) -> Iterator[Batch]:
    """The features of decoded rows, whose columns are those of the ``schema`` at ``order``. ``unseen``, if given, is
    told how many cells are of no level of their column."""
    try:
        for batch in batches:
            assert isinstance(batch.features, np.ndarray)  # noqa: S101 (for the type checker: rows of tables are dense)
            ordered = batch if order is None else replace(batch, features=batch.features[:, order])
            if unseen is not None:
                unseen.update(schema.unseen(ordered))
            yield from schema.batches(ordered)
    except WrongWidth as error:
        raise ClientError(
            f"A row has {error.found} columns, and the table of the model {error.expected}",
            where=error.place,
            fix=f"send {', '.join(schema.names)}, as they are in the table",
        ) from None


def order_of_columns(line: FirstLine, names: Sequence[str], label_size: int) -> list[int] | None:
    """Where among a row's cells the columns of the model's table are, by a header; None if the line is a row: fewer
    than half of its cells are names then."""
    cells, known = line.cells[label_size:], set(names)
    if 2 * sum(cell in known for cell in cells) < max(1, len(cells)):
        return None
    check_utf8(line.text, f"{line.source}, row {line.row}")
    missing = [name for name in names if name not in cells]
    strange = [cell for cell in cells if cell not in known]
    if missing or strange or len(set(cells)) < len(cells):
        told = f"'{missing[0]}' is missing" if missing else f"'{strange[0] if strange else 'a name twice'}'"
        raise ClientError(
            "The header does not name every column of the model's table once, and nothing else",
            where=f"{line.source}, row {line.row}, {told}",
            fix=f"name: {', '.join(names)}; or send no header",
        )
    return [cells.index(name) for name in names]
