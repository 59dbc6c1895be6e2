"""How far final metrics, and the threshold, may be off because the rows at hand are what they are.

Percentile intervals of the bootstrap (Efron 1979): as many rows are drawn anew, with replacement, again and again, and
the middle LEVEL of what a metric comes to is its interval. The model and its threshold stay what they are.

A binary model's metrics depend on how many rows of either class score what. So rows are counted in cells, by class and
score, and a sample is a draw of counts from the multinomial distribution, which costs cells and not rows. Where there
are more distinct scores than CELLS, neighbouring ones share a cell, with their mean loss; the threshold is always
between two cells. Metrics of other models are taken from the drawn rows themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from linear_learner.environment import cpu_count
from linear_learner.model.losses import BINARY, MULTICLASS, REGRESSOR
from linear_learner.training.evaluation import metrics
from linear_learner.training.evaluation.metrics import METRICS, BinaryRows, MulticlassRows, RegressionRows, Row
from linear_learner.training.evaluation.ranking import Confusion, Ranking, rank
from linear_learner.training.evaluation.threshold import (
    AMONG_EQUALS,
    CRITERIA,
    Criterion,
    evenly_spaced,
    flush,
    thresholds_between,
)

LEVEL = 0.95
CELLS = 1 << 12
"""Of each class, at most, or about: each then holds less than three in ten thousand of the rows."""
_COUNTS_AT_ONCE = 1 << 22

Interval = tuple[float, float]


def intervals(
    rows: BinaryRows | MulticlassRows | RegressionRows,
    threshold: float | None,
    samples: int,
    seed: int,
    go_on: Callable[[], None] = lambda: None,
) -> list[Interval | None]:
    """An interval for each row of METRICS, None where it has no meaning. ``rows``: what the metrics were taken of.
    ``go_on`` is called again and again, as often on every host that has these rows; what it raises ends all."""
    if isinstance(rows, BinaryRows):
        assert threshold is not None  # noqa: S101 (for the type checker: a binary model has one)
        return _binary_intervals(rows, threshold, samples, seed, go_on)
    return _row_intervals(rows, samples, seed, go_on)


def threshold_interval(
    scores: np.ndarray,
    labels: np.ndarray,
    criterion: Criterion,
    *,
    neutral: float,
    at_most: int,
    samples: int,
    seed: int,
    go_on: Callable[[], None] = lambda: None,
) -> Interval | None:
    """Of the threshold that ``calibrate`` chooses, with the same arguments. None where it searches for none, and where
    it is a bound itself."""
    if criterion.by_loss or criterion.error is not None:
        return None
    rows = evenly_spaced(len(scores), at_most)
    ranking = rank(flush(scores[rows]), labels[rows] == 1)
    cells = _Cells.of(ranking, edges=np.array([], np.int64))
    thresholds = thresholds_between(ranking, cells.edges, neutral)
    distance = np.abs(thresholds.astype(np.float64) - neutral)
    found = []
    for counts in cells.draws(samples, seed):
        go_on()
        cuts = counts.confusions()
        values = CRITERIA[criterion.name](cuts, criterion)
        best = values == values.max(axis=1, keepdims=True)
        if criterion.name in AMONG_EQUALS:
            among = np.where(best, AMONG_EQUALS[criterion.name](cuts), -1.0)
            best = among == among.max(axis=1, keepdims=True)
        found.append(thresholds[np.argmin(np.where(best, distance, np.inf), axis=1)])
    return _percentiles(np.concatenate(found).astype(np.float64))


@dataclass(frozen=True)
class _Counts:
    """Samples of rows in cells along their scores: ``positives`` and ``negatives``, int64 (s, c)."""

    positives: np.ndarray
    negatives: np.ndarray

    def confusions(self) -> Confusion:
        """Arrays (s, c + 1): cut j calls the cells from j on positive."""
        right, wrong = _from_the_right(self.positives), _from_the_right(self.negatives)
        return Confusion(right, wrong, right[:, :1] - right, wrong[:, :1] - wrong)


def _from_the_right(counts: np.ndarray) -> np.ndarray:
    sums = np.zeros((len(counts), counts.shape[1] + 1), np.int64)
    np.cumsum(counts[:, ::-1], axis=1, out=sums[:, -2::-1])
    return sums


@dataclass(frozen=True)
class _Cells:
    """``edges``: (c + 1,), cell j holds the rows of distinct scores edges[j] to edges[j + 1] - 1. ``positives``,
    ``negatives``: (c,), rows by class."""

    edges: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    @classmethod
    def of(cls, ranking: Ranking, edges: np.ndarray) -> _Cells:
        """One for each distinct score, or CELLS of about equally many rows, with borders at the numbers ``edges``."""
        distinct = len(ranking.distinct)
        called = ranking.positives + ranking.negatives
        if distinct > CELLS:
            wanted = called[0] - np.arange(CELLS + 1) * called[0] // CELLS
            borders = np.union1d(np.searchsorted(-called, -wanted), edges)
        else:
            borders = np.arange(distinct + 1)
        return cls(borders, -np.diff(ranking.positives[borders]), -np.diff(ranking.negatives[borders]))

    def draws(self, samples: int, seed: int) -> Iterator[_Counts]:
        """``samples`` samples, a block of them at a time."""
        random = np.random.default_rng(seed)
        counts = np.concatenate([self.positives, self.negatives])
        filled = np.flatnonzero(counts)
        total, cells = int(counts.sum()), len(self.positives)
        at_once = max(1, _COUNTS_AT_ONCE // len(counts))
        for start in range(0, samples, at_once):
            drawn = np.zeros((min(at_once, samples - start), len(counts)), np.int64)
            drawn[:, filled] = random.multinomial(total, counts[filled] / total, size=len(drawn))
            yield _Counts(drawn[:, :cells], drawn[:, cells:])


@dataclass(frozen=True)
class _Samples:
    """What the metrics of a binary model are taken of, for s samples. ``losses``: float64 (2, c), the mean loss of a
    cell's positive and negative rows, None where scores are no probabilities."""

    confusion: Confusion
    counts: _Counts
    losses: np.ndarray | None
    beta: float


def _roc_auc(samples: _Samples) -> np.ndarray:
    """float64 (s,), nan for a sample of one class."""
    positives, negatives = samples.counts.positives, samples.counts.negatives
    total = negatives.sum(axis=1, keepdims=True)
    lower = np.cumsum(negatives, axis=1) - negatives
    won = (positives * (2 * lower + negatives)).sum(axis=1)
    pairs = positives.sum(axis=1) * total[:, 0]
    return np.where(pairs > 0, won / np.maximum(2 * pairs, 1), np.nan)


def _balanced_accuracy(samples: _Samples) -> np.ndarray:
    c = samples.confusion
    positives, negatives = c.true_positives + c.false_negatives, c.true_negatives + c.false_positives
    recalls = c.true_positives / np.maximum(positives, 1) + c.true_negatives / np.maximum(negatives, 1)
    return np.asarray(recalls / ((positives > 0).astype(int) + (negatives > 0)))


def _log_loss(samples: _Samples) -> np.ndarray | None:
    if samples.losses is None:
        return None
    counts = samples.counts
    total = counts.positives @ samples.losses[0] + counts.negatives @ samples.losses[1]
    return np.asarray(total / (counts.positives.sum(axis=1) + counts.negatives.sum(axis=1)))


OF_SAMPLES: dict[Callable[[BinaryRows], float | None], Callable[[_Samples], np.ndarray | None]] = {
    metrics.binary_accuracy: lambda samples: samples.confusion.accuracy(),
    metrics.binary_f_beta: lambda samples: samples.confusion.f_beta(samples.beta),
    metrics.precision: lambda samples: samples.confusion.precision(),
    metrics.recall: lambda samples: samples.confusion.recall(),
    metrics.roc_auc: _roc_auc,
    metrics.binary_balanced_accuracy: _balanced_accuracy,
    metrics.binary_log_loss: _log_loss,
}
"""The metrics of a binary model, for many samples at a time: float64 (s,)."""


def _binary_intervals(
    rows: BinaryRows, threshold: float, samples: int, seed: int, go_on: Callable[[], None]
) -> list[Interval | None]:
    ranking = rank(rows.scores, rows.positive)
    if ranking.has_nan:
        return [None] * len(METRICS[BINARY])
    # As in serving, a float32 score is called positive where it is at least the float64 threshold.
    cut = np.searchsorted(ranking.distinct.astype(np.float64), threshold)
    cells = _Cells.of(ranking, edges=np.array([cut]))
    at_cut = int(np.searchsorted(cells.edges, cut))
    losses = _cell_losses(ranking, cells) if rows.probabilities else None
    found: list[list[np.ndarray]] = [[] for _ in METRICS[BINARY]]
    for counts in cells.draws(samples, seed):
        go_on()
        right, wrong = counts.positives[:, at_cut:].sum(axis=1), counts.negatives[:, at_cut:].sum(axis=1)
        missed, refused = counts.positives[:, :at_cut].sum(axis=1), counts.negatives[:, :at_cut].sum(axis=1)
        drawn = _Samples(Confusion(right, wrong, missed, refused), counts, losses, rows.beta)
        for row, values in zip(METRICS[BINARY], found, strict=True):
            value = OF_SAMPLES[row.value](drawn)
            values += [] if value is None else [value]
    return [_percentiles(np.concatenate(values)) if values else None for values in found]


def _cell_losses(ranking: Ranking, cells: _Cells) -> np.ndarray:
    """See ``_Samples``."""
    scores = ranking.distinct.astype(np.float64)
    off = metrics.OFF
    losses = np.zeros((2, len(cells.positives)))
    for label, (p, cumulative) in enumerate([(scores, ranking.positives), (1 - scores, ranking.negatives)]):
        rows = -np.diff(cumulative)
        sums = np.add.reduceat(rows * -np.log(np.clip(p, off, 1 - off)), cells.edges[:-1])
        losses[label] = sums / np.maximum(np.add.reduceat(rows, cells.edges[:-1]), 1)
    return losses


def _row_intervals(
    rows: MulticlassRows | RegressionRows, samples: int, seed: int, go_on: Callable[[], None]
) -> list[Interval | None]:
    table: tuple[Row, ...] = METRICS[MULTICLASS if isinstance(rows, MulticlassRows) else REGRESSOR]

    def values(sample: int) -> list[float | None]:
        # Each sample has a generator of its own, so that threads change nothing.
        drawn = rows.taken(np.random.default_rng([seed, sample]).integers(0, len(rows), len(rows)))
        return [row.value(drawn) for row in table]

    found = []
    with ThreadPoolExecutor(cpu_count()) as pool, contextlib.closing(pool.map(values, range(samples))) as computed:  # type: ignore[type-var]
        for value in computed:
            found.append(value)
            go_on()
    return [None if each[0] is None else _percentiles(np.array(each, np.float64)) for each in zip(*found, strict=True)]


def _percentiles(values: np.ndarray) -> Interval | None:
    """The middle LEVEL of float64 (s,), nan left out; None where nothing else is there."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
