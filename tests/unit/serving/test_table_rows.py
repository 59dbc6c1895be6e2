"""Requests to a model of tables with text: the cells of such a table, in CSV and in JSON."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats.table_schema import Column, TableSchema
from linear_learner.serving.rows import decode

SCHEMA = TableSchema(
    (Column("age"), Column("work", ("1", "True", "a, b", "clerk")), Column("sex", ("", "f", "m"))), ("no", "yes")
)
ROW = [39, 0, 0, 1, 0, 0, 1, 0]
"""39, "a, b", f"""
CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"


def rows(body: str, content_type: str = CSV, *, allow_missing: bool = False) -> np.ndarray:
    names = SCHEMA.feature_names
    found = decode(body.encode(), content_type, 8, names, allow_missing=allow_missing, schema=SCHEMA)
    return np.concatenate([batch.features for batch in found])


def instances(*features: object) -> str:
    return json.dumps({"instances": [{"features": each} for each in features]})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, '39,"a, b",f'),
        (CSV, ' 39 , "a, b" , f \r\n'),
        (CSV, 'age,work,sex\n39,"a, b",f\n'),
        (CSV, '\ufeffsex,"age",work\r\nf,39,"a, b"\r\n'),
        ("text/csv; label_size=1", 'yes,39,"a, b",f'),
        ("text/csv; label_size=1", 'answer,sex,age,work\nyes,f,39,"a, b"\n'),
        ("text/csv; label_size=1", '"no, ""never""",39,"a, b",f'),
        ("text/csv; label_size=1", ',39,"a, b",f\r\n'),
        (JSON, instances([39, "a, b", "f"])),
        (JSON, instances([39, " a, b ", "f\t"])),
        (JSON, instances({"sex": "f", "age": 39, "work": "a, b"})),
        (JSON, json.dumps({"instances": [{"data": {"features": {"values": [39, "a, b", "f"]}}}]})),
        (LINES, '{"features": [39, "a, b", "f"]}\n'),
    ],
)
def test_a_row_in_any_form(content_type: str, body: str) -> None:
    assert_array_equal(rows(body, content_type), [ROW])


@pytest.mark.parametrize(
    ("value", "level"), [(1, 0), (1.0, 0), ("1", 0), (True, 1), ("True", 1), (1.5, None), (False, None)]
)
def test_a_category_may_be_a_number_or_a_boolean(value: object, level: int | None) -> None:
    found = rows(instances([0, value, "m"]), JSON)[0, 1:5]
    assert found.tolist() == [float(i == level) for i in range(4)]


def test_what_the_training_data_lacked_is_nothing() -> None:
    expected = [[39, 0, 0, 0, 0, 0, 0, 1]]
    assert_array_equal(rows("39,pilot,m"), expected)
    assert_array_equal(rows(instances([39, "pilot", "m"]), JSON), expected)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(CSV, "39,,"), (JSON, instances([39, None, None])), (JSON, instances([39, "", " "]))],
)
def test_a_missing_category_is_its_own_level_or_nothing(content_type: str, body: str) -> None:
    assert_array_equal(rows(body, content_type, allow_missing=True), [[39, 0, 0, 0, 0, 1, 0, 0]])


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        (CSV, "39,clerk,f\n39,,f\n", r"missing \(NaN\) values \(request, row 2, column 2"),
        (CSV, "old,clerk,f\n", "not a number .request, row 1, column 1, value 'old'"),
        (CSV, "39,clerk\n", r"A row has 2 columns, and the table of the model 3 .request, row 1.. Send age, work, se"),
        (CSV, "39,clerk,f\n39,clerk\n", "The row has 2 columns, the first one has 3"),
        (CSV, "age,work,sex,work\n39,clerk,f,clerk\n", "request, row 1, 'a name twice'"),
        (CSV, "age,work,job\n39,clerk,f\n", "request, row 1, 'sex' is missing"),
        (CSV, "age,work,sex,job\n39,clerk,f,clerk\n", "request, row 1, 'job'"),
        (CSV, '39,"clerk,f\n', "quotes around a cell do not close in its line .request, row 1"),
        (
            JSON,
            instances([39, None, "f"]),
            r"null is no category \(request, instances\[0\].features\[1\], column 'work'",
        ),
        (JSON, instances([39, ["clerk"], "f"]), r"\[...\] is a list, not a category .*column 'work'"),
        (JSON, instances(["39", "clerk", "f"]), "is a string, not a number .*column 'age'"),
        (JSON, instances([None, "clerk", "f"]), "null is not a number .*column 'age'"),
        (JSON, instances([True, "clerk", "f"]), "true is a boolean, not a number .*column 'age'"),
        (JSON, instances([39, "clerk"]), r"A row has 2 columns, and the table of the model 3 .request, instances\[0\]"),
        (JSON, instances(ROW), "A row has 8 columns, and the table of the model 3"),
        (JSON, instances({"age": 39, "sex": "f"}), 'lacks the feature "work"'),
        (JSON, instances({"age": 39, "sex": "f", "work": "clerk", "job": 1}), 'has no feature "job"'),
        (JSON, instances({"keys": [0], "shape": [3], "values": [39]}), "sparse record has no place for categories"),
    ],
)
def test_what_does_not_fit_is_told(content_type: str, body: str, message: str) -> None:
    with pytest.raises(ClientError) as raised:
        rows(body, content_type)
    assert re.search(message, str(raised.value))


def test_a_first_row_without_names_is_a_row() -> None:
    assert len(rows("1,f,m\n2,a,b\n")) == 2


def test_features_come_in_libsvm_as_they_are() -> None:
    found = next(decode(b"0 1:39 4:1 7:1", "text/libsvm", 8, SCHEMA.feature_names, schema=SCHEMA))
    assert_array_equal(found.features.toarray(), [ROW])  # type: ignore[union-attr]


def test_a_text_label_is_skipped_where_all_columns_are_numbers() -> None:
    schema = TableSchema((), ("no", "yes"))
    (batch,) = decode(b"yes,1,2\nno,3,4\n", "text/csv; label_size=1", 2, (), schema=schema)
    assert_array_equal(batch.features, [[1, 2], [3, 4]])
    (batch,) = decode(b"maybe,1,2\n,3,4\n", "text/csv; label_size=1", 2, (), schema=schema)
    assert_array_equal(batch.features, [[1, 2], [3, 4]])
    (batch,) = decode(b"1,2\n3,4\n", CSV, 2, (), schema=schema)
    assert_array_equal(batch.features, [[1, 2], [3, 4]])


@pytest.mark.parametrize("header", ["", "answer,color,size\n"])
def test_the_first_of_rows_of_texts_is_no_header(header: str) -> None:
    schema = TableSchema((Column("color", ("blue", "red")), Column("size", ("L", "S"))), ("no", "yes"))
    names = schema.feature_names
    (batch,) = decode(f"{header}yes,red,L".encode(), "text/csv; label_size=1", 4, names, schema=schema)
    assert_array_equal(batch.features, [[0, 1, 1, 0]])
