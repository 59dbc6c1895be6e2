"""Reads the protobuf message ``aialgs.data.Record`` off the wire, without copying a number.

    Record   1: features, map of string to Value   2: label, map of string to Value   (3, 4, 5: strings, not needed)
    Value    one of 2: Float32Tensor   3: Float64Tensor   7: Int32Tensor   9: Bytes
    Tensor   1: values   2: keys (uint64, the columns of a sparse row)   3: shape (uint64)

A message is held as the byte ranges that it is spread over: occurrences of one field merge, which on the wire is the
same as reading one after the other. Fields come in any order, repeated numbers packed or not; unknown fields are
skipped.

Source: Amazon's ``record.proto`` (SageMaker Developer Guide, "Common Data Formats for Training") and the protobuf
encoding guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

Range = tuple[int, int]

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)

TENSORS = {2: "float32", 3: "float64", 7: "int32"}
"""The tensors of a Value, by field."""
_BYTES = 9
NUMBERS: dict[str, np.dtype] = {"float32": np.dtype("<f4"), "float64": np.dtype("<f8")}
_SINGLE_WIRE_TYPES = {"float32": FIXED32, "float64": FIXED64, "int32": VARINT}
_DEEPEST_GROUP = 100


class MalformedRecord(ValueError):  # noqa: N818 (says what is the matter)
    """Bytes that are no protobuf message. Only the decoder knows which record of which file they are."""


@dataclass(frozen=True)
class Tensor:
    """Where the parts of a tensor lie in its record; ``kind`` is float32, float64 or int32."""

    kind: str
    values: list[Range] = field(default_factory=list)
    keys: list[Range] = field(default_factory=list)
    shape: list[Range] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """The maps ``features`` and ``label`` of a record. None stands for a Value that is not a tensor."""

    features: dict[bytes, Tensor | None]
    label: dict[bytes, Tensor | None]


def parse_record(data: bytes) -> Record:
    """MalformedRecord if ``data`` is not a protobuf message of the known shape."""
    record = Record({}, {})
    maps = {1: record.features, 2: record.label}
    for number, wire_type, start, end in fields(data, [(0, len(data))]):
        if wire_type == LENGTH and number in maps:
            key, value = _parse_entry(data, (start, end))
            maps[number][key] = value
    return record


def entries_of(data: bytes, key: bytes) -> int:
    """How often the features of a record hold ``key``. More than once if the bytes are several records one after the
    other: protobuf reads these as one, in which the last counts."""
    parts = fields(data, [(0, len(data))])
    entries = [(start, end) for number, wire_type, start, end in parts if (number, wire_type) == (1, LENGTH)]
    return sum(_parse_entry(data, entry)[0] == key for entry in entries)


def _parse_entry(data: bytes, entry: Range) -> tuple[bytes, Tensor | None]:
    """An entry of a map: 1 is the key, 2 the value."""
    key, value = b"", []
    for number, wire_type, start, end in fields(data, [entry]):
        if wire_type == LENGTH and number == 1:
            key = data[start:end]
        elif wire_type == LENGTH and number == 2:
            value.append((start, end))
    return key, _parse_value(data, value)


def _parse_value(data: bytes, value: Sequence[Range]) -> Tensor | None:
    """The tensor that is set last; occurrences of the same one merge."""
    chosen = 0
    ranges: list[Range] = []
    for number, wire_type, start, end in fields(data, value):
        if wire_type != LENGTH or (number not in TENSORS and number != _BYTES):
            continue
        if number != chosen:
            chosen, ranges = number, []
        ranges.append((start, end))
    return _parse_tensor(data, TENSORS[chosen], ranges) if chosen in TENSORS else None


def _parse_tensor(data: bytes, kind: str, ranges: Sequence[Range]) -> Tensor:
    tensor = Tensor(kind)
    lists = {
        1: (tensor.values, _SINGLE_WIRE_TYPES[kind]),
        2: (tensor.keys, VARINT),
        3: (tensor.shape, VARINT),
    }
    for number, wire_type, start, end in fields(data, ranges):
        target, single = lists.get(number, (None, LENGTH))
        if target is not None and wire_type in (single, LENGTH):
            _check_numbers(data, single, start, end)
            target.append((start, end))
    return tensor


def _check_numbers(data: bytes, wire_type: int, start: int, end: int) -> None:
    """That a packed range holds whole numbers, so that ranges can be joined."""
    size = {FIXED32: 4, FIXED64: 8}.get(wire_type, 1)
    if (end - start) % size or (wire_type == VARINT and end > start and data[end - 1] >= 0x80):
        raise MalformedRecord("a packed field ends inside a number")


def fields(data: bytes, ranges: Sequence[Range]) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, start, end) of each field of a message; ``data[start:end]`` is what the field holds: for a
    length-delimited one its content, for a number its bytes. Groups, which no known field uses, are skipped."""
    for at, stop in ranges:
        while at < stop:
            number, wire_type, start = _tag(data, at, stop)
            if not number:
                raise MalformedRecord("field number 0 does not exist")
            if wire_type == GROUP:
                at = _end_of_group(data, start, stop, number, 1)
                continue
            start, at = _extent(data, start, stop, wire_type)
            yield number, wire_type, start, at


def _tag(data: bytes, at: int, stop: int) -> tuple[int, int, int]:
    """(number, wire type, the byte after it) of the tag at ``at``."""
    tag, end = varint(data, at, stop)
    if end - at > 5:
        raise MalformedRecord("a tag has more than five bytes")
    if tag >> 32:
        raise MalformedRecord(f"field number {tag >> 3} does not exist")
    return tag >> 3, tag & 7, end


def _extent(data: bytes, at: int, stop: int, wire_type: int) -> Range:
    """Where the content of a field begins and ends, whose tag ends at ``at``."""
    if wire_type == LENGTH:
        length, at = varint(data, at, stop)
        end = at + length
    elif wire_type == VARINT:
        end = varint(data, at, stop)[1]
    elif wire_type == FIXED32:
        end = at + 4
    elif wire_type == FIXED64:
        end = at + 8
    else:
        raise MalformedRecord(f"wire type {wire_type} has no place here")
    if end > stop:
        raise MalformedRecord("a field is longer than the message it is in")
    return at, end


def _end_of_group(data: bytes, at: int, stop: int, number: int, depth: int) -> int:
    """The byte after the end of group ``number``, whose start tag ends at ``at``."""
    if depth > _DEEPEST_GROUP:
        raise MalformedRecord(f"groups are nested more than {_DEEPEST_GROUP} deep")
    while at < stop:
        inner, wire_type, at = _tag(data, at, stop)
        if (inner, wire_type) == (number, END_GROUP):
            return at
        if wire_type == GROUP:
            at = _end_of_group(data, at, stop, inner, depth + 1)
        else:
            at = _extent(data, at, stop, wire_type)[1]
    raise MalformedRecord("a group has no end")


def varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """(number, the byte after it) of the base-128 number at ``at``."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            raise MalformedRecord("a number is cut short")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
    raise MalformedRecord("a number has more than ten bytes")


def length_delimited(number: int, content: bytes) -> bytes:
    """A field of a message, as it is written; ``number`` is below 16."""
    return bytes([number << 3 | LENGTH]) + _written_varint(len(content)) + content


def _written_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varints(data: bytes) -> np.ndarray:
    """Base-128 numbers one after the other -> uint64 (n,). The last one must be whole."""
    encoded = np.frombuffer(data, np.uint8)
    last = encoded < 0x80
    if last.all():
        return encoded.astype(np.uint64)
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise MalformedRecord("a number has more than ten bytes")
    shifts = 7 * (np.arange(len(encoded)) - np.repeat(starts, lengths))
    return np.bitwise_or.reduceat((encoded & 0x7F).astype(np.uint64) << shifts.astype(np.uint64), starts)


def integers(data: bytes, ranges: Sequence[Range]) -> np.ndarray:
    """uint64 (n,): keys or shape of a tensor."""
    return varints(b"".join(data[start:end] for start, end in ranges))


def values(data: bytes, tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor (n,), in the type they are written in: float32, float64 or int32."""
    joined = b"".join(data[start:end] for start, end in tensor.values)
    if tensor.kind == "int32":
        # A negative int32 is written as a 64-bit number; the lower half is what it was.
        return varints(joined).astype(np.uint32).view(np.int32)
    return np.frombuffer(joined, NUMBERS[tensor.kind])
