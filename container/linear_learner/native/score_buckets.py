"""Scores of many columns counted in buckets, in the C++ library."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from linear_learner.native import library


@dataclass(frozen=True)
class ScoreBuckets:
    """Higher scores are in the same bucket or in a higher one.

    ``counts``: int32 (K, 2, B), how many rows of either class, 0 and 1, each bucket of a column has. ``finite``: bool
    (K,); the counts of a column with a score that is nan, infinite or the largest float mean nothing.
    """

    scores: np.ndarray
    positive: np.ndarray
    counts: np.ndarray
    finite: np.ndarray
    threads: int

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray, buckets: int, threads: int) -> ScoreBuckets:
        """``scores``: float32 (n, K), n > 0, subnormal numbers counting as 0. ``positive``: bool (n,)."""
        scores, positive = np.ascontiguousarray(scores), np.ascontiguousarray(positive)
        rows, columns = scores.shape
        if scores.dtype != np.float32 or positive.dtype != np.bool_ or positive.shape != (rows,):
            raise ValueError("scores are float32 (n, K), positive is bool (n,)")
        counts, finite = np.empty((columns, 2, buckets), np.int32), np.empty(columns, np.bool_)
        first, second, *others = (array.ctypes.data for array in (scores, positive, counts, finite))
        count, _ = _functions()
        count(first, second, rows, columns, buckets, threads, *others)
        return cls(scores, positive, counts, finite, threads)

    def above(self) -> np.ndarray:
        """int64 (K, 2, B): the rows of either class in higher buckets."""
        sums = np.cumsum(self.counts[:, :, ::-1], axis=2, dtype=np.int64)[:, :, ::-1]
        return sums - self.counts

    def cuts_in(self, opened: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How many rows of either class score at least as much, for every different score in the ``opened`` buckets,
        bool (K, B): int64 (m,) of the positive rows, of the others, and the column of each."""
        rows, columns = self.scores.shape
        opened, above = np.ascontiguousarray(opened), self.above()
        room = (self.counts.sum(axis=1) * opened).sum(axis=1, dtype=np.int64)
        begins = np.concatenate(([0], np.cumsum(room)))
        found = np.empty(columns, np.int64)
        positives, negatives = np.empty(begins[-1], np.int64), np.empty(begins[-1], np.int64)
        arrays = (opened, above, begins, found, positives, negatives)
        first, second, *others = (array.ctypes.data for array in (self.scores, self.positive, *arrays))
        _, cuts = _functions()
        if cuts(first, second, rows, columns, opened.shape[1], self.threads, *others):
            raise MemoryError("no memory to sort the scores")
        used = np.arange(begins[-1]) - np.repeat(begins[:-1], room) < np.repeat(found, room)
        return positives[used], negatives[used], np.repeat(np.arange(columns), found)


@cache
def _functions() -> tuple[ctypes._FuncPointer, ctypes._FuncPointer]:
    count, cuts = library.plain().ll_bucket_scores, library.plain().ll_cuts_in_buckets
    size, address = ctypes.c_int64, ctypes.c_void_p
    table = (address, address, size, size, size, ctypes.c_int)
    count.restype, count.argtypes = None, (*table, address, address)
    cuts.restype, cuts.argtypes = ctypes.c_int, (*table, *[address] * 6)
    return count, cuts
