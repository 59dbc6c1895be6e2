"""Counts by buckets of scores against a count of the rows, one threshold at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.native.score_buckets import ScoreBuckets

LARGEST = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float32).tiny)


def table(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and with one far beyond the others."""
    random = np.random.default_rng(seed)
    scores = np.round(random.normal(size=(rows, columns)), 1).astype(np.float32)
    scores[random.integers(rows)] = 1e30
    return scores, random.random(rows) < 0.4


@given(st.integers(1, 60), st.integers(0, 11), st.sampled_from([1, 2, 16]), st.integers(0, 1000))
def test_the_cuts_of_all_buckets_are_those_of_all_scores(rows: int, columns: int, buckets: int, seed: int) -> None:
    scores, positive = table(rows, columns, seed)
    found = ScoreBuckets.of(scores, positive, buckets, threads=2)
    assert found.finite.all()
    assert found.counts.sum(axis=2).tolist() == [[np.sum(~positive), np.sum(positive)]] * columns
    right, wrong, column = found.cuts_in(np.ones((columns, buckets), bool))
    for c, own in enumerate(scores.T):
        thresholds = np.unique(own)[::-1]
        assert right[column == c].tolist() == [np.sum(positive & (own >= t)) for t in thresholds]
        assert wrong[column == c].tolist() == [np.sum(~positive & (own >= t)) for t in thresholds]


def test_only_the_cuts_of_opened_buckets_are_given() -> None:
    scores = np.repeat(np.arange(8, dtype=np.float32), 2)[:, np.newaxis]
    positive = np.tile([True, False], 8)
    found = ScoreBuckets.of(scores, positive, 4, threads=2)
    assert found.counts.tolist() == [[[2, 2, 2, 2]] * 2]
    assert found.above().tolist() == [[[6, 4, 2, 0]] * 2]
    right, wrong, column = found.cuts_in(np.array([[False, True, False, True]]))
    assert right.tolist() == wrong.tolist() == [1, 2, 5, 6]
    assert column.tolist() == [0] * 4
    assert [len(part) for part in found.cuts_in(np.zeros((1, 4), bool))] == [0, 0, 0]


@pytest.mark.parametrize("score", [np.nan, -np.nan, np.inf, -np.inf, LARGEST, -LARGEST])
def test_a_column_with_a_score_that_no_threshold_parts_from_all_others_is_told(score: float) -> None:
    scores = np.zeros((5, 6), np.float32)
    scores[3, 4] = score
    assert ScoreBuckets.of(scores, np.ones(5, bool), 8, threads=2).finite.tolist() == [True] * 4 + [False, True]


def test_zeros_of_either_sign_and_subnormal_scores_are_equal() -> None:
    scores = np.array([[-TINY], [-TINY / 2], [-0.0], [0.0], [TINY / 2], [TINY]], np.float32)
    right, _, _ = ScoreBuckets.of(scores, np.ones(6, bool), 8, threads=2).cuts_in(np.ones((1, 8), bool))
    assert right.tolist() == [1, 5, 6]


def test_the_number_of_threads_changes_nothing() -> None:
    scores, positive = table(500, 13, 0)
    one, *others = (
        ScoreBuckets.of(scores, positive, 32, threads).cuts_in(np.ones((13, 32), bool)) for threads in (1, 2, 5)
    )
    for other in others:
        np.testing.assert_equal(other, one)


def test_arrays_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="scores are float32"):
        ScoreBuckets.of(np.zeros((3, 2)), np.zeros(3, bool), 2, threads=1)
    with pytest.raises(ValueError, match="positive is bool"):
        ScoreBuckets.of(np.zeros((3, 2), np.float32), np.zeros(2, bool), 2, threads=1)
