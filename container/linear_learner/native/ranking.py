"""Rows of two classes along their scores, in the C++ library. Other threads run meanwhile."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from linear_learner.native import library


def available() -> bool:
    """Whether the library is there; without it ``training.evaluation.ranking`` counts with NumPy, in four times the
    time."""
    return library.problem() is None


def rank(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What ``training.evaluation.ranking.Ranking`` holds: the m distinct ``scores``, ascending, and how many rows of
    either class score at least as much, int64 (m + 1,). ``scores``: float32 (n,). ``positive``: bool (n,)."""
    scores, positive = np.ascontiguousarray(scores), np.ascontiguousarray(positive)
    rows = len(scores)
    if scores.dtype != np.float32 or positive.dtype != np.bool_ or positive.shape != (rows,):
        raise ValueError("scores are float32 (n,), positive is bool (n,)")
    distinct, positives, negatives = (
        np.empty(rows, np.float32),
        np.empty(rows + 1, np.int64),
        np.empty(rows + 1, np.int64),
    )
    arrays = (scores, positive, distinct, positives, negatives)
    first, second, *found = (array.ctypes.data for array in arrays)
    count = _function()(first, second, rows, *found)
    if count < 0:
        raise MemoryError("no memory to sort the scores")
    return distinct[:count], positives[: count + 1], negatives[: count + 1]


@cache
def _function() -> ctypes._FuncPointer:
    function = library.plain().ll_rank
    size, address = ctypes.c_int64, ctypes.c_void_p
    function.restype, function.argtypes = size, (address, address, size, address, address, address)
    return function
