from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.data.pages import HUGE_PAGE
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


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * mmap.PAGESIZE


def test_growing_takes_hardly_more_memory_than_the_rows() -> None:
    piece = np.ones((10_000, 25), np.float32)  # 1 MB
    before = peak = resident_bytes()
    store = RowStore(25, 1000)
    for _ in range(100):
        store.append(piece, expected=10**9)  # a wild guess
        peak = max(peak, resident_bytes())
    array = store.finish()
    peak = max(peak, resident_bytes())
    assert array.nbytes <= peak - before < array.nbytes + 3 * HUGE_PAGE
    del array
    assert resident_bytes() - before < 2 * HUGE_PAGE


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
    piece = CsrMatrix.from_dense(np.ones((10_000, 25), np.float32))
    before = resident_bytes()
    store = SparseRowStore(25, np.dtype(np.int32), 0, 0)
    for _ in range(40):
        store.append(piece, expected=10**9)  # a wild guess
    rows = store.finish()
    assert rows.nbytes <= resident_bytes() - before < rows.nbytes + 3 * 3 * HUGE_PAGE


def test_room_for_all_values_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = CsrMatrix.from_dense(np.ones((1000, 25), np.float32))
    store = store_for(piece, expected=150_000)
    monkeypatch.setattr(RowStore, "_make_room", lambda *_: pytest.fail("the store grew"))
    for _ in range(150):
        store.append(piece, expected=150_000)


def test_the_first_rows_say_what_kind_of_store_it_is() -> None:
    dense = np.ones((2, 3), np.float32)
    for rows in (dense, CsrMatrix.from_dense(dense)):
        store = store_for(rows, 2)
        assert store.width == 3
        store.append(rows, 2)
        assert type(store.finish()) is type(rows)
