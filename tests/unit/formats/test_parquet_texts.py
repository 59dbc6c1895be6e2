"""Parquet with columns of text: what is learnt of it, and the numbers that stand for it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from linear_learner.errors import ClientError
from linear_learner.formats import parquet, text_csv
from linear_learner.formats.batch import Batch
from linear_learner.formats.options import Options
from linear_learner.formats.schema_learner import AUTO, SchemaLearner, TextSettings
from linear_learner.formats.table_schema import UNSEEN, Column, TableSchema

TABLE = {"income": ["<=50K", ">50K", "<=50K"], "age": [39, 50, 38], "work": ["gov", " Private ", "gov"]}
SCHEMA = TableSchema((Column("age"), Column("work", ("Private", "gov"))), ("<=50K", ">50K"))


def written(columns: dict[str, Any] | pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **how)
    return file.getvalue()


def learnt(*files: dict[str, Any] | pa.Table, **settings: Any) -> TableSchema:
    learner = SchemaLearner(TextSettings(**{"categorical_columns": (AUTO,), "text_labels": True, **settings}))
    for columns in files:
        for _ in parquet.learn(io.BytesIO(written(columns)), learner, source="a.pq", block_cells=4):
            pass
    return learner.schema()


def decoded(columns: dict[str, Any], schema: TableSchema = SCHEMA, **options: Any) -> Batch:
    given = Options(schema=schema, **options)
    (batch,) = parquet.decode(io.BytesIO(written(columns)), label_size=1, source="a.pq", options=given)
    return batch


def told(columns: dict[str, Any], schema: TableSchema = SCHEMA, **options: Any) -> str:
    with pytest.raises(ClientError) as raised:
        decoded(columns, schema, **options)
    return str(raised.value)


def test_columns_levels_and_classes_are_found() -> None:
    assert learnt(TABLE) == SCHEMA
    assert learnt(TABLE, {**TABLE, "work": ["army", None, ""]}).columns[1].levels == ("Private", "army", "gov")
    assert learnt({**TABLE, "work": ["a", None, "b"]}, keeps_missing=True).columns[1].levels == ("", "a", "b")


@pytest.mark.parametrize("missing", [(), (None,), (" ",), (None, "")])
@pytest.mark.parametrize("keeps_missing", [False, True])
def test_levels_are_those_of_the_same_table_in_csv(missing: tuple[str | None, ...], keeps_missing: bool) -> None:
    cells = ["u", "v", *missing]
    rows = "".join(f"{i},{cell or ''},{i}\n" for i, cell in enumerate(cells)).encode()
    learner = SchemaLearner(TextSettings(("c",), keeps_missing=keeps_missing))
    list(text_csv.learn(io.BytesIO(b"y,c,x\n" + rows), learner, source="a.csv"))
    table = {"y": range(len(cells)), "c": cells, "x": range(len(cells))}
    found = learnt(table, categorical_columns=("c",), text_labels=False, keeps_missing=keeps_missing)
    assert found == learner.schema()
    assert found.feature_dim == (4 if missing and keeps_missing else 3)


def test_texts_become_numbers() -> None:
    batch = decoded(TABLE)
    np.testing.assert_array_equal(batch.labels, [0, 1, 0])
    np.testing.assert_array_equal(batch.features, [[39, 1], [50, 0], [38, 1]])
    assert batch.feature_names == ("age", "work")


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        (pa.array(["b", "a", "b"]), ("a", "b")),
        (pa.array(["b", "a", "b"], pa.large_string()), ("a", "b")),
        (pa.array(["b", "a", "b"], pa.string_view()), ("a", "b")),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b")),
        (pa.array([10, 9, 10]), ("10", "9")),
        (pa.array([10, 9, 10], pa.uint8()), ("10", "9")),
        (pa.array([10.0, np.nan, 9.0]), ("10", "9")),
        (pa.array([10.0, None, 9.0], pa.float32()), ("10", "9")),
        (pa.array([True, False, None]), ("false", "true")),
        (pa.nulls(3), ()),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_types_of_categories(column: pa.Array, levels: tuple[str, ...]) -> None:
    schema = learnt({**TABLE, "work": column}, categorical_columns=("work",))
    assert schema.columns[1] == Column("work", levels)
    found = decoded({**TABLE, "work": column}, schema, allow_missing=True).features
    texts = [None if code == UNSEEN else levels[int(code)] for code in np.asarray(found)[:, 1]]
    values = [None if value is None or value != value else value for value in column.to_pylist()]
    expected = [str(int(v)) if isinstance(v, float) else str(v).lower() if isinstance(v, bool) else v for v in values]
    assert texts == [None if value is None else str(value) for value in expected]


def test_booleans_are_the_levels_of_a_csv_file_too() -> None:
    """pandas writes True to CSV, and its own booleans to Parquet."""
    schema = TableSchema((Column("age"), Column("fat", ("", "False", "True"))), ("False", "True"))
    columns = {"y": [True, False, True], "age": [1, 2, 3], "fat": [False, True, None]}
    found = decoded(columns, schema, allow_missing=True)
    assert np.asarray(found.features)[:, 1].tolist() == [1, 2, 0]
    assert np.asarray(found.labels).tolist() == [1, 0, 1]


def test_numbers_and_booleans_are_no_text_of_themselves() -> None:
    schema = learnt({"income": [0, 1], "age": [1, 2], "fat": [True, False]})
    assert schema == TableSchema((), ("0", "1"))


def test_a_label_that_says_it_is_missing_is_no_class() -> None:
    labels = ["a", "NA", "none", "nan", "b"]
    assert learnt({"y": labels, "x": range(5)}).classes == ("a", "b", "none")
    found = decoded({"y": ["NA", "a"], "x": [1, 2]}, TableSchema((), ("NA", "a"))).labels
    assert np.asarray(found).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"income": ["<=50K", "rich", "?"]}, "none of the classes (a.pq, row 2, column"),
        (
            {"income": ["<=50K", None, ">50K"]},
            "Found missing (NaN) values (a.pq, row 2, column 'income', value 'null')",
        ),
        ({"income": ["<=50K", ">50K", "NA"]}, "Found missing (NaN) values (a.pq, row 3, column 'income', value 'NA')"),
        ({"work": ["gov", None, "gov"]}, "Found missing (NaN) values (a.pq, row 2, column 'work', value 'null')"),
        ({"work": ["gov", "gov", " "]}, "Found missing (NaN) values (a.pq, row 3, column 'work', value ' ')"),
        (
            {"age": ["39", "50", "38"]},
            "Column 'age' is of type string, which is not a number (a.pq). Write it as numbers",
        ),
        ({"work": [1.5, 2, 3]}, "Column 'work' has numbers that are not whole"),
        ({"work": pa.array([b"x"] * 3)}, "Column 'work' is of type binary, which is neither text"),
        (
            {"work": pa.array([b"caf\xe9"] * 3).cast(pa.string(), safe=False)},
            "Found text that is not UTF-8 (a.pq, column 'work'). Please encode the text in UTF-8",
        ),
        ({"more": [1, 2, 3]}, "input: 3 does not match the feature dimension of the model: 2"),
    ],
)
def test_what_does_not_fit_is_told(change: dict[str, Any], message: str) -> None:
    assert message.casefold() in told({**TABLE, **change}).casefold()


def test_other_names_are_told() -> None:
    renamed = {"income": TABLE["income"], "age": TABLE["age"], "job": TABLE["work"]}
    assert "feature 2 is 'work' there and 'job' here" in told(renamed)


def test_unseen_and_missing_categories() -> None:
    found = decoded({**TABLE, "work": ["army", None, "gov"]}, allow_missing=True).features
    assert np.asarray(found)[:, 1].tolist() == [UNSEEN, UNSEEN, 1]


def test_what_cannot_be_learnt_is_told() -> None:
    with pytest.raises(ClientError, match=r"no column for features 'wrk', .*Did you mean work"):
        learnt(TABLE, categorical_columns=("wrk",))
    with pytest.raises(ClientError, match="'age' has numbers that are not whole"):
        learnt({**TABLE, "age": [1.5, 2, 3]}, categorical_columns=("age",))
    with pytest.raises(ClientError, match=r"input: 1 does not match .* model: 2"):
        learnt(TABLE, {"income": ["<=50K"], "age": [1]})
    twice = pa.table([[0, 1], ["u", "v"], ["u", "v"]], names=["y", "c", "c"])
    for columns in ((AUTO,), ("c",)):
        with pytest.raises(ClientError, match=r"The file has more than one column 'c' \(a.pq\)"):
            learnt(twice, categorical_columns=columns)
    with pytest.raises(ClientError, match="The file cannot be read as Parquet"):
        list(parquet.learn(io.BytesIO(b"PAR1"), SchemaLearner(TextSettings((AUTO,))), source="a.pq"))
