"""Gathers batches of rows into one data set."""

from __future__ import annotations

import numpy as np

from linear_learner.data.dataset import Dataset, Segment
from linear_learner.data.row_store import RowStore, Store, store_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import Rows

BESIDE_FEATURES = 16
"""Bytes that a row takes besides its features: its label, its weight and its place in the order of visits."""


def bytes_of(features: Rows) -> int:
    """What rows take in a job that holds them."""
    return features.nbytes + BESIDE_FEATURES * len(features)


class DatasetBuilder:
    """Rows appended until ``dataset``. ``size``: the bytes that they are read from, None where nobody knows.

    ``limit``: the memory that they may take, None for any. The first batch is taken whatever it takes.
    """

    def __init__(self, size: int | None = None, limit: int | None = None) -> None:
        self._size = size
        self._limit = limit
        self._taken = 0
        self._features: Store | None = None
        self._labels: RowStore | None = None
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return 0 if self._features is None else len(self._features)

    def has_room_for(self, batch: Batch) -> bool:
        return self._limit is None or not len(self) or self._taken + bytes_of(batch.features) <= self._limit

    def add(self, batch: Batch, bytes_read: int) -> None:
        """``bytes_read``, those of the batch among them, tell how many rows are still to come."""
        if not len(batch):
            return
        assert batch.labels is not None  # noqa: S101 (for the type checker: label_size was 1)
        start = len(self)
        self._taken += bytes_of(batch.features)
        expected = self._expected(start + len(batch), bytes_read) + len(batch)
        if self._features is None or self._labels is None:
            self._features, self._labels = store_for(batch.features, expected), RowStore(1, expected)
        self._features.append(batch.features, expected)
        self._labels.append(batch.labels[:, np.newaxis], expected)
        if not self._segments or not self._segments[-1].continues_with(start, batch):
            self._segments.append(Segment(start, batch.source, batch.first_row, batch.row_numbers))

    def dataset(self, name: str, feature_names: tuple[str, ...] | None) -> Dataset:
        """At least one row was added."""
        assert self._features is not None and self._labels is not None  # noqa: S101 (for the type checker)
        features, labels = self._features.finish(), self._labels.finish()[:, 0]
        return Dataset(name, features, labels, tuple(self._segments), feature_names)

    def _expected(self, rows: int, bytes_read: int) -> int:
        """How many rows there will be, where ``rows`` of them are here."""
        expected = 2 * rows if self._size is None else rows * self._size // max(1, bytes_read)
        return expected if self._limit is None else min(expected, max(rows, rows * self._limit // self._taken))
