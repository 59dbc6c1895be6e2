"""``mx-mod-0000.params``: MXNet's file of named arrays, read without MXNet.

    u64 0x112 · u64 0 · u64 count · arrays · u64 count · names (u64 length, bytes)

An array begins with a number that tells how the rest is laid out, all little-endian:

    0xF993FAC9, 0xF993FACA   i32 storage type · shape · i32 device type · i32 device id · i32 type flag · data
    0xF993FAC8               shape · i32 device type · i32 device id · i32 type flag · data
    anything else            that number is ndim and the dimensions are u32: what MXNet before 0.11 wrote

where shape is i32 ndim and ndim i64 dimensions. An array of storage type 1 (row_sparse), as training on sparse rows may
leave it, has only the rows that are not all zero: the shape of those comes before shape, the type flag and shape of
their indices after the type flag, and the indices after the data. Source: the layout of files that MXNet 1.9.1 writes.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from linear_learner.errors import ClientError

_LIST = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE, _ROW_SPARSE = 0, 1
MOST_RATIO, FREE = 200, 1 << 26
"""A row_sparse array with all its rows may take FREE bytes, or MOST_RATIO times its file."""
_MOST_DIMENSIONS = 32  # NumPy's own limit
_DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
"""By MXNet's type flag."""


def read_params(content: bytes, *, where: str = "mx-mod-0000.params") -> dict[str, np.ndarray]:
    """The arrays by name (``arg:fc0_weight`` ...), as views of ``content``.

    A ClientError, naming the file ``where``, tells of anything that MXNet would not write.
    """
    return _Reader(content, where).read()


class _Reader:
    def __init__(self, content: bytes, where: str) -> None:
        self.content = content
        self.where = where
        self.position = 0

    def read(self) -> dict[str, np.ndarray]:
        if len(self.content) < 16 or self.take("<QQ")[0] != _LIST:
            raise self.error("This is not a file of MXNet arrays")
        arrays = [self.array(number) for number in range(self.count("arrays"))]
        names = [self.name() for _ in range(self.count("names"))]
        if len(names) != len(arrays):
            raise self.error(f"{len(arrays)} arrays have {len(names)} names")
        if len(set(names)) != len(names):
            raise self.error("Two arrays have the same name")
        if self.position != len(self.content):
            raise self.error(f"{len(self.content) - self.position} bytes follow the last name")
        return dict(zip(names, arrays, strict=True))

    def array(self, number: int) -> np.ndarray:
        (kind,) = self.take("<I")
        if kind in (_V2, _V3):
            (storage,) = self.take("<i")
            if storage == _ROW_SPARSE:
                return self.row_sparse(number, kind)
            if storage != _DENSE:
                raise self.error(f"Array {number} is sparse (storage type {storage}), which is not supported")
        shape = self.shape(number, kind)
        self.take("<ii")
        dtype = self.dtype(number)
        return self.values(shape, dtype)

    def row_sparse(self, number: int, kind: int) -> np.ndarray:
        """All rows of an array, of which the file has some."""
        stored, shape = self.shape(number, kind), self.shape(number, kind)
        self.take("<ii")
        dtype, index_dtype = self.dtype(number), self.dtype(number)
        index_shape = self.shape(number, kind)
        rows, indices = self.values(stored, dtype), self.values(index_shape, index_dtype)
        fits = shape and stored[1:] == shape[1:] and index_shape == stored[:1] and index_dtype.kind in "iu"
        if not fits or not ((indices >= 0) & (indices < shape[0])).all():
            raise self.error(f"Array {number} has rows that do not fit its shape {shape}")
        if math.prod(shape) * dtype.itemsize > max(FREE, MOST_RATIO * len(self.content)):
            raise self.error(f"Array {number} of the shape {shape} is too large for its file")
        array = np.zeros(shape, dtype)
        array[indices] = rows
        return array

    def shape(self, number: int, kind: int) -> tuple[int, ...]:
        if kind in (_V1, _V2, _V3):
            (ndim,) = self.take("<i")
            dimension = "q"
        else:
            ndim, dimension = kind, "I"
        # In a file of the third kind an array without dimensions is a scalar; in the others it is no array at all.
        if not (kind != _V3) <= ndim <= _MOST_DIMENSIONS:
            raise self.error(f"Array {number} has {ndim} dimensions")
        shape = self.take(f"<{ndim}{dimension}")
        if any(size < 0 for size in shape):
            raise self.error(f"Array {number} has the shape {shape}")
        return shape

    def dtype(self, number: int) -> np.dtype:
        (flag,) = self.take("<i")
        if flag not in _DTYPES:
            raise self.error(f"Array {number} has an unknown type (flag {flag})")
        return np.dtype(_DTYPES[flag])

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        size = math.prod(shape)
        start = self.skip(size * dtype.itemsize)
        return np.frombuffer(self.content, dtype, size, start).reshape(shape)

    def name(self) -> str:
        (length,) = self.take("<Q")
        start = self.skip(length)
        try:
            return self.content[start : self.position].decode("utf-8")
        except UnicodeDecodeError:
            raise self.error("A name is not UTF-8 text") from None

    def count(self, what: str) -> int:
        (count,) = self.take("<Q")
        # Each takes 8 bytes at least; a number beyond that would only be found out after a long time.
        if count * 8 > len(self.content) - self.position:
            raise self.error(f"The file ends before its {count} {what}")
        return int(count)

    def take(self, layout: str) -> tuple[int, ...]:
        return struct.unpack_from(layout, self.content, self.skip(struct.calcsize(layout)))

    def skip(self, length: int) -> int:
        """Go ``length`` bytes on and return where they start."""
        start = self.position
        if length > len(self.content) - start:
            raise self.error(f"The file ends at byte {len(self.content)}, in the middle of its content")
        self.position += length
        return start

    def error(self, message: str) -> ClientError:
        return ClientError(message, where=self.where, fix="train or copy the model again")
