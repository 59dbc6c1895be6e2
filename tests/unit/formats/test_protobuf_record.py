from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from record_judge import TENSORS, Entries, Record, UnpackedRecord, record

from linear_learner.formats.protobuf_record import MalformedRecord, Tensor, integers, parse_record, values, varints

UINT64 = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 127, 128, 2**32, 2**63])
NUMBERS = {
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "int32": st.integers(-(2**31), 2**31 - 1) | st.integers(0, 130),
}


@st.composite
def messages(draw: st.DrawFn) -> object:
    """Records with anything in them that the schema allows."""
    message = draw(st.sampled_from([Record, UnpackedRecord]))()
    for entries in (message.features, message.label):
        for key in draw(st.sets(st.sampled_from(["values", "", "other"]))):
            value = entries[key]
            kind = draw(st.sampled_from([None, "bytes", *TENSORS]))
            if kind == "bytes":
                value.bytes.value.extend(draw(st.lists(st.binary(max_size=5), max_size=2)))
            elif kind is not None:
                tensor = getattr(value, TENSORS[kind])
                tensor.SetInParent()
                tensor.values.extend(draw(st.lists(NUMBERS[kind], max_size=5)))
                tensor.keys.extend(draw(st.lists(UINT64, max_size=3)))
                tensor.shape.extend(draw(st.lists(UINT64, max_size=2)))
    if draw(st.booleans()):
        message.uid = draw(st.text(max_size=3))
    return message


def assert_reads_as_protobuf(data: bytes) -> None:
    """What we read in ``data`` is what protobuf reads."""
    ours, theirs = parse_record(data), Entries.FromString(data)
    for entries, repeated in ((ours.features, theirs.features), (ours.label, theirs.label)):
        judge = {entry.key: entry.value for entry in repeated}
        assert set(entries) == set(judge)
        for key, tensor in entries.items():
            name = judge[key].WhichOneof("value")
            if name in (None, "bytes"):
                assert tensor is None
                continue
            assert tensor is not None
            assert TENSORS[tensor.kind] == name
            expected = getattr(judge[key], name)
            np.testing.assert_array_equal(values(data, tensor), np.array(expected.values, tensor.kind))
            assert integers(data, tensor.keys).tolist() == list(expected.keys)
            assert integers(data, tensor.shape).tolist() == list(expected.shape)


@given(messages())
def test_a_record_reads_as_protobuf_reads_it(message: object) -> None:
    assert_reads_as_protobuf(message.SerializeToString())


@given(messages(), messages())
def test_occurrences_of_one_field_merge(first: object, second: object) -> None:
    # Concatenated messages are, by protobuf's law, the merged message.
    assert_reads_as_protobuf(first.SerializeToString() + second.SerializeToString())


def field(number: int, wire_type: int, content: bytes) -> bytes:
    """A field by hand: number below 16, content below 128 bytes."""
    size = bytes([len(content)]) if wire_type == 2 else b""
    return bytes([number << 3 | wire_type]) + size + content


GROUP = b"\x5b" + field(2, 2, b"x") + b"\x53\x54" + b"\x5c"  # field 11 as a group, with a group in it
UNKNOWN = [field(12, 2, b"abc"), field(12, 0, b"\x96\x01"), field(12, 5, b"1234"), field(12, 1, b"12345678"), GROUP]
FLOATS = np.array([1.5, -2.0], np.float32).tobytes()


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_unknown_fields_are_skipped_at_every_level(unknown: bytes) -> None:
    tensor = unknown + field(1, 2, FLOATS) + unknown
    value = unknown + field(2, 2, tensor) + unknown
    entry = unknown + field(2, 2, value) + unknown + field(1, 2, b"values") + unknown
    data = unknown + field(1, 2, entry) + unknown
    assert_reads_as_protobuf(data)
    assert values(data, parse_record(data).features[b"values"]).tolist() == [1.5, -2.0]


def test_parts_of_one_value_in_one_entry_merge() -> None:
    value = field(2, 2, field(2, 2, field(1, 2, FLOATS)))
    data = field(1, 2, field(1, 2, b"values") + value + value)
    assert_reads_as_protobuf(data)
    assert len(values(data, parse_record(data).features[b"values"])) == 4


def test_the_tensor_that_is_set_last_counts() -> None:
    floats, integer = field(2, 2, field(1, 2, FLOATS)), field(7, 2, field(1, 2, b"\x05"))
    for value in (floats + integer, integer + floats, floats + integer + floats):
        data = field(1, 2, field(1, 2, b"values") + field(2, 2, value))
        assert_reads_as_protobuf(data)


def test_packed_and_single_numbers_mix() -> None:
    tensor = field(1, 2, FLOATS) + field(1, 5, FLOATS[:4]) + field(1, 2, b"") + field(1, 2, FLOATS[:4])
    data = field(1, 2, field(1, 2, b"values") + field(2, 2, field(2, 2, tensor)))
    assert_reads_as_protobuf(data)
    assert values(data, parse_record(data).features[b"values"]).tolist() == [1.5, -2.0, 1.5, 1.5]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("stray", [(0, b"\x07"), (1, b"12345678"), (5, b"1234")])
def test_a_known_field_in_another_encoding_is_an_unknown_field(number: int, stray: tuple[int, bytes]) -> None:
    for kind in (2, 3, 7):
        tensor = field(number, *stray) + field(3, 2, b"\x09")
        assert_reads_as_protobuf(field(1, 2, field(1, 2, b"values") + field(2, 2, field(kind, 2, tensor))))


@given(messages(), st.data())
def test_damaged_bytes_are_refused_where_protobuf_refuses_them(message: object, data: st.DataObject) -> None:
    whole = message.SerializeToString()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check_against_protobuf(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_protobuf_reads_them(data: bytes) -> None:
    check_against_protobuf(data)


def check_against_protobuf(data: bytes) -> None:
    try:
        Entries.FromString(data)
    except DecodeError:
        with pytest.raises(MalformedRecord):
            parse_record(data)
    else:
        assert_reads_as_protobuf(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (field(1, 2, b"ab")[:-1], "longer than the message"),
        (b"\x08", "a number is cut short"),
        (b"\x08" + b"\xff" * 10, "more than ten bytes"),
        (b"\x00\x01", "field number 0"),
        (b"\x8a\x80\x80\x80\x10\x00", "field number 536870913 does not exist"),
        (b"\x9a\x80\x80\x80\x80\x00\x00", "a tag has more than five bytes"),
        (b"\x5b\x98\x80\x80\x80\x80\x00\x00\x5c", "a tag has more than five bytes"),
        (b"\x5b", "a group has no end"),
        (b"\x5c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x5b" * 200, "nested more than 100 deep"),
        (field(1, 2, field(2, 2, field(2, 2, field(1, 2, FLOATS[:7])))), "ends inside a number"),
        (field(1, 2, field(2, 2, field(7, 2, field(1, 2, b"\x80")))), "ends inside a number"),
    ],
)
def test_bytes_that_are_no_message_are_named(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError):
        Entries.FromString(data)
    with pytest.raises(MalformedRecord, match=message):
        parse_record(data)


def encoded(number: int) -> bytes:
    """A base-128 number as protobuf's own encoder writes it: keys of an Int32Tensor, less tag and length."""
    message = record([1])
    del message.features["values"]
    message.features["k"].int32_tensor.keys.append(number)
    return message.features["k"].int32_tensor.SerializeToString()[2:]


@given(st.lists(UINT64, min_size=1, max_size=6))
def test_varints_are_read_in_one_go(numbers: list[int]) -> None:
    assert varints(b"".join(map(encoded, numbers))).tolist() == numbers


def test_a_varint_has_ten_bytes_at_most() -> None:
    with pytest.raises(MalformedRecord, match="more than ten bytes"):
        varints(b"\x80" * 10 + b"\x01")


def test_a_tensor_without_numbers_is_empty() -> None:
    for kind in TENSORS:
        assert values(b"", Tensor(kind)).tolist() == []
