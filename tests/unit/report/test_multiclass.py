"""Confusions, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
from sklearn import metrics

from linear_learner.report import multiclass

RANDOM = np.random.default_rng(0)


def test_the_matrix_is_that_of_sklearn() -> None:
    labels, predicted = RANDOM.integers(0, 4, (2, 500))
    found = multiclass.confusion(labels, predicted, 5)
    assert found["matrix"] == metrics.confusion_matrix(labels, predicted, labels=range(5)).tolist()
    assert found["per_class"]["labelled"] == np.bincount(labels, minlength=5).tolist()
    assert found["per_class"]["predicted"] == np.bincount(predicted, minlength=5).tolist()
    assert found["per_class"]["right"] == np.diag(metrics.confusion_matrix(labels, predicted, labels=range(5))).tolist()


def test_confusions_are_mistakes_the_most_frequent_first() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    predicted = np.array([1, 1, 0, 2, 1, 2, 2])
    assert multiclass.confusion(labels, predicted, 3)["confusions"] == [[0, 1, 2], [1, 2, 1]]


def test_many_classes_have_no_matrix() -> None:
    labels = RANDOM.integers(0, 5000, 9000)
    found = multiclass.confusion(labels, np.roll(labels, 1), 5000)
    assert found["matrix"] is None and len(found["confusions"]) == multiclass.MOST_CONFUSIONS


def test_no_mistake_is_no_confusion() -> None:
    assert multiclass.confusion(np.array([0, 1]), np.array([0, 1]), 2)["confusions"] == []
