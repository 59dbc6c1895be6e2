"""What the columns of dense rows hold, and rows shifted and scaled column by column, in the C++ library."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from linear_learner.native import library


def can_take(features: np.ndarray) -> bool:
    """Whether the library is there, and is for features (n, d) of this type and order. NumPy does the same in two to
    four times the time."""
    return features.dtype == np.float32 and features.flags.c_contiguous and library.problem() is None


def measure(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sums, float64 (d,), minima and maxima, float32 (d,), of features (n, d); see ``can_take``. A column that
    holds a NaN has three of them."""
    rows, columns = features.shape
    sums, minima, maxima = (np.empty(columns, kind) for kind in (np.float64, np.float32, np.float32))
    addresses = (array.ctypes.data for array in (sums, minima, maxima))
    _functions().ll_measure_columns(features.ctypes.data, rows, columns, *addresses)
    return sums, minima, maxima


def shift_and_scale(features: np.ndarray, mean: np.ndarray, std: np.ndarray, out: np.ndarray) -> None:
    """Write (features - mean) / std to ``out``, float32 (n, d), which may be ``features``; see ``can_take`` for both.
    ``mean`` and ``std``: float32 (d,)."""
    if mean.dtype != np.float32 or std.dtype != np.float32 or not mean.shape == std.shape == features.shape[1:]:
        raise ValueError("mean and std are float32 (d,)")
    if out.shape != features.shape or not (can_take(features) and can_take(out)):
        raise ValueError("features and out are float32 (n, d) of one shape, C-contiguous")
    arrays = np.ascontiguousarray(mean), np.ascontiguousarray(std), out
    addresses = (array.ctypes.data for array in arrays)
    _functions().ll_shift_and_scale(features.ctypes.data, *features.shape, *addresses)


@cache
def _functions() -> ctypes.CDLL:
    functions = library.plain()
    size, address = ctypes.c_int64, ctypes.c_void_p
    for function, arrays in ((functions.ll_measure_columns, 3), (functions.ll_shift_and_scale, 3)):
        function.restype, function.argtypes = None, (address, size, size, *[address] * arrays)
    return functions
