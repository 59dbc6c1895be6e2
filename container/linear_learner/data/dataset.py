"""The decoded rows of a channel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.table_schema import TableSchema


@dataclass(frozen=True)
class Segment:
    """Rows that came from one file without a gap: row ``start`` of the data set is row ``first_row`` of ``source``.
    ``row_numbers``, int64 (n,), where rows of a file are not numbered in sequence (blank lines)."""

    start: int
    source: str
    first_row: int
    row_numbers: np.ndarray | None = None

    def where(self, row: int) -> str:
        """The place of row ``row`` of the data set."""
        at = row - self.start
        number = self.first_row + at if self.row_numbers is None else int(self.row_numbers[at])
        return f"{self.source}, row {number}"

    def continues_with(self, start: int, batch: Batch) -> bool:
        """Whether ``batch``, from row ``start`` of the data set on, needs no segment of its own."""
        if self.row_numbers is not None or batch.row_numbers is not None or self.source != batch.source:
            return False
        return self.first_row + start - self.start == batch.first_row


@dataclass(frozen=True)
class Dataset:
    """All rows of channel ``name``: features (n, d), float32 and C-contiguous, or sparse rows; labels float32 (n,); all
    of them finite, but NaN where a feature is missing and not filled yet. ``feature_names``: d different names, where a
    file of the channel has a header. ``fills``: float32 (d,), what missing values were filled with. ``schema``: what
    the columns of the files mean, where some of them are text.
    """

    name: str
    features: Rows
    labels: np.ndarray
    segments: tuple[Segment, ...]
    feature_names: tuple[str, ...] | None = None
    fills: np.ndarray | None = None
    schema: TableSchema | None = None

    @property
    def rows(self) -> int:
        return len(self)

    @property
    def rows_seen(self) -> int:
        """As many: a stream may have more than it has shown."""
        return len(self)

    def class_counts(self, classes: int) -> np.ndarray:
        """int64 (classes,): how many of the labels, checked, are 0, 1 and so on. None are where there is no class."""
        return np.bincount(self.labels.astype(np.int64), minlength=classes) if classes else np.zeros(0, np.int64)

    @classmethod
    def of_batch(cls, name: str, batch: Batch) -> Dataset:
        """The rows of one batch, which has labels."""
        assert batch.labels is not None  # noqa: S101 (for the type checker)
        segment = Segment(0, batch.source, batch.first_row, batch.row_numbers)
        return cls(name, batch.features, batch.labels, (segment,), batch.feature_names)

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def feature_dim(self) -> int:
        return int(self.features.shape[1])

    @property
    def is_sparse(self) -> bool:
        return isinstance(self.features, CsrMatrix)

    @property
    def values_per_row(self) -> float:
        """The mean number of values that a row holds."""
        if isinstance(self.features, CsrMatrix):
            return self.features.nnz / max(1, len(self))
        return self.feature_dim

    @property
    def used_columns(self) -> np.ndarray | None:
        """int64 (u,): the columns in which any of the sparse rows has something."""
        return self.features.used_columns() if isinstance(self.features, CsrMatrix) else None

    @property
    def one_label(self) -> float | None:
        """The label of all rows, where they have one only."""
        labels = self.labels
        return float(labels[0]) if len(labels) and (labels == labels[0]).all() else None

    def where(self, row: int) -> str:
        """File and row of row ``row`` (from 0)."""
        return self.segments[bisect_right(self.segments, row, key=lambda segment: segment.start) - 1].where(row)


def without_rows(name: str, feature_dim: int, *, is_sparse: bool, feature_names: tuple[str, ...] | None) -> Dataset:
    """What a host has of a channel of which only other hosts have rows."""
    features: Rows = np.zeros((0, feature_dim), np.float32)
    if is_sparse:
        features = CsrMatrix.from_dense(np.zeros((0, feature_dim), np.float32))
    return Dataset(name, features, np.zeros(0, np.float32), (), feature_names)


class Described(Protocol):
    """A channel, as far as its columns go."""

    @property
    def name(self) -> str: ...

    @property
    def feature_dim(self) -> int: ...

    @property
    def feature_names(self) -> tuple[str, ...] | None: ...

    @property
    def is_sparse(self) -> bool: ...


def check_same_columns(train: Described, others: Iterable[Dataset]) -> None:
    """ClientError unless all channels have as many features as the train channel, and its names where both have any."""
    for other in others:
        if other.feature_dim != train.feature_dim:
            raise _other_columns(
                train,
                other,
                f"The {other.name} data dimensionality '{other.feature_dim}' doesn't match {train.name} data "
                f"dimensionality '{train.feature_dim}'",
            )
        problem = differing_names(train.feature_names, other.feature_names)
        if problem:
            raise _other_columns(train, other, f"Its header differs from that of the {train.name} dataset: {problem}")


def in_form_of(train: Described, data: Dataset) -> Dataset:
    """``data`` with dense or sparse rows, as the train channel has them: a model is trained on one form or the other,
    since dense rows are unbiased."""
    features = data.features
    if train.is_sparse:
        return data if isinstance(features, CsrMatrix) else replace(data, features=CsrMatrix.from_dense(features))
    return replace(data, features=features.toarray()) if isinstance(features, CsrMatrix) else data


def differing_names(names: Sequence[str] | None, others: Sequence[str] | None) -> str:
    """Where the names of the same number of features first differ, in words; "" if they do not, or are not known."""
    for i, (name, other) in enumerate(zip(names or (), others or (), strict=False)):
        if name != other:
            return f"feature {i + 1} is '{name}' in the one and '{other}' in the other"
    return ""


def _other_columns(train: Described, other: Dataset, problem: str) -> ClientError:
    return ClientError(
        f"Incorrect configuration or {other.name} dataset provided. {problem}",
        where=other.segments[0].source if other.segments else f"channel '{other.name}'",
        fix=f"Please give the {other.name} dataset the columns of the {train.name} dataset",
    )
