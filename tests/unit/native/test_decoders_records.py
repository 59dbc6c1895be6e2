"""RecordIO-protobuf in the C++ library, held against Google's protobuf library and SciPy."""

from __future__ import annotations

import importlib
import math
import struct
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from linear_learner.native import decoders
from linear_learner.native.decoders import BadRows, DenseRows, RecordRows, SparseRows, decode_records, scan_records

# The judge lives with the tests of the plain decoder.
sys.path.append(str(Path(__file__).parents[1] / "formats"))
judge = importlib.import_module("record_judge")
frame, record, file_of = judge.frame, judge.record, judge.file_of

pytestmark = pytest.mark.skipif(not decoders.available(), reason="the native library is not built")

MAGIC = struct.pack("<I", 0xCED7230A)
KINDS = ("float32", "float64", "int32")


def decode(
    block: bytes,
    *,
    is_final: bool = True,
    label_size: int = 1,
    columns: int = 0,
    sparse: bool | None = None,
    **how: Any,
) -> RecordRows:
    """The rows of the records that a block starts with: of the width and kind of the first, unless they are given."""
    scan = scan_records(block, is_final=is_final)
    return decode_records(
        block,
        scan,
        label_size=label_size,
        columns=columns or scan.columns,
        sparse=scan.is_sparse if sparse is None else sparse,
        **how,
    )


def is_refused(block: bytes, **how: Any) -> bool:
    try:
        decode(block, **how)
    except BadRows:
        return True
    return False


def sparse_record(
    keys: Sequence[int], values: Sequence[float], shape: Iterable[int] = (10,), label: Any = 1, kind: str = "float32"
) -> Any:
    message = record([], label, kind=kind)
    tensor = getattr(message.features["values"], judge.TENSORS[kind])
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    return message


class TestDense:
    X = np.float32([[1, 2.5, -3], [4, 0, 1e-40], [7, 8, 9]])

    def check(self, block: bytes, features: Any = X, labels: Any = (1, 0, 1)) -> None:
        rows = decode(block)
        assert isinstance(rows.rows, DenseRows)
        assert rows.rows.features.dtype == rows.labels.dtype == np.float32
        np.testing.assert_array_equal(rows.rows.features, np.asarray(features, np.float64).astype(np.float32))
        np.testing.assert_array_equal(rows.labels, labels)
        assert scan_records(block, is_final=True).consumed == len(block)

    @pytest.mark.parametrize("cls", [judge.Record, judge.UnpackedRecord])
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("label_kind", KINDS)
    def test_every_type_packed_or_not(self, kind: str, label_kind: str, cls: Any) -> None:
        features = np.array([[1, 2, -3], [4, 127, 128], [7, 300, -(2**31)]]) if kind == "int32" else self.X
        kinds = {"kind": kind, "label_kind": label_kind, "cls": cls}
        self.check(file_of(*(record(x, y, **kinds) for x, y in zip(features, (1, 0, 1), strict=True))), features)

    @pytest.mark.parametrize("kind", KINDS)
    def test_many_records_of_one_layout(self, kind: str) -> None:
        features = np.random.default_rng(0).integers(0, 128, size=(500, 7))
        features[250, 3] = 128  # as int32 this one has a byte more
        labels = np.arange(500) % 200
        block = file_of(*(record(x, y, kind=kind, label_kind="int32") for x, y in zip(features, labels, strict=True)))
        self.check(block, features, labels)

    def test_records_of_differing_layout_mixed(self) -> None:
        variants = [{}, {"kind": "float64"}, {"label_kind": "float64"}, {"cls": judge.UnpackedRecord}]
        messages = [record([i, 2, 3], i % 3, **variants[i // 2 % 4]) for i in range(40)]
        messages[7].uid = "seven"
        messages[8].features["others"].bytes.value.append(b"skipped")
        expected = [[i, 2, 3] for i in range(40)]
        self.check(file_of(*messages), expected, [i % 3 for i in range(40)])

    def test_labels_of_a_request_are_not_looked_at(self) -> None:
        block = file_of(record([1, 2], np.nan), record([3, 4], [1, 2]), record([5, 6]), record([7, 8], 300))
        rows = decode(block, label_size=0)
        assert rows.labels is None
        np.testing.assert_array_equal(rows.rows.features, [[1, 2], [3, 4], [5, 6], [7, 8]])

    def test_labels_of_several_numbers_do_not_run_over(self) -> None:
        messages = [record([i, i], [1, 2, 3, 4], label_kind="int32") for i in range(50)]
        rows = decode(file_of(*messages), label_size=0)
        np.testing.assert_array_equal(rows.rows.features[:, 0], np.arange(50))

    def test_missing_features_are_nan_if_they_may_be(self) -> None:
        block = file_of(record([1, 2], 1), record([np.nan, 2], 1), record([np.nan, 2], 1, kind="float64"))
        assert is_refused(block)
        np.testing.assert_array_equal(decode(block, allow_missing=True).rows.features[1:], [[np.nan, 2]] * 2)
        for bad in (record([np.nan, np.inf], 1), record([np.nan, -np.inf], 1, kind="float64"), record([1, 2], np.nan)):
            assert is_refused(block + file_of(bad), allow_missing=True)

    def test_a_shape_that_fits_is_fine(self) -> None:
        for shape in ([4], [1, 4], [2, 2]):
            message = record([1, 2, 3, 4], 1)
            message.features["values"].float32_tensor.shape.extend(shape)
            assert decode(file_of(message)).rows.features.shape == (1, 4)


class TestSparse:
    def test_rows_are_scipy_s(self) -> None:
        matrix = sparse.random(60, 3000, 0.01, "csr", np.float32, np.random.default_rng(0))
        matrix = sparse.csr_matrix(matrix.multiply(np.arange(60)[:, np.newaxis] != 5))
        rng = np.random.default_rng(1)
        messages = []
        for i, row in enumerate(matrix):
            order = rng.permutation(row.nnz)
            messages.append(sparse_record(row.indices[order], row.data[order], [3000], i))
        decoded = decode(file_of(*messages))
        rows = decoded.rows
        assert isinstance(rows, SparseRows)
        np.testing.assert_array_equal(rows.row_starts, matrix.indptr)
        np.testing.assert_array_equal(rows.columns, matrix.indices)
        np.testing.assert_array_equal(rows.values, matrix.data)
        np.testing.assert_array_equal(decoded.labels, np.arange(60))
        assert (rows.feature_dim, rows.columns.dtype, rows.row_starts.dtype) == (3000, np.int32, np.int64)

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_type(self, kind: str) -> None:
        rows = decode(file_of(sparse_record([5, 2], [-1, 300], kind=kind))).rows
        np.testing.assert_array_equal(rows.columns, [2, 5])
        np.testing.assert_array_equal(rows.values, [300, -1])

    def test_a_row_of_zeros_has_a_shape_only(self) -> None:
        block = file_of(sparse_record([], []), sparse_record([3], [1]), sparse_record([], []))
        np.testing.assert_array_equal(decode(block).rows.row_starts, [0, 0, 1, 1])

    # Columns below 2 ** 7, 2 ** 14 and so on take a byte more each.
    @pytest.mark.parametrize("columns", [100, 1_000, 20_000, 3_000_000, 2**29, 2**31 - 1, 2**31])
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("portable", [False, True])
    def test_rows_of_any_length_of_columns_of_any_size(self, columns: int, kind: str, portable: bool) -> None:
        rng = np.random.default_rng(0)
        rows = [np.unique((columns ** rng.uniform(0, 1, n)).astype(np.int64) - 1) for n in [*range(40), 300]]
        rows += [rng.permutation(row) for row in rows]
        values = [rng.integers(-300, 300, len(row)) if i % 2 else row % 128 for i, row in enumerate(rows)]
        pairs = zip(rows, values, strict=True)
        block = file_of(*(sparse_record(row, found, [columns], i % 7, kind) for i, (row, found) in enumerate(pairs)))
        decoded = decode(block, portable=portable)
        orders = [np.argsort(row) for row in rows]
        np.testing.assert_array_equal(decoded.rows.row_starts, np.cumsum([0, *map(len, rows)]))
        for found, expected in ((decoded.rows.columns, rows), (decoded.rows.values, values)):
            ordered = [part[order] for part, order in zip(expected, orders, strict=True)]
            np.testing.assert_array_equal(found, np.concatenate(ordered))
        np.testing.assert_array_equal(decoded.labels, np.arange(len(rows)) % 7)

    @pytest.mark.parametrize("portable", [False, True])
    def test_what_is_unusual_is_seen_at_any_place_of_a_row(self, portable: bool) -> None:
        keys = np.unique((2 ** np.linspace(0, 27, 45)).astype(np.int64))
        values = np.arange(len(keys), dtype=np.float32)

        def block(row: np.ndarray, found: np.ndarray) -> bytes:
            return file_of(*(sparse_record(*pair, [2**29]) for pair in ((row, found), (keys, values))))

        for i in range(1, len(keys)):
            order = np.arange(len(keys))
            order[[i - 1, i]] = [i, i - 1]
            rows = decode(block(keys[order], values[order]), portable=portable).rows
            np.testing.assert_array_equal(rows.columns, [*keys, *keys])
            np.testing.assert_array_equal(rows.values, [*values, *values])
            twice = np.where(order == i - 1, keys[i - 1], keys)
            assert is_refused(block(twice, values), portable=portable)
            infinite = np.where(order == i - 1, np.float32(np.inf), values)
            assert is_refused(block(keys, infinite), portable=portable)

    def test_a_key_of_many_bytes_before_one_of_few(self) -> None:
        # All that follows the second key within the reach of the first one's length is zeros.
        rows = decode(file_of(*[sparse_record([3_000_000, 5], [1, 2], [4_000_000], 0)] * 3)).rows
        np.testing.assert_array_equal(rows.columns, [5, 3_000_000] * 3)

    def test_room_that_is_used_again_holds_nothing_of_an_answer(self) -> None:
        first, second = (file_of(*[sparse_record([i, 9], [i, 1])] * 20) for i in (1, 2))
        room = decoders.Room()
        before = decode(first, room=room).rows
        decode(second, room=room)
        np.testing.assert_array_equal(before.columns, [1, 9] * 20)
        np.testing.assert_array_equal(before.values, [1, 1] * 20)

    def test_room_is_used_again_once_nobody_looks_into_it(self) -> None:
        room = decoders.Room()
        held = [room.array(10, np.float32) for _ in range(30)]
        begins = {array.ctypes.data for array in held}
        assert len(begins) == 30
        view = held[7][3:].reshape(1, 7)
        looked_into = held[8].data[2:4]
        del held
        again = [room.array(size, np.float32) for size in (10, 5, 10)]
        still_used = {view.ctypes.data - 12, np.frombuffer(looked_into, np.float32).ctypes.data - 8}
        assert {array.ctypes.data for array in again} < begins - still_used
        assert [len(array) for array in again] == [10, 5, 10]
        assert room.array(10, np.int32).dtype == np.int32 and len(room.array(12, np.float32)) == 12
        assert len(room._arrays) <= 2 + len(again) + room._MOST_IDLE + 1

    def test_threads_that_ask_for_room_get_arrays_of_their_own(self) -> None:
        room = decoders.Room()

        def work(number: int) -> None:
            for _ in range(200):
                arrays = [room.array(64, np.float32) for _ in range(3)]
                for i, array in enumerate(arrays):
                    array[:] = 10 * number + i
                assert [set(array.tolist()) for array in arrays] == [{10 * number + i} for i in range(3)]

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

    @pytest.mark.parametrize("portable", [False, True])
    @pytest.mark.parametrize("columns", [300, 2**31])
    def test_rows_at_their_place_and_nothing_behind_it(self, columns: int, portable: bool) -> None:
        """Of neighbouring rows, which other threads decode meanwhile."""
        keys = np.arange(0, 30, 3)
        block = file_of(*[sparse_record(keys, keys + 1, [columns])] * 9)
        assert scan_records(block, is_final=True).values == 90
        kind = np.int64 if columns > 300 else np.int32
        around = np.full(100, -1, kind), np.full(100, -1, np.float32)
        place = tuple(array[5:95] for array in around)
        rows = decode(block, place=place, portable=portable).rows
        np.testing.assert_array_equal(rows.row_starts, range(0, 91, 10))
        assert rows.columns.base is not None and np.shares_memory(rows.columns, around[0])
        np.testing.assert_array_equal(around[0], [-1] * 5 + [*keys] * 9 + [-1] * 5)
        np.testing.assert_array_equal(around[1], [-1] * 5 + [*(keys + 1)] * 9 + [-1] * 5)
        for room in (0, 1, 9, 85, 89):
            around[0][:] = -1
            assert is_refused(block, place=tuple(array[:room] for array in around), portable=portable)
            assert (around[0][room:] == -1).all()

    def test_values_are_counted_where_that_is_soon_told(self) -> None:
        usual, empty = sparse_record([1, 200, 7], [1, 2, 3], [300]), sparse_record([], [], [300])
        wide = sparse_record([1, 2, 3], [4, 5, 6], [300], kind="float64")
        small, large = (sparse_record([1, 2], [value, value], [300], kind="int32") for value in (3, 1000))
        for records, values in (
            ([usual] * 50, 150),
            ([usual, wide] * 50, 300),
            ([usual] * 50 + [empty] * 20, 150),
            ([empty] * 200, -1),
            ([usual, small] * 5, -1),
            ([usual, large] * 5, -1),
            ([usual, record([1, 2])] * 3, -1),
            ([record([1, 2])], -1),
        ):
            assert scan_records(file_of(*records), is_final=True).values == values

    def test_columns_beyond_int32(self) -> None:
        rows = decode(file_of(sparse_record([2**40, 1], [1, 2], [2**40 + 1]))).rows
        assert (rows.columns.dtype, rows.columns.tolist()) == (np.int64, [1, 2**40])

    def test_the_width_can_be_that_of_earlier_blocks(self) -> None:
        block = file_of(sparse_record([], []))
        assert decode(block, columns=10, sparse=True).rows.feature_dim == 10
        assert is_refused(block, columns=11, sparse=True)
        assert is_refused(block, columns=10, sparse=False)


class TestBadRows:
    DENSE = record([1, 2, 3], 1)
    SPARSE = sparse_record([1, 2], [1, 2])

    @pytest.mark.parametrize(
        ("good", "bad"),
        [
            (DENSE, record([], 1)),
            (DENSE, judge.Record()),
            (DENSE, record([1, 2, 3])),
            (DENSE, record([1, 2, 3], [1, 2])),
            (DENSE, record([1, 2], 1)),
            (DENSE, SPARSE),
            (DENSE, record([1, np.nan, 3], 1)),
            (DENSE, record([1, 2, -np.inf], 1)),
            (DENSE, record([1e39, 2, 3], 1, kind="float64")),
            (DENSE, record([1, 2, 3], np.nan)),
            (DENSE, sparse_record([], [1, 2, 3], [2, 2])),
            (SPARSE, DENSE),
            (SPARSE, sparse_record([1], [1], [])),
            (SPARSE, sparse_record([1], [1], [2**40, 2**40])),
            (SPARSE, sparse_record([1], [1], [11])),
            (SPARSE, sparse_record([1, 2], [1])),
            (SPARSE, sparse_record([1], [])),
            (SPARSE, sparse_record([1, 10], [1, 2])),
            (SPARSE, sparse_record([2**64 - 1], [1])),
            (SPARSE, sparse_record([4, 2, 4], [1, 2, 3])),
            (SPARSE, sparse_record([2, 4, 4], [1, 2, 3])),
            (SPARSE, sparse_record([4, 2], [1, np.nan])),
            (SPARSE, sparse_record([4], [1], label=[])),
            (SPARSE, sparse_record([4], [1], label=[1, 2])),
            (SPARSE, sparse_record([4], [1], label=np.inf)),
            (SPARSE, sparse_record(range(10), [*range(9), -np.inf])),
            (SPARSE, sparse_record(range(10), [np.nan, *range(9)])),
            (SPARSE, sparse_record([4], [1e39], kind="float64")),
            (SPARSE, sparse_record([*range(9), 8], range(10))),
            (SPARSE, sparse_record([0, 1, 2, 200], range(4))),
        ],
    )
    @pytest.mark.parametrize("portable", [False, True])
    def test_one_makes_the_block_bad(self, good: Any, bad: Any, portable: bool) -> None:
        for before, after in ((2, 2), (4, 0)):
            assert is_refused(file_of(*[good] * before, bad, *[good] * after), portable=portable)
        assert not is_refused(file_of(*[good] * 5), portable=portable)

    def test_a_block_without_a_single_good_record(self) -> None:
        assert is_refused(frame(b"\xff") * 3)

    def test_a_wide_first_record_does_not_take_memory_for_many_small_ones(self) -> None:
        block = file_of(record(np.zeros(100_000), 1)) + file_of(record([1], 1)) * 20_000
        assert is_refused(block)


class TestFrames:
    VALID = file_of(record([1, 2], 1), record([3, 4], 0))
    SIZE = len(VALID) // 2

    @pytest.mark.parametrize("cut", range(1, SIZE))
    def test_a_record_cut_short(self, cut: int) -> None:
        block = self.VALID[: self.SIZE + cut]
        scan = scan_records(block, is_final=False)
        assert (scan.records, scan.consumed) == (1, self.SIZE)
        payload = len(record([1, 2], 1).SerializeToString())
        if cut >= 8 + payload:
            scan = scan_records(block, is_final=True)
            assert (scan.records, scan.consumed) == (2, len(block))  # only zeros are missing
            return
        assert is_refused(block)

    def test_nothing_is_no_row(self) -> None:
        scan = scan_records(b"", is_final=True)
        assert (scan.records, scan.consumed, scan.columns) == (0, 0, 0)

    @pytest.mark.parametrize("bad", [b"\0", b"\x0a\x23\xd7\xcf12345", b"text,csv\n"])
    def test_bytes_that_are_no_frame(self, bad: bytes) -> None:
        for is_final in (False, True):
            assert is_refused(self.VALID + bad, is_final=is_final)

    @staticmethod
    def in_parts(*payloads: bytes, flags: Sequence[int] | None = None) -> bytes:
        flags = flags or [1, *[2] * (len(payloads) - 2), 3]
        return b"".join(
            MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)
            for flag, part in zip(flags, payloads, strict=True)
        )

    def test_a_record_in_parts_is_joined_by_the_magic_number(self) -> None:
        magic = struct.unpack("<f", MAGIC)[0]
        payload = record([1, magic, 2, magic, magic], 1).SerializeToString()
        parts = payload.split(MAGIC)
        assert len(parts) == 4
        block = frame(payload) + self.in_parts(*parts) + frame(payload)
        rows = decode(block)
        assert (rows.rows.features == rows.rows.features[0]).all()
        assert rows.rows.features.shape == (3, 5)
        cut = scan_records(block[: -len(frame(payload)) - 4], is_final=False)
        assert (cut.records, cut.consumed) == (1, len(frame(payload)))

    @pytest.mark.parametrize("flags", [[2], [3], [5], [1, 1], [1, 0], [1, 2, 4]])
    def test_parts_in_the_wrong_order(self, flags: list[int]) -> None:
        block = self.VALID + self.in_parts(*[b"part"] * len(flags), flags=flags) + self.VALID
        for is_final in (False, True):
            assert is_refused(block, is_final=is_final)

    @pytest.mark.parametrize("last", [[], [2]])
    def test_parts_without_an_end(self, last: list[int]) -> None:
        block = self.VALID + self.in_parts(*[b"part"] * (1 + len(last)), flags=[1, *last])
        assert is_refused(block)
        scan = scan_records(block, is_final=False)
        assert (scan.records, scan.consumed) == (2, len(self.VALID))


NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, -2.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([math.nan, math.inf, 3.5e38]),
)
INTEGERS = st.one_of(st.integers(0, 127), st.integers(-(2**31), 2**31 - 1))


@st.composite
def any_records(draw: st.DrawFn) -> bytes:
    """A Record of any kind, whole and packed or not, or a little damaged."""
    message = draw(st.sampled_from([judge.Record, judge.UnpackedRecord]))()
    for name in ("features", "label"):
        for key in draw(st.sampled_from([["values"]] * 3 + [[], ["other"], ["other", "values"], ["values", "z"]])):
            kind = draw(st.sampled_from([*KINDS, *KINDS, "bytes"]))
            value = getattr(message, name)[key]
            if kind == "bytes":
                value.bytes.value.append(b"abc")
                continue
            tensor = getattr(value, judge.TENSORS[kind])
            numbers = draw(st.lists(INTEGERS if kind == "int32" else NUMBERS, min_size=1, max_size=4))
            numbers = numbers[:1] if name == "label" and draw(st.booleans()) else numbers
            tensor.values.extend(as_float32(numbers) if kind == "float32" else numbers)
            if draw(st.booleans()):
                tensor.keys.extend(draw(st.lists(st.integers(0, 300), max_size=4)))
                tensor.shape.extend(draw(st.sampled_from([[300], [300], [1, 300], [3], []])))
    message.uid = draw(st.sampled_from(["", "u" * 200]))
    payload = message.SerializeToString()
    if draw(st.booleans()):
        payload += payload[: draw(st.integers(0, len(payload)))]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(payload)))
        inserted = draw(st.sampled_from([b"", b"\x0b\x0c", b"\x13\x08\x01\x14", b"\x80"]) | st.binary(max_size=3))
        payload = payload[:at] + inserted + payload[at + draw(st.integers(0, 2)) :]
    return payload


def tensor_of(values: Any) -> tuple[list[float], list[int], list[int]]:
    kind = values["values"].WhichOneof("value") if "values" in values else None
    if kind in (None, "bytes"):
        return [], [], []
    tensor = getattr(values["values"], kind)
    return list(tensor.values), list(tensor.keys), list(tensor.shape)


def as_float32(numbers: Sequence[float]) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(numbers, np.float64).astype(np.float32)


def makes_a_row(message: Any) -> bool:
    """Whether a record is one by itself."""
    values, keys, shape = tensor_of(message.features)
    labels = tensor_of(message.label)[0]
    size = math.prod(shape) if shape else -1
    if values and not keys:
        has_features = not shape or size == len(values)
    else:
        is_size = 0 <= size < 2**63
        has_features = is_size and len(set(keys)) == len(keys) == len(values) and all(key < size for key in keys)
    return has_features and len(labels) == 1 and bool(np.isfinite(as_float32([*values, *labels])).all())


class TestAgainstProtobuf:
    @settings(deadline=None, max_examples=150)
    @given(any_records())
    def test_every_record_reads_as_it_does_with_google_s_library(self, payload: bytes) -> None:
        message = judge.Record()
        try:
            message.ParseFromString(payload)
        except DecodeError:
            assert is_refused(frame(payload))
            return
        # Google's library takes a map entry with an unknown field in it for unknown as a whole; we skip the field.
        if any(field.field_number in (1, 2) for field in UnknownFieldSet(message)):
            return
        if not makes_a_row(message):
            assert is_refused(frame(payload))
            return
        rows = decode(frame(payload))
        values, keys, _ = tensor_of(message.features)
        np.testing.assert_array_equal(rows.labels, as_float32(tensor_of(message.label)[0]))
        if isinstance(rows.rows, DenseRows):
            np.testing.assert_array_equal(rows.rows.features, as_float32(values)[np.newaxis])
        else:
            order = np.argsort(keys)
            np.testing.assert_array_equal(rows.rows.columns, np.array(keys)[order])
            np.testing.assert_array_equal(rows.rows.values, as_float32(values)[order])

    @settings(deadline=None)
    @given(
        st.lists(
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3), max_size=20
        ),
        st.integers(1, 200),
        st.booleans(),
    )
    def test_any_split_of_the_bytes_gives_the_same_rows(self, table: list, size: int, is_sparse: bool) -> None:
        if is_sparse:
            messages = [sparse_record([7, 1, 3], row, label=i) for i, row in enumerate(table)]
        else:
            messages = [record(row, i, kind=KINDS[i // 3 % 2]) for i, row in enumerate(table)]
        whole = file_of(*messages)
        found, held, labels = [], b"", []
        for start in range(0, len(whole), size):
            held += whole[start : start + size]
            is_final = start + size >= len(whole)
            scan = scan_records(held, is_final=is_final)
            if scan.records:
                rows = decode(held, is_final=is_final)
                held = held[scan.consumed :]
                found.append(rows.rows.values if is_sparse else rows.rows.features.ravel())
                labels.extend(rows.labels)
        assert held == b""
        assert labels == list(range(len(table)))
        expected = decode(whole)
        if table:
            flat = expected.rows.values if is_sparse else expected.rows.features.ravel()
            assert np.concatenate(found).tobytes() == flat.tobytes()
