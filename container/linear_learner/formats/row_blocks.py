"""Rows of a table a block at a time, so that what is made of them stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def row_blocks(shape: tuple[int, ...], values: int) -> Iterator[slice]:
    """Consecutive rows of a table of this ``shape``, of about so many ``values``, one row at the least."""
    rows, columns = shape
    size = max(1, values // max(1, columns))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


WIDE = 1 << 10
"""Values beside each other that keep NumPy's inner loops busy."""


def rows_beside(table: np.ndarray) -> int:
    """How many rows of a dense table (n, d) to lay beside each other. What NumPy does along the rows of a narrow table
    takes longer to begin, for each row, than to do."""
    return max(1, WIDE // max(1, table.shape[1])) if table.flags.c_contiguous else 1


def wide_row_blocks(table: np.ndarray, values: int) -> Iterator[tuple[slice, int]]:
    """Consecutive rows of a dense ``table`` (n, d), about so many ``values``, and how many of them, k, to lay beside
    each other: ``table[rows].reshape(-1, k * d)`` is a view. That is ``rows_beside``, or 1 for a few left over."""
    rows, columns = table.shape
    most = rows_beside(table)
    for block in row_blocks((-(-rows // most), columns * most), values):
        start, stop = block.start * most, min(block.stop * most, rows)
        whole = start + (stop - start) // most * most
        if whole > start:
            yield slice(start, whole), most
        if stop > whole:
            yield slice(whole, stop), 1
