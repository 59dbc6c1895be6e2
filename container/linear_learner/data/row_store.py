"""A matrix that grows by batches of rows, in hardly more memory than it has in the end."""

from __future__ import annotations

import numpy as np


class RowStore:
    """Rows of float32, (n, d), appended until ``finish``.

    Two copies of the data never exist at once: the array is enlarged in place (``realloc``, which for large arrays
    moves pages and copies nothing), and pages that are not written yet take no memory.
    """

    def __init__(self, width: int, capacity: int) -> None:
        self._array = np.empty((max(1, capacity), width), np.float32)
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def width(self) -> int:
        return int(self._array.shape[1])

    def append(self, rows: np.ndarray, expected: int) -> None:
        """Add rows (m, d). ``expected``: how many rows there will be in all, as far as anyone knows."""
        needed = self._rows + len(rows)
        if needed > len(self._array):
            # NumPy fills new memory with zeros, so growing far beyond what is needed would cost what it seems to.
            self._resize(max(needed, min(expected, needed + needed // 4)))
        self._array[self._rows : needed] = rows
        self._rows = needed

    def finish(self) -> np.ndarray:
        """The rows, float32 (n, d), C-contiguous. The store is empty afterwards."""
        self._resize(self._rows)
        array, self._array, self._rows = self._array, self._array[:0], 0
        return array

    def _resize(self, rows: int) -> None:
        self._array.resize((rows, self.width), refcheck=False)
