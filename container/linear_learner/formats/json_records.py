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

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NoReturn

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import JSON, JSON_LINES
from linear_learner.formats.csr import CsrMatrix, Rows, index_type
from linear_learner.formats.csv_cells import SPACES
from linear_learner.formats.table_schema import MISSING_LEVEL, UNSEEN, Column, TableSchema
from linear_learner.formats.width import check_width

BLOCK_CELLS = 1 << 21
"""Cells of one batch: 8 MiB of float32."""
WIDE = 1 << 16
"""From so many features on, sparse rows stay sparse: as dense ones, a few of them would fill the memory."""
MOST_FEATURES = 1 << 24
"""The widest row taken where nothing says how wide it must be."""
OVERFLOW = float(np.finfo(np.float32).max) + 2.0**103
"""The least number that rounds to a float32 infinity: half a unit in the last place above the largest one."""
SHOWN_CHARACTERS = 40
"""What an error repeats of a value."""
_SPACES = SPACES.decode()

INSTANCES_FIX = 'send {"instances": [{"features": [1.5, 2.0]}, ...]}'
RECORD_FIX = 'a record is {"features": [...]} or {"data": {"features": {"values": [...]}}}'


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
    document = _parse(_text(stream.read(), source), source, allow_missing=allow_missing)
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise ClientError("The document has no list of instances", where=source, fix=INSTANCES_FIX)
    records = ((f"instances[{i}]", instance) for i, instance in enumerate(instances))
    return _batches(records, source, _Layout(feature_dim, feature_names, allow_missing, schema))


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
    records = (
        (f"line {i}", _parse(_text(line, f"{source}, line {i}"), source, i, allow_missing=allow_missing))
        for i, line in enumerate(stream, 1)
        if line.strip()
    )
    return _batches(records, source, _Layout(feature_dim, feature_names, allow_missing, schema))


class _Layout:
    """What is known of the columns: their number (once a row has shown it), perhaps their names, and what their values
    may be."""

    def __init__(
        self, feature_dim: int | None, names: Sequence[str], allow_missing: bool, schema: TableSchema | None
    ) -> None:
        self.feature_dim = feature_dim if feature_dim is not None or not names else len(names)
        self.number_types = {int, float, type(None)} if allow_missing else {int, float}
        self.position = {name: i for i, name in enumerate(names)}
        self.schema = schema
        self.allow_missing = allow_missing

    def settle(self, width: int, where: str) -> None:
        """Take ``width`` as that of all rows, or hold it against what is known."""
        if self.feature_dim is None:
            if width > MOST_FEATURES:
                raise ClientError(f"A record of {width} features is too wide", where=where)
            self.feature_dim = width
        elif width != self.feature_dim:
            check_width(width, self.feature_dim, place=where)

    def numbers(self, values: list[Any], where: str) -> list[float]:
        """The values of a row, once they are seen to be what they should be; levels of categories as their numbers."""
        if self.schema is not None:
            self.settle(len(values), where)
            values = [self._number(value, f"{where}[{i}]", self.schema.columns[i]) for i, value in enumerate(values)]
        _check_numbers(values, where, self)
        return values

    def _number(self, value: Any, where: str, column: Column) -> Any:
        place = f"{where}, column '{column.name}'"
        if column.levels is None:
            if type(value) not in self.number_types:
                raise ClientError(f"{_shown(value)} is {_kind(value)}, not a number", where=place)
            return value
        if value is None or value == MISSING_LEVEL:
            if not self.allow_missing:
                raise ClientError(f"{_shown(value)} is no category", where=place, fix="send one of the column's values")
            return column.codes.get(MISSING_LEVEL, UNSEEN)
        if isinstance(value, (list, dict)):
            raise ClientError(f"{_shown(value)} is {_kind(value)}, not a category", where=place)
        return next((column.codes[text] for text in _texts_of(value) if text in column.codes), UNSEEN)


class _Sparse:
    """A row given by the positions and values of some of its cells."""

    __slots__ = ("keys", "values")

    def __init__(self, keys: list[int], values: list[float]) -> None:
        self.keys = keys
        self.values = values


_Row = list[float] | _Sparse


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


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_DECODER_WITH_NAN = json.JSONDecoder(parse_constant=_only_nan)


def _parse(text: str, source: str, first_line: int = 1, *, allow_missing: bool) -> Any:
    """The document in ``text``, which starts in line ``first_line`` of the body."""
    try:
        return (_DECODER_WITH_NAN if allow_missing else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        place = f"{source}, line {first_line + error.lineno - 1}, character {error.colno}"
        raise ClientError(f"Not a JSON document: {error.msg}", where=place) from None
    except RecursionError:
        raise ClientError("The JSON document is nested too deeply", where=source, fix=RECORD_FIX) from None
    except ValueError as error:  # NaN or Infinity; or an integer of more digits than Python converts
        raise ClientError(f"Not a JSON document: {str(error).split(';')[0]}", where=source) from None


def _batches(records: Iterable[tuple[str, Any]], source: str, layout: _Layout) -> Iterator[Batch]:
    """Batches of about BLOCK_CELLS cells from (place, record) pairs. Wide sparse rows stay sparse, in batches of their
    own.
    """
    rows: list[_Row] = []
    places: list[str] = []
    first_row, cells, sparse = 1, 0, False
    for place, record in records:
        row = _row(record, f"{source}, {place}", layout)
        stays_sparse = isinstance(row, _Sparse) and (layout.feature_dim or 0) >= WIDE
        if rows and (cells >= BLOCK_CELLS or stays_sparse != sparse):
            yield Batch(_features_of(rows, places, source, layout, sparse), None, source, first_row)
            first_row += len(rows)
            rows, places, cells = [], [], 0
        rows.append(row)
        places.append(place)
        sparse = stays_sparse
        cells += len(row.keys) + 1 if isinstance(row, _Sparse) and sparse else layout.feature_dim or 1
    if rows:
        yield Batch(_features_of(rows, places, source, layout, sparse), None, source, first_row)


def _features_of(rows: list[_Row], places: list[str], source: str, layout: _Layout, sparse: bool) -> Rows:
    if not sparse:
        return _matrix(rows, places, source, layout)
    return _csr([row for row in rows if isinstance(row, _Sparse)], places, source, layout)


def _row(record: Any, where: str, layout: _Layout) -> _Row:
    """The features of one record, checked for form and width but not yet for the size of their values."""
    features = _features(record, where)
    if isinstance(features, list):
        features = layout.numbers(features, f"{where}.features")
        layout.settle(len(features), where)
        return features
    if "values" in features and "values" not in layout.position:
        values = features["values"]
        if not isinstance(values, list):
            raise ClientError(f"values is {_kind(values)}, not a list", where=where, fix=RECORD_FIX)
        if features.get("keys") is None:
            values = layout.numbers(values, f"{where}.values")
            layout.settle(len(values), where)
            return values
        _check_numbers(values, f"{where}.values", layout)
        return _sparse(features, values, where, layout)
    return _named(features, where, layout)


def _features(record: Any, where: str) -> list[Any] | dict[str, Any]:
    """The list or object that holds the numbers of a record."""
    holder = record
    if isinstance(holder, dict) and "features" not in holder:
        holder = holder.get("data")
    features = holder.get("features") if isinstance(holder, dict) else None
    if not isinstance(features, (list, dict)):
        raise ClientError("The record has no features", where=where, fix=RECORD_FIX)
    return features


def _sparse(features: dict[str, Any], values: list[float], where: str, layout: _Layout) -> _Sparse:
    keys, shape = features["keys"], features.get("shape")
    if layout.schema is not None:
        raise ClientError("A sparse record has no place for categories", where=where, fix=RECORD_FIX)
    if not _is_index_list(keys):
        raise ClientError("keys is not a list of integers from 0", where=where)
    if len(keys) != len(values):
        raise ClientError(f"{len(keys)} keys stand for {len(values)} values", where=where)
    if shape is not None:
        if not _is_index_list(shape) or not shape:
            raise ClientError("shape is not a list of integers", where=where, fix='write "shape": [number of features]')
        layout.settle(shape[-1], where)
    if layout.feature_dim is None:
        raise ClientError("A sparse record has no shape", where=where, fix='write "shape": [number of features]')
    if keys and max(keys) >= layout.feature_dim:
        raise ClientError(
            f"Key {_shown(max(keys))} is outside 0..{layout.feature_dim - 1}", where=where, fix="keys count from 0"
        )
    if len(set(keys)) != len(keys):
        raise ClientError("A key appears twice", where=where)
    return _Sparse(keys, values)


def _named(features: dict[str, Any], where: str, layout: _Layout) -> list[float]:
    """Features given by name, put into the model's order. Every name the model knows must be there, and no other."""
    if not layout.position:
        raise ClientError("The record has no values, and the model knows no names", where=where, fix=RECORD_FIX)
    for name in features:
        if name not in layout.position:
            raise ClientError(f"The model has no feature {_shown(name)}", where=where)
    missing = [name for name in layout.position if name not in features]
    if missing:
        raise ClientError(f"The record lacks the feature {_shown(missing[0])}", where=where)
    return layout.numbers([features[name] for name in layout.position], f"{where}.features")


def _check_numbers(values: list[Any], where: str, layout: _Layout) -> None:
    # type() and not isinstance(): true and false are ints to isinstance.
    if {*map(type, values)} <= layout.number_types:
        return
    i = next(i for i, value in enumerate(values) if type(value) not in layout.number_types)
    raise ClientError(f"{_shown(values[i])} is {_kind(values[i])}, not a number", where=f"{where}[{i}]")


def _texts_of(value: str | float) -> tuple[str, ...]:
    """How a table may write a category."""
    if isinstance(value, bool):
        return str(value).lower(), str(value)
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value).strip(_SPACES),)


def _is_index_list(value: Any) -> bool:
    return isinstance(value, list) and {*map(type, value)} <= {int} and all(0 <= item < 1 << 63 for item in value)


def _matrix(rows: list[_Row], places: list[str], source: str, layout: _Layout) -> np.ndarray:
    """float32 (n, feature_dim), all finite but for what is missing and may be."""
    try:
        if not any(type(row) is _Sparse for row in rows):
            X = np.array(rows, dtype=np.float64).reshape(len(rows), layout.feature_dim or 0)
        else:
            X = np.zeros((len(rows), layout.feature_dim or 0))
            for i, row in enumerate(rows):
                if isinstance(row, _Sparse):
                    X[i, row.keys] = row.values
                else:
                    X[i] = row
    except OverflowError:  # an integer beyond the range of float64
        X = np.array([[_as_float(value) for value in _cells(row, layout)] for row in rows])
    if X.size and not -OVERFLOW < X.min() <= X.max() < OVERFLOW:
        # NaN is neither larger nor smaller than anything.
        beyond = np.argwhere(np.abs(X) >= OVERFLOW)
        if len(beyond):
            i, j = beyond[0]
            raise _out_of_range(int(j), f"{source}, {places[i]}")
    return X.astype(np.float32)


def _csr(rows: list[_Sparse], places: list[str], source: str, layout: _Layout) -> CsrMatrix:
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


def _cells(row: _Row, layout: _Layout) -> list[float]:
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


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


_KINDS = {str: "a string", bool: "a boolean", type(None): "null", list: "a list", dict: "an object"}


def _shown(value: Any) -> str:
    """A value as an error repeats it: as JSON writes it, and short."""
    text = json.dumps(value) if not isinstance(value, (list, dict)) else "[...]" if isinstance(value, list) else "{...}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


REQUEST_DECODERS: dict[str, Callable[..., Iterator[Batch]]] = {
    JSON: decode_json,
    JSON_LINES: decode_json_lines,
}
"""Content types of requests that no training channel has: their records carry no label."""
