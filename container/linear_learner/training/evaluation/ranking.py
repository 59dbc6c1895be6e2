"""Rows of two classes along their scores: what a threshold makes of them, and what all thresholds do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from linear_learner.native import ranking as native


@dataclass(frozen=True)
class Confusion:
    """Rows by label and prediction: counts, or int64 arrays of one shape with an entry for each threshold or class.

    A ratio whose denominator is 0 is 0.
    """

    true_positives: Any
    false_positives: Any
    false_negatives: Any
    true_negatives: Any

    def accuracy(self) -> Any:
        right = self.true_positives + self.true_negatives
        return _ratio(right, right + self.false_positives + self.false_negatives)

    def precision(self) -> Any:
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    def recall(self) -> Any:
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    def f_beta(self, beta: float) -> Any:
        """The harmonic mean of precision and recall in which recall counts ``beta`` squared times as much."""
        right = (1 + beta**2) * self.true_positives
        return _ratio(right, right + beta**2 * self.false_negatives + self.false_positives)


def _ratio(part: Any, whole: Any) -> Any:
    return part / np.where(whole == 0, 1, whole)


@dataclass(frozen=True)
class Ranking:
    """Rows of two classes along their scores.

    ``distinct``: (m,), the different scores, ascending, nan at either end. ``positives`` and ``negatives``: int64
    (m + 1,), how many rows of the class score at least distinct[j]; the last entry is 0.
    """

    distinct: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    @property
    def has_nan(self) -> bool:
        return bool(np.isnan(self.distinct[[0, -1]]).any())


def rank(scores: np.ndarray, positive: np.ndarray) -> Ranking:
    """``scores``: (n,), n > 0, compared as float32. ``positive``: bool (n,)."""
    scores = scores.astype(np.float32, copy=False)
    return Ranking(*(native.rank if native.available() else _rank)(scores, positive))


def _rank(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = ascending(scores)
    ordered = scores[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    below = np.concatenate(([0], np.cumsum(positive[order], dtype=np.int64)))
    starts = np.concatenate(([0], starts, [len(scores)]))
    positives = below[-1] - below[starts]
    return ordered[starts[:-1]], positives, len(scores) - starts - positives


def ascending(scores: np.ndarray) -> np.ndarray:
    """The indices that sort float32 (n,) scores, in O(n).

    The bits of a float, with the negative ones turned round, order like the number. NumPy sorts 16-bit integers by
    radix, so two passes over halves of the bits take half the time of one sort by comparison, or less.
    """
    bits = scores.view(np.uint32)
    bits = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    return order[np.argsort((bits >> 16).astype(np.uint16)[order], kind="stable")]


def confusion_at(threshold: float, scores: np.ndarray, positive: np.ndarray) -> Confusion:
    """Counts where the rows of ``scores`` (n,) that reach the threshold are called positive."""
    # In float64, as in serving: a float32 comparison would round the threshold first.
    called = scores.astype(np.float64) >= threshold
    right, positives = int(np.count_nonzero(called & positive)), int(np.count_nonzero(positive))
    wrong = int(np.count_nonzero(called)) - right
    return Confusion(right, wrong, positives - right, len(scores) - positives - wrong)
