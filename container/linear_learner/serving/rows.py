"""The rows of a request: its body, decoded as its Content-Type says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache

import numpy as np

from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats import SHARED_DECODERS
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF, ContentType, parse
from linear_learner.formats.csv_cells import NOT_A_NUMBER, problem_of
from linear_learner.formats.csv_header import FirstLine, first_line
from linear_learner.formats.faults import INFINITE, MISSING, check_utf8, is_moderate, malformed
from linear_learner.formats.json_records import JSON_DECODERS
from linear_learner.formats.label_column import labels_skipped
from linear_learner.formats.options import Options
from linear_learner.formats.recordio_protobuf import plain_record
from linear_learner.formats.table_schema import TableSchema
from linear_learner.formats.width import check_width
from linear_learner.serving import table_rows

SOURCE = "request"
"""How errors call the body."""
LONGEST_ROW = 1 << 14
"""Bytes of a row that is read by itself."""
FEWEST_NUMBERS = 3
"""Where so many features or more have numbers for names, such as 0, 1, 2, a line of just these is a header. With fewer
it may well be a row."""
_PLAIN = b"0123456789+-.eE,"
_NUMBERS = re.compile(rb"[\d+\-.eE,;:|\s\"]*")
"""A line of numbers, whatever separates them."""
_BEGIN_OF_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")


def decode(
    body: bytes,
    content_type: str | None,
    feature_dim: int,
    names: Sequence[str] = (),
    *,
    allow_missing: bool = False,
    schema: TableSchema | None = None,
) -> Iterator[Batch]:
    """Batches of a bounded number of rows, their columns in the order of the model.

    ``content_type`` is the header as it was sent, or None. ``names`` are the model's, if it knows any: columns that
    come with names are put in their order. With ``allow_missing``, features that are missing are NaN. ``schema``: of a
    model of tables with text; CSV and JSON hold the cells of such a table, and the other types features.
    """
    if not content_type and not _BEGIN_OF_JSON.match(body):
        raise ClientError(
            "No Content-Type says what the body is, and it is no JSON object",
            where=SOURCE,
            fix="name its type in this header, such as text/csv",
        )
    kind = _parsed(content_type or JSON)
    if schema is not None and schema.columns and kind.name in (CSV, *JSON_DECODERS):
        return table_rows.decode(body, kind, schema, SOURCE, allow_missing=allow_missing)
    if kind.name in JSON_DECODERS:
        decoder = JSON_DECODERS[kind.name]
        return decoder(
            io.BytesIO(body),
            source=SOURCE,
            feature_dim=feature_dim,
            feature_names=names,
            allow_missing=allow_missing,
        )
    if kind.name not in SHARED_DECODERS:
        raise UnsupportedContentType(kind.name, supported=[*JSON_DECODERS, *SHARED_DECODERS])
    label_size = kind.label_size or 0
    if len(body) <= LONGEST_ROW and not label_size:
        row = _plain_row(body, kind, feature_dim)
        if row is not None:
            return iter((Batch(row, None, SOURCE),))
    if kind.name == CSV and _BEGIN_OF_JSON.match(body):
        fix = f"The data looks like JSON: set {JSON} or {JSON_LINES}"
        raise malformed("Found a value that is not a number", where=f"{SOURCE}, row 1", content_type=CSV, fix=fix)
    order = None
    if names and kind.name == CSV:
        first, rows = first_line(body, SOURCE)
        order = order_of_features(first, names, label_size)
        body = body if order is None else rows
    if kind.name == CSV and label_size:
        body = labels_skipped(body)
    options = Options(
        feature_dim=feature_dim,
        index_base=kind.index_base,
        allow_missing=allow_missing,
        header=False,  # it is gone
    )
    batches = SHARED_DECODERS[kind.name](io.BytesIO(body), label_size=label_size, source=SOURCE, options=options)
    return batches if order is None else _reordered(batches, order)


def _plain_row(body: bytes, kind: ContentType, feature_dim: int) -> np.ndarray | None:
    """float32 (1, d) of a body that is one row, of numbers in the simplest form, as the decoders read it at many times
    the cost; None of any other, and where a number is so large that it may be none of float32."""
    row = None
    if kind.name == CSV:
        row = _plain_line(body.removesuffix(b"\n"))
    elif kind.name == RECORDIO_PROTOBUF and not kind.parameters:
        row = plain_record(body, feature_dim)
    return row.astype(np.float32) if row is not None and is_moderate(row) else None


def _plain_line(line: bytes) -> np.ndarray | None:
    """float64 (1, d)."""
    if line.translate(None, _PLAIN):
        return None
    try:
        return np.array([[*map(float, line.split(b","))]])
    except ValueError:
        return None


def order_of_features(line: FirstLine, names: Sequence[str], label_size: int) -> list[int] | None:
    """Where among a row's features those of the model are, by a header; None if the line is a row."""
    cells, known = line.cells[label_size:], set(names)
    words = [cell for cell in cells if problem_of(cell.encode()) == NOT_A_NUMBER or _is_word_among(cell, known)]
    if not words:
        if line.is_only or len(names) < FEWEST_NUMBERS or sorted(cells) != sorted(names):
            return None
    # A row may hold a word by mistake, or other separators than commas.
    elif known.isdisjoint(words) and (len(words) < len(cells) or _NUMBERS.fullmatch(line.text)):
        return None
    check_utf8(line.text, f"{line.source}, row {line.row}")
    position = {cell: i for i, cell in enumerate(cells)}
    strange = [cell for cell in cells if cell not in known] or [name for name in names if name not in position]
    if strange or len(position) != len(cells):
        raise ClientError(
            "The header does not name every feature of the model once, and nothing else",
            where=f"{line.source}, row {line.row}, '{strange[0] if strange else 'a name twice'}'",
            fix=f"name: {', '.join(names)}; or send no header",
        )
    return [position[name] for name in names]


def _is_word_among(cell: str, names: Set[str]) -> bool:
    """Whether it is one of the ``names`` and a word besides that stands for a missing or an infinite value too, such as
    ``na`` or ``inf``."""
    return cell in names and problem_of(cell.encode()) in (MISSING, INFINITE)


def _reordered(batches: Iterator[Batch], order: list[int]) -> Iterator[Batch]:
    for batch in batches:
        check_width(batch.feature_dim, len(order))
        assert isinstance(batch.features, np.ndarray)  # noqa: S101 (for the type checker: a CSV row is dense)
        yield replace(batch, features=batch.features[:, order])


@lru_cache(maxsize=256)
def _parsed(content_type: str) -> ContentType:
    return parse(content_type)
