"""How an epoch is cut; what comes of it is tested with the trainer."""

from __future__ import annotations

import pytest

from linear_learner.training.strides import WORK_AT_ONCE, rows_at_once, snapshots_of_sparse_rows


@pytest.mark.parametrize(
    ("work", "mini_batch_size", "expected"),
    [
        (WORK_AT_ONCE / 1000, 1, 200),  # an update is worth four rows
        (WORK_AT_ONCE / 1000, 95, 950),
        (WORK_AT_ONCE * 1000, 95, 95),
        (0, 100, WORK_AT_ONCE // 104 * 100),
    ],
)
def test_rows_at_once_are_as_many_as_take_a_few_seconds(work: float, mini_batch_size: int, expected: float) -> None:
    rows = rows_at_once(work, mini_batch_size)
    assert rows % mini_batch_size == 0
    assert rows == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("values", "expected"), [(10, 2), (10 * 4 * 5, 5), (10 * 4 * 5 + 39, 5), (10_000, 16)])
def test_snapshots_are_as_many_as_the_values_of_a_column_are_worth(values: int, expected: int) -> None:
    assert snapshots_of_sparse_rows(values, columns=10) == expected
