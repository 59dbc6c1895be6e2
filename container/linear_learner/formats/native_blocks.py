"""Decides, block by block, whether the C++ library decodes it or plain Python does.

The library does, where it is there and finds nothing wrong. In every other case the answer is None, and the caller
reads the block in plain Python: that is what defines the rows, and it alone puts mistakes into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from linear_learner.formats.in_order import in_order
from linear_learner.formats.options import Options
from linear_learner.native import decoders
from linear_learner.native.decoders import CsvRows, LibsvmRows, Place, RecordRows, RecordScan

Result = TypeVar("Result")


def csv_rows(text: bytes, *, label_size: int, columns: int, header: bytes, allow_missing: bool) -> CsvRows | None:
    """The rows of whole lines of ``columns`` cells; lines equal to ``header`` are skipped like blank ones."""
    if not decoders.available():
        return None
    try:
        return decoders.decode_csv(
            text, label_size=label_size, columns=columns, header=header, allow_missing=allow_missing
        )
    except decoders.BadRows:
        return None


def in_native_order(
    decode: Callable[[bytes], Result], texts: Iterable[bytes], threads: int
) -> Iterator[tuple[bytes, Result]]:
    """Each text with what ``decode`` says of it, in order, by several threads where the library decodes; a few texts
    more than threads are held."""
    return in_order(decode, texts, threads if decoders.available() else 1)


@dataclass(frozen=True)
class RecordBlock:
    """Whole records, as a ``scan`` found them. The rows are to be of so many ``columns``, and ``sparse`` or not; at
    ``place``, if they have one."""

    data: memoryview
    scan: RecordScan
    columns: int
    sparse: bool
    place: Place | None


def scan_records(block: memoryview, *, is_final: bool) -> RecordScan | None:
    """What whole records a block starts with; None if that is not even one. ``is_final``: nothing follows the block."""
    if not decoders.available():
        return None
    try:
        scan = decoders.scan_records(block, is_final=is_final)
    except decoders.BadRows:
        return None
    return scan if scan.records else None


def record_rows(block: RecordBlock, *, label_size: int, allow_missing: bool, room: decoders.Room) -> RecordRows | None:
    """The rows of the records, in ``room`` where they have no place."""
    if not block.columns:
        return None
    try:
        return decoders.decode_records(
            block.data,
            block.scan,
            label_size=label_size,
            columns=block.columns,
            sparse=block.sparse,
            allow_missing=allow_missing,
            room=room,
            place=block.place,
        )
    except decoders.BadRows:
        return None


def libsvm_rows(text: bytes, *, label_size: int, options: Options) -> LibsvmRows | None:
    """The rows of whole lines."""
    if not decoders.available():
        return None
    try:
        return decoders.decode_libsvm(
            text,
            label_size=label_size,
            feature_dim=options.feature_dim,
            index_base=options.index_base,
            allow_missing=options.allow_missing,
        )
    except decoders.BadRows:
        return None
