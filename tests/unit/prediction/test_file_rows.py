"""Rows of files, in the order of the model's columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from linear_learner.data.channel_file import open_channel_file
from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.table_schema import Column, TableSchema
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.served_model import ServedModel
from linear_learner.prediction.file_rows import Reading, decode

NAMES = ("age", "income", "height")
LABELLED = Reading(has_label=True)
SCHEMA = TableSchema((Column("age"), Column("colour", ("blue", "red"))), ("no", "yes"))
BY_NAME = Reading(has_label=True, label_column="y")


def model(names: tuple[str, ...] = NAMES, fills: bool = False) -> ServedModel:
    linear = LinearModel(np.ones((3, 1), np.float32), np.zeros(1, np.float32), "regressor", "squared_loss", "identity")
    return ServedModel(linear, names=names, fills=np.full(3, 7, np.float32) if fills else None)


def read(
    path: Path, served: ServedModel | None = None, reading: Reading | None = None
) -> tuple[list[list[float]], list[float] | None]:
    """Features and labels of all rows."""
    features, labels = [], []
    with open_channel_file(path) as opened:
        for batch in decode(opened.stream, str(path), served or model(), reading or Reading()):
            rows = batch.features.toarray() if isinstance(batch.features, CsrMatrix) else batch.features
            features += rows.tolist()
            labels += [] if batch.labels is None else batch.labels.tolist()
    return features, labels or None


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_columns_go_by_position_where_the_file_has_no_names(tmp_path: Path) -> None:
    assert read(file(tmp_path, "a.csv", "1,2,3\n4,5,6\n")) == ([[1, 2, 3], [4, 5, 6]], None)


def test_a_header_puts_columns_in_their_order(tmp_path: Path) -> None:
    assert read(file(tmp_path, "a.csv", "height,age,income\n3,1,2\n")) == ([[1, 2, 3]], None)


def test_blank_lines_may_stand_before_a_header(tmp_path: Path) -> None:
    text = "\n \nheight,age,income\n3,1,2\n"
    assert read(file(tmp_path, "a.csv", text)) == ([[1, 2, 3]], None)
    with pytest.raises(ClientError, match=r"a.csv, row 5, column 1, value 'x'"):
        read(file(tmp_path, "a.csv", f"{text}x,1,2\n"))


def test_names_that_are_numbers_are_a_header_where_rows_follow(tmp_path: Path) -> None:
    numbered = model(("0", "1", "2"))
    assert read(file(tmp_path, "a.csv", "2,0,1\n6,4,5\n"), numbered) == ([[4, 5, 6]], None)
    assert read(file(tmp_path, "b.csv", "2,0,1\n"), numbered) == ([[2, 0, 1]], None)


@pytest.mark.parametrize(("header", "row"), [("y,height,age,income", "9,3,1,2"), ("height,age,y,income", "3,1,9,2")])
def test_a_label_is_found_by_its_name_and_the_rest_put_in_order(tmp_path: Path, header: str, row: str) -> None:
    assert read(file(tmp_path, "a.csv", f"{header}\n{row}\n"), reading=BY_NAME) == ([[1, 2, 3]], [9])


def test_a_label_stands_first_unless_it_has_a_name(tmp_path: Path) -> None:
    assert read(file(tmp_path, "a.csv", "9,1,2,3\n"), reading=LABELLED) == ([[1, 2, 3]], [9])
    assert read(file(tmp_path, "b.csv", "any,age,height,income\n9,1,3,2\n"), reading=LABELLED) == ([[1, 2, 3]], [9])


def test_parquet_columns_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"y": [9.0], "height": [3.0], "age": [1.0], "income": [2.0]}), path)
    assert read(path, reading=BY_NAME) == ([[1, 2, 3]], [9])
    with pytest.raises(ClientError, match=r"has a column 'y', which is no feature of the model .*add --has-label"):
        read(path)
    pa.parquet.write_table(pa.table({"height": [3.0], "age": [1.0]}), path)
    with pytest.raises(ClientError, match="has no column 'income', a feature of the model"):
        read(path)


def test_libsvm_rows_have_the_width_of_the_model_with_a_label_or_without(tmp_path: Path) -> None:
    path = file(tmp_path, "a.svm", "9 1:1 2:2\n")
    assert read(path) == ([[1, 2, 0]], None)
    assert read(path, reading=LABELLED) == ([[1, 2, 0]], [9])
    assert read(path, reading=Reading("text/libsvm; index_base=0")) == ([[0, 1, 2]], None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"instances": [{"features": [1, 2, 3]}]}'),
        ("a.jsonl", '\n{"features": {"height": 3, "age": 1, "income": 2}}\n'),
    ],
)
def test_records_in_json_are_those_of_requests(tmp_path: Path, name: str, text: str) -> None:
    path = file(tmp_path, name, text)
    assert read(path) == ([[1, 2, 3]], None)
    with pytest.raises(ClientError, match="Records in JSON have no labels"):
        read(path, reading=LABELLED)


def test_missing_values_are_taken_where_the_model_fills_them(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "1,,3\n")
    features, _ = read(path, model(fills=True))
    assert_array_equal(features, [[1, np.nan, 3]])
    with pytest.raises(ClientError, match=r"missing .*a\.csv, row 1, column 2"):
        read(path)


def test_the_content_type_goes_by_what_is_said_then_the_name_then_the_bytes(tmp_path: Path) -> None:
    assert read(file(tmp_path, "a.data", "1,2,3\n"))[0] == [[1, 2, 3]]
    assert read(file(tmp_path, "b.data", "9 3:1\n"))[0] == [[0, 0, 1]]
    assert read(file(tmp_path, "b.json", "1,2,3\n"), reading=Reading("csv"))[0] == [[1, 2, 3]]
    with pytest.raises(ClientError, match=r"'text/html'"):
        read(tmp_path / "a.data", reading=Reading("text/html"))


def test_names_are_gone_through_a_few_times_however_many_columns_there_are(tmp_path: Path) -> None:
    class Counted(tuple[str, ...]):
        times = 0

        def __iter__(self) -> Iterator[str]:
            Counted.times += 1
            return super().__iter__()

    names = tuple(f"x{i}" for i in range(500))
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({name: [1.0] for name in names}), path)
    linear = LinearModel(
        np.ones((500, 1), np.float32), np.zeros(1, np.float32), "regressor", "squared_loss", "identity"
    )
    features, _ = read(path, ServedModel(linear, names=Counted(names)))
    assert features == [[1.0] * 500] and 0 < Counted.times < 50


def table_model() -> ServedModel:
    """Of a table of a number and a category, which are three features, and labels that are words."""
    return replace(model(names=SCHEMA.feature_names), schema=SCHEMA)


@pytest.mark.parametrize(
    ("name", "text", "labelled"),
    [
        ("a.csv", "41,red\n", False),
        ("a.csv", "colour,age\nred,41\n", False),
        ("a.csv", "y,age,colour\nyes,41,red\n", True),
        ("a.csv", "yes,41,red\n", True),
        ("a.jsonl", '{"features": {"colour": "red", "age": 41}}', False),
        ("a.svm", "1 1:41 3:1\n", True),
        ("a.svm", "1:41 3:1\n", False),
    ],
)
def test_cells_of_a_table_become_features(tmp_path: Path, name: str, text: str, labelled: bool) -> None:
    found = read(file(tmp_path, name, text), table_model(), Reading(has_label=labelled))
    assert found == ([[41, 0, 1]], [1] if labelled else None)


@pytest.mark.parametrize("reading", [BY_NAME, Reading()])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_of_a_table_go_by_their_names_with_a_label_or_without(
    tmp_path: Path, form: str, reading: Reading
) -> None:
    table = {"colour": ["red", "blue"], "y": ["yes", "no"], "age": [41, 42]}
    if not reading.has_label:
        del table["y"]
    path = tmp_path / f"a.{form}"
    if form == "csv":
        rows = [list(table), *zip(*table.values(), strict=True)]
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    else:
        pa.parquet.write_table(pa.table(table), path)
    labels = [1, 0] if reading.has_label else None
    assert read(path, table_model(), reading) == ([[41, 0, 1], [42, 1, 0]], labels)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("served", ["table", "numbers"])
def test_a_feature_that_is_taken_for_the_label_is_told(tmp_path: Path, form: str, served: str) -> None:
    path = tmp_path / f"a.{form}"
    names = ("age", "colour") if served == "table" else NAMES
    if form == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    else:
        pa.parquet.write_table(pa.table({name: [1] for name in names}), path)
    of = table_model() if served == "table" else model()
    with pytest.raises(ClientError, match=r"no column 'age', .* If it is the first one, --has-label takes it"):
        read(path, of, LABELLED)
    with pytest.raises(ClientError, match=r"no column 'age', .* --label-column takes it for the label: name"):
        read(path, of, Reading(has_label=True, label_column="age"))


def test_parquet_tables_may_hold_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"age": [41, 42], "colour": ["red", "green"], "y": ["yes", "no"]}), path)
    assert read(path, table_model(), BY_NAME) == ([[41, 0, 1], [42, 0, 0]], [1, 0])


def test_labels_that_are_words_need_no_columns_of_text(tmp_path: Path) -> None:
    served = replace(model(), schema=TableSchema((), ("no", "yes")))
    assert read(file(tmp_path, "a.csv", "yes,1,2,3\n"), served, LABELLED) == ([[1, 2, 3]], [1])
    assert read(file(tmp_path, "b.csv", "height,age,income\n3,1,2\n"), served) == ([[1, 2, 3]], None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("41,red,1\n", "A row has 3 columns, and the table of the model 2"), ("age\n41\n", "'colour' is missing")],
)
def test_another_table_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        read(file(tmp_path, "a.csv", text), table_model())


@pytest.mark.parametrize(
    ("text", "reading", "sentence"),
    [
        (
            "1,2,3,4\n",
            Reading(),
            r"have 4 features, and the model has 3 \(.*, row 1\)\. If its first column is the lab",
        ),
        ("1,2,3\n", LABELLED, r"have 2 features, and the model has 3 .*If the rows have no labels, leave out --has-la"),
        ("1,2,3,4,5\n", Reading(), r"have 5 features, and the model has 3 \(.*, row 1\)$"),
        ("y,age,height,income\n9,1,2,3\n", Reading(), r"row 1, 'y'\).*if it is the label, add --has-label"),
        ("age,height,income\n1,2,x\n", Reading(), r"row 2, column 3, value 'x'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path: Path, text: str, reading: Reading, sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        read(file(tmp_path, "a.csv", text), reading=reading)


@pytest.mark.parametrize(
    ("served", "sentence"),
    [
        ("numbers", r"have 2 features, and the model has 3 \(.*a.jsonl, line 2.*\)$"),
        ("table", r"has 1 columns.*\(.*a.jsonl, line 2"),
    ],
)
def test_a_record_that_does_not_fit_is_told_with_its_place(tmp_path: Path, served: str, sentence: str) -> None:
    rows = [[1, 2, 3], [1, 2]] if served == "numbers" else [[41, "red"], [41]]
    text = "\n".join(json.dumps({"features": row}) for row in rows)
    with pytest.raises(ClientError, match=sentence):
        read(file(tmp_path, "a.jsonl", text), table_model() if served == "table" else None)


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.svm", "a.json", "a.jsonl", "a.pbr", "a"]), st.booleans())
def test_whatever_the_bytes_are_the_outcome_is_rows_or_a_client_error(data: bytes, name: str, labelled: bool) -> None:
    try:
        for batch in decode(io.BytesIO(data), name, model(), Reading(has_label=labelled)):
            assert batch.feature_dim == 3
    except ClientError:
        pass


def test_a_stream_that_gives_few_bytes_at_a_time_is_read_alike() -> None:
    class Slow(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data = data

        def readable(self) -> bool:
            return True

        def readinto(self, target: memoryview) -> int:  # type: ignore[override]
            piece, self.data = self.data[:3], self.data[3:]
            target[: len(piece)] = piece
            return len(piece)

    text = b"height,age,income\n" + b"3,1,2\n" * 100
    (batch,) = decode(cast("io.BufferedReader", Slow(text)), "slow.csv", model(), Reading())
    assert batch.features.tolist() == [[1, 2, 3]] * 100
    assert batch.where(0) == "slow.csv, row 2"
