"""Fitting probabilities to held-out scores: Platt's sigmoid, isotonic regression, and a temperature.

Each fit takes ``scores``, float32 (n, C), a model's before its link, and ``labels``, int64 (n,). None of them ever
states a probability of 0 or 1, since no number of rows shows that: Platt's targets and ours leave the other outcomes
one part in n + 2, as Laplace's rule of succession does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from linear_learner.model.linear_model import LinearModel
from linear_learner.model.probability_map import ProbabilityMap
from linear_learner.training.evaluation.ranking import rank

_MOST_STEPS = 100
_HALVINGS = 30
_CONVERGED = 1e-15  # what a Newton step would gain, twice
_SHRINKS = 0.9
_BLOCK = 1 << 20


class Fitted(Protocol):
    """A way to make probabilities of scores."""

    def log_loss(self, scores: np.ndarray, labels: np.ndarray) -> float:
        """The mean cross entropy of rows."""

    def apply(self, model: LinearModel) -> LinearModel:
        """The model whose scores are these probabilities."""

    def facts(self) -> dict[str, Any]:
        """What to tell of it."""


@dataclass(frozen=True)
class Unchanged:
    """What a model's own ``link`` makes of scores: ``logistic`` or ``softmax``."""

    link: str

    def log_loss(self, scores: np.ndarray, labels: np.ndarray) -> float:
        own = Sigmoid(1.0, 0.0) if self.link == "logistic" else Temperature(1.0)
        return own.log_loss(scores, labels)

    def apply(self, model: LinearModel) -> LinearModel:
        return model

    def facts(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(-(scale * score + shift)))."""

    scale: float
    shift: float

    def log_loss(self, scores: np.ndarray, labels: np.ndarray) -> float:
        logits = self.scale * scores[:, 0].astype(np.float64) + self.shift
        return float(np.mean(np.logaddexp(0, np.where(labels == 1, -logits, logits))))

    def apply(self, model: LinearModel) -> LinearModel:
        return _scaled(model, self.scale, self.shift, "logistic")

    def facts(self) -> dict[str, Any]:
        return {"scale": self.scale, "shift": self.shift}


@dataclass(frozen=True)
class Temperature:
    """softmax(scale * scores): ``scale`` is one over the temperature."""

    scale: float

    def log_loss(self, scores: np.ndarray, labels: np.ndarray) -> float:
        def of_block(block: np.ndarray, own: np.ndarray) -> float:
            shifted = self.scale * (block - block.max(axis=1, keepdims=True))
            mine = np.take_along_axis(shifted, own[:, None], axis=1)[:, 0]
            return float((np.log(np.exp(shifted).sum(axis=1)) - mine).sum())

        return _over_blocks(of_block, scores, labels) / len(scores)

    def apply(self, model: LinearModel) -> LinearModel:
        return _scaled(model, self.scale, 0.0, "softmax")

    def facts(self) -> dict[str, Any]:
        return {"temperature": 1 / self.scale}


@dataclass(frozen=True, eq=False)
class Isotonic:
    """Probabilities that follow the frequencies of blocks of rows."""

    probability_map: ProbabilityMap

    def log_loss(self, scores: np.ndarray, labels: np.ndarray) -> float:
        knots = self.probability_map
        p = np.interp(scores[:, 0], knots.scores, knots.probabilities)
        return float(-np.mean(np.log(np.where(labels == 1, p, 1 - p))))

    def apply(self, model: LinearModel) -> LinearModel:
        return replace(model, probability_map=self.probability_map)

    def facts(self) -> dict[str, Any]:
        return {"knots": len(self.probability_map.scores)}


def _scaled(model: LinearModel, scale: float, shift: float, link: str) -> LinearModel:
    weights, bias = model.weights.astype(np.float64) * scale, model.bias.astype(np.float64) * scale + shift
    return replace(model, weights=weights.astype(np.float32), bias=bias.astype(np.float32), link=link)


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Sigmoid | None:
    """The sigmoid of the least cross entropy (Platt 1999), by Newton steps (Lin, Lin and Weng 2007). None where it
    would not rise with the scores. C is 1, and there are labels 0 and 1."""
    scores, positive = scores[:, 0].astype(np.float64), labels == 1
    positives = np.count_nonzero(positive)
    negatives = len(positive) - positives
    target = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # The steps are taken on scores of mean 0 and spread 1, in which both unknowns are of one size.
    center, spread = float(scores.mean()), float(scores.std())
    if spread == 0:
        return None
    x = (scores - center) / spread

    def loss(unknowns: np.ndarray) -> float:
        z = unknowns[0] * x + unknowns[1]
        return float(np.mean(np.logaddexp(0, z) - target * z))

    unknowns = np.array([0.0, math.log((positives + 1) / (negatives + 1))])
    value = loss(unknowns)
    for _ in range(_MOST_STEPS):
        p = _sigmoid(unknowns[0] * x + unknowns[1])
        error, weight = p - target, p * (1 - p)
        gradient = np.array([np.mean(error * x), np.mean(error)])
        off = np.mean(weight * x)
        hessian = np.array([[np.mean(weight * x * x) + 1e-12, off], [off, np.mean(weight) + 1e-12]])
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < _CONVERGED:
            break
        for halving in range(_HALVINGS):
            trial = unknowns - step * 0.5**halving
            if (found := loss(trial)) < value:
                break
        else:
            break
        unknowns, value = trial, found
    scale = float(unknowns[0]) / spread
    return Sigmoid(scale, float(unknowns[1]) - scale * center) if scale > 0 else None


def fit_isotonic(scores: np.ndarray, labels: np.ndarray) -> Isotonic:
    """Isotonic regression (Zadrozny and Elkan 2002): a knot at either end of each block of rows that share a mean. C is
    1, and n > 0."""
    ranking = rank(np.ascontiguousarray(scores[:, 0]), labels == 1)
    right, wrong = -np.diff(ranking.positives), -np.diff(ranking.negatives)
    starts, means = pool(right / (right + wrong), right + wrong)
    ends = np.append(starts[1:], len(ranking.distinct)) - 1
    knots = np.stack([starts, ends], axis=1).ravel()
    keep = np.append(True, knots[1:] != knots[:-1])  # blocks of one score have one knot
    least = 1 / (len(scores) + 2)
    probabilities = np.clip(np.repeat(means, 2), least, 1 - least)
    return Isotonic(ProbabilityMap(ranking.distinct[knots[keep]].astype(np.float64), probabilities[keep]))


def pool(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rising sequence nearest to ``values`` (m,), by squares with ``weights`` (m,) > 0: pooling adjacent violators
    (Ayer et al. 1955). Returns where its blocks start and their means, both (b,), means strictly rising."""
    starts = np.arange(len(values))
    sums, sizes = values * weights, weights.astype(np.float64)
    # In which order neighbours are pooled changes nothing: all at once, and the last few, where that is slow, in turn.
    while len(starts) > 1:
        first = np.append(True, sums[1:] * sizes[:-1] > sums[:-1] * sizes[1:])
        before = len(starts)
        heads = np.flatnonzero(first)
        starts, sums, sizes = starts[heads], np.add.reduceat(sums, heads), np.add.reduceat(sizes, heads)
        if len(starts) > _SHRINKS * before:
            break
    blocks: list[tuple[int, float, float]] = []
    for start, total, size in zip(starts.tolist(), sums.tolist(), sizes.tolist(), strict=True):
        # The means themselves are compared: products tell apart what division rounds to one number.
        while blocks and blocks[-1][1] / blocks[-1][2] >= total / size:
            start, earlier, earlier_size = blocks.pop()
            total, size = total + earlier, size + earlier_size
        blocks.append((start, total, size))
    return np.array([start for start, _, _ in blocks]), np.array([total / size for _, total, size in blocks])


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> Temperature | None:
    """That of the least cross entropy (Guo et al. 2017), by bisection. None where scores should rather not count."""
    missed = 1 / (len(scores) + 2)  # the part of the target that is left to the other classes

    def slope(scale: float) -> float:
        """The derivative of the cross entropy, which rises with ``scale``."""

        def of_block(block: np.ndarray, own: np.ndarray) -> float:
            z = scale * block
            z = np.exp(z - z.max(axis=1, keepdims=True))
            expected = (z * block).sum(axis=1) / z.sum(axis=1)
            mine = np.take_along_axis(block, own[:, None], axis=1)[:, 0]
            others = (block.sum(axis=1) - mine) / (block.shape[1] - 1)
            return float((expected - (1 - missed) * mine - missed * others).sum())

        return _over_blocks(of_block, scores, labels)

    low, high = 2.0**-20, 1.0
    if slope(low) >= 0:
        return None
    while slope(high) < 0 and high < 2.0**20:
        high *= 4
    for _ in range(_MOST_STEPS):
        middle = math.sqrt(low * high)
        if high / low < 1 + 1e-9:
            break
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return Temperature(math.sqrt(low * high))


FITS: dict[str, Callable[[np.ndarray, np.ndarray], Fitted | None]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
    "temperature": fit_temperature,
}
"""By the names of the hyperparameter."""


def folds(labels: np.ndarray, number: int, seed: int) -> np.ndarray:
    """int64 (n,): the fold of each row, from 0; of each label there are equally many rows in all folds, but for one."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % number
    return fold


def _over_blocks(of_block: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray, labels: np.ndarray) -> float:
    step = max(1, _BLOCK // scores.shape[1])
    return math.fsum(
        of_block(scores[start : start + step].astype(np.float64), labels[start : start + step])
        for start in range(0, len(scores), step)
    )


def _sigmoid(z: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)
