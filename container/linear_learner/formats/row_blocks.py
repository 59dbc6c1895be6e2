"""Rows of a table a block at a time, so that what is made of them stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator


def row_blocks(shape: tuple[int, ...], values: int) -> Iterator[slice]:
    """Consecutive rows of a table of this ``shape``, of about so many ``values``, one row at the least."""
    rows, columns = shape
    size = max(1, values // max(1, columns))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
