from __future__ import annotations

import numpy as np
import pytest

from linear_learner.formats.batch import Batch

FEATURES = np.zeros((3, 2), np.float32)


def test_rows_are_numbered_from_the_first_one() -> None:
    batch = Batch(FEATURES, None, "part-0", first_row=7)
    assert len(batch) == 3
    assert batch.feature_dim == 2
    assert batch.where(2) == "part-0, row 9"


def test_or_as_the_row_numbers_say() -> None:
    assert Batch(FEATURES, None, "part-0", row_numbers=np.array([2, 5, 6])).where(1) == "part-0, row 5"


@pytest.mark.parametrize("row_numbers", [None, np.array([8, 10, 11, 15])])
@pytest.mark.parametrize("rows", [slice(1, 3), slice(2, None), slice(1, None, 2), np.array([0, 3]), slice(0, 0)])
def test_rows_that_are_taken_keep_labels_and_numbers(rows: slice | np.ndarray, row_numbers: np.ndarray | None) -> None:
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    batch = Batch(features, np.arange(4, dtype=np.float32), "part-0", 7, row_numbers)
    taken = batch.take(rows)
    assert taken.features.tolist() == features[rows].tolist()
    assert taken.labels is not None and taken.labels.tolist() == np.arange(4)[rows].tolist()
    assert taken.numbers().tolist() == batch.numbers()[rows].tolist()
    assert [taken.where(i) for i in range(len(taken))] == [f"part-0, row {n}" for n in batch.numbers()[rows]]


def test_rows_side_by_side_are_still_numbered_from_the_first_one() -> None:
    taken = Batch(FEATURES, None, "part-0", first_row=7).take(slice(1, 3))
    assert (taken.first_row, taken.row_numbers, taken.labels) == (8, None, None)
