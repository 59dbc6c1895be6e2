"""``mx-mod-0000.params``: MXNet's file of named arrays, read without MXNet.

    u64 0x112 · u64 0 · u64 count · arrays · u64 count · names (u64 length, bytes)

An array begins with a number that tells how the rest is laid out, all little-endian:

    0xF993FAC9, 0xF993FACA   i32 storage type · shape · i32 device type · i32 device id · i32 type flag · data
    0xF993FAC8               shape · i32 device type · i32 device id · i32 type flag · data
    anything else            that number is ndim and the dimensions are u32: what MXNet before 0.11 wrote

where shape is i32 ndim and ndim i64 dimensions. Source: the layout of files that MXNet 1.9.1 writes, CONTRACT 6.1.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from linear_learner.errors import ClientError

_LIST = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE = 0
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
            if storage != _DENSE:
                raise self.error(f"Array {number} is sparse (storage type {storage}), which is not supported")
        if kind in (_V1, _V2, _V3):
            (ndim,) = self.take("<i")
            dimension = "q"
        else:
            ndim, dimension = kind, "I"
        # In a file of the third kind an array without dimensions is a scalar; in the others it is no array at all.
        if not (kind != _V3) <= ndim <= _MOST_DIMENSIONS:
            raise self.error(f"Array {number} has {ndim} dimensions")
        shape = self.take(f"<{ndim}{dimension}")
        _, _, flag = self.take("<iii")
        if flag not in _DTYPES:
            raise self.error(f"Array {number} has an unknown type (flag {flag})")
        if any(size < 0 for size in shape):
            raise self.error(f"Array {number} has the shape {shape}")
        dtype = np.dtype(_DTYPES[flag])
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
