"""What a job does about tables with text: its settings, the classes that it finds, and what the log says of them."""

from __future__ import annotations

import logging
from dataclasses import replace

from linear_learner.errors import ClientError
from linear_learner.formats.csv_cells import NUMBER
from linear_learner.formats.schema_learner import AUTO, TextSettings
from linear_learner.formats.table_schema import MISSING_LEVEL, TableSchema
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.schema import BINARY, FEWEST_CLASSES, MULTICLASS

logger = logging.getLogger(__name__)

_SHOWN = 20
_MANY_LEVELS = 20
"""Fewer are nothing to wonder at."""
_LONGEST_SHOWN = 30
"""Of a text that is to be a class. A column of free text as the label would fill a page."""


def text_settings(hp: HyperParameters) -> TextSettings:
    """Empty where the job has set nothing."""
    columns = tuple(filter(None, map(str.strip, hp.categorical_columns.split(","))))
    return TextSettings(
        (AUTO,) if columns == (AUTO,) else columns,
        text_labels=hp.text_labels,
        positive_label=hp.positive_label,
        label_column=hp.label_column,
        keeps_missing=hp.missing_values != "error",
    )


def with_classes(hp: HyperParameters, schema: TableSchema | None) -> HyperParameters:
    """``hp`` with as many classes as the train channel has texts of labels. ClientError if they do not fit the task."""
    classes = () if schema is None else schema.classes
    if not classes:
        return hp
    found = len(classes)
    if found == 1:
        raise _unfit(
            f"Every label of channel 'train' is '{classes[0]}'; there is nothing to tell apart",
            "give rows of at least two classes, and check that the label is the first column",
        )
    if hp.predictor_type == BINARY and found != 2:
        raise _unfit(
            f"The labels of channel 'train' are {found} different texts: {_shown(classes)}",
            "set predictor_type=multiclass_classifier (for quantities regressor, without text_labels), or check which "
            "column is the label: the first, or the one that label_column names",
        )
    if hp.predictor_type == BINARY and hp.positive_label not in ("", classes[1]):
        raise _unfit(
            f"positive_label is '{hp.positive_label}', and the model to start from has {_shown(classes)}, of which the "
            "second is positive",
            "leave it out",
        )
    if hp.predictor_type == MULTICLASS:
        if found < FEWEST_CLASSES:
            raise _unfit(f"The labels of channel 'train' are {_shown(classes)}", "set predictor_type=binary_classifier")
        if "num_classes" in hp.given and hp.num_classes != found:
            raise _unfit(
                f"num_classes is {hp.num_classes}, and the labels of channel 'train' are {found} different texts: "
                f"{_shown(classes)}",
                f"set num_classes={found}, or leave it out",
            )
        return replace(hp, num_classes=found)
    return hp


def log_schema(schema: TableSchema, hp: HyperParameters) -> None:
    """How texts become numbers."""
    if schema.classes:
        named = ", ".join(f"'{text}' is {number}" for number, text in enumerate(schema.classes[:_SHOWN]))
        more = ", ..." if len(schema.classes) > _SHOWN else ""
        positive = f"; the positive label is '{schema.classes[1]}'" if hp.predictor_type == BINARY else ""
        logger.info("Labels: %s%s%s.", named, more, positive)
    categories = [column for column in schema.columns if column.levels is not None]
    if categories:
        shown = ", ".join(f"'{column.name}' with {len(column.levels or ())}" for column in categories[:_SHOWN])
        more = ", ..." if len(categories) > _SHOWN else ""
        form = "sparse" if schema.is_sparse else "dense"
        logger.info(
            "Columns of categories: %s%s. %d columns become %d features, in %s rows.",
            *(shown, more, len(schema.columns), schema.feature_dim, form),
        )
    elif hp.categorical_columns:
        logger.info("No column of channel 'train' holds text: all features are numbers.")


def doubtful_categories_notice(schema: TableSchema | None, rows: int, hp: HyperParameters) -> str:
    """Sentences for the log about columns, of ``rows`` rows, that are hardly categories: numbers with a slip among
    them, which ``auto`` takes for text, and columns with a level for every second row or more; and about labels that
    are hardly classes. "" without any."""
    numbers, keys = [], []
    for column in () if schema is None else schema.columns:
        levels = [level for level in column.levels or () if level != MISSING_LEVEL]
        others = [level for level in levels if not NUMBER.fullmatch(level.encode())]
        if len(levels) < _MANY_LEVELS:
            continue
        if text_settings(hp).categorical_columns == (AUTO,) and 2 * len(others) < len(levels):
            beside = f" and '{_shown((others[0],))}'" if others else ""
            numbers.append(f"'{column.name}' with {len(levels) - len(others)} numbers{beside}")
        elif 2 * len(levels) > rows:
            keys.append(f"'{column.name}' with {len(levels)}")
    sentences = []
    if numbers:
        sentences.append(
            "Columns that are mostly numbers are taken for categories, since they are not numbers alone: "
            f"{_first(numbers)}. Mend or empty the other cells (missing_values=mean fills those in), or name the "
            "columns in categorical_columns if they are categories."
        )
    if keys:
        sentences.append(
            f"Columns of categories have a level for every second row or more: {_first(keys)}. A key says nothing of "
            "new rows: leave it out. Write dates and amounts as numbers."
        )
    if schema is not None and (sentence := _doubtful_classes(schema.classes, rows)):
        sentences.append(sentence)
    return " ".join(sentences)


def _doubtful_classes(classes: tuple[str, ...], rows: int) -> str:
    """A sentence about labels that look like quantities, or of which there is one for every second row or more."""
    if len(classes) < _MANY_LEVELS:
        return ""
    are_numbers = all(NUMBER.fullmatch(text.encode()) for text in classes)
    if not (are_numbers and any(not float(text).is_integer() for text in classes)) and 2 * len(classes) <= rows:
        return ""
    return (
        f"The labels, {len(classes)} different ones in {rows} rows, are hardly classes: {_shown(classes[:3])}, ... For "
        "quantities set predictor_type=regressor and leave out text_labels; or check which column is the label."
    )


def _first(columns: list[str]) -> str:
    return ", ".join(columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")


def _unfit(message: str, fix: str) -> ClientError:
    return ClientError(message, where="text_labels=true", fix=fix)


def _shown(classes: tuple[str, ...]) -> str:
    texts = (text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..." for text in classes[:_SHOWN])
    return ", ".join(texts) + (", ..." if len(classes) > _SHOWN else "")
