"""``application/x-recordio-protobuf``: RecordIO frames, each with one protobuf Record, as the SageMaker SDK writes.

A record's features are ``features["values"]`` and its label is ``label["values"]``; each is a tensor of float32,
float64 or int32, and the two types may differ. All become float32.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import RECORDIO_PROTOBUF
from linear_learner.formats.faults import MissingLabel, malformed, to_float32
from linear_learner.formats.native_blocks import record_rows
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.protobuf_record import MalformedRecord, Record, Tensor, integers, parse_record, values
from linear_learner.formats.record_layout import Layout, layout_of
from linear_learner.formats.recordio import HEADER_SIZE, MAGIC_BYTES, RecordReader, header
from linear_learner.formats.sniffing import SNIFFED_BYTES, advice
from linear_learner.native.decoders import DenseRows

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

    A batch is the whole records of the next ``block_size`` bytes, or one record where that is larger; so much is held,
    and what is decoded of it. ClientError names file and row; for a broken frame also the byte at which it begins.
    """
    reader = RecordReader(stream, source=source, block_size=block_size)
    rows = _Rows(source, label_size)
    if not MAGIC_BYTES.startswith(reader.peek(len(MAGIC_BYTES))):
        if label_size == 1:
            raise _not_recordio(reader.peek(SNIFFED_BYTES), source)
        rows.add_record(reader.peek(sys.maxsize))
        yield rows.take()
        return
    while reader.peek(1):
        block, is_final = reader.block()
        found = record_rows(block, label_size=label_size, columns=rows.width, is_final=is_final, threads=threads)
        if found is not None and isinstance(found.rows, DenseRows):
            batch = rows.take_decoded(found.rows.features, found.labels)
            reader.skip(found.consumed, len(batch))
            yield batch
        else:
            read_plainly(reader, rows, block_size)
            yield rows.take()


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


class _Rows:
    """Gathers decoded rows until they make a batch. ``layout`` is that of the latest record, if it may repeat;
    ``width`` that of all rows, 0 before the first; ``pending`` counts the rows of the next batch."""

    def __init__(self, source: str, label_size: int) -> None:
        self.layout: Layout | None = None
        self._source = source
        self._label_size = label_size
        self.width = 0
        self.pending = 0
        self._taken = 0
        self._features: list[np.ndarray] = []
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
        self._append(features[np.newaxis], labels)
        tensor = record.features[_KEY]
        self.layout = layout_of(payload, tensor, record.label.get(_KEY)) if is_like_next and tensor else None

    def take(self) -> Batch:
        """The pending rows. ClientError if one of them has a number that is not finite as float32."""
        features = self._to_float32(self._features, "feature")
        labels = self._to_float32(self._labels, "label")[:, 0] if self._label_size else None
        batch = Batch(features, labels, self._source, self._taken + 1)
        self._taken += len(batch)
        self.pending = 0
        self._features, self._labels = [], []
        return batch

    def take_decoded(self, features: np.ndarray, labels: np.ndarray | None) -> Batch:
        """Rows that were decoded elsewhere, (n, d) and (n,), as the next batch; none may be pending."""
        batch = Batch(features, labels, self._source, self._taken + 1)
        self.width = batch.feature_dim
        self._taken += len(batch)
        return batch

    @property
    def _where(self) -> str:
        """The place of the next row."""
        return f"{self._source}, row {self._taken + self.pending + 1}"

    def _append(self, features: np.ndarray, labels: np.ndarray | None) -> None:
        """Rows (n, d) and labels (n, 1) in the types they are written in."""
        count, width = features.shape
        if self.width not in (0, width):
            raise self._malformed(f"The record has {width} features, the first one has {self.width}")
        self.width = width
        self._features.append(features)
        if labels is not None:
            self._labels.append(labels)
        self.pending += count

    def _to_float32(self, pieces: list[np.ndarray], place: str) -> np.ndarray:
        """Pieces (n, d), perhaps of several types -> float32. NumPy joins them in a type that holds all exactly."""
        numbers = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        first_row = self._taken + 1
        return to_float32(
            numbers, first_row=first_row, place=place, source=self._source, content_type=RECORDIO_PROTOBUF
        )

    def _features_of(self, payload: bytes, record: Record) -> np.ndarray:
        """(d,), in the type it is written in."""
        tensor = record.features.get(_KEY)
        if tensor is None:
            raise self._malformed(f"The record has no tensor features['values']{_others(record.features)}")
        numbers = values(payload, tensor)
        shape = integers(payload, tensor.shape).tolist() if tensor.shape else []
        if tensor.keys or (shape and not len(numbers)):
            raise self._malformed("The record is sparse, and only dense records can be read")
        if not len(numbers):
            raise self._malformed("The record's features['values'] is empty")
        if shape and math.prod(shape) != len(numbers):
            raise self._malformed(f"The record has {len(numbers)} features, its shape says {shape}")
        return numbers

    def _label_of(self, payload: bytes, record: Record) -> np.ndarray:
        """(1, 1), in the type it is written in."""
        tensor = record.label.get(_KEY)
        found = np.empty(0) if tensor is None else values(payload, tensor)
        if len(found) != 1:
            raise MissingLabel(len(found), where=self._where)
        return found.reshape(1, 1)

    def _malformed(self, problem: str) -> ClientError:
        return malformed(problem, where=self._where, content_type=RECORDIO_PROTOBUF)


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
