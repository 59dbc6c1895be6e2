"""The threads of the library that computes NumPy's matrix products."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

from numpy import linalg


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """NumPy's products by one thread: the bits of a sum depend on how many share it. Where NumPy was built with another
    library than its wheels, it takes as many as it likes."""
    library = ctypes.CDLL(vars(linalg)["_umath_linalg"].__file__)  # which finds what it was linked to
    try:
        get, set_ = library.openblas_get_num_threads64_, library.openblas_set_num_threads64_
    except AttributeError:
        yield
        return
    threads = get()
    set_(1)
    try:
        yield
    finally:
        set_(threads)
