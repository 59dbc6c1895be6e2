from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from record_judge import TENSORS, Record, UnpackedRecord, file_of, frame, record

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.faults import MissingLabel
from linear_learner.formats.recordio_protobuf import decode, plain_record
from linear_learner.native import decoders

X = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
y = np.arange(200, dtype=np.float32) % 2
VALID = file_of(*(record(row, label) for row, label in zip(X, y, strict=True)))


def batches(data: bytes, label_size: int = 1, block_size: int = 1 << 16) -> list[Batch]:
    return list(decode(io.BytesIO(data), label_size=label_size, source="part-0", block_size=block_size))


def rows(data: bytes, label_size: int = 1, block_size: int = 1 << 16) -> tuple[np.ndarray, np.ndarray | None]:
    decoded = batches(data, label_size, block_size)
    next_row = 1
    for batch in decoded:
        assert batch.features.dtype == np.float32
        assert batch.first_row == next_row
        next_row += len(batch)
    features = np.concatenate([batch.features for batch in decoded])
    return features, np.concatenate([batch.labels for batch in decoded]) if label_size else None


@pytest.mark.parametrize("block_size", [1, 50, 1000, 1 << 20])
def test_rows_are_the_same_whatever_the_blocks(block_size: int) -> None:
    features, labels = rows(VALID, block_size=block_size)
    np.testing.assert_array_equal(features, X)
    np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 4, 29, 2000])
def test_a_plain_record_is_read_at_a_glance(kind: str, width: int) -> None:
    numbers = np.random.default_rng(width).standard_normal(width).astype(kind)
    row = plain_record(file_of(record(numbers, kind=kind)), width)
    assert row is not None
    assert row.dtype == kind
    np.testing.assert_array_equal(row, [numbers])


def test_a_plain_record_is_one_to_the_byte() -> None:
    body, expected = file_of(record(X[0])), X[:1]
    start, end = body.index(X[0].tobytes()), body.index(X[0].tobytes()) + X[0].nbytes
    for byte in range(len(body)):
        changed = bytearray(body)
        changed[byte] ^= 1
        row = plain_record(bytes(changed), 4)
        assert (row is None) == (byte < start), byte
        assert byte < start or (row == expected).all() == (byte >= end)


def test_other_records_are_not_plain() -> None:
    with_shape, sparse_row, named = record(X[0]), record(X[0]), Record()
    with_shape.features["values"].float32_tensor.shape.append(4)
    sparse_row.features["values"].float32_tensor.keys.extend(range(4))
    named.features["valuez"].float32_tensor.values.extend(X[0])
    others = record(X[0], 1), record([1, 2, 3, 4], kind="int32"), record(X[0, :3])
    for message in (with_shape, sparse_row, named, *others):
        assert plain_record(file_of(message), 4) is None
    plain = record(X[0])
    for body in (plain.SerializeToString(), file_of(plain, plain), file_of(plain)[:-1], b""):
        assert plain_record(body, 4) is None
    assert plain_record(file_of(plain), 1 << 45) is None  # and there is no memory to write one


def test_memory_is_bounded_by_the_block() -> None:
    assert max(batch.features.nbytes for batch in batches(VALID, block_size=500)) <= 1000


def test_no_bytes_are_no_rows() -> None:
    assert batches(b"") == []


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.parametrize("label_kind", TENSORS)
def test_every_kind_of_tensor_becomes_float32(kind: str, label_kind: str) -> None:
    numbers = np.array([[0, 1, -5], [127, 128, 2**24 + 1], [3, 4, 5]])
    messages = [record(row, i * 100, kind=kind, label_kind=label_kind) for i, row in enumerate(numbers)]
    features, labels = rows(file_of(*messages))
    np.testing.assert_array_equal(features, numbers.astype(np.float32))
    np.testing.assert_array_equal(labels, [0, 100, 200])


numbers = st.integers(-300, 300) | st.floats(-1e6, 1e6, width=32)


@st.composite
def mixed_files(draw: st.DrawFn) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Records of two columns that change their kind, layout and other fields as they like."""
    messages, expected, labels = [], [], []
    for _ in range(draw(st.integers(1, 6))):
        kind, label_kind = draw(st.sampled_from([*TENSORS])), draw(st.sampled_from([*TENSORS]))
        cls = draw(st.sampled_from([record([]).__class__, UnpackedRecord]))
        uid = draw(st.sampled_from(["", "a", "b"]))
        for _ in range(draw(st.sampled_from([1, 2, 12]))):
            row = draw(st.lists(numbers, min_size=2, max_size=2))
            label = draw(st.integers(0, 3))
            row = [int(value) for value in row] if kind == "int32" else row
            message = record(row, label, kind=kind, label_kind=label_kind, cls=cls)
            if uid:
                message.uid = uid
            messages.append(message)
            expected.append(row)
            labels.append(label)
    return messages, np.array(expected, np.float64).astype(np.float32), np.array(labels, np.float32)


@given(mixed_files(), st.sampled_from([1, 100, 1 << 16]))
def test_records_of_differing_layout_mix(file: tuple[list[Any], np.ndarray, np.ndarray], block_size: int) -> None:
    messages, expected, expected_labels = file
    features, labels = rows(file_of(*messages), block_size=block_size)
    np.testing.assert_array_equal(features, expected)
    np.testing.assert_array_equal(labels, expected_labels)


def test_a_request_has_no_labels_and_those_it_has_are_ignored() -> None:
    for data in (VALID, file_of(*map(record, X)), file_of(*(record(row, [1, 2, 3]) for row in X))):
        features, labels = rows(data, label_size=0)
        np.testing.assert_array_equal(features, X)
        assert labels is None


def test_a_request_may_be_one_record_without_its_frame() -> None:
    features, _ = rows(record(X[0], 1).SerializeToString(), label_size=0)
    np.testing.assert_array_equal(features, X[:1])


def test_a_training_file_needs_its_frames() -> None:
    with pytest.raises(ClientError, match=r"does not start with RecordIO's magic number but with 0x0a.*part-0, byte 0"):
        batches(record(X[0], 1).SerializeToString())


def test_csv_under_the_wrong_content_type_is_recognised() -> None:
    with pytest.raises(
        ClientError, match=r"Requested content-type is 'application/x-recordio-protobuf'.*looks like text/csv"
    ):
        batches(b"1,2.5\n0,3.5\n")


def changed_row(number: int, message: Any) -> bytes:
    """The valid file with one record, counted from 1, replaced."""
    messages = [record(row, label) for row, label in zip(X[:5], y, strict=False)]
    messages[number - 1] = message
    return file_of(*messages)


def sparse(values: list[float], keys: list[int], shape: list[int]) -> Any:
    message = record(values, 1)
    message.features["values"].float32_tensor.keys.extend(keys)
    message.features["values"].float32_tensor.shape.extend(shape)
    return message


def other_key() -> Any:
    message = record(X[0], 1)
    message.features["data"].CopyFrom(message.features["values"])
    del message.features["values"]
    return message


def blob() -> Any:
    message = record([], 1)
    message.features["values"].bytes.value.append(b"jpeg")
    return message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (record(X[0, :3], 1), "The record has 3 features, the first one has 4"),
        (record([], 1), r"The record's features\['values'\] is empty"),
        (other_key(), r"The record has no tensor features\['values'\], but 'data'"),
        (blob(), r"The record has no tensor features\['values'\] "),
        (sparse([1, 2], [0, 3], [4]), "The record is sparse, and those before it are dense"),
        (sparse([], [], [4]), "The record is sparse, and those before it are dense"),
        (sparse([1, 2, 3, 4], [], [5]), r"The record has 4 features, its shape says \[5\]"),
        (record(X[0]), "Labeled data required with label size equal 1. Label size found to be 0"),
        (record(X[0], [1, 2]), "Labeled data required with label size equal 1. Label size found to be 2"),
        (record([1, np.nan, 3, 4], 1), r"Found missing \(NaN\) values .*feature 2, value 'nan'"),
        (record([1, 2, np.inf, 4], 1), "Found infinite floating point values .*feature 3, value 'inf'"),
        (record([1, 2, 3, -1e39], 1, kind="float64"), r"beyond the range of float32 .*feature 4, value '-1e\+39'"),
        (record(X[0], np.nan), r"Found missing \(NaN\) values .*label, value 'nan'"),
        (record(X[0], 1e39, label_kind="float64"), r"beyond the range of float32 .*label, value '1e\+39'"),
    ],
)
def test_a_bad_record_is_told_with_its_row(message: Any, expected: str) -> None:
    for row in (2, 5):
        with pytest.raises(ClientError, match=expected) as raised:
            batches(changed_row(row, message))
        assert f"part-0, row {row}" in str(raised.value)


def test_shape_without_keys_says_that_a_record_is_dense() -> None:
    features, _ = rows(file_of(*(sparse(row.tolist(), [], [1, 4]) for row in X)))
    np.testing.assert_array_equal(features, X)


def sparse_file(matrix: scipy.sparse.csr_array, kind: str = "float32") -> bytes:
    """With the keys of each row in disorder."""
    messages = []
    for i in range(matrix.shape[0]):
        part = slice(matrix.indptr[i], matrix.indptr[i + 1])
        order = np.random.default_rng(i).permutation(part.stop - part.start)
        message = record(matrix.data[part][order], i, kind=kind)
        tensor = getattr(message.features["values"], TENSORS[kind])
        tensor.keys.extend(matrix.indices[part][order].tolist())
        tensor.shape.append(matrix.shape[1])
        messages.append(message)
    return file_of(*messages)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("block_size", [1, 500, 1 << 20])
@pytest.mark.parametrize("kind", TENSORS)
def test_sparse_rows_are_those_written(native: bool, block_size: int, kind: str) -> None:
    matrix = scipy.sparse.random_array((60, 300), density=0.02, rng=np.random.default_rng(0)).tocsr()
    matrix.data = np.round(matrix.data * 100) if kind == "int32" else matrix.data
    if kind == "int32":
        matrix = matrix.astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders, "available", lambda: native)
        decoded = batches(sparse_file(matrix, kind), block_size=block_size)
    rows = [batch.features for batch in decoded]
    assert all(isinstance(part, CsrMatrix) for part in rows)
    whole = CsrMatrix.concatenate(rows)
    assert whole.shape == (60, 300)
    assert (whole.indices.dtype, whole.values.dtype) == (np.int32, np.float32)
    assert all((np.diff(whole.indices[a:b]) > 0).all() for a, b in zip(whole.indptr, whole.indptr[1:], strict=False))
    np.testing.assert_array_equal(whole.toarray(), matrix.toarray().astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in decoded]), np.arange(60))
    assert [batch.first_row for batch in decoded] == np.cumsum([1, *map(len, decoded)])[:-1].tolist()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("columns", "kind"), [(2**31 - 1, np.int32), (2**31, np.int64), (2**41, np.int64)])
def test_columns_beyond_int32_are_read(native: bool, columns: int, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "available", lambda: native)
    features = batches(file_of(sparse([1, 2], [columns - 1, 3], [columns])))[0].features
    assert features.indices.tolist() == [3, columns - 1]
    assert features.indices.dtype == kind


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (record([1, 2, 3, 4], 1), "The record is dense, and those before it are sparse"),
        (sparse([1, 2], [0, 3], [5]), "The record has 5 features, the first one has 4"),
        (sparse([1, 2], [0, 4], [4]), r"The record has the key 4, its shape says \[4\], and keys count from 0"),
        (sparse([1, 2], [2**64 - 1, 0], [4]), "has the key 18446744073709551615"),
        (sparse([1, 2, 3], [2, 0, 2], [4]), "The record has the key 2 more than once"),
        (sparse([1, 2], [0], [4]), "The record has 1 keys for 2 values"),
        (sparse([1], [0], []), r"its shape \[\] does not say how many features there are"),
        (sparse([1], [0], [0]), r"its shape \[0\] does not say"),
        (sparse([1], [0], [2**63]), "does not say how many"),
        (sparse([1], [0], [2**32, 2**32]), "does not say how many"),
        (sparse([1, np.nan], [3, 1], [4]), r"Found missing \(NaN\) values .*feature 2, value 'nan'"),
        (sparse([-np.inf, 1], [3, 1], [4]), r"infinite floating point values .*feature 4, value '-inf'"),
    ],
)
@pytest.mark.parametrize("native", [True, False])
def test_a_bad_sparse_record_is_told_with_its_row(
    message: Any, expected: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "available", lambda: native)
    for row in (2, 5):
        messages = [sparse([1], [i], [4]) for i in (0, 1, 2, 3, 0)]
        messages[row - 1] = message
        with pytest.raises(ClientError, match=expected) as raised:
            batches(file_of(*messages))
        assert f"part-0, row {row}" in str(raised.value)


def test_the_first_bad_sparse_records_are_named_together() -> None:
    good, bad = sparse([1], [1], [4]), sparse([np.nan, np.nan], [1, 3], [4])
    with pytest.raises(ClientError, match=r"row 2, feature 2, value 'nan'; row 4, feature 2.*; 4 bad rows up to row 8"):
        batches(file_of(*[good, bad] * 4))


SPARSE_ROW = Record()
SPARSE_ROW.features["values"].float32_tensor.keys.append(1)
SPARSE_ROW.features["values"].float32_tensor.shape.append(3)
SPARSE_ROW.features["values"].float32_tensor.values.append(2)
SPARSE_ROW.label["values"].float32_tensor.values.append(1)
LONG_ROW = record([1, 2, 3], 1)
LONG_ROW.uid = "x" * 1000


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (record([1, 2, 3], 1), record([1, 2, 3, 4], 1), "The record has 4 features, the first one has 3"),
        (LONG_ROW, record([1, 2, 3, 4], 1), "The record has 4 features, the first one has 3"),
        (record([1, 2, 3], 1), SPARSE_ROW, "The record is sparse, and those before it are dense"),
        (SPARSE_ROW, record([1, 2, 3], 1), "The record is dense, and those before it are sparse"),
        (LONG_ROW, SPARSE_ROW, "The record is sparse, and those before it are dense"),
    ],
)
def test_rows_of_later_blocks_are_like_those_of_the_first(before: Any, after: Any, problem: str) -> None:
    """Each block is of one kind, which the library takes; a record longer than a block is read in plain Python."""
    data = file_of(*[before] * 9, *[after] * 9)
    for threads in (1, 4):
        with pytest.raises(ClientError, match=problem) as caught:
            list(decode(io.BytesIO(data), label_size=1, source="a", threads=threads, block_size=len(file_of(after))))
        assert caught.value.where == "a, row 10"


def test_a_missing_label_says_how_many_there_are() -> None:
    with pytest.raises(MissingLabel) as raised:
        batches(changed_row(3, record(X[0], [1, 2])))
    assert raised.value.found == 2


def test_a_payload_that_is_no_message_is_told_with_its_row() -> None:
    with pytest.raises(ClientError, match=r"The record is not a protobuf message: .*\(part-0, row 201\)"):
        batches(VALID + frame(b"\x0a\xffxyz"))


def test_a_truncated_file_is_told_with_row_and_byte() -> None:
    size = len(VALID) // 200
    with pytest.raises(ClientError, match=rf"The record is cut short.*part-0, row 200, byte {199 * size}\b"):
        batches(VALID[:-9])


@given(st.binary(max_size=80), st.sampled_from([0, 1]), st.sampled_from([b"", VALID[:700]]), st.integers(1, 100))
def test_any_bytes_give_rows_or_a_client_error(data: bytes, label_size: int, head: bytes, block_size: int) -> None:
    try:
        for batch in batches(head + data, label_size, block_size):
            stored = batch.features.values if isinstance(batch.features, CsrMatrix) else batch.features
            assert np.isfinite(stored).all()
    except ClientError as error:
        assert "part-0" in str(error)


@given(st.data())
def test_a_damaged_file_gives_rows_or_a_client_error(data: st.DataObject) -> None:
    damaged = bytearray(VALID[:1000])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert all(len(batch) for batch in batches(bytes(damaged)))
    except ClientError as error:
        assert "part-0" in str(error)


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        (b'{"features": [1, 2]}', "The data looks like JSON, not like application/x-recordio-protobuf"),
        ("Zürich,1\n".encode(), "The data looks like text/csv: set this content type"),
        (b"\x01\x02", "Please verify the data matches the requested content-type"),
    ],
)
def test_a_request_that_is_no_record_is_told_what_it_looks_like(body: bytes, advice: str) -> None:
    with pytest.raises(ClientError, match=rf"\(request, row 1\)\. {advice}$"):
        list(decode(io.BytesIO(body), label_size=0, source="request"))
