"""Gathers batches of rows into one data set."""

from __future__ import annotations

import contextlib
import threading

import numpy as np

from linear_learner.data.dataset import Dataset, Segment
from linear_learner.data.row_store import RowStore, SparseRowStore, Store, store_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import Rows, index_type
from linear_learner.native.decoders import Place

BESIDE_FEATURES = 16
"""Bytes that a row takes besides its features: its label, its weight and its place in the order of visits."""

LEAST_BYTES_OF_VALUE = 5
"""Of a sparse row, in a file: four for a float32, and one or more for its column."""


def bytes_of(features: Rows) -> int:
    """What rows take in a job that holds them."""
    return features.nbytes + BESIDE_FEATURES * len(features)


class DatasetBuilder:
    """Rows appended until ``dataset``. ``size``: the bytes that they are read from, None where nobody knows.

    ``limit``: the memory that they may take, None for any. The first batch is taken whatever it takes. It is a
    Destination, so that rows can be decoded where they will stay.
    """

    def __init__(self, size: int | None = None, limit: int | None = None) -> None:
        self._size = size
        self._limit = limit
        self._taken = 0
        self._features: Store | None = None
        self._labels: RowStore | None = None
        self._segments: list[Segment] = []
        self._gives_places = size is not None
        self._placing = threading.Lock()

    def __len__(self) -> int:
        return 0 if self._features is None else len(self._features)

    def has_room_for(self, batch: Batch) -> bool:
        return self._limit is None or not len(self) or self._taken + bytes_of(batch.features) <= self._limit

    def place(self, rows: int, width: int, size: int, values: int | None) -> Place | None:
        """See Destination."""
        with self._placing:
            place = self._place(rows, width, size, values) if self._gives_places else None
            self._gives_places = place is not None
        return place

    def close(self) -> None:
        """See Destination."""
        with self._placing:
            self._gives_places = False

    def add(self, batch: Batch, bytes_read: int) -> None:
        """``bytes_read``, those of the batch among them, tell how many rows are still to come."""
        if not len(batch):
            return
        assert batch.labels is not None  # noqa: S101 (for the type checker: label_size was 1)
        start = len(self)
        self._taken += bytes_of(batch.features)
        expected = self._expected(start + len(batch), bytes_read) + len(batch)
        if self._features is None:
            self._features = store_for(batch.features, expected)
        if self._labels is None:
            self._labels = RowStore(1, expected)
        self._features.append(batch.features, expected)
        self._labels.append(batch.labels[:, np.newaxis], expected)
        if not self._segments or not self._segments[-1].continues_with(start, batch):
            self._segments.append(Segment(start, batch.source, batch.first_row, batch.row_numbers))

    def dataset(self, name: str, feature_names: tuple[str, ...] | None) -> Dataset:
        """At least one row was added."""
        assert self._features is not None and self._labels is not None  # noqa: S101 (for the type checker)
        features, labels = self._features.finish(), self._labels.finish()[:, 0]
        return Dataset(name, features, labels, tuple(self._segments), feature_names)

    def _place(self, rows: int, width: int, size: int, values: int | None) -> Place | None:
        if self._features is None:
            self._features = self._store_for_all(rows, width, size, values)
        store = self._features
        if store is None or store.width != width or isinstance(store, SparseRowStore) != (values is not None):
            return None
        return store.place(rows if values is None else values)

    def _store_for_all(self, rows: int, width: int, size: int, values: int | None) -> Store | None:
        """For rows of which ``rows`` take ``size`` bytes; None if the system has no room for so many. What is not used
        takes no memory, so that there is some for rows that are smaller than the first ones."""
        assert self._size is not None  # noqa: S101 (for the type checker: it gives places)
        all_rows = 2 * rows * self._size // max(1, size) + rows
        with contextlib.suppress(MemoryError):
            if values is None:
                return RowStore(width, all_rows)
            return SparseRowStore(
                width, np.dtype(index_type(width)), all_rows, self._size // LEAST_BYTES_OF_VALUE + values
            )
        return None

    def _expected(self, rows: int, bytes_read: int) -> int:
        """How many rows there will be, where ``rows`` of them are here."""
        expected = 2 * rows if self._size is None else rows * self._size // max(1, bytes_read)
        return expected if self._limit is None else min(expected, max(rows, rows * self._limit // self._taken))
