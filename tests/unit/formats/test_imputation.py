from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.impute import SimpleImputer

from linear_learner.formats import imputation
from linear_learner.formats.csr import CsrMatrix

VALUES = st.sampled_from([0.0, 1.0, -2.5, 1e6, np.nan])
TABLES = arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=VALUES)


def sparse(table: np.ndarray) -> CsrMatrix:
    return CsrMatrix.from_dense(table)


def column_means(features: np.ndarray | CsrMatrix) -> np.ndarray:
    return imputation.means_of(imputation.column_sums(features))


@given(TABLES)
def test_it_fills_as_scikit_learn_does(table: np.ndarray) -> None:
    expected = SimpleImputer(keep_empty_features=True).fit(table)
    for features in (table.copy(), sparse(table)):
        means = column_means(features)
        np.testing.assert_allclose(means, expected.statistics_, rtol=1e-6)
        assert means.dtype == np.float32
        assert imputation.fill(features, means) == np.isnan(table).sum()
        filled = features.toarray() if isinstance(features, CsrMatrix) else features
        np.testing.assert_allclose(filled, expected.transform(table), rtol=1e-6)


@pytest.mark.parametrize("block", [1, 7])
def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    table = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    table[::3, 1] = np.nan
    expected = column_means(table)
    monkeypatch.setattr(imputation, "BLOCK_VALUES", block)
    np.testing.assert_allclose(column_means(table), expected, rtol=1e-6)
    assert imputation.fill(table, expected) == 14
    np.testing.assert_array_equal(table[::3, 1], expected[1])


def test_a_mean_is_that_of_large_values_too() -> None:
    table = np.full((1000, 1), 3e38, np.float32)
    np.testing.assert_array_equal(column_means(table), np.float32([3e38]))
