"""Counts along thresholds and calibration, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import calibration, metrics

from linear_learner.report import binary

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.random(3000).astype(np.float32)
POSITIVE = RANDOM.random(3000) < SCORES
ORDERED = binary.order(SCORES, POSITIVE)


def test_counts_are_those_of_sklearn_at_every_threshold() -> None:
    at = binary.thresholds(ORDERED, 0.37)
    counts = binary.confusion(ORDERED, at)
    for i in (0, 1, 50, len(at) - 2, len(at) - 1, int(np.searchsorted(at, 0.37))):
        expected = metrics.confusion_matrix(POSITIVE, SCORES.astype(float) >= at[i], labels=[0, 1]).ravel().tolist()
        names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
        assert [counts[name][i] for name in names] == expected


def test_thresholds_ascend_from_all_positive_to_none_and_hold_the_chosen_one() -> None:
    at = binary.thresholds(ORDERED, 0.37)
    counts = binary.confusion(ORDERED, at)
    assert (np.diff(at) > 0).all() and 0.37 in at
    assert counts["false_negatives"][0] == counts["true_negatives"][0] == 0
    assert counts["true_positives"][-1] == counts["false_positives"][-1] == 0


@pytest.mark.parametrize("rows", [3000, 30_000])
def test_a_curve_has_few_points_and_the_area_of_the_whole(rows: int) -> None:
    scores = np.resize(SCORES, rows) + np.linspace(0, 0.01, rows, dtype=np.float32)
    positive = np.resize(POSITIVE, rows)
    ordered = binary.order(scores, positive)
    at = binary.thresholds(ordered, 0.5)
    counts = binary.confusion(ordered, at)
    assert len(at) <= 2 * binary.QUANTILES + 2
    rates = [np.array(counts[name]) / max(counts[name]) for name in ("false_positives", "true_positives")]
    assert metrics.auc(*rates) == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-4)


def test_a_channel_of_one_class_has_a_curve_too() -> None:
    ordered = binary.order(SCORES, np.zeros(3000, bool))
    at = binary.thresholds(ordered, 0.5)
    counts = binary.confusion(ordered, at)
    assert counts["true_positives"] == [0] * len(at) and counts["false_positives"][0] == 3000


def test_calibration_is_that_of_sklearn() -> None:
    found = binary.calibration(ORDERED)
    observed, predicted = calibration.calibration_curve(POSITIVE, SCORES, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found["predicted"], predicted, rtol=1e-5)
    np.testing.assert_allclose(found["observed"], observed, rtol=1e-5)
    assert found["rows"] == [300] * 10
    assert found["brier_score"] == pytest.approx(metrics.brier_score_loss(POSITIVE, SCORES))
    assert found["expected_calibration_error"] == pytest.approx(np.mean(np.abs(predicted - observed)), rel=1e-4)


def test_equal_predictions_share_a_bin() -> None:
    scores = np.repeat(np.array([0.2, 0.7], np.float32), [50, 50])
    found = binary.calibration(binary.order(scores, np.arange(100) % 2 == 0))
    assert found["rows"] == [50, 50] and found["observed"] == [0.5, 0.5]
    assert found["predicted"] == pytest.approx([0.2, 0.7])


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=30))
def test_bins_hold_all_rows_however_few_or_equal(rows: list[tuple[float, bool]]) -> None:
    scores, positive = np.array([s for s, _ in rows], np.float32), np.array([p for _, p in rows])
    found = binary.calibration(binary.order(scores, positive))
    assert sum(found["rows"]) == len(rows) and all(found["rows"])
    assert np.dot(found["rows"], found["observed"]) == pytest.approx(np.count_nonzero(positive))
    assert np.dot(found["rows"], found["predicted"]) == pytest.approx(np.sum(scores, dtype=float), abs=1e-6)
