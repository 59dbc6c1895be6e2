"""Bounds against SciPy's beta distribution, and promises against what they come to over many draws of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from linear_learner.training.evaluation import confidence
from linear_learner.training.evaluation.ranking import Confusion
from linear_learner.training.evaluation.threshold import Criterion, calibrate

ALL_ROWS = 10_000_000
LARGEST = float(np.finfo(np.float32).max)
DRAWS = 400

shares = st.floats(0.01, 0.99)
errors = st.sampled_from([0.4, 0.05, 1e-3, 1e-6])


@given(st.integers(0, 400), st.integers(1, 400), shares)
def test_tail_is_that_of_the_binomial_distribution(successes: int, trials: int, share: float) -> None:
    found = confidence.tail(successes, trials, share)
    assert found == pytest.approx(stats.binom.sf(successes - 1, trials, share), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("successes", [1, 5_000_000, 8_000_000, 8_004_704, 9_999_999, 10_000_000])
def test_tail_of_many_trials(successes: int) -> None:
    expected = stats.binom.sf(successes - 1, 10_000_000, 0.8)
    assert confidence.tail(successes, 10_000_000, 0.8) == pytest.approx(expected, rel=1e-5, abs=1e-300)


@given(st.integers(0, 300), st.integers(1, 300), errors)
def test_lower_bound_is_clopper_and_pearsons(successes: int, trials: int, error: float) -> None:
    successes = min(successes, trials)
    expected = stats.beta.ppf(error, successes, trials - successes + 1) if successes else 0.0
    assert confidence.lower_bound(successes, trials, error) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 2000), shares, errors)
@example(3, 0.01, 1e-6)  # 0.01 ** 3 is 1e-6
def test_least_successes_are_the_first_whose_lower_bound_is_the_share(trials: int, share: float, error: float) -> None:
    least = confidence.least_successes(trials, share, error)
    if least <= trials:
        assert stats.beta.ppf(error, least, trials - least + 1) >= share * (1 - 1e-6)
    if least > 1:
        assert stats.beta.ppf(error, least - 1, trials - least + 2) < share


@given(shares, errors)
def test_fewest_trials_are_just_enough(share: float, error: float) -> None:
    fewest = confidence.fewest_trials(share, error)
    assert share**fewest <= error * (1 + 1e-6)
    assert share ** (fewest - 1) > error * (1 - 1e-6)


@given(st.integers(1, 100_000), shares, errors)
def test_the_grid_rises_by_a_tenth_from_the_fewest_to_all_rows(rows: int, share: float, error: float) -> None:
    numbers = confidence.grid(rows, share, error)
    fewest = confidence.fewest_trials(share, error)
    if rows < fewest:
        assert not len(numbers)
        return
    assert (numbers[0], numbers[-1]) == (fewest, rows)
    assert (numbers[1:] <= np.maximum(1.1 * numbers[:-1], numbers[:-1]) + 1).all()


def test_precision_is_looked_at_where_the_grid_says_and_nowhere_else() -> None:
    """All rows are positive, so that every cut of enough rows would do."""
    called = np.arange(200, -1, -1)
    cuts = Confusion(called, 0 * called, 200 - called, 0 * called)
    keeps = confidence.keeps_precision(cuts, 0.8, 0.05)
    numbers = confidence.grid(200, 0.8, 0.05)
    enough = numbers[0.8**numbers <= 0.05 / len(numbers)]
    assert sorted(called[keeps]) == enough.tolist()
    assert len(enough) < 25


def criterion(name: str, target: float, error: float | None) -> Criterion:
    return Criterion(name, 1.0, target_recall=target, target_precision=target, error=error)


def drawn(random: np.random.Generator, rows: int, scores: int) -> tuple[np.ndarray, np.ndarray]:
    """Three rows in ten are positive, and score 1.5 more in the mean. Scores (rows, scores), labels (rows,)."""
    labels = (random.random(rows) < 0.3).astype(np.float32)
    return (random.normal(size=(rows, scores)) + 1.5 * labels[:, None]).astype(np.float32), labels


def true_recall(threshold: float) -> float:
    return float(stats.norm.sf(threshold - 1.5))


def true_precision(threshold: float) -> float:
    positive, negative = 0.3 * stats.norm.sf(threshold - 1.5), 0.7 * stats.norm.sf(threshold)
    return 1.0 if positive + negative == 0 else float(positive / (positive + negative))


KINDS = [("precision_at_target_recall", 0.8, true_recall), ("recall_at_target_precision", 0.7, true_precision)]


def missed(name: str, target: float, share_at, error: float | None, models: int) -> float:
    """How often the true share misses the target, over DRAWS draws of 500 rows; the best of ``models`` equally good
    models is taken each time."""
    random = np.random.default_rng(5)
    misses = 0
    for _ in range(DRAWS):
        scores, labels = drawn(random, 500, models)
        found = [
            calibrate(column, labels, criterion(name, target, error), neutral=0.0, at_most=ALL_ROWS)
            for column in scores.T
        ]
        misses += share_at(max(found, key=lambda each: each.value).threshold) < target
    return misses / DRAWS


def at_most(error: float) -> float:
    """What a share of DRAWS draws with at most this probability stays below, but for once in a thousand."""
    return float(stats.binom.ppf(0.999, DRAWS, error)) / DRAWS


@pytest.mark.parametrize(("name", "target", "share_at"), KINDS)
def test_the_promise_is_kept(name: str, target: float, share_at) -> None:
    assert missed(name, target, share_at, 0.2, models=1) <= at_most(0.2)
    # Without it, the share of the rows at hand is the target, and the true one is often below.
    assert missed(name, target, share_at, None, models=1) > 0.4


def test_the_promise_of_a_recall_is_not_kept_by_more_than_it_says() -> None:
    """It is exact but for the steps of whole rows: an error of 0.2 is used up."""
    assert missed(*KINDS[0], 0.2, models=1) > 0.1


@pytest.mark.parametrize(("name", "target", "share_at"), KINDS)
def test_the_promise_is_kept_by_the_best_of_many_models(name: str, target: float, share_at) -> None:
    assert missed(name, target, share_at, confidence.error_of_a_model(0.8, 8), models=8) <= at_most(0.2)


def test_the_best_of_many_models_would_break_the_promise_of_one() -> None:
    assert missed(*KINDS[0], 0.2, models=8) > at_most(0.2)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=120), st.sampled_from([0.3, 0.05]))
def test_recall_keeps_every_cut_of_enough_positives(rows: list[tuple[int, bool]], error: float) -> None:
    scores = np.array([score for score, _ in rows], np.float32) / 30
    positive = np.array([label for _, label in rows])
    found = calibrate(
        scores, positive.astype(np.float32), criterion("precision_at_target_recall", 0.6, error),
        neutral=0.5, at_most=ALL_ROWS,
    )  # fmt: skip
    total = int(positive.sum())
    best = -1.0
    for threshold in [*np.unique(scores), 2.0]:
        called = scores >= threshold
        right = int((called & positive).sum())
        enough = right > 0 and stats.beta.ppf(error, right, total - right + 1) >= 0.6
        if enough or called.all():
            best = max(best, right / called.sum())
    assert found.value == pytest.approx(best)


@pytest.mark.parametrize(("neutral", "never", "always"), [(0.5, 1 + 2**-23, 0.0), (0.0, LARGEST, -LARGEST)])
def test_where_no_cut_will_do_all_or_nothing_is_called_whatever_it_scores(
    neutral: float, never: float, always: float
) -> None:
    scores, labels = np.array([0.25, 0.5, 0.75], np.float32), np.array([0, 1, 1], np.float32)
    precise = calibrate(
        scores, labels, criterion("recall_at_target_precision", 0.9, 0.05), neutral=neutral, at_most=ALL_ROWS
    )
    assert (precise.threshold, precise.value, precise.confusion) == (never, 0.0, Confusion(0, 0, 2, 1))
    recalled = calibrate(
        scores, labels, criterion("precision_at_target_recall", 0.9, 0.05), neutral=neutral, at_most=ALL_ROWS
    )
    assert (recalled.threshold, recalled.confusion) == (always, Confusion(2, 1, 0, 0))


def test_a_kept_precision_is_that_above_the_next_lower_score() -> None:
    scores = np.concatenate([np.linspace(0.6, 0.9, 100), np.linspace(0.1, 0.4, 900)]).astype(np.float32)
    labels = (scores > 0.5).astype(np.float32)
    found = calibrate(scores, labels, criterion("recall_at_target_precision", 0.9, 0.05), neutral=0.5, at_most=ALL_ROWS)
    called = found.confusion.true_positives + found.confusion.false_positives
    assert called in confidence.grid(1000, 0.9, 0.05)
    assert found.threshold == np.nextafter(np.sort(scores)[-called - 1], np.float32(1))
