from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.data.row_store import RowStore, SparseRowStore, store_for
from linear_learner.formats.csr import CsrMatrix


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), max_size=12), st.integers(0, 20))
def test_rows_come_out_as_they_went_in(batches: list[tuple[int, int]], capacity: int) -> None:
    store = RowStore(3, capacity)
    pieces = []
    for count, expected in batches:
        piece = np.random.default_rng(len(pieces)).standard_normal((count, 3)).astype(np.float32)
        store.append(piece, expected)
        pieces.append(piece)
        assert len(store) == sum(map(len, pieces))
    array = store.finish()
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert array.flags.writeable
    np.testing.assert_array_equal(array, np.concatenate(pieces) if pieces else np.empty((0, 3)))


def test_growing_takes_hardly_more_memory_than_the_rows() -> None:
    piece = np.ones((1000, 25), np.float32)  # 0.1 MB
    tracemalloc.start()
    store = RowStore(25, 1000)
    for _ in range(250):
        store.append(piece, expected=10**9)  # a wild guess
    peak = tracemalloc.get_traced_memory()[1]
    array = store.finish()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert peak < 1.3 * array.nbytes
    assert kept < 1.01 * array.nbytes


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1, max_size=12))
def test_sparse_rows_come_out_as_they_went_in(batches: list[tuple[int, int]]) -> None:
    store = SparseRowStore(5, np.dtype(np.int32), 3, 4)
    pieces = []
    for count, expected in batches:
        piece = CsrMatrix.from_dense(np.random.default_rng(len(pieces)).integers(-1, 2, (count, 5)).astype(np.float32))
        store.append(piece, expected)
        pieces.append(piece)
        assert len(store) == sum(map(len, pieces))
    rows, expected_rows = store.finish(), CsrMatrix.concatenate(pieces)
    assert rows.shape == expected_rows.shape
    for name in ("indptr", "indices", "values"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(expected_rows, name))
        assert getattr(rows, name).dtype == getattr(expected_rows, name).dtype
        assert getattr(rows, name).flags.c_contiguous


def test_growing_takes_hardly_more_memory_than_the_stored_values() -> None:
    piece = CsrMatrix.from_dense(np.ones((1000, 25), np.float32))
    tracemalloc.start()
    store = SparseRowStore(25, np.dtype(np.int32), 0, 0)
    for _ in range(150):
        store.append(piece, expected=10**9)  # a wild guess
    peak = tracemalloc.get_traced_memory()[1]
    rows = store.finish()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert peak < 1.35 * rows.nbytes
    assert kept < 1.01 * rows.nbytes


def test_room_for_all_values_is_made_at_once() -> None:
    piece = CsrMatrix.from_dense(np.ones((1000, 25), np.float32))
    tracemalloc.start()
    store = store_for(piece, expected=150_000)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(150):
        store.append(piece, expected=150_000)
    assert before > 0.99 * store.finish().nbytes
    tracemalloc.stop()


def test_the_first_rows_say_what_kind_of_store_it_is() -> None:
    dense = np.ones((2, 3), np.float32)
    for rows in (dense, CsrMatrix.from_dense(dense)):
        store = store_for(rows, 2)
        assert store.width == 3
        store.append(rows, 2)
        assert type(store.finish()) is type(rows)
