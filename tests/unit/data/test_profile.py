from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from linear_learner.data import profile
from linear_learner.data.dataset import Dataset
from linear_learner.data.profile import Profile
from linear_learner.formats.csr import CsrMatrix

VALUES = st.sampled_from([0.0, 0.0, 1.0, -2.0, np.nan])


def profiled(table: np.ndarray, *, sparse: bool, size: int) -> Profile:
    found = Profile()
    for start in range(0, len(table), size):
        part = table[start : start + size]
        features = CsrMatrix.from_dense(part) if sparse else part
        found.add(Dataset("train", features, part[:, 0] * 0 + start, ()))
    return found


@given(arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=VALUES), st.integers(1, 12))
def test_columns_are_judged_by_all_their_values(table: np.ndarray, size: int) -> None:
    constant = [j for j, column in enumerate(table.T) if len(set(column[~np.isnan(column)].tolist())) < 2]
    table = np.column_stack([np.zeros(len(table), np.float32), table])
    for sparse in (False, True):
        found = profiled(table, sparse=sparse, size=size)
        assert found.rows == len(table)
        np.testing.assert_array_equal(found.missing, np.isnan(table).sum(axis=0))
        if not np.isnan(table).any():
            assert found.constant_columns().tolist() == [0, *(j + 1 for j in constant)]
    assert found.stored == np.count_nonzero(table)


def test_rows_may_become_wider() -> None:
    found = Profile()
    for row in ([5.0, 0], [5, 7, 0, 3]):
        features = CsrMatrix.from_dense(np.float32([row]))
        found.add(Dataset("train", features, np.float32([1]), ()))
    assert found.constant_columns().tolist() == [0, 2]


def test_labels_are_counted_while_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MOST_LABELS", 3)
    found = Profile()
    found.add(Dataset("train", np.zeros((4, 1), np.float32), np.float32([1, 2, 2, 0]), ()))
    assert found.labels == {0: 1, 1: 1, 2: 2}
    found.add(Dataset("train", np.zeros((1, 1), np.float32), np.float32([-7]), ()))
    assert found.labels is None
    assert (found.lowest_label, found.highest_label) == (-7, 2)
    many = Profile()
    many.add(Dataset("train", np.zeros((4, 1), np.float32), np.float32([1, 2, 3, 4]), ()))
    assert many.labels is None
