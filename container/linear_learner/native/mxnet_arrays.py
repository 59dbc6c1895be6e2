"""MXNet's arrays on NumPy's memory, and operators that are called with them."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from linear_learner.native import mxnet_library

_CPU = 1
_KINDS = {"i": 0, "u": 1, "f": 2}
"""DLPack's codes by NumPy's."""


class Array:
    """MXNet's view of a NumPy array's own memory.

    It keeps the NumPy array. MXNet works on arrays in threads of its own: whoever hands one to it has to wait until it
    is done, as ``Operator`` does.
    """

    def __init__(self, array: np.ndarray) -> None:
        """TypeError where the array is not C-contiguous numbers, MXNetError where MXNet has no such numbers."""
        if array.dtype.kind not in _KINDS or not array.dtype.isnative or not array.flags.c_contiguous:
            raise TypeError(f"MXNet cannot share this array of {array.dtype.str}, strides {array.strides}")
        self.array = array
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        number = _DLDataType(_KINDS[array.dtype.kind], 8 * array.itemsize, 1)
        tensor = _DLTensor(array.ctypes.data, _DLContext(_CPU, 0), array.ndim, number, shape)
        self.handle = ctypes.c_void_p()
        # MXNet copies the description. It has nothing to delete: the memory is NumPy's, and kept here.
        mxnet_library.call(
            "MXNDArrayFromDLPackEx",
            ctypes.byref(_DLManagedTensor(tensor)),
            ctypes.c_bool(True),
            ctypes.byref(self.handle),
        )
        weakref.finalize(self, mxnet_library.load().MXNDArrayFree, self.handle)

    def wait(self) -> None:
        """Until all that was to write to it has. MXNetError where that failed."""
        mxnet_library.call("MXNDArrayWaitToRead", self.handle)


def handles(arrays: Sequence[Array]) -> ctypes.Array[ctypes.c_void_p]:
    """As the C API takes them."""
    return (ctypes.c_void_p * len(arrays))(*(array.handle for array in arrays))


def save(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write MXNet's file of named arrays. Raises MXNetError."""
    mxnet_library.call(
        "MXNDArraySave", os.fsencode(path), len(arrays), handles(list(arrays.values())), mxnet_library.strings(arrays)
    )


class Operator:
    """One of MXNet's, by its name, that has one output. MXNetError where MXNet has none of that name."""

    def __init__(self, name: str) -> None:
        self._handle = mxnet_library.operator(name)

    def __call__(self, inputs: Sequence[Array], output: Array, settings: Mapping[str, object]) -> None:
        """Returns, however it does, when MXNet has done with the arrays. MXNetError says what the operator says."""
        outputs = ctypes.cast(handles([output]), ctypes.POINTER(ctypes.c_void_p))
        try:
            mxnet_library.call(
                "MXImperativeInvokeEx",
                self._handle,
                len(inputs),
                handles(inputs),
                ctypes.byref(ctypes.c_int(1)),
                ctypes.byref(outputs),
                len(settings),
                mxnet_library.strings(settings),
                mxnet_library.strings(map(str, settings.values())),
                ctypes.byref(ctypes.c_void_p()),
            )
            output.wait()
        except BaseException:
            # Ctrl-C between the two: the operator still works on memory that may be let go of now.
            mxnet_library.load().MXNDArrayWaitAll()
            raise


# From dlpack.h.


class _DLContext(ctypes.Structure):
    _fields_ = (("device_type", ctypes.c_int), ("device_id", ctypes.c_int))


class _DLDataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("ctx", _DLContext),
        ("ndim", ctypes.c_int),
        ("dtype", _DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )


class _DLManagedTensor(ctypes.Structure):
    _fields_ = (("dl_tensor", _DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p))
