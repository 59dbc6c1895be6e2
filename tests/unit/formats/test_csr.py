from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.formats import csr
from linear_learner.formats.csr import CsrMatrix


def of_scipy(matrix: scipy.sparse.csr_array) -> CsrMatrix:
    matrix.sort_indices()
    return CsrMatrix(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, tuple(map(int, matrix.shape))
    )


@st.composite
def matrices(draw: st.DrawFn, width: int | None = None) -> CsrMatrix:
    rows, columns = draw(st.integers(0, 12)), width or draw(st.integers(1, 9))
    density, seed = draw(st.floats(0, 1)), draw(st.integers(0, 1000))
    return of_scipy(scipy.sparse.random_array((rows, columns), density=density, rng=seed, dtype=np.float32).tocsr())


def assert_well_formed(matrix: CsrMatrix) -> None:
    assert matrix.indptr.dtype == np.int64
    assert matrix.values.dtype == np.float32
    assert len(matrix.indptr) == len(matrix) + 1
    assert matrix.indptr[0] == 0
    assert matrix.indptr[-1] == len(matrix.indices) == len(matrix.values) == matrix.nnz
    for i in range(len(matrix)):
        assert (np.diff(matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]) > 0).all()


@settings(deadline=None)
@given(matrices(), st.data())
def test_rows_by_a_slice_are_those_of_the_dense_matrix(matrix: CsrMatrix, data: st.DataObject) -> None:
    rows = data.draw(st.slices(len(matrix)))
    taken = matrix[rows]
    assert_well_formed(taken)
    np.testing.assert_array_equal(taken.toarray(), matrix.toarray()[rows])


@settings(deadline=None)
@given(matrices(), st.data())
def test_rows_by_number_are_those_of_the_dense_matrix(matrix: CsrMatrix, data: st.DataObject) -> None:
    numbers = st.integers(-len(matrix), len(matrix) - 1) if len(matrix) else st.nothing()
    rows = np.array(data.draw(st.lists(numbers, max_size=20 * bool(len(matrix)))), np.int64)
    taken = matrix[rows]
    assert_well_formed(taken)
    np.testing.assert_array_equal(taken.toarray(), matrix.toarray()[rows])


def test_a_row_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        CsrMatrix.from_dense(np.ones((3, 2), np.float32))[np.array([3])]


@settings(deadline=None)
@given(matrices(), st.integers(0, 4), st.integers(1, 40))
def test_the_product_is_scipys_whatever_the_size_of_a_block(matrix: CsrMatrix, columns: int, block: int) -> None:
    dense = np.random.default_rng(0).standard_normal((matrix.shape[1], columns)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csr, "BLOCK_VALUES", block)
        product = matrix @ dense
    judge = scipy.sparse.csr_array((matrix.values, matrix.indices, matrix.indptr), matrix.shape) @ dense
    assert product.dtype == np.float32
    np.testing.assert_allclose(product, judge, rtol=1e-5, atol=1e-6)


def test_a_product_with_another_width_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 columns times one of 3 rows"):
        CsrMatrix.from_dense(np.ones((3, 2), np.float32)) @ np.ones((3, 1), np.float32)


@settings(deadline=None)
@given(st.lists(matrices(width=3), min_size=1, max_size=3))
def test_matrices_of_one_width_are_put_below_each_other(pieces: list[CsrMatrix]) -> None:
    whole = CsrMatrix.concatenate(pieces)
    assert_well_formed(whole)
    np.testing.assert_array_equal(whole.toarray(), np.concatenate([piece.toarray() for piece in pieces]))


def test_matrices_of_two_widths_are_not() -> None:
    narrow, wide = (CsrMatrix.from_dense(np.ones((1, width), np.float32)) for width in (2, 3))
    with pytest.raises(ValueError, match=r"\[2, 3\] columns"):
        CsrMatrix.concatenate([narrow, wide])


@settings(deadline=None)
@given(matrices())
def test_dense_rows_lose_their_zeros_and_nothing_else(matrix: CsrMatrix) -> None:
    again = CsrMatrix.from_dense(matrix.toarray())
    assert_well_formed(again)
    assert (again.values != 0).all()
    np.testing.assert_array_equal(again.toarray(), matrix.toarray())


def test_column_numbers_are_int64_only_where_int32_is_too_small() -> None:
    assert csr.index_type(2**31 - 1) == np.int32
    assert csr.index_type(2**31 + 1) == np.int64


def test_a_slice_takes_no_memory_for_its_values() -> None:
    matrix = CsrMatrix.from_dense(np.ones((4, 2), np.float32))
    assert np.shares_memory(matrix[1:3].values, matrix.values)
    assert matrix.nbytes == 5 * 8 + 8 * 4 + 8 * 4
