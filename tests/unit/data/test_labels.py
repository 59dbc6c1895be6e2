from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.dataset import Dataset, Segment
from linear_learner.data.labels import (
    absent_classes_notice,
    check_labels,
    constant_label_notice,
    one_label_notice,
)
from linear_learner.errors import ClientError

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
VALID = {BINARY: [0, 1, 1, 0], MULTICLASS: [0, 1, 2, 3], REGRESSOR: [0.5, -7, 1e30, 0]}


def check(labels: list[float], predictor_type: str, *, num_classes: int = 4, is_train: bool = True) -> None:
    features = np.zeros((len(labels), 1), np.float32)
    data = Dataset("train", features, np.array(labels, np.float32), (Segment(0, "a.csv", 1),))
    check_labels(data, predictor_type=predictor_type, num_classes=num_classes, is_train=is_train)


@pytest.mark.parametrize("predictor_type", VALID)
def test_good_labels_pass(predictor_type: str) -> None:
    check(VALID[predictor_type], predictor_type)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            [0, 1, 2, 2],
            "Label 2 of channel 'train' is neither 0 nor 1, as binary_classifier needs (a.csv, row 3; 2 rows are so; "
            "the labels are 0, 1, 2). Use 0 and 1, or set predictor_type=multiclass_classifier and num_classes; or, if "
            "these are no labels, put theirs into the first column or name it in label_column",
        ),
        (
            [1, -1, 1, 1],
            "Label -1 of channel 'train' is neither 0 nor 1, as binary_classifier needs (a.csv, row 2; the labels are "
            "-1, 1). Write 0 for the label -1",
        ),
        (
            [1, 2, 1, 2],
            "Label 2 of channel 'train' is neither 0 nor 1, as binary_classifier needs (a.csv, row 2; 2 rows are so; "
            "the labels are 1, 2). Labels start at 0: subtract 1 from each, so that they are 0..1",
        ),
        (
            [0, 1, 0.25, 7, 8, 9],
            "Label 0.25 of channel 'train' is neither 0 nor 1, as binary_classifier needs (a.csv, row 3; 4 rows are "
            "so; the labels are 0, 0.25, 1, 7, 8, ...). Check that the label is the first column; for labels that are "
            "quantities set predictor_type=regressor",
        ),
    ],
)
def test_a_label_that_is_neither_0_nor_1_is_told(labels: list[float], expected: str) -> None:
    for is_train in (True, False):
        with pytest.raises(ClientError) as raised:
            check(labels, BINARY, is_train=is_train)
        assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 4, 3], "Label 4 .* is not one of 0, 1, ... 3, .*row 3; .*Set num_classes=5, or drop the rows"),
        ([1, 2, 3, 4], "Label 4 .*row 4; .*Labels start at 0: subtract 1 from each, so that they are 0..3"),
        ([0, 1, -1, 2], "Label -1 .*row 3; .*Number the classes from 0"),
        ([0, 1.5, 2, 3], "Label 1.5 .*row 2; .*Check that the label is the first column"),
    ],
)
def test_a_label_that_is_no_class_is_told(labels: list[float], expected: str) -> None:
    with pytest.raises(ClientError, match=expected):
        check(labels, MULTICLASS)


def test_a_train_channel_of_one_class_teaches_nothing() -> None:
    for predictor_type in (BINARY, MULTICLASS):
        with pytest.raises(
            ClientError, match=r"Every label of channel 'train' is 1; .*\(3 rows\)\. Give rows of at least two"
        ):
            check([1, 1, 1], predictor_type)
        check([1, 1, 1], predictor_type, is_train=False)
    check([1, 1, 1], REGRESSOR)


@pytest.mark.parametrize(
    ("labels", "predictor_type", "expected"),
    [([1, 1], BINARY, True), ([2], MULTICLASS, True), ([0, 1, 1], BINARY, False), ([1, 1], REGRESSOR, False)],
)
def test_a_channel_of_one_class_is_worth_a_notice(labels: list[float], predictor_type: str, expected: bool) -> None:
    data = Dataset("validation", np.zeros((len(labels), 1)), np.array(labels, np.float32), (Segment(0, "a.csv", 1),))
    notice = one_label_notice(data.name, data.one_label, predictor_type=predictor_type)
    assert (notice is not None) == expected
    assert notice is None or notice.startswith(f"Every label of channel 'validation' is {labels[0]}: ")


def test_a_bad_label_is_shown_as_it_is_written() -> None:
    with pytest.raises(ClientError, match=r"^Label 0\.8 of .* the labels are 0\.2, 0\.8\)"):
        check([0.8, 0.2], BINARY)


def test_labels_of_which_nothing_can_be_learnt_are_told() -> None:
    notice = constant_label_notice("train", 5.0, predictor_type=REGRESSOR)
    assert notice is not None and notice.startswith("Every label of channel 'train' is 5: there is nothing to learn")
    assert constant_label_notice("train", None, predictor_type=REGRESSOR) is None
    assert constant_label_notice("train", 1.0, predictor_type=BINARY) is None


def test_classes_that_are_never_seen_are_told() -> None:
    assert absent_classes_notice("train", []) is None
    notice = absent_classes_notice("train", [3, *range(5, 20)])
    assert notice is not None
    assert notice.startswith("No row of channel 'train' is of class 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, .... Check")
