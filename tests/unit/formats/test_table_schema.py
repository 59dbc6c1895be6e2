"""One-hot features beside scikit-learn's OneHotEncoder, and the schema as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from linear_learner.errors import ClientError
from linear_learner.formats import table_schema
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.table_schema import UNSEEN, Column, TableSchema

ADULT = TableSchema(
    (Column("age"), Column("work", ("Private", "State-gov")), Column("hours"), Column("sex", ("Female", "Male"))),
    ("<=50K", ">50K"),
)


def test_features_are_named_by_column_and_level() -> None:
    assert ADULT.feature_names == ("age", "work=Private", "work=State-gov", "hours", "sex=Female", "sex=Male")
    assert ADULT.feature_dim == 6


def test_columns_are_arranged_as_a_file_has_them() -> None:
    names = ["work", "hours", "sex", "age"]
    assert ADULT.arranged(names, "data.csv").names == tuple(names)
    assert ADULT.arranged(None, "data.csv") == ADULT


def test_each_level_is_a_feature() -> None:
    rows = ADULT.expand(np.array([[39, 1, 40, 0], [50, 0, 13, 1]], np.float32))
    assert rows.tolist() == [[39, 0, 1, 40, 1, 0], [50, 1, 0, 13, 0, 1]]  # type: ignore[union-attr]


def test_an_unseen_category_is_nothing_and_counted() -> None:
    table = np.array([[39, UNSEEN, 40, 0], [50, UNSEEN, 13, UNSEEN]], np.float32)
    assert ADULT.expand(table).tolist() == [[39, 0, 0, 40, 1, 0], [50, 0, 0, 13, 0, 0]]  # type: ignore[union-attr]
    assert ADULT.unseen(Batch(table, None, "a.csv")) == {"work": 2, "sex": 1}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[int | None], np.ndarray]:
    """Of each column the number of levels, None of one of numbers; and decoded rows."""
    kinds = draw(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=6))
    rows = draw(st.integers(0, 8))
    cells = [
        [
            draw(st.sampled_from([0.0, 1.5, -2.0, np.nan]) if kind is None else st.integers(UNSEEN, kind - 1))
            for kind in kinds
        ]
        for _ in range(rows)
    ]
    return kinds, np.array(cells, np.float32).reshape(rows, len(kinds))


@settings(max_examples=60, deadline=None)
@given(tables(), st.booleans())
def test_features_are_those_of_scikit_learn(table: tuple[list[int | None], np.ndarray], sparse: bool) -> None:
    kinds, rows = table
    columns = [Column(f"c{i}", None if k is None else tuple(map(str, range(k)))) for i, k in enumerate(kinds)]
    expected = []
    for i, kind in enumerate(kinds):
        if kind is None:
            expected.append(rows[:, [i]])
        elif kind and len(rows):
            encoder = OneHotEncoder(categories=[np.arange(kind)], handle_unknown="ignore", sparse_output=False)
            expected.append(encoder.fit_transform(rows[:, [i]].astype(int)))
        else:
            expected.append(np.zeros((len(rows), kind)))
    schema = TableSchema(tuple(columns))
    with pytest.MonkeyPatch.context() as patch:
        if sparse:
            patch.setattr(table_schema, "WIDEST_DENSE", -1)
            patch.setattr(table_schema, "EMPTIEST_DENSE", 0)
        found = schema.expand(rows)
        # A width of 0 is not wider than any multiple of it.
        assert isinstance(found, CsrMatrix) == (sparse and schema.feature_dim > 0)
    dense = found.toarray() if isinstance(found, CsrMatrix) else found
    np.testing.assert_array_equal(dense, np.concatenate(expected, axis=1))
    if isinstance(found, CsrMatrix):
        assert (found.values != 0).all()
        assert all(
            np.all(np.diff(found.indices[a:b]) > 0) for a, b in zip(found.indptr, found.indptr[1:], strict=False)
        )


def test_rows_are_sparse_where_few_of_many_features_are_filled() -> None:
    levels = tuple(map(str, range(2000)))
    assert TableSchema((Column("a"), Column("b", levels))).is_sparse
    assert not TableSchema((Column("b", levels[:1000]),)).is_sparse
    assert not TableSchema((*(Column(f"x{i}") for i in range(300)), Column("b", levels))).is_sparse


def test_batches_are_bounded_and_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_schema, "BLOCK_VALUES", 13)
    table = np.array([[i, 0, i, 1] for i in range(5)], np.float32)
    batch = Batch(table, np.arange(5, dtype=np.float32), "a.csv", 1, np.array([2, 3, 5, 7, 8]))
    parts = list(ADULT.batches(batch))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert [part.where(0) for part in parts] == ["a.csv, row 2", "a.csv, row 5", "a.csv, row 8"]
    assert [part.labels.tolist() for part in parts if part.labels is not None] == [[0, 1], [2, 3], [4]]
    assert {part.feature_names for part in parts} == {ADULT.feature_names}


def test_a_batch_without_rows_has_columns_all_the_same() -> None:
    (part,) = ADULT.batches(Batch(np.empty((0, 4), np.float32), np.empty(0, np.float32), "a.csv"))
    assert part.features.shape == (0, 6)


def test_json_gives_the_schema_back() -> None:
    for schema in (ADULT, TableSchema(), TableSchema((Column("é=,", ()),)), TableSchema((), ("a", "b", "c"))):
        assert TableSchema.of_json(json.loads(json.dumps(schema.as_json()))) == schema


@pytest.mark.parametrize(
    "content",
    [
        *(None, [], "x", {}, {"columns": []}, {"columns": {}, "classes": []}, {"columns": [], "classes": "ab"}),
        *({"columns": [], "classes": ["a", "a"]}, {"columns": [], "classes": [1]}, {"columns": [1], "classes": []}),
        {"columns": [{"name": 1}], "classes": []},
        {"columns": [{"name": "a"}, {"name": "a"}], "classes": []},
        {"columns": [{"name": "a", "levels": ["x", "x"]}], "classes": []},
        {"columns": [{"name": "a", "levels": "xy"}], "classes": []},
        {"columns": [{"name": "a", "levels": [None]}], "classes": []},
    ],
)
def test_anything_else_is_no_schema(content: Any) -> None:
    with pytest.raises(ClientError, match="schema of the model is not one of columns and classes"):
        TableSchema.of_json(content)
