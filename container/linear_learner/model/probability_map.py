"""A map from raw scores to probabilities, laid through knots: what isotonic calibration makes of a binary model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from linear_learner.errors import ClientError


@dataclass(frozen=True, eq=False)
class ProbabilityMap:
    """Linear between its knots and constant beyond them, nowhere falling.

    ``scores``: float64 (m,), rising, m > 0: scores before the link. ``probabilities``: float64 (m,), not falling, from
    0 to 1.
    """

    scores: np.ndarray
    probabilities: np.ndarray

    def __call__(self, raw_scores: np.ndarray) -> np.ndarray:
        """Probabilities of scores of any shape, float32."""
        return np.interp(raw_scores, self.scores, self.probabilities).astype(np.float32)

    def least_score(self, probability: float) -> float:
        """The least raw score that comes to ``probability``: -inf where all do, inf where none does."""
        knot = int(np.searchsorted(self.probabilities, probability))
        if knot == 0 or knot == len(self.scores):
            return -np.inf if knot == 0 else np.inf
        (low, high), (p, q) = self.scores[knot - 1 : knot + 1], self.probabilities[knot - 1 : knot + 1]
        return float(low + (high - low) * ((probability - p) / (q - p)))

    def as_json(self) -> dict[str, list[float]]:
        return {"scores": self.scores.tolist(), "probabilities": self.probabilities.tolist()}

    @classmethod
    def of_json(cls, document: Any, where: str) -> ProbabilityMap:
        """What ``as_json`` wrote, checked: anyone may have written it. A ClientError, naming ``where``, says what is
        wrong."""
        if not isinstance(document, dict):
            raise _error("it is no JSON object", where)
        scores, probabilities = (_numbers(document.get(name), name, where) for name in ("scores", "probabilities"))
        if len(scores) != len(probabilities) or not len(scores):
            raise _error(f"it has {len(scores)} scores and {len(probabilities)} probabilities", where)
        if (np.diff(scores) <= 0).any():
            raise _error("its scores do not rise", where)
        if (np.diff(probabilities) < 0).any() or probabilities[0] < 0 or probabilities[-1] > 1:
            raise _error("its probabilities do not rise from 0 to 1", where)
        return cls(scores, probabilities)


def _numbers(values: Any, name: str, where: str) -> np.ndarray:
    if not isinstance(values, list) or not {*map(type, values)} <= {int, float}:
        raise _error(f"its {name} are no list of numbers", where)
    try:
        numbers = np.array(values, np.float64)
    except OverflowError:
        numbers = np.array([np.inf])
    if not np.isfinite(numbers).all():
        raise _error(f"its {name} are not all finite", where)
    return numbers


def _error(problem: str, where: str) -> ClientError:
    return ClientError(f"probability_map cannot be used: {problem}", where=where, fix="train or copy the model again")
