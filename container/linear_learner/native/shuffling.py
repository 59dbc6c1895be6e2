"""The order in which an epoch visits its rows, in the C++ library."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from linear_learner.native import library


def shuffle(seed: int, rows: int) -> np.ndarray:
    """int64 (rows,); see ``data.shuffling``. ``seed``: below 2**64."""
    order = np.empty(rows, np.int64)
    _function()(seed, rows, order.ctypes.data)
    return order


@cache
def _function() -> ctypes._FuncPointer:
    function = library.plain().ll_shuffle
    function.restype, function.argtypes = None, (ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p)
    return function
