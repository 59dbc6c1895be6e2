"""Sparse rows: of each row, the columns that hold something and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_VALUES = 1 << 20
"""Values or products worked on at a time, so that memory does not follow the number of rows."""


@dataclass(frozen=True, eq=False)
class CsrMatrix:
    """A matrix (n, d) in compressed sparse rows; what is not stored is 0.

    ``indptr``: int64 (n + 1,), from 0. Row i has the columns ``indices[indptr[i]:indptr[i + 1]]``, ascending and each
    once, and there the ``values``: float32 (nnz,), finite. ``indices``: int32 or int64 (nnz,). A value may be 0.
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nnz(self) -> int:
        """How many values are stored."""
        return len(self.values)

    @property
    def nbytes(self) -> int:
        return self.indptr.nbytes + self.indices.nbytes + self.values.nbytes

    def __getitem__(self, rows: slice | np.ndarray) -> CsrMatrix:
        """Some rows, by a slice or an integer array (m,). Rows that lie side by side are views, others copies."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._adjacent(start, max(start, stop))
            rows = np.arange(len(self))[rows]
        begins = self.indptr[:-1][rows]
        lengths = self.indptr[1:][rows] - begins
        indptr = _starts(lengths)
        # Entry e of the new rows was at begins[row] + e - indptr[row].
        entries = np.arange(indptr[-1]) + np.repeat(begins - indptr[:-1], lengths)
        return CsrMatrix(indptr, self.indices[entries], self.values[entries], (len(lengths), self.shape[1]))

    def _adjacent(self, start: int, stop: int) -> CsrMatrix:
        begin, end = self.indptr[start], self.indptr[stop]
        return CsrMatrix(
            self.indptr[start : stop + 1] - begin,
            self.indices[begin:end],
            self.values[begin:end],
            (stop - start, self.shape[1]),
        )

    def row_numbers(self) -> np.ndarray:
        """int64 (nnz,): the row of each stored value."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def used_columns(self) -> np.ndarray:
        """int64 (u,), ascending: the columns in which anything is stored."""
        seen = np.zeros(self.shape[1], bool)
        seen[self.indices] = True
        return np.flatnonzero(seen)

    def only_columns(self, columns: np.ndarray) -> CsrMatrix:
        """The rows (n, u) with these columns alone, int64 (u,), ascending; what other columns hold is left out."""
        number = np.full(self.shape[1], -1, index_type(len(columns)))
        number[columns] = np.arange(len(columns))
        indices, kept = number[self.indices], slice(None)
        indptr = self.indptr
        if (missing := indices < 0).any():
            kept = ~missing
            indptr = _starts(np.bincount(self.row_numbers()[kept], minlength=len(self)))
        return CsrMatrix(indptr, indices[kept], self.values[kept], (len(self), len(columns)))

    def toarray(self) -> np.ndarray:
        """float32 (n, d)."""
        dense = np.zeros(self.shape, np.float32)
        for start, stop in self._blocks(BLOCK_VALUES):
            block = self._adjacent(start, stop)
            dense[start:stop][block.row_numbers(), block.indices] = block.values
        return dense

    def __matmul__(self, matrix: np.ndarray) -> np.ndarray:
        """The product (n, m) with a matrix (d, m), in the type that NumPy gives the product of the two."""
        if matrix.shape[0] != self.shape[1]:
            raise ValueError(f"a matrix of {self.shape[1]} columns times one of {matrix.shape[0]} rows")
        product = np.zeros((len(self), matrix.shape[1]), np.result_type(self.values, matrix))
        for start, stop in self._blocks(BLOCK_VALUES // max(1, matrix.shape[1])):
            block = self._adjacent(start, stop)
            filled = np.flatnonzero(np.diff(block.indptr))  # reduceat has no sums of nothing
            if len(filled):
                terms = matrix[block.indices] * block.values[:, np.newaxis]
                product[start + filled] = np.add.reduceat(terms, block.indptr[filled], axis=0)
        return product

    def _blocks(self, values: int) -> list[tuple[int, int]]:
        """Consecutive rows, start and stop, of about ``values`` stored values, at least one row each."""
        blocks, start = [], 0
        while start < len(self):
            stop = int(np.searchsorted(self.indptr, self.indptr[start] + values, side="right")) - 1
            blocks.append((start, max(start + 1, stop)))
            start = blocks[-1][1]
        return blocks

    @classmethod
    def concatenate(cls, matrices: Sequence[CsrMatrix]) -> CsrMatrix:
        """The rows of one or more matrices of one width, one below the other."""
        widths = {matrix.shape[1] for matrix in matrices}
        if len(widths) != 1:
            raise ValueError(f"matrices of {sorted(widths)} columns have no common rows")
        return cls(
            _starts(np.concatenate([np.diff(matrix.indptr) for matrix in matrices])),
            np.concatenate([matrix.indices for matrix in matrices]),
            np.concatenate([matrix.values for matrix in matrices]),
            (sum(map(len, matrices)), widths.pop()),
        )

    @classmethod
    def from_dense(cls, features: np.ndarray) -> CsrMatrix:
        """The same rows, (n, d), with their zeros left out."""
        kept = features != 0
        indices = np.nonzero(kept)[1].astype(index_type(features.shape[1]))
        values = features[kept].astype(np.float32, copy=False)
        return cls(_starts(np.count_nonzero(kept, axis=1)), indices, values, (len(features), features.shape[1]))


Rows = np.ndarray | CsrMatrix
"""Features (n, d), dense or sparse: both have ``shape`` and ``len``, and rows are taken by a slice or an integer array.
"""


def index_type(columns: int) -> type[np.signedinteger]:
    """The smaller type that holds the numbers of so many columns."""
    return np.int32 if columns <= np.iinfo(np.int32).max else np.int64


def _starts(lengths: np.ndarray) -> np.ndarray:
    """int64 (n + 1,): where rows of these lengths begin, and the end of the last one."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
