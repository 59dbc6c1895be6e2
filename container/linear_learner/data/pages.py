"""Memory straight from the system, for arrays as large as the data."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator

import numpy as np

HUGE_PAGE = 1 << 21
_LEAST_HUGE = 2 * HUGE_PAGE
"""Bytes. In less, a huge page that is begun is too much of the whole."""


class Pages:
    """Bytes that take memory once they are written to, and that stay where they are, or are moved without a copy, when
    there are to be more of them. MemoryError if the system has no room for so many.

    Large ones are huge pages where the system has them: that clears them sooner, and rows that are read in random order
    find their places sooner.
    """

    def __init__(self, size: int) -> None:
        with _told_of_memory(size):
            self._map = mmap.mmap(-1, _rounded(size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._advise()

    def resize(self, size: int) -> None:
        """Nobody may look into the bytes now. BufferError if somebody does."""
        with _told_of_memory(size):
            self._map.resize(_rounded(size))
        self._advise()

    def array(self, rows: int, width: int, dtype: np.dtype) -> np.ndarray:
        """The first bytes as an array (rows, width), which keeps them."""
        return np.frombuffer(self._map, dtype, rows * width).reshape(rows, width)

    def _advise(self) -> None:
        if len(self._map) >= _LEAST_HUGE:
            with contextlib.suppress(AttributeError, OSError):  # where a system has none
                self._map.madvise(mmap.MADV_HUGEPAGE)


@contextlib.contextmanager
def _told_of_memory(size: int) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError):
        raise MemoryError(f"the system has no room for {size} bytes") from None


def _rounded(size: int) -> int:
    """Linux lets a mapping begin where a huge page does if it is a multiple of one."""
    unit = HUGE_PAGE if size > HUGE_PAGE else mmap.PAGESIZE
    return max(1, -(-size // unit)) * unit
