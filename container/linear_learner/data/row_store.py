"""Matrices that grow by batches of rows, in hardly more memory than they have in the end."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from linear_learner.data.pages import Pages
from linear_learner.formats.csr import CsrMatrix, Rows


class Store(Protocol):
    """Rows (n, d) of one kind, appended until ``finish``."""

    def __len__(self) -> int: ...

    @property
    def width(self) -> int: ...

    def append(self, rows: Rows, expected: int) -> None:
        """Add rows (m, d). ``expected``: how many rows there will be in all, as far as anyone knows."""

    def finish(self) -> Rows:
        """The rows. The store is empty afterwards."""


def store_for(rows: Rows, expected: int) -> Store:
    """An empty store for rows of the kind and width of ``rows``."""
    if isinstance(rows, CsrMatrix):
        return SparseRowStore(rows.shape[1], rows.indices.dtype, expected, _values_of(expected, rows.nnz, len(rows)))
    return RowStore(rows.shape[1], expected)


class RowStore:
    """Rows of numbers, (n, d), float32 unless said otherwise, appended until ``finish``. Two copies of the data never
    exist at once, and room that is not used takes no memory."""

    def __init__(self, width: int, capacity: int, dtype: type | np.dtype = np.float32) -> None:
        self.width = width
        self._dtype = np.dtype(dtype)
        self._empty(capacity)

    def _empty(self, capacity: int) -> None:
        self._rows = 0
        self._pages = Pages(self._bytes_of(capacity))
        self._array = self._pages.array(capacity, self.width, self._dtype)

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: Rows, expected: int) -> None:
        """Add dense rows (m, d)."""
        assert isinstance(rows, np.ndarray)  # noqa: S101 (for the type checker: the caller keeps kinds apart)
        needed = self._rows + len(rows)
        if needed > len(self._array):
            # Room alone costs nothing; what is asked for by a wild guess the system may refuse.
            self._make_room(max(needed, min(expected, 2 * needed)))
        self._array[self._rows : needed] = rows
        self._rows = needed

    def finish(self) -> np.ndarray:
        """The rows (n, d), C-contiguous. The store is empty afterwards."""
        rows = self._array[: self._rows]
        self._empty(0)
        return rows

    def _make_room(self, rows: int) -> None:
        self._array = np.empty((0, self.width), self._dtype)  # which looks into no page
        self._pages.resize(self._bytes_of(rows))
        self._array = self._pages.array(rows, self.width, self._dtype)

    def _bytes_of(self, rows: int) -> int:
        return rows * self.width * self._dtype.itemsize


class SparseRowStore:
    """Sparse rows, (n, d), appended until ``finish``; ``index_type`` is that of their column numbers. ``width`` grows
    with the widest rows. There is room for ``rows`` that hold so many ``values`` together, before any is enlarged."""

    def __init__(self, width: int, index_type: np.dtype, rows: int, values: int) -> None:
        self.width = width
        self._starts = RowStore(1, rows + 1, np.int64)
        self._starts.append(np.zeros((1, 1), np.int64), 1)
        self._indices = RowStore(1, values, index_type)
        self._values = RowStore(1, values)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, rows: Rows, expected: int) -> None:
        """Add sparse rows (m, d)."""
        assert isinstance(rows, CsrMatrix)  # noqa: S101 (for the type checker: the caller keeps kinds apart)
        self.width = max(self.width, rows.shape[1])
        self._starts.append((rows.indptr[1:] + len(self._values))[:, np.newaxis], expected + 1)
        values = _values_of(expected, len(self._values) + rows.nnz, len(self))
        self._indices.append(rows.indices[:, np.newaxis], values)
        self._values.append(rows.values[:, np.newaxis], values)

    def finish(self) -> CsrMatrix:
        rows = len(self)
        starts, indices, values = (store.finish()[:, 0] for store in (self._starts, self._indices, self._values))
        return CsrMatrix(starts, indices, values, (rows, self.width))


def _values_of(expected: int, values: int, rows: int) -> int:
    """How many values so many rows are ``expected`` to hold: as much each as those that are here."""
    return expected * values // max(1, rows)
