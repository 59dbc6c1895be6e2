"""Metadata about columns come with a model's files, which anyone may have written."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.served_model import ServedModel


def served(model: LinearModel, **metadata: object) -> ServedModel:
    return ServedModel.of(dataclasses.replace(model, metadata=metadata))


def test_metadata_of_the_right_form_are_taken(regressor: LinearModel) -> None:
    full = served(
        regressor,
        feature_names=["a", "b", "c"],
        feature_means=[1, 2.5, 3],
        feature_minima=[0, 0, 0],
        feature_maxima=[9, 9, 9],
    )
    assert full.names == ("a", "b", "c")
    assert_array_equal(full.means, [1, 2.5, 3])
    assert_array_equal(full.lowest, [0, 0, 0])
    assert_array_equal(full.highest, [9, 9, 9])


def test_a_model_may_carry_none(regressor: LinearModel) -> None:
    bare = served(regressor)
    assert (bare.names, bare.means, bare.lowest, bare.highest, bare.fills) == ((), None, None, None, None)


def test_names_that_are_not_distinct_name_nothing(regressor: LinearModel) -> None:
    assert served(regressor, feature_names=["a", "b", "a"]).names == ()


@pytest.mark.parametrize("value", ["abc", ["a", "b"], ["a", "b", 3], {"a": 0, "b": 1, "c": 2}, 5, []])
def test_bad_names(regressor: LinearModel, value: object) -> None:
    with pytest.raises(ClientError, match="feature_names of the model is not a list of 3 strings"):
        served(regressor, feature_names=value)


@pytest.mark.parametrize(
    "value",
    ["123", [1, 2], [1, 2, "3"], [1, 2, True], [1, 2, None], [1, 2, float("nan")], [1, 2, 10**400], [1, 2, 1e39]],
)
@pytest.mark.parametrize("name", ["feature_means", "feature_minima", "feature_maxima"])
def test_bad_numbers(regressor: LinearModel, name: str, value: object) -> None:
    with pytest.raises(ClientError, match=f"{name} of the model is not a list of 3 numbers"):
        served(regressor, **{name: value})


def test_what_is_missing_is_filled_where_the_model_knows_how(regressor: LinearModel) -> None:
    rows = np.float32([[1, np.nan, 3]])
    rows.flags.writeable = False
    assert served(regressor).filled(rows) is rows
    assert_array_equal(served(regressor, feature_fills=[7, 8, 9]).filled(rows), [[1, 8, 3]])


SCHEMA = {"columns": [{"name": "age"}, {"name": "sex", "levels": ["f", "m"]}], "classes": []}


def test_the_schema_is_taken(regressor: LinearModel, binary: LinearModel) -> None:
    table = served(regressor, schema=SCHEMA)
    assert table.schema is not None
    assert table.schema.names == ("age", "sex")
    assert table.classes == ()
    assert served(binary, schema={"columns": [], "classes": ["no", "yes"]}).classes == ("no", "yes")
    assert served(regressor).schema is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("x", "not one of columns and classes"),
        ({"columns": [{"name": "age"}], "classes": []}, "has 1 features, and the model 3"),
        ({"columns": [], "classes": ["a", "b"]}, "has 2 classes, and the model 0"),
    ],
)
def test_a_schema_that_does_not_fit(regressor: LinearModel, schema: object, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        served(regressor, schema=schema)


def test_classes_that_do_not_fit(binary: LinearModel) -> None:
    with pytest.raises(ClientError, match="has 3 classes, and the model 2"):
        served(binary, schema={"columns": [], "classes": ["a", "b", "c"]})


def test_categories_that_the_training_data_lacked_are_outside_its_range(regressor: LinearModel) -> None:
    model = served(regressor, schema=SCHEMA, feature_minima=[0, 0, 0], feature_maxima=[9, 1, 1])
    rows = np.array([[5, 0, 1], [5, 0, 0], [10, 0, 0]], np.float32)
    assert model.outside(rows) == model.outside(CsrMatrix.from_dense(rows)) == 3
