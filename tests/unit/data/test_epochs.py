from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.epochs import Epochs

X = np.arange(200, dtype=np.float32).reshape(100, 2)
y = np.arange(100, dtype=np.float32)


def order(seed: int, epoch: int, rows: int = 100) -> np.ndarray:
    (chunk,) = Epochs(X[:rows], y[:rows], None, seed).chunks(epoch)
    return chunk.order


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_an_epoch_visits_every_row_once(rows: int) -> None:
    visited = order(0, 0, rows)
    assert visited.dtype == np.int64
    assert sorted(visited) == list(range(rows))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    epochs = Epochs(X, y, None, seed=7)
    for epoch in (3, 0, 3):
        (chunk,) = epochs.chunks(epoch)
        np.testing.assert_array_equal(chunk.order, order(7, epoch))
    assert (order(7, 0) != order(7, 1)).any()
    assert (order(7, 0) != order(8, 0)).any()
    assert (order(1, 2) != order(2, 1)).any()


def test_rows_are_shuffled_over_their_whole_length() -> None:
    # Of the first 50 of 100 rows in random order 25 are below 50, give or take 2.5 (a hypergeometric deviation).
    counts = [int((order(seed, 0)[:50] < 50).sum()) for seed in range(40)]
    assert 23.5 < np.mean(counts) < 26.5
    assert 12 < min(counts) < 25 < max(counts) < 38


def test_the_rows_themselves_stay_where_they_are() -> None:
    weights = np.ones(100, np.float32)
    epochs = Epochs(X, y, weights, seed=0)
    assert epochs.rows == 100
    (chunk,) = epochs.chunks(0)
    assert chunk.features is X
    assert chunk.labels is y
    assert chunk.weights is weights
