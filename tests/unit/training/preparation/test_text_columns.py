"""What the log says of tables with text."""

from __future__ import annotations

import pytest

from linear_learner import hyperparameters
from linear_learner.formats.table_schema import Column, TableSchema
from linear_learner.training.preparation.text_columns import doubtful_categories_notice

NUMBERS = tuple(map(str, range(40)))
KEYS = tuple(f"C{i}" for i in range(40))


def notice(*levels: tuple[str, ...], rows: int = 1000, categorical_columns: str = "auto") -> str:
    hp = hyperparameters.validate({"predictor_type": "binary_classifier", "categorical_columns": categorical_columns})
    columns = (Column("age"), *(Column(f"c{i}", of) for i, of in enumerate(levels)))
    return doubtful_categories_notice(TableSchema(columns), rows, hp)


@pytest.mark.parametrize(
    ("others", "told"), [(("", "-"), "'c0' with 40 numbers and '-'."), ((), "'c0' with 40 numbers.")]
)
def test_numbers_that_auto_takes_for_text_are_told(others: tuple[str, ...], told: str) -> None:
    assert told in notice((*others, *NUMBERS))
    assert notice((*others, *NUMBERS), categorical_columns="c0") == ""


def test_a_column_with_a_level_for_every_second_row_is_told() -> None:
    assert "'c0' with 40, 'c1' with 40. A key says nothing" in notice(KEYS, KEYS, rows=79)
    assert notice(KEYS, rows=80) == ""


def test_both_are_told_one_after_the_other() -> None:
    told = notice(NUMBERS, KEYS, rows=50)
    assert told.index("'c0' with 40 numbers") < told.index("'c1' with 40.")


@pytest.mark.parametrize("levels", [("a", "b"), NUMBERS[:10], KEYS[:10], (*NUMBERS, *KEYS, "x")])
def test_other_categories_are_nothing_to_wonder_at(levels: tuple[str, ...]) -> None:
    assert notice(levels) == notice(levels[:19], rows=20) == ""


def class_notice(*classes: str, rows: int) -> str:
    hp = hyperparameters.validate({"predictor_type": "multiclass_classifier", "text_labels": "true"})
    return doubtful_categories_notice(TableSchema((), classes), rows, hp)


@pytest.mark.parametrize(
    ("classes", "rows"),
    [([f"{i}.25" for i in range(20)], 1000), ([*NUMBERS, "0.5"], 1000), (NUMBERS, 79), (KEYS, 79)],
)
def test_labels_that_are_hardly_classes_are_told(classes: list[str], rows: int) -> None:
    told = class_notice(*classes, rows=rows)
    assert f"The labels, {len(classes)} different ones in {rows} rows, are hardly classes: {classes[0]}" in told
    assert "set predictor_type=regressor and leave out text_labels" in told


@pytest.mark.parametrize(
    "classes", [NUMBERS, KEYS, [*NUMBERS, "a", "0.5"], [f"{i}.0" for i in range(40)], ["0.5", "1", "1.5", "2"]]
)
def test_other_labels_are_nothing_to_wonder_at(classes: list[str]) -> None:
    assert class_notice(*classes, rows=100) == ""
