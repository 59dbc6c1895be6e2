"""What the rows of a channel are like: labels, columns that say nothing, missing values."""

from __future__ import annotations

from collections import Counter

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.formats.csr import CsrMatrix

MOST_LABELS = 1000
"""So many different labels are counted one by one."""


class Profile:
    """Gathered from some rows at a time. ``stored``: the values in all rows, those that are 0 left out of sparse ones.
    ``labels``: how many rows have which; None once there are more than MOST_LABELS different ones."""

    def __init__(self) -> None:
        self.rows = 0
        self.stored = 0
        self.labels: Counter[float] | None = Counter()
        self.lowest_label, self.highest_label = np.inf, -np.inf
        # Of the values' own type: NumPy is then thirty times as fast.
        self._minima, self._maxima = np.empty(0, np.float32), np.empty(0, np.float32)
        self._values = np.empty(0, np.int64)
        self._missing = np.empty(0, np.int64)

    def add(self, data: Dataset) -> None:
        """One row or more, perhaps of more columns than those before."""
        self._widen(data.feature_dim)
        self.rows += len(data)
        self._count_labels(data.labels)
        features, width = data.features, data.feature_dim
        if isinstance(features, CsrMatrix):
            np.fmin.at(self._minima, features.indices, features.values)
            np.fmax.at(self._maxima, features.indices, features.values)
            self._values[:width] += np.bincount(features.indices, minlength=width)
            self._missing[:width] += np.bincount(features.indices[np.isnan(features.values)], minlength=width)
            self.stored += features.nnz
        else:
            np.fmin(self._minima, np.fmin.reduce(features, axis=0), out=self._minima)
            np.fmax(self._maxima, np.fmax.reduce(features, axis=0), out=self._maxima)
            self._values += len(features)
            self._missing += np.isnan(features).sum(axis=0)
            self.stored += features.size

    @property
    def missing(self) -> np.ndarray:
        """int64 (d,): values missing in each column."""
        return self._missing

    @property
    def used_columns(self) -> int:
        """How many columns hold something in any row."""
        return int(np.count_nonzero(self._values))

    def constant_columns(self) -> np.ndarray:
        """int64 (c,): the columns, from 0, in which all rows have the same, or nothing."""
        minima, maxima = self.extremes()
        return np.flatnonzero(~(minima < maxima))

    def extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 (d,), both: the least and the largest value of each column, infinite where it has none."""
        has_zeros = self._values < self.rows
        minima = np.where(has_zeros, np.fmin(self._minima, 0), self._minima)
        maxima = np.where(has_zeros, np.fmax(self._maxima, 0), self._maxima)
        return minima, maxima

    def _widen(self, columns: int) -> None:
        more = columns - len(self._values)
        if more > 0:
            self._minima = np.append(self._minima, np.full(more, np.nan, np.float32))
            self._maxima = np.append(self._maxima, np.full(more, np.nan, np.float32))
            self._values = np.append(self._values, np.zeros(more, np.int64))
            self._missing = np.append(self._missing, np.zeros(more, np.int64))

    def _count_labels(self, labels: np.ndarray) -> None:
        self.lowest_label = min(self.lowest_label, float(labels.min()))
        self.highest_label = max(self.highest_label, float(labels.max()))
        if self.labels is not None:
            found, counts = np.unique(labels, return_counts=True)
            self.labels.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            if len(self.labels) > MOST_LABELS:
                self.labels = None
