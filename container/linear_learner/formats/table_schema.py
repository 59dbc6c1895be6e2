"""What the columns of people's tables mean: which hold numbers and which categories, and what the classes are called.

A table is decoded to numbers first: a category is the number of its level, -1 where it is none of them, and a label the
number of its class. ``expand`` makes features of such rows: a number is one, and each level of a category is one of its
own, 1 where the row has it and 0 elsewhere (one-hot).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.column_order import order_of
from linear_learner.formats.csr import CsrMatrix, Rows, index_type

UNSEEN = -1
"""The number of a category that is none of the levels."""
MISSING_LEVEL = ""
"""The level of a cell with nothing in it, where features may be missing."""
NO_LABELS = frozenset({MISSING_LEVEL, "na", "n/a", "nan", "null"})
"""In lower case, what stands for no label where labels are texts. Of numbers it is ``none`` as well, which people call
a class."""
MOST_LEVELS = 10_000
"""Of a column, and the most classes. A column with more is a text or a key, and no category."""
WIDEST_DENSE = 1000
EMPTIEST_DENSE = 10
"""Rows of more than WIDEST_DENSE features of which less than one in EMPTIEST_DENSE is filled are sparse: a value costs
ten times as much there."""
BLOCK_VALUES = 1 << 22
"""Features of one batch, so that memory does not follow how many levels there are."""
_NUMBERED = re.compile(r"column \d+")


def is_no_label(text: str) -> bool:
    return text.lower() in NO_LABELS


@dataclass(frozen=True)
class Column:
    """``levels``: of a category, in the order of its features; None for a column of numbers."""

    name: str
    levels: tuple[str, ...] | None = None

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """The number of each level."""
        return {level: number for number, level in enumerate(self.levels or ())}

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that the column becomes."""
        return (self.name,) if self.levels is None else tuple(f"{self.name}={level}" for level in self.levels)


@dataclass(frozen=True)
class TableSchema:
    """``columns``: all but the label's, in the order of the data; empty where all are numbers. ``classes``: the texts
    of the labels, of which the first is label 0; empty where labels are numbers."""

    columns: tuple[Column, ...] = ()
    classes: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Of the features: ``column`` or ``column=level``."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def feature_dim(self) -> int:
        return len(self.feature_names)

    @cached_property
    def class_codes(self) -> Mapping[str, int]:
        """The label of each class."""
        return {text: number for number, text in enumerate(self.classes)}

    @property
    def categories(self) -> int:
        """How many columns hold categories."""
        return int(np.count_nonzero(self._is_category))

    @cached_property
    def is_level(self) -> np.ndarray:
        """bool (d,): which features stand for a level."""
        return np.array([column.levels is not None for column in self.columns for _ in column.features], bool)

    @property
    def is_sparse(self) -> bool:
        """Whether the features are held as sparse rows."""
        return self.feature_dim > WIDEST_DENSE and len(self.columns) * EMPTIEST_DENSE < self.feature_dim

    @property
    def has_names(self) -> bool:
        """Whether the table had a header."""
        return not all(map(_NUMBERED.fullmatch, self.names))

    def check_names(self, names: Sequence[str] | None, source: str) -> None:
        """ClientError unless ``names``, as many as columns, are those of the columns. Either may be without."""
        if names is None or not self.has_names:
            return
        for number, (name, other) in enumerate(zip(self.names, names, strict=True), 1):
            if name != other:
                raise ClientError(
                    f"Its columns are not those of the schema: feature {number} is '{name}' there and '{other}' here",
                    where=source,
                    fix="Please give all files the same columns in the same order",
                )

    def arranged(self, names: Sequence[str] | None, source: str) -> TableSchema:
        """The schema of rows whose columns have ``names``, in whatever order. OtherColumns if they are not those of the
        columns. Either may be without."""
        if names is None or not self.has_names:
            return self
        return self.in_order([int(i) for i in np.argsort(order_of(self.names, names, source))])

    def in_order(self, order: Sequence[int]) -> TableSchema:
        """The schema of rows whose columns are those at ``order``."""
        return replace(self, columns=tuple(self.columns[i] for i in order))

    def batches(self, batch: Batch) -> Iterator[Batch]:
        """The features of decoded rows (n, columns), in batches of about BLOCK_VALUES."""
        size = max(1, BLOCK_VALUES // (2 * len(self.columns) if self.is_sparse else self.feature_dim))
        for start in range(0, max(1, len(batch)), size):
            rows = batch.take(slice(start, start + size))
            yield replace(rows, features=self.expand(_dense(rows)), feature_names=self.feature_names)

    def expand(self, table: np.ndarray) -> Rows:
        """Decoded rows (n, columns) -> features (n, d); a category that is UNSEEN is 0 in each of its features."""
        return self._sparse(table) if self.is_sparse else self._dense(table)

    def unseen(self, batch: Batch) -> dict[str, int]:
        """How many cells of decoded rows are UNSEEN, by column; none that has none."""
        table = _dense(batch)
        counts = {
            column.name: int(np.count_nonzero(table[:, i] == UNSEEN))
            for i, column in enumerate(self.columns)
            if column.levels is not None
        }
        return {name: count for name, count in counts.items() if count}

    @cached_property
    def _starts(self) -> np.ndarray:
        """int64 (columns,): the first feature of each column."""
        return np.cumsum([0, *(len(column.features) for column in self.columns[:-1])])

    @cached_property
    def _is_category(self) -> np.ndarray:
        """bool (columns,)."""
        return np.array([column.levels is not None for column in self.columns], bool)

    def _dense(self, table: np.ndarray) -> np.ndarray:
        features = np.zeros((len(table), self.feature_dim), np.float32)
        numbers = ~self._is_category
        features[:, self._starts[numbers]] = table[:, numbers]
        for i in np.flatnonzero(self._is_category):
            codes = table[:, i].astype(np.int64)
            seen = np.flatnonzero(codes != UNSEEN)
            features[seen, self._starts[i] + codes[seen]] = 1
        return features

    def _sparse(self, table: np.ndarray) -> CsrMatrix:
        codes = np.where(self._is_category, table, 0).astype(np.int64)
        values = np.where(self._is_category, np.float32(1), table)
        kept = (codes != UNSEEN) & (values != 0)
        indptr = np.zeros(len(table) + 1, np.int64)
        np.cumsum(kept.sum(axis=1), out=indptr[1:])
        columns = (self._starts + codes)[kept].astype(index_type(self.feature_dim))
        return CsrMatrix(indptr, columns, values[kept].astype(np.float32), (len(table), self.feature_dim))

    def as_json(self) -> dict[str, Any]:
        """What additional-params.json holds as ``schema``."""
        columns = [
            {"name": column.name} if column.levels is None else {"name": column.name, "levels": list(column.levels)}
            for column in self.columns
        ]
        return {"columns": columns, "classes": list(self.classes)}

    @classmethod
    def of_json(cls, content: object) -> TableSchema:
        """What ``as_json`` wrote. ClientError for anything else: anyone may have written it."""
        if isinstance(content, dict) and isinstance(content.get("columns"), list):
            columns = tuple(filter(None, map(_column, content["columns"])))
            names = {column.name for column in columns}
            classes = _texts(content.get("classes"))
            if classes is not None and len(columns) == len(names) == len(content["columns"]):
                return cls(columns, classes)
        raise ClientError("schema of the model is not one of columns and classes", fix="train the model again")


def numbered(position: int) -> str:
    """The name of a column, from 0, that has none."""
    return f"column {position + 1}"


def _dense(batch: Batch) -> np.ndarray:
    assert isinstance(batch.features, np.ndarray)  # noqa: S101 (for the type checker: rows of tables are dense)
    return batch.features


def _column(content: object) -> Column | None:
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        return None
    if content.get("levels") is None:
        return Column(content["name"])
    levels = _texts(content["levels"])
    return None if levels is None else Column(content["name"], levels)


def _texts(content: object) -> tuple[str, ...] | None:
    """A list of different strings."""
    if not isinstance(content, list) or not {*map(type, content)} <= {str} or len(set(content)) < len(content):
        return None
    return tuple(content)
