from __future__ import annotations

import ctypes

import pytest
from numpy import linalg

from linear_learner.native.numpy_blas import one_thread


def test_products_take_one_thread_inside_and_as_many_as_before_afterwards() -> None:
    library = ctypes.CDLL(vars(linalg)["_umath_linalg"].__file__)
    if not hasattr(library, "openblas_get_num_threads64_"):
        pytest.skip("this NumPy has another BLAS than that of its wheels")
    before = library.openblas_get_num_threads64_()
    library.openblas_set_num_threads64_(3)
    try:
        with pytest.raises(ZeroDivisionError), one_thread():
            assert library.openblas_get_num_threads64_() == 1
            raise ZeroDivisionError
        assert library.openblas_get_num_threads64_() == 3
    finally:
        library.openblas_set_num_threads64_(before)
