"""How an epoch is cut; what comes of it is tested with the trainer."""

from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.chunk import Chunk
from linear_learner.training.epochs.strides import WORK_AT_ONCE, pieces_of, rows_at_once, snapshots_of_sparse_rows


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


def cut(stride: int, at_once: int | None, done: int = 0) -> list[list[int]]:
    """The rows of each piece of chunks of 70 and of 30 rows."""
    chunks = [
        Chunk(np.zeros((0, 1), np.float32), np.zeros(0, np.float32), rows) for rows in np.split(np.arange(100), [70])
    ]
    return [piece.order.tolist() for piece in pieces_of(iter(chunks), stride, at_once, done)]


@pytest.mark.parametrize(
    ("stride", "at_once", "sizes"),
    [
        (10, None, [70, 30]),
        (10, 45, [40, 30, 10, 20]),  # whole strides, up to the end of a chunk
        (10, 10, [10] * 10),
        (40, 15, [15, 15, 10, 15, 15, 10, 15, 5]),  # parts of a stride, which end with it
    ],
)
def test_pieces_are_whole_strides_or_parts_of_one(stride: int, at_once: int | None, sizes: list[int]) -> None:
    pieces = cut(stride, at_once)
    assert [len(piece) for piece in pieces] == sizes
    assert [row for piece in pieces for row in piece] == list(range(100))


@pytest.mark.parametrize(("stride", "at_once"), [(10, 45), (10, 10), (40, 15)])
def test_a_pass_that_goes_on_after_a_piece_has_the_same_ones(stride: int, at_once: int) -> None:
    pieces = cut(stride, at_once)
    for number in range(len(pieces)):
        assert cut(stride, at_once, done=sum(map(len, pieces[:number]))) == pieces[number:]
