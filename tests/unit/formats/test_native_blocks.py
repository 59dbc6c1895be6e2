from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_judge import TENSORS, UnpackedRecord, file_of, frame, record

from linear_learner.data.dataset_builder import DatasetBuilder
from linear_learner.errors import ClientError
from linear_learner.formats import line_blocks, recordio_protobuf, text_csv, text_libsvm
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.csv_cells import SPACES
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.recordio import MAGIC_BYTES
from linear_learner.formats.sniffing import BYTE_ORDER_MARK
from linear_learner.native import decoders


def test_the_library_is_there() -> None:
    """Else this file would hold plain Python against itself."""
    assert decoders.available()


def outcome(decode: Callable[..., Any], data: bytes, **how: Any) -> tuple[list[Any], str]:
    """All that a decoder says of some bytes: the rows before an error, bit by bit, and the error."""
    said: list[Any] = []
    try:
        for batch in decode(io.BytesIO(data), source="a", **how):
            labels = [None] * len(batch) if batch.labels is None else [label.tobytes() for label in batch.labels]
            for i in range(len(batch)):
                said.append((batch.where(i), row_bytes(batch.features, i), labels[i]))
            said.append((batch.features.shape, batch.feature_names))
    except ClientError as error:
        return said, f"{type(error).__name__}: {error}"
    return said, ""


def row_bytes(features: Rows, i: int) -> tuple[bytes, ...]:
    if isinstance(features, CsrMatrix):
        row = features[i : i + 1]
        assert row.values.dtype == np.float32
        return row.indices.tobytes(), row.values.tobytes()
    assert features.dtype == np.float32
    return (features[i].tobytes(),)


@contextmanager
def refusals() -> Iterator[list[Exception]]:
    """The blocks that the library refuses meanwhile."""
    refused: list[Exception] = []

    class Noted(decoders.BadRows):
        def __init__(self) -> None:
            refused.append(self)

    with patch.object(decoders, "BadRows", Noted):
        yield refused


def has_header_in_two_forms(data: bytes) -> bool:
    """With other blanks about it, or a byte-order mark before it: such a line is skipped in plain Python alone."""
    lines = [line.removesuffix(b"\r") for line in data.removeprefix(BYTE_ORDER_MARK).split(b"\n")]
    first, *others = [line for line in lines if line.strip(SPACES)] or [b""]
    return any(
        line != first and line.strip(SPACES).removeprefix(BYTE_ORDER_MARK) == first.strip(SPACES) for line in others
    )


def stored(data: bytes, options: Options = DEFAULTS, **how: Any) -> list[Any]:
    """The rows of some records, with their labels, that are decoded where they stay."""
    builder = DatasetBuilder(len(data))
    options = replace(options, destination=builder)
    for batch in recordio_protobuf.decode(io.BytesIO(data), source="a", options=options, **how):
        builder.add(batch, 1)
    if not len(builder):
        return []
    rows = builder.dataset("train", None)
    return [(row_bytes(rows.features, i), rows.labels[i].tobytes()) for i in range(len(rows))]


def check_same(decode: Callable[..., Any], data: bytes, **how: Any) -> tuple[list[Any], str]:
    """Plain Python, one native thread and several say the same; before an error some may give a batch more. The library
    refuses a block only where that ends in an error, or where a header comes again in another form."""
    with patch.object(decoders, "available", return_value=False):
        plain, plain_error = outcome(decode, data, **how)
    for threads in (1, 3):
        with refusals() as refused:
            said, error = outcome(decode, data, threads=threads, **how)
        assert error == plain_error
        assert error or not refused or has_header_in_two_forms(data)
        assert said[: len(plain)] == plain if error else said == plain
        if decode is recordio_protobuf.decode and how["label_size"] and not error:
            rows = [(row, label) for _, row, label in (one for one in plain if len(one) == 3)]
            assert stored(data, threads=threads, **how) == rows
    return plain, plain_error


CELLS = st.sampled_from(["0", "1", "2.5", "-3", "+4e2", '"7"', " 8", "9\t", "123456789.123456789", "1e-50"])
ODD_CELLS = st.sampled_from(
    [
        "",
        "x",
        '"',
        '""',
        '"1,2"',
        "nan",
        "inf",
        "1e39",
        "\r",
        "-",
        '"1',
        '"1"2',
        '"1""2"',
        "1 1",
        "y",
        '"\t3 "',
        "\x000",
    ]
)
GOOD_LINES = st.lists(CELLS, min_size=3, max_size=3).map(",".join)
LINES = st.one_of(GOOD_LINES, GOOD_LINES, GOOD_LINES, st.sampled_from(["", " ", "y,a,b", "y,a,b\r", "1,2,3\r"]))
ODD_LINES = st.lists(CELLS | ODD_CELLS, max_size=4).map(",".join)


class TestCsv:
    @settings(deadline=None)
    @given(
        st.lists(LINES, max_size=30),
        st.lists(ODD_LINES, max_size=2),
        st.lists(LINES, max_size=5),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([0, 1]),
        st.sampled_from([1, 20, 100, 1 << 16]),
    )
    def test_good_and_damaged_lines(
        self, good: list[str], odd: list[str], more: list[str], newline: str, label_size: int, block_size: int
    ) -> None:
        data = newline.join([*good, *odd, *more]).encode()
        for options in (Options(), Options(allow_missing=True)):
            check_same(text_csv.decode, data, label_size=label_size, block_size=block_size, options=options)

    @settings(deadline=None)
    @given(
        st.binary(max_size=80) | st.text('019.,,\n\n\r-+eE" \tinfay', max_size=80).map(str.encode),
        st.sampled_from([0, 1]),
        st.integers(1, 50),
    )
    def test_any_bytes(self, data: bytes, label_size: int, block_size: int) -> None:
        for head in (b"", b"y,a\n", b"1,2.5\n0,3\n"):
            check_same(text_csv.decode, head + data, label_size=label_size, block_size=block_size)

    @pytest.mark.parametrize("again", [b" y,a", b"y,a\t", b"\xef\xbb\xbfy,a"])
    def test_a_header_that_comes_again_in_another_form_is_left_to_plain_python(self, again: bytes) -> None:
        said, error = check_same(text_csv.decode, b"y,a\n1,2\n" + again + b"\n3,4\n", label_size=1)
        assert error == ""
        assert [where for where, *_ in said[:-1]] == ["a, row 2", "a, row 4"]

    def test_many_bad_rows_are_told_block_by_block(self) -> None:
        data = b"1,2\n" * 50 + b"1,x\n" * 50
        said, error = check_same(text_csv.decode, data, label_size=1, block_size=110)
        assert "5 bad rows up to row 55" in error
        assert said[-2][0] == "a, row 27"

    def test_a_line_without_end_is_told_after_the_rows_before_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(line_blocks, "LONGEST_LINE", 100)
        said, error = check_same(text_csv.decode, b"1,2\n" * 30 + b"3" * 400, label_size=1, block_size=8)
        assert "The line does not end" in error
        assert said[-2][0] == "a, row 30"

    def test_the_library_decodes_what_is_clean(self) -> None:
        with patch.object(text_csv.Block, "parse", side_effect=AssertionError("read in plain Python")):
            assert outcome(text_csv.decode, b"y,a\n\n1,2\n" * 9, label_size=1, block_size=20)[1] == ""


NUMBERS = st.integers(-300, 300) | st.floats(-1e6, 1e6, width=32)


@st.composite
def records(draw: st.DrawFn) -> list[Any]:
    """Records of two features, some of them odd."""
    messages = []
    for _ in range(draw(st.integers(1, 4))):
        kind, label_kind = draw(st.sampled_from([*TENSORS])), draw(st.sampled_from([*TENSORS]))
        cls = draw(st.sampled_from([record([]).__class__, UnpackedRecord]))
        for _ in range(draw(st.sampled_from([1, 2, 9]))):
            width = draw(st.sampled_from([2] * 20 + [0, 3]))
            row = draw(st.lists(NUMBERS, min_size=width, max_size=width))
            row = [int(value) for value in row] if kind == "int32" else row
            if row and kind != "int32" and draw(st.sampled_from([False] * 20 + [True])):
                row[0] = draw(st.sampled_from([np.nan, np.inf]))
            label = draw(st.sampled_from([1, 0, 1, 0, None, [1, 2]] if width == 3 else [1, 0]))
            messages.append(record(row, label, kind=kind, label_kind=label_kind, cls=cls))
    return messages


@st.composite
def sparse_records(draw: st.DrawFn) -> list[Any]:
    """Sparse records of six features, some of them odd: keys twice or outside, another shape, a dense one."""
    messages = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([*TENSORS]))
        odd = draw(st.sampled_from([False] * 8 + [True]))
        keys = draw(st.lists(st.integers(0, 6 if odd else 5), max_size=6, unique=not odd))
        values = draw(st.lists(NUMBERS, min_size=len(keys), max_size=len(keys) + (odd and draw(st.integers(0, 1)))))
        values = [int(value) for value in values] if kind == "int32" else values
        if values and odd and kind != "int32":
            values[0] = draw(st.sampled_from([np.nan, np.inf, 1.0]))
        message = record(values, draw(st.sampled_from([1, 0, 1, None] if odd else [1, 0])), kind=kind)
        tensor = getattr(message.features["values"], TENSORS[kind])
        tensor.keys.extend(keys)
        tensor.shape.extend(draw(st.sampled_from([[6], [1, 6], [7], [], [0], [2**63, 2]] if odd else [[6]])))
        messages.append(message)
    return messages


class TestRecordIO:
    @settings(deadline=None)
    @given(records(), st.sampled_from([0, 1]), st.sampled_from([1, 60, 200, 1 << 16]))
    def test_good_and_odd_records(self, messages: list[Any], label_size: int, block_size: int) -> None:
        check_same(recordio_protobuf.decode, file_of(*messages), label_size=label_size, block_size=block_size)

    @settings(deadline=None)
    @given(sparse_records(), st.sampled_from([0, 1]), st.sampled_from([1, 60, 200, 1 << 16]))
    def test_good_and_odd_sparse_records(self, messages: list[Any], label_size: int, block_size: int) -> None:
        check_same(recordio_protobuf.decode, file_of(*messages), label_size=label_size, block_size=block_size)

    @settings(deadline=None)
    @given(st.booleans(), st.data())
    def test_damaged_bytes(self, sparse: bool, data: st.DataObject) -> None:
        messages = [record([i, 2.5, -1], i) for i in range(20)]
        for message in messages if sparse else []:
            message.features["values"].float32_tensor.keys.extend([2, 0, 1])
            message.features["values"].float32_tensor.shape.append(5)
        damaged = bytearray(file_of(*messages))
        for _ in range(data.draw(st.integers(0, 2))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, 60))
        block_size = data.draw(st.sampled_from([1, 64, 100, 128, 1 << 16]))
        label_size = data.draw(st.sampled_from([0, 1]))
        shortened = bytes(damaged[: len(damaged) - cut])
        check_same(recordio_protobuf.decode, shortened, label_size=label_size, block_size=block_size)

    def test_a_block_may_end_at_any_byte_of_a_record_and_of_its_padding(self) -> None:
        messages = [record([i, 2], i) for i in range(8)]
        for message in messages:
            message.uid = "x" * int(message.label["values"].float32_tensor.values[0])
        data = file_of(*messages)
        for block_size in range(60, 140):
            assert check_same(recordio_protobuf.decode, data, label_size=1, block_size=block_size)[1] == ""

    @pytest.mark.parametrize("sparse", [False, True])
    def test_one_bad_record_among_many_good_ones_is_told(self, sparse: bool) -> None:
        good, unlabeled = record([1, 2], 1), record([1, 2])
        for message in (good, unlabeled) if sparse else ():
            message.features["values"].float32_tensor.keys.extend([7, 300])
            message.features["values"].float32_tensor.shape.append(400)
        payload = good.SerializeToString()
        other_group = payload + bytes([6 << 3 | 3, 7 << 3 | 4])  # begins 6, ends 7
        numbers = np.float32([1, 2]).tobytes()
        at = payload.index(numbers)
        cut = bytearray(payload)
        cut[at - 1 : at + 1] = bytes([7, 8 << 3 | 0])  # seven bytes of numbers, the last being of another field
        for bad, problem in (
            (file_of(unlabeled), "Label size found to be 0"),
            (frame(other_group), "is not a protobuf message"),
            (frame(bytes(cut)), "is not a protobuf message"),
        ):
            error = check_same(recordio_protobuf.decode, file_of(good) * 9 + bad + file_of(good), label_size=1)[1]
            assert problem in error and "a, row 10" in error

    @pytest.mark.parametrize("label_size", [0, 1])
    def test_what_is_unusual_between_records_of_one_layout(self, label_size: int) -> None:
        """Two of each kind, which differ in their last feature and in their labels."""
        magic = np.frombuffer(MAGIC_BYTES, np.float32)[0]

        def in_parts(message: Any) -> bytes:
            parts = zip((1, 3), message.SerializeToString().split(MAGIC_BYTES), strict=True)
            return b"".join(
                MAGIC_BYTES + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)
                for flag, part in parts
            )

        usual = [file_of(record([1, 2, i], i)) for i in range(2)]
        kinds = [
            [file_of(record([5, 2, i], i, cls=UnpackedRecord)) for i in range(2)],
            [in_parts(record([1, magic, i], i)) for i in range(2)],
            [frame(record([], i).SerializeToString() + record([1, 2, i]).SerializeToString()) for i in range(2)],
            [file_of(record([1, 2, i], i + 127, kind="int32", label_kind="int32")) for i in range(2)],
            [file_of(record([1, 2, i + 127], i, kind="int32", label_kind="int32")) for i in range(2)],
        ]
        for kind in kinds:
            data = b"".join([*usual, *kind, *usual, *kind])
            assert check_same(recordio_protobuf.decode, data, label_size=label_size)[1] == ""
        good = file_of(record([1, 2, 3], 1, label_kind="int32"))
        at = good.rindex(b"\x01")
        damaged = good[:at] + b"\x81" + good[at + 1 :]  # a label that does not end
        problem = check_same(recordio_protobuf.decode, good * 3 + damaged, label_size=label_size)[1]
        assert "a packed field ends inside a number (a, row 4)" in problem

    def test_many_bad_rows_are_told_block_by_block(self) -> None:
        row, bad = file_of(record([1, 2], 1)), file_of(record([np.nan, 2], 1))
        said, error = check_same(
            recordio_protobuf.decode, row * 50 + bad * 50, label_size=1, block_size=10 * len(row) + 7
        )
        assert "10 bad rows up to row 60" in error
        assert said[-2][0] == "a, row 50"

    def test_the_library_decodes_what_is_clean(self) -> None:
        data = file_of(*(record([i, 2], 1, kind=kind) for i in range(30) for kind in TENSORS))
        with patch.object(recordio_protobuf, "read_plainly", side_effect=AssertionError("read in plain Python")):
            assert outcome(recordio_protobuf.decode, data, label_size=1, block_size=200)[1] == ""

    @pytest.mark.parametrize("threads", [1, 4])
    def test_rows_lie_where_those_of_earlier_blocks_did(self, threads: int) -> None:
        messages = [record([i, 2], 1) for i in range(2000)]
        for message in messages:
            message.features["values"].float32_tensor.keys.extend([7, 1])
            message.features["values"].float32_tensor.shape.append(9)
        stream = io.BytesIO(file_of(*messages))
        batches = recordio_protobuf.decode(stream, label_size=1, source="a", threads=threads, block_size=1000)
        places = [batch.features.values.ctypes.data for batch in batches]
        assert len(places) > 100 and len(set(places)) < len(places) // 2

    @pytest.mark.parametrize("sparse", [False, True])
    @pytest.mark.parametrize("kind", ["float32", "float64"])
    def test_missing_features_may_be_allowed(self, sparse: bool, kind: str) -> None:
        messages = [record([1, value], 1, kind=kind) for value in (2, float("nan"), 3)]
        for message in messages if sparse else []:
            tensor = getattr(message.features["values"], TENSORS[kind])
            tensor.keys.extend([7, 1])
            tensor.shape.append(9)
        data, allowed = file_of(*messages), Options(allow_missing=True)
        assert check_same(recordio_protobuf.decode, data, label_size=1, options=allowed)[1] == ""
        assert (
            "Found missing (NaN) values (a, row 2, feature"
            in check_same(recordio_protobuf.decode, data, label_size=1)[1]
        )
        label = file_of(record([1, 2], float("nan")))
        assert "row 1, label" in check_same(recordio_protobuf.decode, label, label_size=1, options=allowed)[1]

    def test_the_library_decodes_what_is_clean_and_sparse(self) -> None:
        messages = [record([i, 2], 1) for i in range(30)]
        for message in messages:
            message.features["values"].float32_tensor.keys.extend([7, 1])
            message.features["values"].float32_tensor.shape.append(9)
        with patch.object(recordio_protobuf, "read_plainly", side_effect=AssertionError("read in plain Python")):
            assert outcome(recordio_protobuf.decode, file_of(*messages), label_size=1, block_size=200)[1] == ""


PAIRS = st.sampled_from(["1:2", "2:-0.5", "7:1e-3", "9:+.5", "12:3.", "003:0"])
ODD_PAIRS = st.sampled_from(
    ["1:x", "0:1", "7", ":1", "1:", "1:nan", "5:inf", "2:1e39", "qid:1", "1:2:3", "-1:2", "x", "nan", "1e99"]
)
LABELED = st.tuples(st.sampled_from(["1", "-1", "0.5"]), st.lists(PAIRS, max_size=5, unique=True))
LIBSVM_LINES = LABELED.map(lambda row: " ".join([row[0], *row[1]])) | st.sampled_from(["", " # x", "1 qid:3 1:2 # 4:5"])
ODD_LIBSVM_LINES = st.lists(PAIRS | ODD_PAIRS, max_size=4).map(" ".join)


class TestLibsvm:
    @pytest.mark.parametrize("pairs", ["3:1 3:2", "3:1 4:1 3:2", "3:1 2:1 2:1"])
    def test_an_index_twice_is_told_wherever_it_stands(self, pairs: str) -> None:
        assert "has an index twice" in check_same(text_libsvm.decode, f"1 {pairs}\n".encode(), label_size=1)[1]

    @settings(deadline=None)
    @given(
        st.lists(LIBSVM_LINES, max_size=20),
        st.lists(ODD_LIBSVM_LINES, max_size=2),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([0, 1]),
        st.sampled_from([1, 40, 1 << 16]),
        st.sampled_from([None, 9, 20]),
        st.sampled_from([0, 1]),
    )
    def test_good_and_odd_lines(
        self,
        good: list[str],
        odd: list[str],
        newline: str,
        label_size: int,
        block_size: int,
        feature_dim: int | None,
        index_base: int,
    ) -> None:
        data = newline.join([*good, *odd, *good[:3]]).encode()
        options = Options(feature_dim=feature_dim, index_base=index_base, allow_missing=label_size == 1)
        check_same(text_libsvm.decode, data, label_size=label_size, block_size=block_size, options=options)

    @settings(deadline=None)
    @given(
        st.binary(max_size=60) | st.text("01.:\n\r\t -+e#qidna\x0b", max_size=80).map(str.encode),
        st.sampled_from([0, 1]),
        st.integers(1, 50),
    )
    def test_any_bytes(self, data: bytes, label_size: int, block_size: int) -> None:
        check_same(text_libsvm.decode, data, label_size=label_size, block_size=block_size)

    def test_the_library_decodes_what_is_clean(self) -> None:
        with patch.object(text_libsvm.Block, "parse", side_effect=AssertionError("read in plain Python")):
            data = b"1 2:3 1:4\n\n0 qid:1 7:1e3 # x\n" * 9
            assert outcome(text_libsvm.decode, data, label_size=1, block_size=20)[1] == ""
