from __future__ import annotations

import gzip
import io
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.options import Options
from linear_learner.formats.parquet import decode
from linear_learner.formats.table_schema import TableSchema

NUMBERS = [1, 0, 3]
VALID = {"y": [0, 1, 0], "a": NUMBERS, "b": [2.5, -1e-3, 7]}


def written(columns: dict[str, Any] | pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **how)
    return file.getvalue()


def batches(
    data: bytes, *, label_size: int = 1, block_cells: int = 1 << 18, threads: int = 1, **wishes: Any
) -> list[Batch]:
    how = {"label_size": label_size, "block_cells": block_cells, "threads": threads, "options": Options(**wishes)}
    return list(decode(io.BytesIO(data), source="a.pq", **how))


def error(data: bytes, **how: Any) -> str:
    with pytest.raises(ClientError) as raised:
        batches(data, **how)
    return str(raised.value)


def test_the_first_column_is_the_label_and_the_others_have_names() -> None:
    (batch,) = batches(written(VALID))
    assert batch.features.dtype == batch.labels.dtype == np.float32
    np.testing.assert_array_equal(batch.labels, [0, 1, 0])
    np.testing.assert_array_equal(batch.features, np.float32([[1, 2.5], [0, -1e-3], [3, 7]]))
    assert batch.feature_names == ("a", "b")
    assert batch.where(2) == "a.pq, row 3"


def test_another_column_may_be_the_label() -> None:
    (batch,) = batches(written(VALID), label_column="a")
    np.testing.assert_array_equal(batch.labels, NUMBERS)
    np.testing.assert_array_equal(batch.features, np.float32([[0, 2.5], [1, -1e-3], [0, 7]]))
    assert batch.feature_names == ("y", "b")
    assert error(written(VALID), label_column="labl") == (
        "The file has no column 'labl', which label_column names (a.pq). Its columns are y, a, b"
    )
    assert "Did you mean a.b?" in error(written({"y": [1], "a.b": [1]}), label_column="a_b")


def test_without_labels_all_columns_are_features() -> None:
    (batch,) = batches(written(VALID), label_size=0)
    assert batch.labels is None and batch.feature_names == ("y", "a", "b")


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array(NUMBERS, kind()) for kind in (pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint64)),
        *(pa.array(np.array(NUMBERS, kind)) for kind in (np.float16, np.float32, np.float64)),
        pa.array([Decimal(n) for n in NUMBERS], pa.decimal128(10, 2)),
        pa.array([Decimal(n) for n in NUMBERS], pa.decimal256(50, 3)),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_of_number_is_read(column: pa.Array) -> None:
    (batch,) = batches(written({"y": [0, 1, 0], "a": column}))
    np.testing.assert_array_equal(batch.features[:, 0], NUMBERS)


def test_booleans_are_0_and_1() -> None:
    (batch,) = batches(written({"y": [True, False], "a": [False, True]}))
    np.testing.assert_array_equal(batch.labels, [1, 0])
    np.testing.assert_array_equal(batch.features, [[0], [1]])


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(-1e38, 1e38), min_size=1, max_size=30),
    rows_of_a_group=st.integers(1, 9),
    block_cells=st.integers(1, 20),
    threads=st.sampled_from([1, 3]),
)
def test_values_are_the_nearest_float32_whatever_the_groups_and_blocks(
    values: list[float], rows_of_a_group: int, block_cells: int, threads: int
) -> None:
    whole = [value for value in values if isinstance(value, int)]
    column = pa.array(whole, pa.int64()) if len(whole) == len(values) else pa.array(map(float, values), pa.float64())
    table = pa.table({"y": range(len(values)), "a": column})
    found = batches(written(table, row_group_size=rows_of_a_group), block_cells=block_cells, threads=threads)
    numbers = np.concatenate([batch.features[:, 0] for batch in found])
    np.testing.assert_array_equal(numbers, np.array(column.to_pylist()).astype(np.float32))
    assert [batch.where(0) for batch in found] == [f"a.pq, row {int(batch.labels[0]) + 1}" for batch in found]


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
@example(values=[2**53 + 1, 2**60 + 2**36 + 1])  # of the second, float64 would lose the one that rounds it up
def test_whole_numbers_are_the_same_beside_null(values: list[int]) -> None:
    for kind, numbers in ((pa.int64(), values), (pa.uint64(), [value + 2**63 for value in values])):
        table = {"y": range(len(values) + 1), "a": pa.array([*numbers, None], kind)}
        (batch,) = batches(written(table), allow_missing=True)
        nearest = np.array(numbers, str(kind)).astype(np.float32)
        np.testing.assert_array_equal(batch.features[:, 0], [*nearest, np.nan])


def test_the_index_that_pandas_writes_is_left_out() -> None:
    (batch,) = batches(written({**VALID, "__index_level_0__": [7, 8, 9]}))
    assert batch.feature_names == ("a", "b") and batch.features.shape == (3, 2)


def test_names_with_points_are_names() -> None:
    (batch,) = batches(written({"y": [1], "a.b": [2], "a": [3]}))
    assert batch.feature_names == ("a.b", "a")
    np.testing.assert_array_equal(batch.features, [[2, 3]])


@pytest.mark.parametrize(
    ("column", "place"),
    [
        (pa.array([1, None, None]), "row 2, column 'a', value 'null'; row 3, column 'a', value 'null'"),
        (pa.array([1.0, float("nan"), 2]), "row 2, column 'a', value 'nan'"),
        (pa.array([True, None, False]), "row 2, column 'a', value 'null'"),
        (pa.nulls(3), "row 1, column 'a', value 'null'; row 2, "),
        (pa.array([Decimal(1), None, Decimal(2)]), "row 2, column 'a', value 'null'"),
    ],
)
def test_missing_values_are_told_with_column_and_row(column: pa.Array, place: str) -> None:
    said = error(written({"y": [0, 1, 0], "b": [1, 2, 3], "a": column}))
    assert f"Found missing (NaN) values (a.pq, {place}" in said
    assert "Found missing (NaN) values (a.pq, row 2, column 'y'" in error(written({"y": [1, None], "a": [1, 2]}))


@pytest.mark.parametrize("label", [[1.0, None], [1.0, float("nan")], ["a", None], ["a", "NA"]])
def test_a_missing_label_cannot_be_filled_in(label: list[Any]) -> None:
    schema = TableSchema(classes=("a",)) if label[0] == "a" else None
    said = error(written({"x": [1, 2], "y": label}), label_column="y", schema=schema)
    assert said.endswith("Please remove any missing (NaN) values in the input data; a label cannot be filled in")
    assert error(written({"y": [1, 0], "x": [1, None]})).endswith("missing (NaN) values in the input data")
    assert "infinite floating point values in the input data" in error(written({"y": [float("inf")], "x": [1]}))


def test_missing_features_may_be_allowed() -> None:
    table = {"y": [0, 1, 0], "a": [1, None, 3], "b": [1.5, 2.5, float("nan")], "c": pa.nulls(3)}
    (batch,) = batches(written(table), allow_missing=True)
    np.testing.assert_array_equal(batch.features, [[1, 1.5, np.nan], [np.nan, 2.5, np.nan], [3, np.nan, np.nan]])
    assert "row 2, column 'y', value 'null'" in error(written({"y": [1, None], "a": [1, 2]}), allow_missing=True)
    assert "row 2, column 'a', value 'inf'" in error(
        written({"y": [1, 0], "a": [None, float("inf")]}), allow_missing=True
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [(float("inf"), "Found infinite floating point values"), (-1e39, "Found values beyond the range of float32")],
)
def test_values_that_are_not_finite_are_told(value: float, problem: str) -> None:
    said = error(written({"y": [0, 1], "a": [1, value]}))
    assert problem in said and f"row 2, column 'a', value '{value}'" in said


def test_of_many_bad_rows_three_are_named_and_all_are_counted() -> None:
    said = error(written({"y": range(1000), "a": pa.nulls(1000, pa.float64())}))
    assert "1000 bad rows up to row 1000" in said and "row 4," not in said


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array(["x", "y"]), "string"),
        (pa.array([[1.0], [2.0]]), "list<element: double>"),
        (pa.array([1, 2], pa.timestamp("ms")), r"timestamp[ms]"),
        (pa.array([b"x", b"y"]), "binary"),
        (pa.array([{"b": 1}, {"b": 2}]), "struct<b: int64>"),
    ],
)
def test_other_types_are_refused_by_name_of_column(column: pa.Array, kind: str) -> None:
    problem = f"Column 'a' is of type {kind}, which is not a number (a.pq)"
    message = error(written({"y": [0, 1], "a": column}))
    if pa.types.is_string(column.type):
        assert f"{problem}. Write it as numbers, leave it out, or set categorical_columns=auto" in message
    else:
        assert message.endswith(f"{problem}. Write it as numbers or as text, or leave it out")


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["y", "a", "a"])
    assert "more than one column 'a'" in error(written(table))


def test_a_file_needs_a_feature() -> None:
    assert "The file has no column for features" in error(written({"y": [1]}))


def test_a_table_without_rows_is_a_batch_of_none() -> None:
    (batch,) = batches(written(pa.table({"y": pa.array([], pa.int64()), "a": pa.array([], pa.float32())})))
    assert (batch.features.shape, batch.labels.shape, batch.feature_names) == ((0, 1), (0,), ("a",))
    assert batches(b"") == []


@pytest.mark.parametrize(
    "data",
    [b"PAR1", b"1,2,3\n" * 9, written(VALID)[:-20], written(VALID)[:200] + written(VALID)[204:], b"PAR1" * 10],
)
def test_a_damaged_file_is_told(data: bytes) -> None:
    said = error(data)
    assert "The file cannot be read as Parquet: " in said and "(a.pq)" in said
    assert ("The data looks like text/csv: set this content type" in said) == data.startswith(b"1,2")


@given(at=st.integers(0, 10_000), byte=st.integers(1, 255))
@example(at=9279, byte=128)  # a column whose name is no UTF-8
def test_a_changed_byte_gives_rows_or_a_client_error(at: int, byte: int) -> None:
    data = bytearray(written(VALID, store_schema=False))
    data[at % len(data)] ^= byte
    try:
        batches(bytes(data))
    except ClientError as problem:
        assert problem.where.startswith("a.pq")


def test_a_stream_without_a_way_back_is_read_too() -> None:
    class Forward(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise AssertionError("it went back")

    found = list(decode(Forward(written(VALID)), label_size=1, source="a.pq"))
    assert len(found[0]) == 3
    packed = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(written(VALID))))
    assert len(list(decode(packed, label_size=1, source="a.pq"))) == 1


@pytest.mark.parametrize("at_once", [3, 1 << 20])
def test_several_files_one_after_the_other_are_refused(at_once: int) -> None:
    """As a pipe brings those of a prefix in S3. By the end of the last alone, rows of the first would be all."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def read(self, size: int | None = -1) -> bytes:
            return super().read(at_once)

    with pytest.raises(ClientError, match=r"Several Parquet files come one after the other.*\(a\.pq\)"):
        list(decode(Pipe(2 * written(VALID)), label_size=1, source="a.pq"))
    (one,) = decode(Pipe(written(VALID)), label_size=1, source="a.pq")
    assert len(one) == 3


def test_memory_follows_the_batches_and_not_the_row_groups() -> None:
    random = np.random.default_rng(0)
    table = pa.table({f"c{i}": random.standard_normal(1 << 20) for i in range(16)})
    data = written(table, row_group_size=1 << 20)
    size = table.nbytes
    del table
    pool = pa.default_memory_pool()
    before, most = pool.bytes_allocated(), 0
    for _ in decode(io.BytesIO(data), label_size=1, source="a.pq"):
        most = max(most, pool.bytes_allocated() - before)
    assert size > 120 << 20
    assert most < size // 2
