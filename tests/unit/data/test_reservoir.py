from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.reservoir import Reservoir
from linear_learner.formats.csr import CsrMatrix, Rows


def table(rows: int, sparse: bool) -> Rows:
    """Row i holds i + 1 in the column i % 3."""
    dense = np.zeros((rows, 3), np.float32)
    dense[np.arange(rows), np.arange(rows) % 3] = np.arange(rows) + 1
    return CsrMatrix.from_dense(dense) if sparse else dense


def dense(rows: Rows) -> np.ndarray:
    return rows.toarray() if isinstance(rows, CsrMatrix) else rows


def sampled(size: int, rows: int, batch: int, sparse: bool) -> tuple[np.ndarray, np.ndarray]:
    features, labels = table(rows, sparse), np.arange(rows, dtype=np.float32)
    first = np.arange(size)
    reservoir = Reservoir(features[first], labels[first])
    for start in range(size, rows, batch):
        part = slice(start, min(start + batch, rows))
        reservoir.add(features[part], labels[part])
    assert reservoir.seen == rows
    found, found_labels = reservoir.rows()
    return dense(found), found_labels


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_rows_keep_their_labels_and_none_is_there_twice(batch: int, sparse: bool) -> None:
    features, labels = sampled(20, 700, batch, sparse)
    assert len(labels) == len(set(labels)) == 20
    np.testing.assert_array_equal(features, dense(table(700, sparse))[labels.astype(int)])
    assert labels.max() > 100


def test_dense_and_sparse_rows_are_drawn_alike() -> None:
    for one, other in zip(sampled(10, 500, 33, False), sampled(10, 500, 33, True), strict=True):
        np.testing.assert_array_equal(one, other)


def test_as_many_rows_as_it_holds_stay_in_their_order() -> None:
    features, labels = table(5, False), np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(Reservoir(features, labels).rows()[1], np.arange(5))


def test_every_row_is_as_likely_as_any_other() -> None:
    """Of 100,000 rows, the 10,000 drawn have the mean 50,000, give or take 274, and each tenth has 1,000 +- 30."""
    _, labels = sampled(10_000, 100_000, 999, False)
    assert abs(labels.mean() - 50_000) < 4 * 274
    counts = np.histogram(labels, bins=10, range=(0, 100_000))[0]
    assert abs(counts - 1000).max() < 4 * 30


def test_the_first_row_after_the_sample_need_not_be_in_it() -> None:
    """A sample of one of two rows holds either, as often; one of n out of n + 1 lacks the last now and then."""
    lacking = [size for size in range(1, 40) if size not in sampled(size, size + 1, 1, sparse=False)[1]]
    assert 0 < len(lacking) < 39
