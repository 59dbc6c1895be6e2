"""Blocks of CSV, LIBSVM and recordIO-protobuf to arrays, in the C++ library. The functions wait for no lock: ctypes
lets other threads run meanwhile.

A block is any object with bytes in it (bytes, bytearray, memoryview, mmap). Nothing of it is kept. What rows must look
like is written down in ``formats``, whose plain decoders give the same rows and refuse the same ones. Here a block
is refused as a whole, at the first thing found wrong; ``formats`` reads it again to say what that is.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from linear_learner.native import library

Place = tuple[np.ndarray, ...]
"""Where rows are decoded to: the features (n, d), or the columns and the values of sparse ones, (z,) each."""

Buffer = Any  # what NumPy can look into without a copy; typing has no name for it before Python 3.12

_OUT_OF_MEMORY, _BAD_ROWS = 1, 3
_SPARSE_LAYOUT = 2  # kSparseLayout in decoders_recordio.h
_REFERENCES_OF_IDLE = 2
"""To an array, as sys.getrefcount counts: that of the list which holds it, and its own."""
_WIDEST_INT32 = 2**31


class BadRows(Exception):  # noqa: N818 (says what is the matter)
    """Not all rows of a block can be read."""


@dataclass(frozen=True)
class CsvRows:
    """``features`` float32 (n, d), C-contiguous; ``labels`` float32 (n,), or None for ``label_size`` 0.

    ``lines`` counts all lines of the block. Row i is line i + 1 of it, or ``row_numbers[i]``, int64 (n,), where lines
    were skipped.
    """

    features: np.ndarray
    labels: np.ndarray | None
    lines: int
    row_numbers: np.ndarray | None


@dataclass(frozen=True)
class DenseRows:
    """``features`` float32 (n, d), C-contiguous."""

    features: np.ndarray


@dataclass(frozen=True)
class SparseRows:
    """CSR: the columns and values of row i are those from ``row_starts[i]`` to ``row_starts[i + 1]``; int64 (n + 1,).

    ``columns``: int32 (z,), int64 where that is too small, ascending within a row. ``values``: float32 (z,).
    ``feature_dim``: the number of columns.
    """

    row_starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    feature_dim: int


@dataclass(frozen=True)
class RecordRows:
    """``labels``: float32 (n,), or None for ``label_size`` 0."""

    rows: DenseRows | SparseRows
    labels: np.ndarray | None


@dataclass(frozen=True)
class LibsvmRows:
    """``labels`` float32 (n,), or None for ``label_size`` 0. ``lines`` and ``row_numbers`` as in ``CsvRows``. The rows
    have as many columns as ``feature_dim`` said, or as the largest index needs."""

    rows: SparseRows
    labels: np.ndarray | None
    lines: int
    row_numbers: np.ndarray | None


class Room:
    """Memory for block after block, and the rows of each. An array is used again once nobody looks into it any more,
    because new memory costs more time than decoding into it. Several threads may ask for arrays."""

    _MOST_IDLE = 24

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._lock = threading.Lock()

    def array(self, size: int, dtype: type) -> np.ndarray:
        """(size,), not cleared. As long as there is a view of it, it is not used again."""
        with self._lock:
            is_idle = [sys.getrefcount(self._arrays[i]) == _REFERENCES_OF_IDLE for i in range(len(self._arrays))]
            used = [array for array, idle in zip(self._arrays, is_idle, strict=True) if not idle]
            others = [array for array, idle in zip(self._arrays, is_idle, strict=True) if idle]
            fitting = [i for i, array in enumerate(others) if len(array) >= size and array.dtype == dtype]
            # The latest one, of which most is still in a cache; or one with room for blocks that are a little larger.
            array = others.pop(fitting[-1]) if fitting else np.empty(size + size // 8, dtype)
            self._arrays = [*used, *others[-self._MOST_IDLE :], array]
            return array[:size]


class _COutcome(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("rows", "lines", "values"))


class _CCsvLayout(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("columns", "label_size", "allow_missing", "portable")),
        ("header", ctypes.c_char_p),
        ("header_size", ctypes.c_int64),
    )


class _CLibsvmLayout(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("feature_dim", "index_base", "label_size", "allow_missing"))


class RecordScan(ctypes.Structure):
    """The whole records that a block starts with: ``records`` of them, in ``consumed`` bytes. ``columns``: features of
    the first one; 0 if it has none or does not say how many. ``values``: those of all records, if they are sparse and
    that is soon told; else -1. Then no record that can be read has more or fewer."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("records", "consumed", "layout", "columns", "values"))

    @property
    def is_sparse(self) -> bool:
        """Whether the first record is sparse."""
        return bool(self.layout == _SPARSE_LAYOUT)


class _CRecordLayout(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("columns", "label_size", "allow_missing", "wide_indices", "portable")
    )


def available() -> bool:
    """Whether the library is there and loads."""
    return library.problem() is None


def decode_csv(
    block: Buffer,
    *,
    label_size: int,
    columns: int,
    allow_missing: bool = False,
    header: bytes = b"",
    portable: bool = False,
) -> CsvRows:
    """Rows of a block of whole lines; the last one may lack its line break.

    ``columns``: cells of each row, the label included. ``allow_missing``: a feature that is missing becomes NaN.
    ``header``: lines equal to it are skipped, as blank ones are. ``portable``: do without the processor's vector
    instructions. Raises BadRows.
    """
    data = np.frombuffer(block, np.uint8)
    layout = _CCsvLayout(columns, label_size, allow_missing, portable, header or None, len(header))
    capacity = int(_functions().ll_csv_capacity(data.size, layout))
    features = np.empty((capacity, max(columns - label_size, 0)), np.float32)
    labels = np.empty(capacity if label_size else 0, np.float32)
    outcome = _COutcome()
    status = _functions().ll_csv_decode(
        _address(data), data.size, layout, _address(features), _address(labels), capacity, outcome
    )
    _check(status)
    features.resize((outcome.rows, features.shape[1]), refcheck=False)  # in place: no copy of what was decoded
    labels.resize(outcome.rows if label_size else 0, refcheck=False)
    numbers = None if outcome.lines == outcome.rows else _line_numbers(data, header, outcome.rows)
    return CsvRows(features, labels if label_size else None, outcome.lines, numbers)


def decode_libsvm(
    block: Buffer, *, label_size: int, feature_dim: int | None, index_base: int, allow_missing: bool = False
) -> LibsvmRows:
    """Rows of a block of whole lines; the last one may lack its line break. ``feature_dim``: of all rows, where it is
    known. ``allow_missing``: a value that is missing becomes NaN. Raises BadRows."""
    data = np.frombuffer(block, np.uint8)
    layout = _CLibsvmLayout(feature_dim or 0, index_base, label_size, allow_missing)
    rows, capacity = (int(f(data.size)) for f in (_functions().ll_libsvm_row_capacity, _functions().ll_libsvm_capacity))
    starts, numbers = np.empty(rows + 1, np.int64), np.empty(rows, np.int64)
    columns, values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    labels = np.empty(rows if label_size else 0, np.float32)
    outcome = _COutcome()
    addresses = [_address(array) for array in (starts, numbers, columns, values, labels)]
    _check(_functions().ll_libsvm_decode(_address(data), data.size, layout, *addresses, outcome))
    for array, size in ((starts, outcome.rows + 1), (numbers, outcome.rows), (columns, outcome.values)):
        array.resize(size, refcheck=False)
    values.resize(outcome.values, refcheck=False)
    labels.resize(outcome.rows if label_size else 0, refcheck=False)
    width = feature_dim if feature_dim is not None else int(columns.max(initial=-1)) + 1
    return LibsvmRows(
        SparseRows(starts, columns if width < _WIDEST_INT32 else columns.astype(np.int64), values, width),
        labels if label_size else None,
        outcome.lines,
        None if outcome.lines == outcome.rows else numbers,
    )


def scan_records(block: Buffer, *, is_final: bool) -> RecordScan:
    """Which whole records a block starts with. ``is_final``: no bytes follow the block, so that a record cut short is
    bad. Raises BadRows if what follows the records is not the beginning of one."""
    data = np.frombuffer(block, np.uint8)
    scan = RecordScan()
    _check(_functions().ll_records_scan(_address(data), data.size, is_final, scan))
    return scan


def decode_records(
    block: Buffer,
    scan: RecordScan,
    *,
    label_size: int,
    columns: int,
    sparse: bool,
    allow_missing: bool = False,
    room: Room | None = None,
    place: Place | None = None,
    portable: bool = False,
) -> RecordRows:
    """Rows of ``columns`` features of the records that ``scan`` found in the block, at the ``place`` that was made for
    them, else in ``room``. ``portable``: do without the processor's vector instructions. Raises BadRows."""
    data = np.frombuffer(block, np.uint8)
    layout = _CRecordLayout(columns, label_size, allow_missing, columns >= _WIDEST_INT32, portable)
    labels = np.empty(scan.records if label_size else 0, np.float32)
    rows: DenseRows | SparseRows
    if sparse:
        rows = _sparse_rows(data, scan, layout, labels, place or _place_of_entries(scan, layout, room or Room()))
    else:
        rows = _dense_rows(data, scan, layout, labels, place or _place_of_features(scan, layout, room or Room()))
    return RecordRows(rows, labels if label_size else None)


def _place_of_features(scan: RecordScan, layout: _CRecordLayout, room: Room) -> Place:
    if layout.columns * scan.records > scan.consumed:  # a feature takes a byte or more
        raise BadRows
    return (room.array(scan.records * layout.columns, np.float32).reshape(scan.records, layout.columns),)


def _place_of_entries(scan: RecordScan, layout: _CRecordLayout, room: Room) -> Place:
    capacity = int(_functions().ll_records_sparse_capacity(scan))
    return room.array(capacity, np.int64 if layout.wide_indices else np.int32), room.array(capacity, np.float32)


def _dense_rows(
    data: np.ndarray, scan: RecordScan, layout: _CRecordLayout, labels: np.ndarray, place: Place
) -> DenseRows:
    (features,) = place
    _check(_functions().ll_records_dense(_address(data), scan, layout, _address(features), _address(labels)))
    return DenseRows(features)


def _sparse_rows(
    data: np.ndarray, scan: RecordScan, layout: _CRecordLayout, labels: np.ndarray, place: Place
) -> SparseRows:
    columns, values = place
    row_starts = np.empty(scan.records + 1, np.int64)
    addresses = [_address(array) for array in (row_starts, columns, values, labels)]
    _check(_functions().ll_records_sparse(_address(data), scan, layout, len(values), *addresses))
    count = row_starts[-1]
    return SparseRows(row_starts, columns[:count], values[:count], layout.columns)


def _line_numbers(data: np.ndarray, header: bytes, rows: int) -> np.ndarray:
    numbers = np.empty(rows, np.int64)
    _functions().ll_csv_line_numbers(_address(data), data.size, header, len(header), _address(numbers), rows)
    return numbers


def _check(status: int) -> None:
    """Raise for what a function of the library returned."""
    if status == _OUT_OF_MEMORY:
        raise MemoryError("no memory to decode a block of rows")
    if status == _BAD_ROWS:
        raise BadRows
    if status:
        raise ValueError("a decoder was called with sizes that do not fit")


def _address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


@cache
def _functions() -> ctypes.CDLL:
    """The library, told of what its functions take and return."""
    functions = library.plain()
    size, address, text = ctypes.c_int64, ctypes.c_void_p, ctypes.c_char_p
    csv_layout, outcome = ctypes.POINTER(_CCsvLayout), ctypes.POINTER(_COutcome)
    scan, layout = ctypes.POINTER(RecordScan), ctypes.POINTER(_CRecordLayout)
    for name, returned, taken in (
        ("ll_csv_line_numbers", size, (address, size, text, size, address, size)),
        ("ll_csv_capacity", size, (size, csv_layout)),
        ("ll_csv_decode", ctypes.c_int32, (address, size, csv_layout, address, address, size, outcome)),
        ("ll_libsvm_row_capacity", size, (size,)),
        ("ll_libsvm_capacity", size, (size,)),
        (
            "ll_libsvm_decode",
            ctypes.c_int32,
            (address, size, ctypes.POINTER(_CLibsvmLayout), address, address, address, address, address, outcome),
        ),
        ("ll_records_scan", ctypes.c_int32, (address, size, size, scan)),
        ("ll_records_sparse_capacity", size, (scan,)),
        ("ll_records_dense", ctypes.c_int32, (address, scan, layout, address, address)),
        ("ll_records_sparse", ctypes.c_int32, (address, scan, layout, size, address, address, address, address)),
    ):
        function = getattr(functions, name)
        function.restype, function.argtypes = returned, taken
    return functions
