"""The order in which an epoch visits its rows."""

from __future__ import annotations

import numpy as np

from linear_learner.native import library
from linear_learner.native import shuffling as native

_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def shuffled(rows: int, random: np.random.Generator) -> np.ndarray:
    """int64 (rows,): 0 to rows - 1, at most 2**32 of them, in random order.

    NumPy's ``permutation`` takes several times as long, which shows in epochs of few columns. This is the shuffle of
    Fisher and Yates, from the last row to the second, with numbers of SplitMix64 (Steele, Lea and Flood 2014).
    """
    seed = int(random.integers(2**64, dtype=np.uint64))
    return native.shuffle(seed, rows) if library.problem() is None else _shuffle(seed, rows)


def _shuffle(seed: int, rows: int) -> np.ndarray:
    order = list(range(rows))
    for i, other in zip(range(rows - 1, 0, -1), _places(seed, rows).tolist(), strict=True):
        order[i], order[other] = order[other], order[i]
    return np.array(order, np.int64)


def _places(seed: int, rows: int) -> np.ndarray:
    """uint64 (rows - 1,): which of the rows up to it the last row changes places with, the one before it, and so on."""
    i = np.arange(rows - 1, 0, -1, dtype=np.uint64)
    z = np.uint64(seed) + i * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    z = z ^ (z >> np.uint64(31))
    places: np.ndarray = (z >> np.uint64(32)) * (i + np.uint64(1)) >> np.uint64(32)
    return places
