"""Measures of columns, and scaled rows, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from linear_learner.native import columns as native

WIDTHS = st.one_of(st.integers(1, 40), st.sampled_from([1023, 1024, 1025, 2500]))


def table(rows: int, columns: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(rows, columns)) * 10.0 ** random.integers(-20, 20, columns)).astype(np.float32)


@given(st.integers(1, 25), WIDTHS, st.integers(0, 1000))
def test_sums_minima_and_maxima_are_those_of_the_columns(rows: int, columns: int, seed: int) -> None:
    features = table(rows, columns, seed)
    sums, minima, maxima = native.measure(features)
    size = np.abs(features).sum(axis=0, dtype=np.float64)
    assert (np.abs(sums - features.sum(axis=0, dtype=np.float64)) <= 1e-14 * size).all()
    assert_array_equal(minima, features.min(axis=0))
    assert_array_equal(maxima, features.max(axis=0))


@pytest.mark.parametrize("row", range(7))
def test_a_column_that_holds_a_nan_has_no_measures(row: int) -> None:
    features = np.ones((7, 3), np.float32)
    features[row, 1] = np.nan
    for found in native.measure(features):
        assert np.isnan(found).tolist() == [False, True, False]


@given(st.integers(1, 9), WIDTHS, st.booleans(), st.integers(0, 1000))
def test_rows_are_shifted_and_scaled_to_the_bit(rows: int, columns: int, in_place: bool, seed: int) -> None:
    features, (mean, std) = table(rows, columns, seed), table(2, columns, seed + 1)
    std = np.abs(std) + np.float32(1e-25)
    with np.errstate(over="ignore"):
        expected = (features - mean) / std
    out = features if in_place else np.empty_like(features)
    native.shift_and_scale(features, mean, std, out)
    assert_array_equal(out, expected)


def test_other_arrays_are_refused() -> None:
    features, mean = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    assert native.can_take(features)
    for other in (features.astype(np.float64), features.T, features[:, :2]):
        assert not native.can_take(other)
        scale = np.ones(other.shape[1], np.float32)
        with pytest.raises(ValueError, match="contiguous"):
            native.shift_and_scale(other, scale, scale, other)
    with pytest.raises(ValueError, match="mean and std"):
        native.shift_and_scale(features, mean[:2], mean, features)
    with pytest.raises(ValueError, match="mean and std"):
        native.shift_and_scale(features, mean, mean.astype(np.float64), features)
    with pytest.raises(ValueError, match="features and out"):
        native.shift_and_scale(features, mean, mean, features[:3])
