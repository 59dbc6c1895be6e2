from __future__ import annotations

import numpy as np

from linear_learner.formats.batch import Batch

FEATURES = np.zeros((3, 2), np.float32)


def test_rows_are_numbered_from_the_first_one() -> None:
    batch = Batch(FEATURES, None, "part-0", first_row=7)
    assert len(batch) == 3
    assert batch.feature_dim == 2
    assert batch.where(2) == "part-0, row 9"


def test_or_as_the_row_numbers_say() -> None:
    assert Batch(FEATURES, None, "part-0", row_numbers=np.array([2, 5, 6])).where(1) == "part-0, row 5"
