"""One record of a request in JSON: the row that it stands for, checked for form and width. See ``json_records``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from linear_learner.errors import ClientError
from linear_learner.formats.csv_cells import SPACES
from linear_learner.formats.table_schema import MISSING_LEVEL, UNSEEN, Column, TableSchema
from linear_learner.formats.width import check_width

MOST_FEATURES = 1 << 24
"""The widest row taken where nothing says how wide it must be."""
SHOWN_CHARACTERS = 40
"""What an error repeats of a value."""
_SPACES = SPACES.decode()

RECORD_FIX = 'a record is {"features": [...]} or {"data": {"features": {"values": [...]}}}'


class Layout:
    """What is known of the columns: their number (once a row has shown it), perhaps their names, and what their values
    may be."""

    def __init__(
        self, feature_dim: int | None, names: Sequence[str], allow_missing: bool, schema: TableSchema | None
    ) -> None:
        self.feature_dim = feature_dim if feature_dim is not None or not names else len(names)
        self.number_types = {int, float, type(None)} if allow_missing else {int, float}
        self._names = names
        self.schema = schema
        self.allow_missing = allow_missing

    @cached_property
    def position(self) -> dict[str, int]:
        """By name. Few requests ask: it takes longer than to read a record."""
        return {name: i for i, name in enumerate(self._names)}

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
                raise _no_number(value, place)
            return value
        if value is None or value == MISSING_LEVEL:
            if not self.allow_missing:
                raise ClientError(f"{_shown(value)} is no category", where=place, fix="send one of the column's values")
            return column.codes.get(MISSING_LEVEL, UNSEEN)
        if isinstance(value, (list, dict)):
            raise ClientError(f"{_shown(value)} is {_kind(value)}, not a category", where=place)
        return next((column.codes[text] for text in _texts_of(value) if text in column.codes), UNSEEN)


class Sparse:
    """A row given by the positions and values of some of its cells."""

    __slots__ = ("keys", "values")

    def __init__(self, keys: list[int], values: list[float]) -> None:
        self.keys = keys
        self.values = values


Row = list[float] | Sparse


class Repetitive(dict[str, Any]):
    """An object in which ``twice`` is a name more than once, and has its last value."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a document, by its names and values as they stand there."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repetitive(pairs)


def row_of(record: Any, where: str, layout: Layout) -> Row:
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
            _settle_shape(features, where, layout)
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


def _sparse(features: dict[str, Any], values: list[float], where: str, layout: Layout) -> Sparse:
    keys = features["keys"]
    if layout.schema is not None:
        raise ClientError("A sparse record has no place for categories", where=where, fix=RECORD_FIX)
    if not _is_index_list(keys):
        raise ClientError("keys is not a list of integers from 0", where=where)
    if len(keys) != len(values):
        raise ClientError(f"{len(keys)} keys stand for {len(values)} values", where=where)
    _settle_shape(features, where, layout)
    if layout.feature_dim is None:
        raise ClientError("A sparse record has no shape", where=where, fix='write "shape": [number of features]')
    if keys and max(keys) >= layout.feature_dim:
        raise ClientError(
            f"Key {_shown(max(keys))} is outside 0..{layout.feature_dim - 1}", where=where, fix="keys count from 0"
        )
    if len(set(keys)) != len(keys):
        raise ClientError("A key appears twice", where=where)
    return Sparse(keys, values)


def _settle_shape(features: dict[str, Any], where: str, layout: Layout) -> None:
    shape = features.get("shape")
    if shape is None:
        return
    if not _is_index_list(shape) or not shape:
        raise ClientError("shape is not a list of integers", where=where, fix='write "shape": [number of features]')
    layout.settle(shape[-1], where)


def _named(features: dict[str, Any], where: str, layout: Layout) -> list[float]:
    """Features given by name, put into the model's order. Every name the model knows must be there, and no other."""
    if not layout.position:
        raise ClientError("The record has no values, and the model knows no names", where=where, fix=RECORD_FIX)
    if isinstance(features, Repetitive):
        raise ClientError(f"The record has the feature {_shown(features.twice)} twice", where=where)
    for name in features:
        if name not in layout.position:
            raise ClientError(f"The model has no feature {_shown(name)}", where=where)
    missing = [name for name in layout.position if name not in features]
    if missing:
        raise ClientError(f"The record lacks the feature {_shown(missing[0])}", where=where)
    return layout.numbers([features[name] for name in layout.position], f"{where}.features")


def _check_numbers(values: list[Any], where: str, layout: Layout) -> None:
    # type() and not isinstance(): true and false are ints to isinstance.
    if {*map(type, values)} <= layout.number_types:
        return
    i = next(i for i, value in enumerate(values) if type(value) not in layout.number_types)
    raise _no_number(values[i], f"{where}[{i}]")


def _no_number(value: Any, where: str) -> ClientError:
    if value is None:
        fix = "only a model that was trained with missing_values=mean takes missing values"
        return ClientError("null is not a number", where=where, fix=fix)
    return ClientError(f"{_shown(value)} is {_kind(value)}, not a number", where=where)


def _texts_of(value: str | float) -> tuple[str, ...]:
    """How a table may write a category."""
    if isinstance(value, bool):
        return str(value).lower(), str(value)
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value).strip(_SPACES),)


def _is_index_list(value: Any) -> bool:
    return isinstance(value, list) and {*map(type, value)} <= {int} and all(0 <= item < 1 << 63 for item in value)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


_KINDS = {str: "a string", bool: "a boolean", type(None): "null", list: "a list", dict: "an object"}
_KINDS[Repetitive] = _KINDS[dict]


def _shown(value: Any) -> str:
    """A value as an error repeats it: as JSON writes it, and short."""
    text = json.dumps(value) if not isinstance(value, (list, dict)) else "[...]" if isinstance(value, list) else "{...}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
