"""Thresholds that keep a target for rows not seen yet, with a stated confidence.

A recall of 0.8 on the validation rows says that the true one is about 0.8, and as often below it as above. Here a
threshold is allowed only if the target is at most the Clopper-Pearson lower bound (1934) of the share that was
counted: the exact one of the binomial distribution, for any number of rows. One bound speaks of one threshold that was
fixed beforehand, and ours is sought on the same rows. That is paid for:

- **Recall.** Which scores of the positive rows are allowed follows from their number alone: the threshold is at most
  the score of the k-th best of m positive rows, with k given by m, target and confidence. The recall above such an
  order statistic is beta distributed whatever the scores are, so the search costs nothing (Wilks 1941). Lower
  thresholds have no less recall.
- **Precision** does not follow the order of thresholds. So only a few cuts are looked at, whose numbers of called rows
  are fixed beforehand (``grid``), and the error that is allowed is shared out among them (Bonferroni). For each of
  them the rows that score above the next one are an independent sample of all such rows, so that their positives are
  binomial. The threshold is just above that next row.
- **Models.** The weights of each candidate after each epoch follow from the training rows alone, and one of them is
  picked by the validation rows. The error is shared out among them all, ``models`` in number.

What is promised: over draws of independent validation rows, with at least this probability the true recall (precision)
at the threshold of the model that is saved is at least the target. It is a promise for rows like those of validation.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from linear_learner.training.evaluation.ranking import Confusion

STEP = 1.1
"""From one number of called rows to the next that is looked at. Steps of a tenth waste little recall, and make a
hundred cuts of 10,000 rows."""

_STRETCH = 1 << 12
_NEGLIGIBLE = 1e-18
_BISECTIONS = 60
_ROUNDING = 1e-9
"""Of the error: where all successes are just enough, as 3 of a share of 0.01 are for an error of 1e-6, they are."""


def error_of_a_model(confidence: float, models: int) -> float:
    """What is left to each of so many ``models`` of the error that ``confidence`` allows."""
    return (1 - confidence) / models


def tail(successes: int, trials: int, share: float) -> float:
    """The probability of at least ``successes`` in ``trials`` of which each succeeds with probability ``share``, above
    0 and below 1."""
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    log_term = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(share)
        + (trials - successes) * math.log1p(-share)
    )
    total, log_odds, start = math.exp(log_term), math.log(share) - math.log1p(-share), successes
    while start < trials:
        k = np.arange(start, min(start + _STRETCH, trials), dtype=np.float64)
        logs = log_term + np.cumsum(np.log((trials - k) / (k + 1)) + log_odds)
        total += float(np.exp(logs).sum())
        log_term, start = float(logs[-1]), start + len(k)
        # Past the mode, terms fall faster and faster.
        if start > share * trials and math.exp(log_term) <= _NEGLIGIBLE * total:
            break
    return min(1.0, total)


@lru_cache(maxsize=1024)
def least_successes(trials: int, share: float, error: float) -> int:
    """The fewest successes whose Clopper-Pearson lower bound is at least ``share``; trials + 1 if all are too few.
    ``error`` is less than a half."""
    # The median of a binomial is no less than its mean rounded down, so that so few are never enough.
    low, high = math.floor(trials * share), trials + 1
    while high - low > 1:
        middle = (low + high) // 2
        if tail(middle, trials, share) <= error * (1 + _ROUNDING):
            high = middle
        else:
            low = middle
    return high


def fewest_trials(share: float, error: float) -> int:
    """With how many trials, if all succeed, the lower bound can be ``share``."""
    return math.ceil(math.log(error) / math.log(share) - 1e-9)


def lower_bound(successes: int, trials: int, error: float) -> float:
    """The Clopper-Pearson lower bound of a share: the true one is below it with a probability of ``error`` at most."""
    if successes == 0:
        return 0.0
    low, high = 0.0, successes / trials
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if 0 < middle < 1 and tail(successes, trials, middle) > error:
            high = middle
        else:
            low = middle
    return low


def grid(rows: int, share: float, error: float) -> np.ndarray:
    """Ascending numbers of called rows, up to ``rows``, that are looked at for a precision of ``share``: from the
    fewest that could be enough on, and none where ``rows`` are not."""
    numbers = {rows}
    number = float(fewest_trials(share, error))
    while number < rows:
        numbers.add(math.ceil(number))
        number *= STEP
    return np.array(sorted(n for n in numbers if n >= fewest_trials(share, error)), np.int64)


def error_of_a_cut(rows: int, share: float, error: float) -> float:
    """What is left of ``error`` to each of the cuts of so many ``rows`` that are looked at for a precision of
    ``share``."""
    return error / max(1, len(grid(rows, share, error)))


def keeps_recall(cuts: Confusion, share: float, error: float) -> np.ndarray:
    """bool (cuts,): which cuts of a ranking keep a recall of ``share``."""
    positives = cuts.true_positives + cuts.false_negatives
    return np.asarray(cuts.true_positives >= least_successes(int(positives[0]), share, error))


def keeps_precision(cuts: Confusion, share: float, error: float) -> np.ndarray:
    """bool (cuts,): which of the cuts that are looked at keep a precision of ``share`` just above the next lower score.

    ``cuts`` are those of a ranking, from all rows called to none. Where scores tie, a cut calls fewer rows than its
    number in the grid: those above the row that comes next.
    """
    called = cuts.true_positives + cuts.false_positives
    keeps = np.zeros(len(called), bool)
    numbers, left = grid(int(called[0]), share, error), error_of_a_cut(int(called[0]), share, error)
    # The first cut, along falling numbers of called rows, that calls no more than asked for.
    for cut in np.unique(np.searchsorted(-called, -numbers)):
        keeps[cut] = tail(int(cuts.true_positives[cut]), int(called[cut]), share) <= left
    return keeps
