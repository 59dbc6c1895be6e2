"""What a task demands of the labels of a channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.errors import ClientError
from linear_learner.hyperparameters.schema import BINARY, REGRESSOR

_SHOWN_LABELS = 5
_SHOWN_CLASSES = 10
_NO_LABELS = "or, if these are no labels, put theirs into the first column or name it in label_column"


def check_labels(dataset: Dataset, *, predictor_type: str, num_classes: int, is_train: bool) -> None:
    """ClientError unless all labels are classes: 0 and 1, or of a multiclass classifier the whole numbers
    0..num_classes-1; for a train channel also unless there are at least two of them. A regressor takes any number.
    """
    if predictor_type == REGRESSOR:
        return
    labels = dataset.labels
    classes = 2 if predictor_type == BINARY else num_classes
    bad = (labels < 0) | (labels >= classes) | (labels != np.floor(labels))
    if bad.any():
        raise _bad_label(dataset, bad, predictor_type, classes)
    if is_train and (labels == labels[0]).all():
        raise only_one_class(dataset.name, float(labels[0]), len(dataset))


def only_one_class(channel: str, label: float, rows: int) -> ClientError:
    return ClientError(
        f"Every label of channel '{channel}' is {label:g}; there is nothing to tell apart",
        where=f"{rows} rows",
        fix="give rows of at least two classes, and check that the label is the first column",
    )


def constant_label_notice(channel: str, one_label: float | None, *, predictor_type: str) -> str | None:
    """A sentence for the log where a regressor is to learn from rows that all have ``one_label``."""
    if predictor_type != REGRESSOR or one_label is None:
        return None
    return (
        f"Every label of channel '{channel}' is {one_label:g}: there is nothing to learn from such rows. Check that "
        "the label is the first column."
    )


def absent_classes_notice(channel: str, absent: Sequence[int]) -> str | None:
    """A sentence for the log where a channel that is trained on has no rows of some classes, ``absent``."""
    if not absent:
        return None
    shown = ", ".join(map(str, absent[:_SHOWN_CLASSES])) + (", ..." if len(absent) > _SHOWN_CLASSES else "")
    return f"No row of channel '{channel}' is of class {shown}. Check num_classes, or give rows of every class."


def one_label_notice(channel: str, one_label: float | None, *, predictor_type: str) -> str | None:
    """A sentence for the log where a channel that models are judged by has rows of one class only. ``one_label``: the
    label that all rows have, if there is one."""
    if predictor_type == REGRESSOR or one_label is None:
        return None
    return (
        f"Every label of channel '{channel}' is {one_label:g}: such rows say little about how well classes are "
        "told apart. Give it rows of every class."
    )


def _bad_label(dataset: Dataset, bad: np.ndarray, predictor_type: str, classes: int) -> ClientError:
    """Names the first bad label, and how to mend all of them where the labels show it."""
    first = int(np.argmax(bad))
    found = np.unique(dataset.labels)
    allowed = "neither 0 nor 1" if classes == 2 else f"not one of 0, 1, ... {classes - 1}"
    count = int(bad.sum())
    others = f"; {count} rows are so" if count > 1 else ""
    shown = ", ".join(f"{label:g}" for label in found[:_SHOWN_LABELS]) + (", ..." if len(found) > _SHOWN_LABELS else "")
    written = float(str(dataset.labels[first]))  # with no more digits than float32 has
    return ClientError(
        f"Label {written:.9g} of channel '{dataset.name}' is {allowed}, as {predictor_type} needs",
        where=f"{dataset.where(first)}{others}; the labels are {shown}",
        fix=_remedy(found, predictor_type, classes),
    )


def _remedy(found: np.ndarray, predictor_type: str, classes: int) -> str:
    """``found``: the distinct labels, in order."""
    if found.tolist() == [-1, 1]:
        return "write 0 for the label -1"
    if found[0] == 1 and found[-1] == classes and (found == np.floor(found)).all():
        return f"labels start at 0: subtract 1 from each, so that they are 0..{classes - 1}"
    if (found != np.floor(found)).any():
        return "check that the label is the first column; for labels that are quantities set predictor_type=regressor"
    if predictor_type == BINARY:
        return f"use 0 and 1, or set predictor_type=multiclass_classifier and num_classes; {_NO_LABELS}"
    if found[0] < 0:
        return "number the classes from 0"
    return f"set num_classes={int(found[-1]) + 1}, or drop the rows; {_NO_LABELS}"
