"""Matrices that grow by batches of rows, in hardly more memory than they have in the end."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from linear_learner.data.pages import Pages
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.native.decoders import Place


class Store(Protocol):
    """Rows (n, d) of one kind, appended until ``finish``.

    They may be written to their ``place`` before they are appended, several batches at once. Such rows have to be
    appended in the order of their places, and before all others.
    """

    def __len__(self) -> int: ...

    @property
    def width(self) -> int: ...

    def place(self, count: int) -> Place | None:
        """For so many rows, or values of sparse rows; None if there is no room for them."""

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
    exist at once where nobody looks into the rows, and room that is not used takes no memory."""

    def __init__(self, width: int, capacity: int, dtype: type | np.dtype = np.float32) -> None:
        self.width = width
        self._dtype = np.dtype(dtype)
        self._empty(capacity)

    def _empty(self, capacity: int) -> None:
        self._rows = self._given = 0
        self._pages = Pages(self._bytes_of(capacity))
        self._array = self._pages.array(capacity, self.width, self._dtype)

    def __len__(self) -> int:
        return self._rows

    def place(self, count: int) -> Place | None:
        """(count, d), behind the places given before."""
        start, end = self._given, self._given + count
        if end > len(self._array):
            return None
        self._given = end
        return (self._array[start:end],)

    def append(self, rows: Rows, expected: int) -> None:
        """Add dense rows (m, d)."""
        assert isinstance(rows, np.ndarray)  # noqa: S101 (for the type checker: the caller keeps kinds apart)
        needed = self._rows + len(rows)
        if self._given > self._rows and self._is_in_place(rows):
            self._rows = needed
            return
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

    def _is_in_place(self, rows: np.ndarray) -> bool:
        end = self._array[self._rows : self._rows + len(rows)]
        return rows.shape == end.shape and rows.__array_interface__ == end.__array_interface__

    def _make_room(self, rows: int) -> None:
        self._array = np.empty((0, self.width), self._dtype)  # which looks into no page
        try:
            self._pages.resize(self._bytes_of(rows))
        except BufferError:  # somebody looks into rows that were written to their place
            old, self._pages = self._pages, Pages(self._bytes_of(rows))
            self._pages.array(self._rows, self.width, self._dtype)[:] = old.array(self._rows, self.width, self._dtype)
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

    def place(self, count: int) -> Place | None:
        """Column numbers and values, (count,) each, behind the places given before."""
        indices, values = self._indices.place(count), self._values.place(count)
        return None if indices is None or values is None else (indices[0][:, 0], values[0][:, 0])

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
