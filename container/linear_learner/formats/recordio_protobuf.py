"""``application/x-recordio-protobuf``: RecordIO frames, each with one protobuf Record, as the SageMaker SDK writes.

A record's features are ``features["values"]`` and its label is ``label["values"]``; each is a tensor of float32,
float64 or int32, and the two types may differ. All become float32. Features that have keys are those columns of a
sparse row, in any order, and ``shape`` says how many columns there are. A file is dense or sparse throughout.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import BinaryIO

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import RECORDIO_PROTOBUF
from linear_learner.formats.csr import CsrMatrix, Rows, index_type
from linear_learner.formats.faults import MissingLabel, entries_to_float32, malformed, to_float32
from linear_learner.formats.in_order import in_order
from linear_learner.formats.native_blocks import RecordBlock, record_rows, scan_records
from linear_learner.formats.options import DEFAULTS, Destination, Options
from linear_learner.formats.protobuf_record import (
    NUMBERS,
    TENSORS,
    MalformedRecord,
    Record,
    Tensor,
    entries_of,
    integers,
    length_delimited,
    parse_record,
    values,
)
from linear_learner.formats.record_layout import Layout, layout_of
from linear_learner.formats.recordio import HEADER_SIZE, MAGIC_BYTES, RecordReader, framed, header
from linear_learner.formats.sniffing import SNIFFED_BYTES, advice
from linear_learner.native.decoders import DenseRows, Place, RecordScan, Room, SparseRows

BLOCK_SIZE = 1 << 20
_FIRST_ATTEMPT = 8
"""Frames to compare with a layout that is not yet proven; each success more than doubles the next attempt, so that
records of changing layout cost little more than reading them one by one."""
_KEY = b"values"


def decode(
    stream: BinaryIO,
    *,
    label_size: int,
    source: str,
    threads: int = 1,
    block_size: int = BLOCK_SIZE,
    options: Options = DEFAULTS,
) -> Iterator[Batch]:
    """Batches of rows, all of one width. With ``label_size`` 1 every record must have one label; with 0 (a request)
    labels are ignored, and the stream may be one bare Record without its frame, as the SDK's batch transform sends it.

    A batch is the whole records of the next ``block_size`` bytes, or one record where that is larger. A few more such
    blocks than ``threads`` are held, and what is decoded of them. ClientError names file and row; for a broken frame
    also the byte at which it begins.
    """
    room = Room()
    reader = RecordReader(stream, source=source, block_size=block_size, room=room)
    rows = _Rows(source, label_size, options.allow_missing)
    if not MAGIC_BYTES.startswith(reader.peek(len(MAGIC_BYTES))):
        if label_size == 1:
            raise _not_recordio(reader.peek(SNIFFED_BYTES), source)
        record = reader.peek(sys.maxsize)
        try:
            rows.add_record(record)
        except ClientError as error:
            fix = advice(record[:SNIFFED_BYTES], RECORDIO_PROTOBUF) or error.fix
            raise ClientError(error.message, where=error.where, fix=fix) from None
        if entries_of(record, _KEY) > 1:
            fix = "Send each record in its RecordIO frame, or one in a request"
            problem = "There are several records without their frames"
            raise malformed(problem, where=source, content_type=RECORDIO_PROTOBUF, fix=fix)
        yield rows.take()
        return
    decode_block = partial(record_rows, label_size=label_size, allow_missing=options.allow_missing, room=room)
    while reader.peek(1):
        blocks = _whole_records(reader, rows, options.destination)
        for block, found in in_order(decode_block, blocks, threads):
            if found is not None:
                yield rows.take_decoded(_features_of(found.rows), found.labels)
            else:
                read_plainly(
                    RecordReader(io.BytesIO(block.data), source=source, block_size=block_size), rows, block_size
                )
                yield rows.take()
        if reader.peek(1):
            if options.destination is not None:
                options.destination.close()
            read_plainly(reader, rows, block_size)
            yield rows.take()


def _whole_records(reader: RecordReader, rows: _Rows, destination: Destination | None) -> Iterator[RecordBlock]:
    """Blocks of records, up to one that the library cannot tell apart, or that is larger than a block."""
    columns, sparse = rows.width, rows.sparse
    while reader.peek(1):
        data, is_final = reader.block()
        scan = scan_records(data, is_final=is_final)
        if scan is None:
            return
        columns, sparse = columns or scan.columns, scan.is_sparse if sparse is None else sparse
        place = None if destination is None else _place(destination, scan, columns, sparse=sparse)
        reader.skip(scan.consumed, scan.records)
        yield RecordBlock(data[: scan.consumed], scan, columns, sparse, place)


def _place(destination: Destination, scan: RecordScan, columns: int, *, sparse: bool) -> Place | None:
    """For the records, if it is known how large they are as rows."""
    is_known = scan.values >= 0 if sparse else columns * scan.records <= scan.consumed  # a feature takes a byte or more
    if columns and is_known:
        return destination.place(scan.records, columns, scan.consumed, scan.values if sparse else None)
    destination.close()
    return None


def plain_record(record: bytes, width: int) -> np.ndarray | None:
    """(1, width), a view, of a framed record that holds nothing but dense features, in float32 or float64, as the
    libraries of protobuf write one; None of any other. Only the numbers are read: what stands before them is known."""
    if len(record) < 4 * width:  # before a head is made for so many
        return None
    head, numbers = _plain_heads(width).get(len(record), (b"", None))
    if numbers is None or not record.startswith(head):
        return None
    return np.frombuffer(record, numbers, width, len(head))[np.newaxis]


@lru_cache(maxsize=64)
def _plain_heads(width: int) -> dict[int, tuple[bytes, np.dtype]]:
    """What stands before the numbers of such records, and the type of these, by the size of the record."""
    heads = {}
    for tensor, kind in TENSORS.items():
        if kind in NUMBERS:
            zeros = bytes(width * NUMBERS[kind].itemsize)
            value = length_delimited(tensor, length_delimited(1, zeros))
            payload = length_delimited(1, length_delimited(1, _KEY) + length_delimited(2, value))
            record = framed(payload)
            heads[len(record)] = record[: HEADER_SIZE + len(payload) - len(zeros)], NUMBERS[kind]
    return heads


def read_plainly(reader: RecordReader, rows: _Rows, block_size: int) -> None:
    """Add the rows of the next batch, in plain Python."""
    end = reader.position + block_size
    attempt = _FIRST_ATTEMPT
    while True:
        matched = 0
        if rows.layout is not None:
            size = rows.layout.frame_size
            frames = reader.next_frames(size, min(attempt, max(0, end - reader.position) // size))
            matched = rows.add_frames(frames)
            reader.skip(size * matched, matched)
            attempt = 2 * matched + _FIRST_ATTEMPT
        if not matched:
            payload = reader.next_payload()
            if payload is None:
                return
            if reader.position > end and rows.pending:
                reader.put_back()
                return
            rows.add_record(payload, is_like_next=reader.peek(HEADER_SIZE) == header(len(payload)))


def _features_of(rows: DenseRows | SparseRows) -> Rows:
    if isinstance(rows, DenseRows):
        return rows.features
    return CsrMatrix(rows.row_starts, rows.columns, rows.values, (len(rows.row_starts) - 1, rows.feature_dim))


class _Rows:
    """Gathers decoded rows until they make a batch. ``layout`` is that of the latest record, if it may repeat;
    ``width`` that of all rows, 0 before the first; ``sparse`` whether all rows are, None before the first; ``pending``
    counts the rows of the next batch."""

    def __init__(self, source: str, label_size: int, allow_missing: bool) -> None:
        self.layout: Layout | None = None
        self._source = source
        self._label_size = label_size
        self._allow_missing = allow_missing
        self.width = 0
        self.sparse: bool | None = None
        self.pending = 0
        self._taken = 0
        self._features: list[np.ndarray] = []  # of sparse rows the values, whose columns are the keys
        self._keys: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add_frames(self, frames: np.ndarray) -> int:
        """Rows from the first of the frames, uint8 (n, frame size), that have the layout; returns how many have."""
        assert self.layout is not None  # noqa: S101 (for the type checker: the caller asked)
        matched = self.layout.count_matching(frames)
        if matched:
            label = self.layout.label if self._label_size else None
            labels = None if label is None else label.read(frames[:matched])
            self._append(self.layout.features.read(frames[:matched]), labels)
        return matched

    def add_record(self, payload: bytes, *, is_like_next: bool = False) -> None:
        """The row of one record; its layout is worked out if the next frame looks alike."""
        try:
            record = parse_record(payload)
            features = self._features_of(payload, record)
            labels = self._label_of(payload, record) if self._label_size else None
        except MalformedRecord as error:
            raise self._malformed(f"The record is not a protobuf message: {error}") from None
        if isinstance(features, _SparseRow):
            self._append_sparse(features, labels)
        else:
            self._append(features[np.newaxis], labels)
        tensor = record.features[_KEY]
        self.layout = layout_of(payload, tensor, record.label.get(_KEY)) if is_like_next and tensor else None

    def take(self) -> Batch:
        """The pending rows. ClientError if one of them has a number that is not finite as float32."""
        features = self._take_sparse() if self.sparse else self._to_float32(self._features, "feature")
        labels = self._to_float32(self._labels, "label")[:, 0] if self._label_size else None
        batch = Batch(features, labels, self._source, self._taken + 1)
        self._taken += len(batch)
        self.pending = 0
        self._features, self._keys, self._labels = [], [], []
        return batch

    def _take_sparse(self) -> CsrMatrix:
        starts = np.cumsum([0, *map(len, self._keys)], dtype=np.int64)
        columns = np.concatenate(self._keys).astype(index_type(self.width))
        values = entries_to_float32(
            np.concatenate(self._features),
            np.repeat(np.arange(self.pending), np.diff(starts)),
            columns,
            first_row=self._taken + 1,
            source=self._source,
            content_type=RECORDIO_PROTOBUF,
            allow_missing=self._allow_missing,
        )
        return CsrMatrix(starts, columns, values, (self.pending, self.width))

    def take_decoded(self, features: Rows, labels: np.ndarray | None) -> Batch:
        """Rows that were decoded elsewhere, (n, d) and (n,), as the next batch; none may be pending."""
        batch = Batch(features, labels, self._source, self._taken + 1)
        self.width, self.sparse = batch.feature_dim, isinstance(features, CsrMatrix)
        self._taken += len(batch)
        return batch

    @property
    def _where(self) -> str:
        """The place of the next row."""
        return f"{self._source}, row {self._taken + self.pending + 1}"

    def _append(self, features: np.ndarray, labels: np.ndarray | None) -> None:
        """Rows (n, d) and labels (n, 1) in the types they are written in."""
        self._check_kind(features.shape[1], sparse=False)
        self._features.append(features)
        if labels is not None:
            self._labels.append(labels)
        self.pending += len(features)

    def _append_sparse(self, row: _SparseRow, label: np.ndarray | None) -> None:
        """A row with its label (1, 1)."""
        self._check_kind(row.width, sparse=True)
        self._keys.append(row.keys)
        self._features.append(row.values)
        if label is not None:
            self._labels.append(label)
        self.pending += 1

    def _check_kind(self, width: int, *, sparse: bool) -> None:
        """Rows are of one width, and all of them dense or all sparse."""
        if self.sparse not in (None, sparse):
            kinds = ("sparse", "dense") if sparse else ("dense", "sparse")
            raise self._malformed(f"The record is {kinds[0]}, and those before it are {kinds[1]}")
        if self.width not in (0, width):
            raise self._malformed(f"The record has {width} features, the first one has {self.width}")
        self.width, self.sparse = width, sparse

    def _to_float32(self, pieces: list[np.ndarray], place: str) -> np.ndarray:
        """Pieces (n, d), perhaps of several types -> float32. NumPy joins them in a type that holds all exactly."""
        numbers = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        first_row = self._taken + 1
        return to_float32(
            numbers,
            first_row=first_row,
            place=place,
            source=self._source,
            content_type=RECORDIO_PROTOBUF,
            allow_missing=self._allow_missing and place == "feature",
        )

    def _features_of(self, payload: bytes, record: Record) -> np.ndarray | _SparseRow:
        """(d,), in the type it is written in; or a sparse row."""
        tensor = record.features.get(_KEY)
        if tensor is None:
            raise self._malformed(f"The record has no tensor features['values']{_others(record.features)}")
        numbers = values(payload, tensor)
        shape = integers(payload, tensor.shape).tolist() if tensor.shape else []
        keys = integers(payload, tensor.keys) if tensor.keys else np.empty(0, np.uint64)
        if len(keys) or (shape and not len(numbers)):
            return self._sparse_row(keys, numbers, shape)
        if not len(numbers):
            raise self._malformed("The record's features['values'] is empty")
        if shape and math.prod(shape) != len(numbers):
            raise self._malformed(f"The record has {len(numbers)} features, its shape says {shape}")
        return numbers

    def _sparse_row(self, keys: np.ndarray, numbers: np.ndarray, shape: list[int]) -> _SparseRow:
        """``keys``: uint64 (m,), in any order."""
        width = math.prod(shape)
        if not shape or not 0 < width <= np.iinfo(np.int64).max:
            raise self._malformed(
                f"The record is sparse, and its shape {shape} does not say how many features there are"
            )
        if len(keys) != len(numbers):
            raise self._malformed(f"The record has {len(keys)} keys for {len(numbers)} values")
        if len(keys) and keys.max() >= width:
            raise self._malformed(f"The record has the key {keys.max()}, its shape says {shape}, and keys count from 0")
        order = np.argsort(keys)
        ordered = keys[order].astype(np.int64)
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(again):
            raise self._malformed(f"The record has the key {ordered[again[0]]} more than once")
        return _SparseRow(ordered, numbers[order], width)

    def _label_of(self, payload: bytes, record: Record) -> np.ndarray:
        """(1, 1), in the type it is written in."""
        tensor = record.label.get(_KEY)
        found = np.empty(0) if tensor is None else values(payload, tensor)
        if len(found) != 1:
            raise MissingLabel(len(found), where=self._where)
        return found.reshape(1, 1)

    def _malformed(self, problem: str) -> ClientError:
        return malformed(problem, where=self._where, content_type=RECORDIO_PROTOBUF)


@dataclass(frozen=True)
class _SparseRow:
    """``keys``: int64 (m,), ascending; ``values``: (m,), in the type they are written in."""

    keys: np.ndarray
    values: np.ndarray
    width: int


def _others(entries: dict[bytes, Tensor | None]) -> str:
    """What a map holds instead of ``values``."""
    names = ", ".join(repr(key.decode("utf-8", "replace")[:40]) for key in list(entries)[:3] if key != _KEY)
    return f", but {names}" if names else ""


def _not_recordio(head: bytes, source: str) -> ClientError:
    return malformed(
        f"The data does not start with RecordIO's magic number but with 0x{head[:4].hex()}",
        where=f"{source}, byte 0",
        content_type=RECORDIO_PROTOBUF,
        fix=advice(head, RECORDIO_PROTOBUF),
    )
