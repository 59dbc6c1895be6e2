"""The threshold of a binary model: from which score on a row is called positive.

The threshold is chosen on held-out scores, as the one with the best value of the model selection criterion among all
that tell rows apart: with m distinct scores there are m + 1 ways to cut them in two, "all positive" and "none positive"
included. One sort and cumulative counts value every cut.

**Which number inside a cut.** Between two neighbouring scores, their midpoint: it keeps the most room on both sides for
rows not seen yet and for the rounding of another machine. Beyond the highest or the lowest score there is no midpoint:
there it is the *neutral* threshold, the one the loss itself would use (0.5 for a probability, 0 for a hinge score),
if it lies there, else the nearest number that does. So thresholds are finite, as JSON wants them, where Amazon's
container logged Infinity. Every threshold is a float32 and is not subnormal: rounding it to the type of the scores, or
a processor mode that flushes subnormal numbers to zero, moves no row to the other side.

**Which of equally good cuts.** With a target, the one that is also better in the quantity held by it (equal precision,
more recall; equal recall, more precision). Then the one nearest to the neutral threshold: calibration moves the
threshold only as far as the rows ask for.

**Targets out of reach.** If no cut has the target precision, nothing is called positive and the recall is 0, as in
Amazon's logs. Recall can always be reached, unless no row is positive; then all cuts are equal and worth 0.

**With a confidence** (``target_confidence``) the target is not only met by the rows at hand: ``confidence`` says which
cuts are allowed then, and what that promises. Where no other is, everything (for a recall) or nothing (for a precision)
is called positive, whatever its score.

**Selection by loss** searches no threshold: a loss judges scores, so the threshold is the neutral one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from linear_learner.environment import cpu_count
from linear_learner.errors import AlgorithmError
from linear_learner.native import ranking as native
from linear_learner.native.score_buckets import ScoreBuckets
from linear_learner.training.evaluation.confidence import keeps_precision, keeps_recall
from linear_learner.training.evaluation.ranking import Confusion, Ranking, confusion_at, rank

_TINY = np.finfo(np.float32).tiny  # the least float32 that is not subnormal
_MAX = np.finfo(np.float32).max
_OUT_OF_REACH = -1.0

ROWS_OF_A_BUCKET = 64
MOST_BUCKETS = 11
"""Bits."""

BY_LOSS = ("loss_function", "cross_entropy_loss")


@dataclass(frozen=True)
class Criterion:
    """``binary_classifier_model_selection_criteria`` with the numbers it may need. ``error``: with which probability at
    most the true share at a threshold may be below its target; None where the target is met by the rows at hand."""

    name: str
    f_beta: float
    target_recall: float
    target_precision: float
    error: float | None = None

    @property
    def by_loss(self) -> bool:
        return self.name in BY_LOSS


def accuracy(cuts: Confusion, _: Criterion) -> np.ndarray:
    return cuts.accuracy()


def f_beta(cuts: Confusion, criterion: Criterion) -> np.ndarray:
    return cuts.f_beta(criterion.f_beta)


def f1(cuts: Confusion, _: Criterion) -> np.ndarray:
    return cuts.f_beta(1.0)


def precision_at_target_recall(cuts: Confusion, criterion: Criterion) -> np.ndarray:
    """With a confidence: calling everything positive keeps any recall."""
    if criterion.error is None:
        keeps = cuts.recall() >= criterion.target_recall
    else:
        everything = cuts.true_negatives + cuts.false_negatives == 0
        keeps = everything | keeps_recall(cuts, criterion.target_recall, criterion.error)
    return np.where(keeps, cuts.precision(), _OUT_OF_REACH)


def recall_at_target_precision(cuts: Confusion, criterion: Criterion) -> np.ndarray:
    """Calling nothing positive breaks no promise of precision."""
    if criterion.error is None:
        keeps = cuts.precision() >= criterion.target_precision
    else:
        keeps = keeps_precision(cuts, criterion.target_precision, criterion.error)
    nothing = cuts.true_positives + cuts.false_positives == 0
    return np.where(nothing | keeps, cuts.recall(), _OUT_OF_REACH)


CRITERIA: dict[str, Callable[[Confusion, Criterion], np.ndarray]] = {
    "accuracy": accuracy,
    "f_beta": f_beta,
    "f1": f1,
    "precision_at_target_recall": precision_at_target_recall,
    "recall_at_target_precision": recall_at_target_precision,
}
"""What a criterion makes of the cuts of a ranking: float64 (cuts,), more is better."""

AMONG_EQUALS: dict[str, Callable[[Confusion], np.ndarray]] = {
    "precision_at_target_recall": Confusion.recall,
    "recall_at_target_precision": Confusion.precision,
}
"""What decides between cuts of one value."""


@dataclass(frozen=True)
class Calibration:
    """``value``: the criterion at ``threshold``, or the accuracy for a criterion by loss. ``confusion``: counts there,
    over the rows that were used."""

    threshold: float
    value: float
    confusion: Confusion


def calibrate(
    scores: np.ndarray, labels: np.ndarray, criterion: Criterion, *, neutral: float, at_most: int
) -> Calibration:
    """The best threshold for ``score >= threshold``.

    ``scores``: float32 (n,), as served. ``labels``: 0/1 (n,). n > 0. ``neutral``: 0.5 where scores are probabilities,
    else 0. ``at_most``: use that many rows, evenly spaced. AlgorithmError if a score is nan.
    """
    rows = evenly_spaced(len(scores), at_most)
    scores, positive = flush(scores[rows]), labels[rows] == 1
    if criterion.by_loss:
        confusion = confusion_at(neutral, scores, positive)
        return Calibration(neutral, float(confusion.accuracy()), confusion)
    ranking = rank(scores, positive)
    if ranking.has_nan:
        raise AlgorithmError("a score is nan, so no threshold can be calibrated")
    first, cuts = _cuts(ranking)
    values = CRITERIA[criterion.name](cuts, criterion)
    best = np.flatnonzero(values == values.max())
    if criterion.name in AMONG_EQUALS:
        second = AMONG_EQUALS[criterion.name](cuts)[best]
        best = best[second == second.max()]
    thresholds = thresholds_between(ranking, first + best, neutral)
    if criterion.error is not None:
        thresholds = _promised(thresholds, ranking, first + best, criterion, neutral)
    nearest = int(np.argmin(np.abs(thresholds.astype(np.float64) - neutral)))
    cut = best[nearest]
    counts = (cuts.true_positives, cuts.false_positives, cuts.false_negatives, cuts.true_negatives)
    return Calibration(
        float(thresholds[nearest]), max(float(values[cut]), 0.0), Confusion(*(int(count[cut]) for count in counts))
    )


def best_values(scores: np.ndarray, labels: np.ndarray, criterion: Criterion) -> np.ndarray:
    """float64 (K,): the best value of the criterion over all thresholds, for each candidate; nan where scores are.

    ``scores``: float32 (n, K). ``labels``: 0/1 (n,). n > 0. ``criterion`` is not one by loss.
    """
    positive = labels == 1
    values = np.full(scores.shape[1], np.nan)
    left = np.ones(scores.shape[1], bool)
    # What a promise allows depends on all cuts together.
    if criterion.error is None and native.available():
        values, left = _best_by_buckets(scores, positive, criterion)
    if not left.any():
        return values
    with ThreadPoolExecutor(cpu_count()) as pool:
        columns = flush(scores[:, left].T)
        values[left] = list(pool.map(lambda column: _best_value(column, positive, criterion), columns))
    return values


def _best_value(scores: np.ndarray, positive: np.ndarray, criterion: Criterion) -> float:
    ranking = rank(scores, positive)
    if ranking.has_nan:
        return float("nan")
    return max(float(CRITERIA[criterion.name](_cuts(ranking)[1], criterion).max()), 0.0)


def _best_by_buckets(scores: np.ndarray, positive: np.ndarray, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
    """The values, float64 (K,), and bool (K,) for the candidates that have none yet, for they have scores so large that
    not every cut has a threshold.

    No criterion is better for fewer true positives or more false ones. So no cut inside a bucket of scores can be
    better than one that called all its positive rows positive and none of the others, and only where that would be
    better than every cut between buckets are the rows sorted.
    """
    count = 1 << min(max(len(scores) // ROWS_OF_A_BUCKET, 1).bit_length(), MOST_BUCKETS)
    buckets = ScoreBuckets.of(scores, positive, count, cpu_count())
    positives = int(np.count_nonzero(positive))

    def worth(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
        cuts = Confusion(right, wrong, positives - right, len(positive) - positives - wrong)
        return CRITERIA[criterion.name](cuts, criterion)

    above = buckets.above()
    wrong_above, wrong, right = above[:, 0], above[:, 0] + buckets.counts[:, 0], above[:, 1] + buckets.counts[:, 1]
    values = np.maximum(worth(right, wrong).max(axis=1), worth(np.zeros(1), np.zeros(1)))
    opened = (worth(right, wrong_above) > values[:, np.newaxis]) & buckets.finite[:, np.newaxis]
    right, wrong, column = buckets.cuts_in(opened)
    np.maximum.at(values, column, worth(right, wrong))
    return np.maximum(values, 0.0), ~buckets.finite


def evenly_spaced(rows: int, at_most: int) -> np.ndarray | slice:
    """An index that takes ``at_most`` of ``rows`` rows, evenly spaced, or all if there are no more."""
    return slice(None) if rows <= at_most else np.arange(at_most) * rows // at_most


def flush(scores: np.ndarray) -> np.ndarray:
    """A C-contiguous copy with zeros for subnormal numbers, which are equal to 0 on a thread that flushes them."""
    return np.ascontiguousarray(np.where(np.abs(scores) < _TINY, np.float32(0), scores))


def _cuts(ranking: Ranking) -> tuple[int, Confusion]:
    """The cuts that a finite threshold can make, and the number of the first of them.

    Cut j calls distinct[j:] positive. A row at -inf is never positive and one at inf always is.
    """
    first = int(ranking.distinct[0] == -np.inf)
    last = len(ranking.distinct) - int(np.count_nonzero(ranking.distinct[-2:] >= _MAX))
    usable = slice(first, last + 1)
    right, wrong = ranking.positives[usable], ranking.negatives[usable]
    return first, Confusion(right, wrong, ranking.positives[0] - right, ranking.negatives[0] - wrong)


def thresholds_between(ranking: Ranking, cuts: np.ndarray, neutral: float) -> np.ndarray:
    """float32 (k,): for each cut number a threshold t with distinct[cut - 1] < t <= distinct[cut]."""
    edges = np.concatenate(([-np.inf], ranking.distinct, [np.inf])).astype(np.float32)
    lower, upper = edges[cuts], edges[cuts + 1]
    inside = np.isfinite(lower) & np.isfinite(upper)
    middle = np.add(lower, upper, dtype=np.float64, where=inside, out=np.zeros(len(cuts))) / 2
    middle = middle.astype(np.float32)
    # Between neighbouring floats there is no third; the upper one separates them by "at least".
    middle = np.where((middle > lower) & ~_subnormal(middle), middle, upper)
    return np.where(inside, middle, np.clip(np.float32(neutral), _next_above(lower), upper))


def _promised(
    thresholds: np.ndarray, ranking: Ranking, cuts: np.ndarray, criterion: Criterion, neutral: float
) -> np.ndarray:
    """float32 (k,): ``thresholds`` of these cuts, moved to where they keep what ``confidence`` promises. A cut that
    calls everything positive, or nothing, does so whatever a score may be."""
    margins = neutral == 0
    if criterion.name == "precision_at_target_recall":
        return np.where(cuts == 0, -_MAX if margins else np.float32(0), thresholds)
    # Known is the precision above the next lower score, and nothing of what lies between.
    edges = np.concatenate(([-np.inf], ranking.distinct)).astype(np.float32)
    above_all = _MAX if margins else np.nextafter(np.float32(1), np.float32(2))
    return np.where(cuts == len(ranking.distinct), above_all, _next_above(edges[cuts]))


def _next_above(numbers: np.ndarray) -> np.ndarray:
    """The next larger float32 that is not subnormal."""
    step = np.nextafter(numbers, np.float32(np.inf))
    return np.where(_subnormal(step), np.where(numbers < 0, np.float32(0), _TINY), step)


def _subnormal(numbers: np.ndarray) -> np.ndarray:
    return (np.abs(numbers) < _TINY) & (numbers != 0)
