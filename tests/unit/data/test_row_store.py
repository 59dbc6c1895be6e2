from __future__ import annotations

import mmap
import re
from pathlib import Path
from random import Random

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


@pytest.mark.parametrize(("width", "rows"), [(10, 1 << 50), (1 << 40, 1 << 40)])
def test_more_than_the_system_has_is_told(width: int, rows: int) -> None:
    with pytest.raises(MemoryError, match=f"no room for {4 * width * rows} bytes"):
        RowStore(width, rows)
    store = RowStore(width, 0)
    with pytest.raises(MemoryError, match="no room for"):
        store._make_room(rows)


def has_huge_pages(array: np.ndarray) -> bool:
    """Whether the system was told that they do this memory good."""
    address = array.ctypes.data
    _, *mappings = re.split(r"^([0-9a-f]+)-([0-9a-f]+) ", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)
    for begin, end, about in zip(*[iter(mappings)] * 3, strict=True):
        if int(begin, 16) <= address < int(end, 16):
            return re.search(r"^VmFlags:.* hg\b", about, re.MULTILINE) is not None
    raise AssertionError("the array is nowhere")


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="the system has no huge pages")
def test_rows_that_become_many_are_in_huge_pages() -> None:
    few, many = RowStore(25, 1000), RowStore(25, 1000)
    few.append(np.ones((1000, 25), np.float32), 1000)
    for _ in range(10):
        many.append(np.ones((10_000, 25), np.float32), 10**9)
    assert not has_huge_pages(few.finish())
    assert has_huge_pages(many.finish())


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


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 40), st.randoms(use_true_random=False))
def test_rows_are_written_to_their_places_in_any_order(counts: list[int], capacity: int, random: Random) -> None:
    """Those without a place follow."""
    store = RowStore(3, capacity)
    places, all_rows = [], [np.full((count, 3), i, np.float32) for i, count in enumerate(counts)]
    for rows in all_rows:
        place = store.place(len(rows))
        if place is None:
            break
        places.append(place[0])
    assert len(places) == len(counts) or sum(counts[: len(places) + 1]) > capacity
    for i in random.sample(range(len(places)), len(places)):
        places[i][:] = all_rows[i]
    begin = store._array.ctypes.data
    for rows in [*places, *all_rows[len(places) :]]:
        store.append(rows, 0)
    array = store.finish()
    np.testing.assert_array_equal(array, np.concatenate(all_rows))
    assert array.ctypes.data == begin or sum(counts) > capacity
    np.testing.assert_array_equal(
        np.concatenate(places or [array[:0]]), np.concatenate([array[:0], *all_rows[: len(places)]])
    )


def test_rows_at_their_place_are_not_copied() -> None:
    dense, sparse = RowStore(3, 10), SparseRowStore(9, np.dtype(np.int32), 10, 10)
    (features,) = dense.place(4) or ()
    columns, values = sparse.place(4) or ()
    features[:], columns[:], values[:] = 1, 2, 3
    dense.append(features, 4)
    sparse.append(CsrMatrix(np.arange(5), columns, values, (4, 9)), 4)
    features[:], columns[:], values[:] = 4, 5, 6
    np.testing.assert_array_equal(dense.finish(), np.full((4, 3), 4))
    rows = sparse.finish()
    np.testing.assert_array_equal(rows.toarray()[:, 5], [6] * 4)


def test_rows_that_begin_at_their_place_and_are_others_are_copied() -> None:
    store = RowStore(1, 10)
    (place,) = store.place(6) or ()
    place[:, 0] = range(6)
    store.append(place[::2], 6)
    np.testing.assert_array_equal(store.finish()[:, 0], [0, 2, 4])


def test_no_place_reaches_beyond_the_room() -> None:
    store = SparseRowStore(9, np.dtype(np.int64), 0, 5)
    columns, values = store.place(5) or ()
    assert (columns.dtype, columns.shape, values.dtype, values.shape) == (np.int64, (5,), np.float32, (5,))
    assert store.place(1) is None and RowStore(2, 5).place(6) is None
