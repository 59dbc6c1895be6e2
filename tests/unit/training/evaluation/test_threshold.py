"""The threshold against a search over every threshold there is, in exact arithmetic."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.errors import AlgorithmError
from linear_learner.training.evaluation.ranking import Confusion, confusion_at
from linear_learner.training.evaluation.threshold import (
    CRITERIA,
    Calibration,
    Criterion,
    best_values,
    calibrate,
    evenly_spaced,
)

ALL_ROWS = 10_000_000
LARGEST = float(np.finfo(np.float32).max)


def criterion(name: str, **change: float) -> Criterion:
    return Criterion(name, **{"f_beta": 1.0, "target_recall": 0.8, "target_precision": 0.8, **change})


def fit(scores: list[float], labels: list[int], name: str = "accuracy", **settings: float) -> Calibration:
    neutral = settings.pop("neutral", 0.5)
    scores_, labels_ = np.array(scores, np.float32), np.array(labels, np.float32)
    return calibrate(scores_, labels_, criterion(name, **settings), neutral=neutral, at_most=ALL_ROWS)


def worth(name: str, chosen: Criterion, counts: Confusion) -> tuple[Fraction, Fraction]:
    """The definition in exact arithmetic: the criterion (-1 out of reach), and what decides between equals."""

    def ratio(part: Fraction, whole: Fraction) -> Fraction:
        return part / whole if whole else Fraction(0)

    tp, fp, fn, tn = (
        Fraction(int(count))
        for count in (counts.true_positives, counts.false_positives, counts.false_negatives, counts.true_negatives)
    )
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    beta = Fraction(chosen.f_beta) if name == "f_beta" else Fraction(1)
    if name == "accuracy":
        return (tp + tn) / (tp + tn + fp + fn), Fraction(0)
    if name in ("f1", "f_beta"):
        return ratio((1 + beta**2) * tp, (1 + beta**2) * tp + beta**2 * fn + fp), Fraction(0)
    if name == "precision_at_target_recall":
        return (precision if float(recall) >= chosen.target_recall else Fraction(-1)), recall
    reached = tp + fp == 0 or float(precision) >= chosen.target_precision
    return (recall if reached else Fraction(-1)), precision


def every_threshold(scores: np.ndarray) -> list[float]:
    """Finite float32 numbers, one at least in every gap between scores and beyond them."""
    with np.errstate(over="ignore"):
        above = np.nextafter(scores, np.float32(np.inf))
    neighbours = [above, scores, np.float32([-LARGEST, 0, LARGEST])]
    return [float(t) for t in np.unique(np.concatenate(neighbours)) if np.isfinite(t)]


some_scores = st.one_of(
    st.integers(0, 6).map(lambda sixths: sixths / 6),
    st.sampled_from([-np.inf, np.inf, LARGEST, -LARGEST, 0.5, -0.0]),
    st.floats(width=32, allow_nan=False, allow_subnormal=False),
)
rows_of_any_kind = st.lists(st.tuples(some_scores, st.integers(0, 1)), min_size=1, max_size=16)


@settings(max_examples=200)
@given(
    rows_of_any_kind,
    st.sampled_from(sorted(CRITERIA)),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([0.25, 0.5, 0.8]),
    st.sampled_from([0.0, 0.5]),
)
def test_no_threshold_is_better(
    rows: list[tuple[float, int]], name: str, beta: float, target: float, neutral: float
) -> None:
    scores = np.array([score for score, _ in rows], np.float32)
    labels = np.array([label for _, label in rows], np.float32)
    chosen = criterion(name, f_beta=beta, target_recall=target, target_precision=target)
    found = calibrate(scores, labels, chosen, neutral=neutral, at_most=ALL_ROWS)

    assert json.loads(json.dumps(found.threshold, allow_nan=False)) == float(np.float32(found.threshold))
    assert found.confusion == confusion_at(found.threshold, scores, labels == 1)
    best = max(worth(name, chosen, confusion_at(t, scores, labels == 1)) for t in every_threshold(scores))
    ours = worth(name, chosen, found.confusion)
    assert [float(part) for part in ours] == pytest.approx([float(part) for part in best])
    assert found.value == pytest.approx(max(float(best[0]), 0.0))


@settings(max_examples=100)
@given(rows_of_any_kind, st.sampled_from(sorted(CRITERIA)))
def test_the_best_value_is_the_one_of_the_best_threshold(rows: list[tuple[float, int]], name: str) -> None:
    scores = np.array([score for score, _ in rows], np.float32)
    labels = np.array([label for _, label in rows], np.float32)
    columns = np.stack([scores, np.float32(0) - scores, np.zeros_like(scores)], axis=1)
    sampled = best_values(columns, labels, criterion(name))
    assert sampled.tolist() == [
        calibrate(column, labels, criterion(name), neutral=0.5, at_most=ALL_ROWS).value for column in columns.T
    ]


@settings(max_examples=50)
@given(
    st.integers(1, 3000),
    st.sampled_from(sorted(CRITERIA)),
    st.sampled_from([0.01, 0.5, 0.97]),
    st.sampled_from([0.3, 2.0, 30.0]),
    st.integers(0, 1000),
)
def test_no_bucket_hides_the_best_value(rows: int, name: str, share: float, spread: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < share).astype(np.float32)
    scores = (labels[:, np.newaxis] + spread * random.normal(size=(rows, 5))).astype(np.float32)
    scores[:, 1] = np.round(scores[:, 1])
    scores[:, 2] = np.tanh(scores[:, 2])
    scores[random.integers(rows), 3] = -1e38
    for target in (0.0, 0.5, 0.9, 1.0):
        chosen = criterion(name, target_recall=target, target_precision=target)
        assert best_values(scores, labels, chosen).tolist() == [
            calibrate(column, labels, chosen, neutral=0.5, at_most=ALL_ROWS).value for column in scores.T
        ]


def test_a_column_that_no_bucket_holds_is_valued_like_the_others() -> None:
    scores = np.array([[0.1, -np.inf, LARGEST], [0.9, 0.5, LARGEST], [0.8, 0.4, 0.5]], np.float32)
    assert best_values(scores, np.array([0, 1, 1]), criterion("accuracy")).tolist() == [1.0, 1.0, 2 / 3]


def test_between_two_scores_the_threshold_is_their_midpoint() -> None:
    found = fit([0.125, 0.25, 0.75, 0.875], [0, 0, 1, 1], neutral=0.0)
    assert found == Calibration(0.5, 1.0, Confusion(2, 0, 0, 2))


def test_between_neighbouring_floats_it_is_the_upper_one() -> None:
    low = np.float32(0.3)
    high = float(np.nextafter(low, np.float32(1)))
    assert fit([float(low), high], [0, 1]).threshold == high


@pytest.mark.parametrize(
    ("scores", "labels", "threshold"),
    [
        ([0.1, 0.3], [0, 0], 0.5),
        ([0.1, 0.75], [0, 0], float(np.nextafter(np.float32(0.75), np.float32(1)))),
        ([0.75, 1.0], [0, 0], float(np.nextafter(np.float32(1), np.float32(2)))),
        ([0.7, 0.9], [1, 1], 0.5),
        ([0.25, 0.9], [1, 1], 0.25),
        ([0.5, 0.5], [1, 1], 0.5),
        ([0.5, 0.5], [0, 0], float(np.nextafter(np.float32(0.5), np.float32(1)))),
    ],
)
def test_beyond_all_scores_it_is_the_neutral_threshold_or_the_nearest_number(
    scores: list[float], labels: list[int], threshold: float
) -> None:
    found = fit(scores, labels)
    assert (found.threshold, found.value) == (threshold, 1.0)


def test_of_equally_good_cuts_the_one_nearest_to_neutral_wins() -> None:
    scores, labels = [0.125, 0.25, 0.375, 0.875], [0, 1, 0, 1]
    # Accuracy 3/4 both at 0.1875 (one false alarm) and at 0.625 (one miss).
    assert fit(scores, labels, neutral=0.5).threshold == 0.625
    assert fit(scores, labels, neutral=0.25).threshold == 0.1875


def test_of_equal_precision_more_recall_wins() -> None:
    found = fit([0.125, 0.375, 0.6, 0.7, 0.8, 0.9], [0, 1, 1, 1, 1, 1], "precision_at_target_recall")
    assert (found.threshold, found.value, found.confusion.recall()) == (0.25, 1.0, 1.0)


def test_of_equal_recall_more_precision_wins() -> None:
    found = fit([0.25, 0.375, 0.75, 0.8, 0.9, 1.0], [0, 0, 1, 1, 1, 1], "recall_at_target_precision", neutral=0.25)
    # At 0.3125 the precision is 4/5, which is enough, and the recall the same.
    assert (found.threshold, found.confusion.precision()) == (0.5625, 1.0)


def test_a_target_that_is_met_exactly_is_met() -> None:
    # Recall 4/5 = 0.8 without the false alarm, 1 with it.
    found = fit([0.1, 0.2, 0.6, 0.7, 0.8, 0.9], [1, 0, 1, 1, 1, 1], "precision_at_target_recall")
    assert (found.value, found.confusion.recall()) == (1.0, 0.8)
    # Precision 4/5 = 0.8 with all rows called positive.
    found = fit([0.5, 0.6, 0.7, 0.8, 0.9], [1, 1, 0, 1, 1], "recall_at_target_precision")
    assert (found.value, found.confusion.precision()) == (1.0, 0.8)


def test_a_precision_out_of_reach_calls_nothing_positive() -> None:
    found = fit([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 0], "recall_at_target_precision")
    assert found == Calibration(0.5, 0.0, Confusion(0, 0, 1, 3))


def test_without_positive_rows_a_recall_is_out_of_reach() -> None:
    assert fit([0.1, 0.2], [0, 0], "precision_at_target_recall").value == 0.0


def test_where_no_cut_is_sure_of_its_recall_everything_is_called_positive() -> None:
    """Of two rows nothing is sure. The higher cut has the better precision."""
    found = fit([0.6, 0.9], [0, 1], "precision_at_target_recall", error=0.05)
    assert (found.threshold, found.value, found.confusion.recall()) == (0, 0.5, 1)


def test_beta_turns_the_f_criterion_towards_recall() -> None:
    scores, labels = [0.1, 0.2, 0.3, 0.4, 0.9], [1, 0, 0, 0, 1]
    assert fit(scores, labels, "f_beta", f_beta=0.1).confusion.precision() == 1
    assert fit(scores, labels, "f_beta", f_beta=10).confusion.recall() == 1
    # f1 does not look at beta.
    assert fit(scores, labels, "f1", f_beta=10).confusion == fit(scores, labels, "f_beta", f_beta=1).confusion


@pytest.mark.parametrize("name", ["loss_function", "cross_entropy_loss"])
def test_selection_by_loss_keeps_the_neutral_threshold(name: str) -> None:
    found = fit([0.1, 0.2, 0.3, 0.9], [0, 1, 1, 1], name)
    assert found == Calibration(0.5, 0.5, Confusion(1, 0, 2, 1))
    assert criterion(name).by_loss


def test_a_score_at_infinity_is_positive_at_every_threshold() -> None:
    found = fit([0.2, np.inf], [0, 0])
    assert (found.threshold, found.value) == (0.5, 0.5)
    assert fit([LARGEST, 0.2], [0, 0]).value == 0.5


def test_thresholds_are_never_subnormal() -> None:
    tiny = float(np.finfo(np.float32).tiny)
    assert fit([0.0, tiny], [0, 1]).threshold == tiny
    assert fit([-tiny, 0.0], [0, 1]).threshold == 0.0
    assert fit([-1.0, 0.0], [0, 0], neutral=0.0).threshold == tiny
    assert fit([-1.0, -tiny], [0, 0], neutral=-0.5).threshold == 0.0
    # Subnormal scores count as 0, so nothing has to fit between them.
    assert fit([0.0, tiny / 4, tiny / 2], [0, 1, 1]) == Calibration(0.0, 2 / 3, Confusion(2, 1, 0, 0))


def test_calibration_uses_evenly_spaced_rows() -> None:
    labels = np.repeat([0, 1], 50).astype(np.float32)
    scores = np.linspace(0, 1, 100, dtype=np.float32)
    found = calibrate(scores, labels, criterion("accuracy"), neutral=0.5, at_most=10)
    assert found.confusion == Confusion(5, 0, 0, 5)


@given(st.integers(1, 200), st.integers(1, 200))
def test_evenly_spaced_rows_are_distinct_and_a_step_apart(rows: int, at_most: int) -> None:
    taken = np.arange(rows)[evenly_spaced(rows, at_most)]
    assert len(taken) == min(rows, at_most)
    assert taken[0] == 0
    if len(taken) > 1:
        steps = np.diff(taken)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
        assert rows - taken[-1] <= steps.max() + 1


def test_a_nan_score_is_our_bug_in_calibration_and_one_lost_candidate_in_a_sample() -> None:
    with pytest.raises(AlgorithmError, match="a score is nan"):
        fit([0.1, float("nan")], [0, 1])
    scores = np.array([[0.1, np.nan], [0.9, 0.5]], np.float32)
    np.testing.assert_array_equal(best_values(scores, np.array([0, 1]), criterion("f1")), [1.0, np.nan])


def test_the_extremes_have_the_values_of_amazons_logs() -> None:
    # 1,731 frauds in a million: a score that says nothing is best called negative throughout, at the majority's share;
    # its best F1 is that of calling everything positive, 2p / (1 + p).
    labels = np.zeros(1_000_000, np.float32)
    labels[:1731] = 1
    scores = np.full(1_000_000, 0.25, np.float32)
    share = 1731 / 1_000_000
    by_accuracy = calibrate(scores, labels, criterion("accuracy"), neutral=0.5, at_most=ALL_ROWS)
    assert (by_accuracy.threshold, by_accuracy.value) == (0.5, pytest.approx(1 - share))
    by_f1 = calibrate(scores, labels, criterion("f1"), neutral=0.5, at_most=ALL_ROWS)
    assert (by_f1.threshold, by_f1.value) == (0.25, pytest.approx(2 * share / (1 + share)))
