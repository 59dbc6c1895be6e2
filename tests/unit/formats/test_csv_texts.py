"""CSV with columns of text: what is learnt of it, and the numbers that stand for it, beside Python's csv module."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.formats import text_csv
from linear_learner.formats.batch import Batch
from linear_learner.formats.options import Options
from linear_learner.formats.schema_learner import AUTO, SchemaLearner, TextSettings
from linear_learner.formats.table_schema import UNSEEN, Column, TableSchema

EVERYTHING = TextSettings((AUTO,), text_labels=True)
TABLE = b"""income,age,work
<=50K,39,State-gov
>50K,50, Private
<=50K,38,"Local gov, city"
"""
SCHEMA = TableSchema((Column("age"), Column("work", ("Local gov, city", "Private", "State-gov"))), ("<=50K", ">50K"))


def learnt(*files: bytes, settings: TextSettings = EVERYTHING, block_size: int = 1 << 20) -> TableSchema:
    learner = SchemaLearner(settings)
    for number, content in enumerate(files):
        for _ in text_csv.learn(io.BytesIO(content), learner, source=f"{number}.csv", block_size=block_size):
            pass
    return learner.schema()


def decoded(
    content: bytes, schema: TableSchema = SCHEMA, *, block_size: int = 1 << 20, **options: object
) -> list[Batch]:
    given = Options(schema=schema, **options)  # type: ignore[arg-type]
    return list(
        text_csv.decode(io.BytesIO(content), label_size=1, source="a.csv", options=given, block_size=block_size)
    )


def test_columns_levels_and_classes_are_found() -> None:
    assert learnt(TABLE) == SCHEMA


def test_texts_become_numbers() -> None:
    (batch,) = decoded(TABLE)
    assert batch.labels is not None
    assert batch.labels.tolist() == [0, 1, 0]
    assert batch.features.tolist() == [[39, 2], [50, 1], [38, 0]]  # type: ignore[union-attr]
    assert batch.feature_names == ("age", "work")
    assert batch.where(2) == "a.csv, row 4"


def test_the_label_may_be_anywhere() -> None:
    table = b"age,income,work\n39,<=50K,State-gov\n50,>50K,Private\n"
    schema = learnt(table, settings=TextSettings((AUTO,), text_labels=True, label_column="income"))
    assert schema == TableSchema((Column("age"), Column("work", ("Private", "State-gov"))), ("<=50K", ">50K"))
    (batch,) = decoded(table, schema, label_column="income")
    assert batch.labels is not None
    assert batch.labels.tolist() == [0, 1]
    assert batch.features.tolist() == [[39, 1], [50, 0]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("columns", "categories"),
    [
        (("work",), ["work"]),
        (("3",), ["work"]),
        (("2", "work"), ["age", "work"]),
        ((), []),
    ],
)
def test_columns_go_by_name_or_number(columns: tuple[str, ...], categories: list[str]) -> None:
    schema = learnt(TABLE, settings=TextSettings(columns, text_labels=True))
    assert [column.name for column in schema.columns if column.levels is not None] == categories


def test_a_number_may_be_a_category() -> None:
    schema = learnt(b"y,zip\n1,01\n2,1\n3,01\n", settings=TextSettings(("zip",)))
    assert schema.columns == (Column("zip", ("01", "1")),)


@pytest.mark.parametrize(
    ("columns", "content", "message"),
    [
        (
            ("wrk",),
            TABLE,
            r"no column for features 'wrk', which categorical_columns names \(0.csv\). Did you mean work",
        ),
        (("x",), TABLE, r"'x', which categorical_columns names \(0.csv\). Its columns are age, work"),
        (("income",), TABLE, r"no column for features 'income'"),
        (("1",), TABLE, r"no column for features '1'"),
        (("4",), TABLE, r"no column for features '4'"),
        (("\u00b2",), TABLE, r"no column for features '\u00b2'"),  # a digit to str.isdigit, and none to int
        (("work",), b"0,1,a\n1,2,b\n", r"'work'.*has no header: give numbers of columns, from 2 to 3"),
    ],
)
def test_a_column_that_is_not_there_is_told(columns: tuple[str, ...], content: bytes, message: str) -> None:
    with pytest.raises(ClientError) as raised:
        learnt(content, settings=TextSettings(columns))
    assert re.search(message, str(raised.value))


def test_without_a_header_columns_go_by_their_numbers() -> None:
    schema = learnt(b"<=50K,39,x\n>50K,40,y\n")
    assert schema.names == ("column 2", "column 3")
    assert schema.classes == ("<=50K", ">50K")


def test_the_names_of_a_later_header_are_taken() -> None:
    assert learnt(b"<=50K,39,x\n>50K,40,y\n", b"income,age,work\n>50K,1,z\n").names == ("age", "work")


@pytest.mark.parametrize(
    ("labels", "positive", "classes"),
    [
        (["b", "a"], "", ("a", "b")),
        (["b", "a"], "a", ("b", "a")),
        (["10", "9", "-1.5"], "", ("-1.5", "9", "10")),
        (["10", "9", "x"], "", ("10", "9", "x")),
    ],
)
def test_classes_are_in_order_and_the_positive_one_is_the_last(
    labels: list[str], positive: str, classes: tuple[str, ...]
) -> None:
    content = "".join(f"{label},1\n" for label in labels).encode()
    assert learnt(content, settings=TextSettings(text_labels=True, positive_label=positive)).classes == classes


def test_a_positive_label_that_no_row_has_is_told() -> None:
    with pytest.raises(ClientError, match=r"label 'yes', which positive_label names. The labels are <=50K, >50K"):
        learnt(TABLE, settings=TextSettings(text_labels=True, positive_label="yes"))


def test_too_many_levels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linear_learner.formats.schema_learner.MOST_LEVELS", 2)
    with pytest.raises(ClientError, match=r"column 'work' has more than 2 different values, too many .* \(0.csv\)"):
        learnt(TABLE)


def test_nothing_is_a_level_only_where_features_may_be_missing() -> None:
    table = b"y,x\n0,\n1,b\n"
    assert learnt(table, settings=TextSettings(("x",))).columns[0].levels == ("b",)
    assert learnt(table, settings=TextSettings(("x",), keeps_missing=True)).columns[0].levels == ("", "b")


@pytest.mark.parametrize("word", ["NA", "n/a", "nan", "NaN", "Null", ""])
def test_a_label_that_says_it_is_missing_is_no_class(word: str) -> None:
    table = f"a,1\n{word},2\nnone,3\n".encode()
    schema = learnt(table, settings=TextSettings(text_labels=True))
    assert schema.classes == ("a", "none")
    with pytest.raises(ClientError, match=rf"Found missing \(NaN\) values \(a.csv, row 2, column 1, value '{word}'\)"):
        decoded(table, schema)


def test_unless_a_model_knows_it_as_one() -> None:
    (batch,) = decoded(b"NA,1\na,2\n", TableSchema((), ("NA", "a")))
    assert batch.labels is not None and batch.labels.tolist() == [0, 1]


def test_a_missing_category_is_a_mistake_its_own_level_or_unseen() -> None:
    table = b"<=50K,39,\n"
    with pytest.raises(ClientError, match=r"Found missing \(NaN\) values \(a.csv, row 1, column 3, value ''\)"):
        decoded(table)
    (batch,) = decoded(table, allow_missing=True)
    assert batch.features.tolist() == [[39, UNSEEN]]  # type: ignore[union-attr]
    schema = TableSchema((Column("age"), Column("work", ("", "Private"))), SCHEMA.classes)
    (batch,) = decoded(table, schema, allow_missing=True)
    assert batch.features.tolist() == [[39, 0]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "maybe,39,Private",
            r"Found a label that is none of the classes \(a.csv, row 3, column 1, value 'maybe'\)\. Please correct",
        ),
        (",39,Private", r"Found missing \(NaN\) values \(a.csv, row 3, column 1, value ''\)"),
        (" NA ,39,Private", r"Found missing \(NaN\) values \(a.csv, row 3, column 1, value 'NA'\)"),
        (">50K,old,Private", r"not a number \(a.csv, row 3, column 2, value 'old'\)"),
        ('>50K,"3,9",Private', r"not a number \(a.csv, row 3, column 2"),
        (">50K,39", r"The row has 2 columns, the first one has 3 \(a.csv, row 3\)"),
        (">50K,39,a,b", r"The row has 4 columns, the first one has 3 \(a.csv, row 3\)"),
        ('>50K,39,"a', r"The quotes around a cell do not close in its line \(a.csv, row 3\)"),
        (">50K,39,a\rb", r"The row cannot be read: new-line character.* \(a.csv, row 3\)"),
        (">50K,39," + "a" * 131073, r"A cell has more than 131072 characters, too many for a category .* row 3\)"),
    ],
)
@pytest.mark.parametrize("block_size", [1, 1 << 20])
def test_a_bad_line_is_named(line: str, message: str, block_size: int) -> None:
    with pytest.raises(ClientError, match=message):
        decoded(f"<=50K,1,Private\n\n{line}\n<=50K,1,Private\n".encode(), block_size=block_size)


def test_a_table_of_another_width_is_told() -> None:
    with pytest.raises(ClientError, match="input: 1 does not match the feature dimension of the model: 2"):
        decoded(b"<=50K,39\n>50K,40\n")


@pytest.mark.parametrize("copies", [1, 1000])
def test_nothing_is_learnt_of_a_header_further_down(copies: int) -> None:
    """Of a long text too, of which pyarrow reads the columns."""
    header, rows = TABLE.split(b"\n", 1)
    assert learnt(TABLE * copies) == learnt(header + b"\n" + rows * copies) == SCHEMA


def test_headers_and_blank_lines_further_down_are_no_rows() -> None:
    (batch,) = decoded(TABLE + b"\n" + TABLE)
    assert len(batch) == 6
    assert batch.where(3) == "a.csv, row 7"


CELL = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x00"), max_size=6).map(str.strip)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(CELL, CELL.filter(bool), st.integers(-9, 99)), min_size=1, max_size=12), st.integers(1, 60))
def test_what_csv_writes_comes_back(rows: list[tuple[str, str, int]], block_size: int) -> None:
    """Whatever the texts are and wherever blocks end."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("label", "text", "number"), *rows])
    content = out.getvalue().encode()
    settings = TextSettings(("text",), text_labels=True, keeps_missing=True)
    schema = learnt(content, settings=settings, block_size=block_size)
    stripped = [(a.strip(" \t\r"), b.strip(" \t\r"), n) for a, b, n in rows]
    assert schema.columns[0].levels == tuple(sorted({text for _, text, _ in stripped}))
    labels = {label for label, _, _ in stripped}
    missing = {label for label in labels if label.lower() in ("", "na", "n/a", "nan", "null")}
    assert set(schema.classes) == labels - missing
    if missing:
        with pytest.raises(ClientError, match="missing"):
            decoded(content, schema, allow_missing=True, block_size=block_size)
        return
    batches = decoded(content, schema, allow_missing=True, block_size=block_size)
    found = np.concatenate([np.column_stack([batch.labels, batch.features]) for batch in batches])  # type: ignore[list-item]
    back = [(schema.classes[int(y)], schema.columns[0].levels[int(x)], int(n)) for y, x, n in found]
    assert back == stripped


def test_what_learners_find_in_parts_is_what_one_finds_in_all() -> None:
    first, second = b"income,age,work\n<=50K,39,a\n", b"<=50K,1,b\n>50K,2,c\n"
    joined = SchemaLearner(EVERYTHING)
    for content in (second, first):
        part = SchemaLearner(EVERYTHING)
        for _ in text_csv.learn(io.BytesIO(content), part, source="a.csv"):
            pass
        found = part.found()
        assert found is not None
        joined.join(json.loads(json.dumps(found)), "host 'a'")
    assert joined.schema() == learnt(first, second)
    assert SchemaLearner(EVERYTHING).found() is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (b"income,age,job\n<=50K,39,a\n", "different columns .*host 'b': age, job; on other hosts age, work"),
        (b"income,age\n<=50K,39\n", "different columns"),
        (b"income,age,work\n<=50K,39,1\n", "Some hosts find text in the first rows of the column 'work'"),
    ],
)
def test_parts_with_other_columns_are_told(other: bytes, message: str) -> None:
    found = []
    for content in (TABLE, other):
        part = SchemaLearner(EVERYTHING)
        list(text_csv.learn(io.BytesIO(content), part, source="a.csv"))
        found.append(part.found())
    joined = SchemaLearner(EVERYTHING)
    joined.join(found[0] or {}, "host 'a'")
    with pytest.raises(ClientError, match=message):
        joined.join(found[1] or {}, "host 'b'")


def test_files_of_other_widths_are_told() -> None:
    with pytest.raises(ClientError, match=r"input: 1 does not match .* model: 2"):
        learnt(TABLE, b"<=50K,39\n")


def test_no_more_is_read_than_says_that_there_is_no_text() -> None:
    table = b"0,1,2\n" * 100
    stream = io.BytesIO(table)
    learner = SchemaLearner(TextSettings((AUTO,)))
    assert list(text_csv.learn(stream, learner, source="a.csv", block_size=60)) == []
    assert stream.tell() < len(table)
    assert learner.schema() == TableSchema()


def test_a_file_may_be_a_header_alone() -> None:
    assert learnt(b"income,age,work\n", b"<=50K,39,a\n>50K,40,b\n") == TableSchema(
        (Column("age"), Column("work", ("a", "b"))), SCHEMA.classes
    )


def test_a_header_may_stand_over_rows_that_miss_values() -> None:
    texts = TextSettings((AUTO,), text_labels=True, keeps_missing=True)
    assert learnt(b"income,age\n<=50K,NA\n>50K,\n<=50K,39\n", settings=texts) == TableSchema((), SCHEMA.classes)


@pytest.mark.parametrize(
    ("header", "fault"), [(b"income,age,\n", "column 3 has no name"), (b"income,age,age\n", "columns 2 and 3 have the")]
)
def test_a_header_that_does_not_name_each_column_is_no_row(header: bytes, fault: str) -> None:
    rows = b"<=50K,39,1\n>50K,40,2\n"
    with pytest.raises(ClientError, match=rf"looks like a header, and {fault}.* \(0.csv, row 1\)\. Please give each"):
        learnt(header + rows)
    assert len(learnt(b"income,age,hours\n" + rows).classes) == 2


def test_the_index_of_pandas_is_recognised_before_texts_of_labels() -> None:
    with pytest.raises(ClientError, match=r"column 1 has no name \(0.csv, row 1\)\. .* as pandas writes its index"):
        learnt(b",income,age\n0,<=50K,39\n1,>50K,40\n")


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"<=50K;39;a\n>50K;40;b\n", "The columns are separated by semicolons: write commas between them"),
        (
            b"income;age\n<=50K;39,5\n",
            "The columns are separated by semicolons: write commas between them, and points in decimals",
        ),
        ("income,age\r\n<=50K,39\r\n".encode("utf-16"), "The data looks like text in UTF-16: encode it in UTF-8"),
        (b"<=50K\t39\n", "The columns are separated by tabs: write commas between them"),
        (b"<=50K,39,a\r>50K,40,b\r", "The lines end with carriage returns: end them with line feeds"),
        (b"<=50K\n>50K\n", "Please verify the data matches the requested content-type"),
    ],
)
def test_a_table_of_one_column_is_told(content: bytes, fix: str) -> None:
    with pytest.raises(ClientError) as raised:
        learnt(content)
    assert str(raised.value).endswith(f"The rows have a label but no features (0.csv, row 1). {fix}")
