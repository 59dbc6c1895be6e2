"""Records of a request in JSON: ``application/json`` and ``application/jsonlines``.

    {"instances": [RECORD, RECORD, ...]}          application/json
    RECORD \\n RECORD \\n ...                       application/jsonlines

    RECORD = {"features": [1.5, 2, ...]}
           | {"data": {"features": {"values": [1.5, 2, ...]}}}
           | {"data": {"features": {"keys": [0, 7], "shape": [2000], "values": [1.5, 2]}}}     sparse, the rest is 0
           | {"features": {"age": 41, "income": 2.5}}      where the model knows its features' names

Where columns are categories, a record holds them as they are in the table: [41, "Private"], {"age": 41, ...}. The rows
hold the numbers of their levels then; a sparse record has no place for texts.

The forms may be mixed in one request, and a record may carry more members (``configuration`` is documented), which are
skipped. A sparse record may leave ``shape`` out where the width is known. Source: "Common Data Formats for Inference"
in the SageMaker Developer Guide; names for features are ours.

Whatever the bytes are, the outcome is batches of finite numbers or a ClientError: depth, numbers and widths are bounded
here, the size of the body where it is read. Blocks of rows are bounded too, because a sparse record is far larger in
memory than in the body.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, BinaryIO, NoReturn

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import JSON, JSON_LINES
from linear_learner.formats.csr import CsrMatrix, Rows, index_type
from linear_learner.formats.csv_cells import OVERFLOW
from linear_learner.formats.faults import is_moderate
from linear_learner.formats.json_rows import RECORD_FIX, Layout, Row, Sparse, object_of, row_of
from linear_learner.formats.line_blocks import LONGEST_LINE, EndlessLine
from linear_learner.formats.table_schema import TableSchema

BLOCK_CELLS = 1 << 21
"""Cells of one batch: 8 MiB of float32."""
WIDE = 1 << 16
"""From so many features on, sparse rows stay sparse: as dense ones, a few of them would fill the memory."""

INSTANCES_FIX = 'send {"instances": [{"features": [1.5, 2.0]}, ...]}'


def decode_json(
    stream: BinaryIO,
    *,
    source: str,
    feature_dim: int | None = None,
    feature_names: Sequence[str] = (),
    allow_missing: bool = False,
    schema: TableSchema | None = None,
) -> Iterator[Batch]:
    """Rows of one ``{"instances": [...]}`` document. Without ``feature_dim`` the first row gives the width.
    With ``allow_missing``, null and NaN are features that are missing, and NaN in the rows. ``schema``: of the columns,
    where some are categories; they are missing with null and the empty text."""
    decoder = _decoder(allow_missing=allow_missing, has_names=bool(feature_names))
    document = _parse(_text(stream.read(), source), source, decoder)
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise ClientError("The document has no list of instances", where=source, fix=INSTANCES_FIX)
    records = ((f"instances[{i}]", instance) for i, instance in enumerate(instances))
    return _batches(records, source, Layout(feature_dim, feature_names, allow_missing, schema))


def decode_json_lines(
    stream: BinaryIO,
    *,
    source: str,
    feature_dim: int | None = None,
    feature_names: Sequence[str] = (),
    allow_missing: bool = False,
    schema: TableSchema | None = None,
) -> Iterator[Batch]:
    """Rows of JSON records, one a line, blank lines left out, as ``decode_json`` reads them. Of the stream no more is
    held than a batch."""
    decoder = _decoder(allow_missing=allow_missing, has_names=bool(feature_names))
    records = (
        (f"line {i}", _parse(_text(line, f"{source}, line {i}"), source, decoder, i))
        for i, line in enumerate(_lines(stream, source), 1)
        if line.strip()
    )
    return _batches(records, source, Layout(feature_dim, feature_names, allow_missing, schema))


def _lines(stream: BinaryIO, source: str) -> Iterator[bytes]:
    for number in itertools.count(1):
        line = stream.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise EndlessLine(len(line), source, JSON_LINES).at(number)
        if not line:
            return
        yield line


def _text(body: bytes, source: str) -> str:
    try:
        # A byte order mark is no part of the document.
        return body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = f"{source}, byte {error.start}"
        raise ClientError("The body is not UTF-8", where=where, fix="encode it in UTF-8") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _only_nan(name: str) -> float:
    return float("nan") if name == "NaN" else _refuse_constant(name)


_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


@cache
def _decoder(*, allow_missing: bool, has_names: bool) -> json.JSONDecoder:
    """``has_names``: that features may come by name. Only then are objects looked at for a name twice, for it takes up
    to a sixth more time."""
    return json.JSONDecoder(
        parse_constant=_only_nan if allow_missing else _refuse_constant,
        object_pairs_hook=object_of if has_names else None,
    )


def _parse(text: str, source: str, decoder: json.JSONDecoder, first_line: int = 1) -> Any:
    """The document in ``text``, which starts in line ``first_line`` of the body."""
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        place = f"{source}, line {first_line + error.lineno - 1}, character {error.colno}"
        raise ClientError(f"Not a JSON document: {error.msg}", where=place) from None
    except RecursionError:
        raise ClientError("The JSON document is nested too deeply", where=source, fix=RECORD_FIX) from None
    except ValueError as error:  # NaN or Infinity; or an integer of more digits than Python converts
        told = str(error).split(";")[0]
        name = told.split()[0]
        found = next((match for match in _STRING_OR_CONSTANT.finditer(text) if match[0] == name), None)
        place = f"{source}, {_place(text, found.start(), first_line)}" if found else source
        raise ClientError(f"Not a JSON document: {told}", where=place) from None


def _place(text: str, position: int, first_line: int) -> str:
    line = first_line + text.count("\n", 0, position)
    return f"line {line}, character {position - text.rfind(chr(10), 0, position)}"


def _batches(records: Iterable[tuple[str, Any]], source: str, layout: Layout) -> Iterator[Batch]:
    """Batches of about BLOCK_CELLS cells from (place, record) pairs. Wide sparse rows stay sparse, in batches of their
    own.
    """
    rows: list[Row] = []
    places: list[str] = []
    first_row, cells, sparse = 1, 0, False
    for place, record in records:
        row = row_of(record, f"{source}, {place}", layout)
        stays_sparse = isinstance(row, Sparse) and (layout.feature_dim or 0) >= WIDE
        if rows and (cells >= BLOCK_CELLS or stays_sparse != sparse):
            yield Batch(_features_of(rows, places, source, layout, sparse), None, source, first_row)
            first_row += len(rows)
            rows, places, cells = [], [], 0
        rows.append(row)
        places.append(place)
        sparse = stays_sparse
        cells += len(row.keys) + 1 if isinstance(row, Sparse) and sparse else layout.feature_dim or 1
    if rows:
        yield Batch(_features_of(rows, places, source, layout, sparse), None, source, first_row)


def _features_of(rows: list[Row], places: list[str], source: str, layout: Layout, sparse: bool) -> Rows:
    if not sparse:
        return _matrix(rows, places, source, layout)
    return _csr([row for row in rows if isinstance(row, Sparse)], places, source, layout)


def _matrix(rows: list[Row], places: list[str], source: str, layout: Layout) -> np.ndarray:
    """float32 (n, feature_dim), all finite but for what is missing and may be."""
    try:
        if not any(type(row) is Sparse for row in rows):
            X = np.array(rows, dtype=np.float64).reshape(len(rows), layout.feature_dim or 0)
        else:
            X = np.zeros((len(rows), layout.feature_dim or 0))
            for i, row in enumerate(rows):
                if isinstance(row, Sparse):
                    X[i, row.keys] = row.values
                else:
                    X[i] = row
    except OverflowError:  # an integer beyond the range of float64
        X = np.array([[_as_float(value) for value in _cells(row, layout)] for row in rows])
    if not is_moderate(X):
        # NaN is neither larger nor smaller than anything.
        beyond = np.argwhere(np.abs(X) >= OVERFLOW)
        if len(beyond):
            i, j = beyond[0]
            raise _out_of_range(int(j), f"{source}, {places[i]}")
    return X.astype(np.float32)


def _csr(rows: list[Sparse], places: list[str], source: str, layout: Layout) -> CsrMatrix:
    """The rows as they are, sparse; all finite but for what is missing and may be."""
    keys, values = [], []
    for row, place in zip(rows, places, strict=True):
        found = np.array([_as_float(value) for value in row.values], np.float64)
        beyond = np.flatnonzero(np.abs(found) >= OVERFLOW)
        if len(beyond):
            raise _out_of_range(row.keys[beyond[0]], f"{source}, {place}")
        columns = np.array(row.keys, np.int64)
        order = np.argsort(columns)
        keys.append(columns[order])
        values.append(found[order].astype(np.float32))
    width = layout.feature_dim or 0
    starts = np.cumsum([0, *map(len, keys)], dtype=np.int64)
    return CsrMatrix(starts, np.concatenate(keys).astype(index_type(width)), np.concatenate(values), (len(rows), width))


def _out_of_range(feature: int, where: str) -> ClientError:
    return ClientError(
        f"The value of feature {feature} is outside the range of float32", where=where, fix="scale it down"
    )


def _cells(row: Row, layout: Layout) -> list[float]:
    """All cells of a row, dense; for the search of a culprit only."""
    if isinstance(row, list):
        return row
    given = dict(zip(row.keys, row.values, strict=True))
    return [given.get(j, 0) for j in range(layout.feature_dim or 0)]


def _as_float(value: float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("inf")


JSON_DECODERS: dict[str, Callable[..., Iterator[Batch]]] = {
    JSON: decode_json,
    JSON_LINES: decode_json_lines,
}
"""Content types of requests that no training channel has: their records carry no label."""
