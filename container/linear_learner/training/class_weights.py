"""How much a row counts by its class."""

from __future__ import annotations

import math

import numpy as np

from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.losses import BINARY, MULTICLASS


def positive_weights(hp: HyperParameters, labels: np.ndarray) -> list[float]:
    """The weights of positive examples that the candidates try; negative ones weigh 1. ``labels``: 0/1 (n,).

    ``balanced`` gives both classes the same total weight. ``auto`` tries no weighting, balanced, and the geometric mean
    between, and leaves the choice to model selection.
    """
    given = hp.positive_example_weight_mult
    if hp.predictor_type != BINARY:
        return [1.0]
    if not isinstance(given, str):
        return [float(given)]
    positives = float(np.count_nonzero(labels))
    balanced = (len(labels) - positives) / positives
    return [balanced] if given == "balanced" else [1.0, math.sqrt(balanced), balanced]


def class_weights(hp: HyperParameters, labels: np.ndarray) -> np.ndarray | None:
    """float32 (num_classes,): n / (classes present * rows of the class) with ``balance_multiclass_weights``, so that
    all classes have the same total weight and the mean weight is 1. None where rows count alike."""
    if hp.predictor_type != MULTICLASS or not hp.balance_multiclass_weights:
        return None
    counts = np.bincount(labels.astype(np.int64), minlength=hp.num_classes)
    present = counts > 0
    weights = np.zeros(hp.num_classes, np.float32)
    weights[present] = len(labels) / (np.count_nonzero(present) * counts[present])
    return weights
