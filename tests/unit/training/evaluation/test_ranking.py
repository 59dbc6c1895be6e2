"""Counts along scores against a count of the rows, one threshold at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from linear_learner.native import ranking as native
from linear_learner.training.evaluation.ranking import Confusion, _rank, ascending, confusion_at, rank

floats = st.floats(width=32, allow_subnormal=False)


@given(arrays(np.float32, st.integers(1, 60), elements=floats))
def test_ascending_sorts_infinities_and_zeros_of_both_signs(scores: np.ndarray) -> None:
    scores = scores[~np.isnan(scores)]
    np.testing.assert_array_equal(scores[ascending(scores)], np.sort(scores))


def test_ascending_is_a_permutation_that_keeps_every_bit_of_many_scores() -> None:
    scores = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    order = ascending(scores)
    assert sorted(order) == list(range(5000))
    np.testing.assert_array_equal(scores[order], np.sort(scores))


@given(st.lists(st.tuples(st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.25, 0.5, np.inf]), st.booleans()), min_size=1))
def test_rank_counts_the_rows_at_or_above_each_distinct_score(rows: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in rows], np.float32)
    positive = np.array([label for _, label in rows])
    ranking = rank(scores, positive)
    np.testing.assert_array_equal(ranking.distinct, np.unique(scores))
    assert ranking.positives.tolist() == [np.sum(positive & (scores >= t)) for t in ranking.distinct] + [0]
    assert ranking.negatives.tolist() == [np.sum(~positive & (scores >= t)) for t in ranking.distinct] + [0]


def test_rank_takes_float64_scores_at_their_float32_value() -> None:
    ranking = rank(np.array([0.1, 0.1 + 1e-12, 0.3]), np.array([True, False, True]))
    assert ranking.distinct.tolist() == [np.float32(0.1), np.float32(0.3)]


def test_a_nan_of_either_sign_is_noticed() -> None:
    for nan in (np.float32(np.nan), -np.float32(np.nan)):
        assert rank(np.array([0.1, nan, 0.3], np.float32), np.array([True, False, True])).has_nan
    assert not rank(np.array([0.1, np.inf], np.float32), np.array([True, False])).has_nan


def test_ratios_without_a_denominator_are_zero() -> None:
    nothing = Confusion(0, 0, 0, 4)
    assert (nothing.precision(), nothing.recall(), nothing.f_beta(1.0)) == (0, 0, 0)
    assert nothing.accuracy() == 1


def test_f_beta_with_a_tiny_beta_is_precision_and_with_a_huge_one_recall() -> None:
    counts = Confusion(np.array([6]), np.array([2]), np.array([4]), np.array([1]))
    np.testing.assert_allclose(counts.f_beta(1e-6), counts.precision(), rtol=1e-9)
    np.testing.assert_allclose(counts.f_beta(1e6), counts.recall(), rtol=1e-9)


def test_a_score_at_the_threshold_is_called_positive() -> None:
    scores = np.array([0.5, 0.5, 0.25, 0.75], np.float32)
    counts = confusion_at(0.5, scores, np.array([True, False, True, True]))
    assert counts == Confusion(2, 1, 1, 0)


def test_a_threshold_between_two_neighbouring_floats_keeps_them_apart() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    between = (float(low) + float(high)) / 2
    assert confusion_at(between, np.array([low, high]), np.array([False, True])) == Confusion(1, 0, 0, 1)


needs_library = pytest.mark.skipif(not native.available(), reason="the native library is not built")


@needs_library
@given(st.lists(st.tuples(st.floats(width=32), st.booleans()), min_size=1, max_size=60))
def test_the_library_counts_as_numpy_does(rows: list[tuple[float, bool]]) -> None:
    """Whatever the scores: subnormal, infinite, nan, zeros of both signs."""
    scores = np.array([score for score, _ in rows], np.float32)
    positive = np.array([label for _, label in rows])
    for found, expected in zip(native.rank(scores, positive), _rank(scores, positive), strict=True):
        np.testing.assert_array_equal(found, expected)


@needs_library
@pytest.mark.parametrize("digits", [1, 3, 9])
def test_the_library_counts_many_rows_as_numpy_does(digits: int) -> None:
    """With many ties and with few."""
    random = np.random.default_rng(digits)
    scores, positive = random.normal(size=50_000).round(digits).astype(np.float32), random.random(50_000) < 0.1
    for found, expected in zip(native.rank(scores, positive), _rank(scores, positive), strict=True):
        np.testing.assert_array_equal(found, expected)


@needs_library
def test_the_library_takes_columns_of_a_table_and_no_other_types() -> None:
    table = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    positive = table[:, 0] > 0
    for found, expected in zip(native.rank(table[:, 1], positive), _rank(table[:, 1], positive), strict=True):
        np.testing.assert_array_equal(found, expected)
    for scores, labels in (
        (table[:, 1].astype(float), positive),
        (table[:, 1], table[:, 0]),
        (table[:, 1], positive[:9]),
    ):
        with pytest.raises(ValueError, match="float32"):
            native.rank(scores, labels)
