from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.formats.csr import CsrMatrix
from linear_learner.model import scaler
from linear_learner.model.scaler import Measures
from linear_learner.training.preparation.penalties import MOST, penalty_factors


def measures_of(held: list[int], rows: int) -> Measures:
    moments = scaler.Moments(len(held), count=rows)
    return Measures(moments, np.array(held, np.float64))


def test_a_factor_is_that_of_the_raw_weight_and_of_the_frequency() -> None:
    """A raw weight is w / std: its square times df^0.4 is what a factor penalises, relative to another column."""
    found = penalty_factors(measures_of([100, 1000], 1000), np.array([0.5, 2], np.float32))
    np.testing.assert_allclose(found[0] / found[1], (0.1**0.4 / 0.25) / (1 / 4), rtol=1e-5)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(0.5, 2, width=32)), min_size=1, max_size=40),
    st.floats(0.125, 8, width=32),
)
def test_factors_are_one_in_the_geometric_mean_of_the_values_whatever_the_units(
    columns: list[tuple[int, float]], unit: float
) -> None:
    held, std = [count for count, _ in columns], np.array([s for _, s in columns], np.float32)
    found = penalty_factors(measures_of(held, 500), std)
    assert found.dtype == np.float32
    assert np.isfinite(found).all() and (found > 0).all()
    if (found < MOST).all():
        np.testing.assert_allclose(held @ np.log(found.astype(np.float64)), 0, atol=1e-3 * (1 + sum(held)))
    np.testing.assert_allclose(penalty_factors(measures_of(held, 500), std * np.float32(unit)), found, rtol=1e-4)


def test_columns_that_are_alike_have_factors_of_one() -> None:
    np.testing.assert_allclose(penalty_factors(measures_of([7, 7, 7], 50), np.full(3, 3, np.float32)), 1, rtol=1e-6)


def test_no_factor_exceeds_the_most() -> None:
    found = penalty_factors(measures_of([1, 1000], 1000), np.array([1e-6, 1], np.float32))
    assert found.max() == np.float32(MOST)


def test_without_any_value_all_factors_are_one() -> None:
    rows = CsrMatrix.from_dense(np.zeros((3, 4), np.float32))
    np.testing.assert_array_equal(penalty_factors(scaler.measure(rows), np.ones(4, np.float32)), 1)
