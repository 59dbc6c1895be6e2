"""How much a row counts by its class."""

from __future__ import annotations

import math

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.auto import EVEN, RowWeights
from linear_learner.model.losses import BINARY, MULTICLASS


def positive_weights(hp: HyperParameters, counts: np.ndarray) -> list[float]:
    """The weights of positive examples that the candidates try; negative ones weigh 1. ``counts``: rows by label.

    ``balanced`` gives both classes the same total weight. ``auto`` tries no weighting, balanced, and the geometric mean
    between, and leaves the choice to model selection.
    """
    given = hp.positive_example_weight_mult
    if not isinstance(given, str):
        return [float(given)]
    negatives, positives = map(float, counts)
    if not negatives or not positives:
        raise ClientError(
            f"The first {int(counts.sum())} rows of channel 'train' are of one class; there is nothing to balance",
            where=f"hyperparameter positive_example_weight_mult={given}",
            fix="shuffle the rows, give a number, or use File mode",
        )
    balanced = negatives / positives
    return [balanced] if given == "balanced" else [1.0, math.sqrt(balanced), balanced]


def class_weights(hp: HyperParameters, counts: np.ndarray, *, are_all: bool = True) -> np.ndarray | None:
    """float32 (num_classes,): n / (classes present * rows of the class) with ``balance_multiclass_weights``, so that
    all classes have the same total weight and the mean weight is 1. None where rows count alike.

    ``counts``: (num_classes,), rows by label. Unless they ``are_all``, a class that is not among them yet weighs as
    much as the rarest.
    """
    if not hp.balance_multiclass_weights:
        return None
    present = counts > 0
    weights = np.zeros(hp.num_classes, np.float32)
    weights[present] = counts.sum() / (np.count_nonzero(present) * counts[present])
    if not are_all:
        weights[~present] = weights.max()
    return weights


def row_weights(hp: HyperParameters, counts: np.ndarray) -> RowWeights:
    """Of the rows of the base candidate. ``counts``: rows by label.

    A loss whose rows weigh a thousand times as much is a thousand times as steep: a learning rate and a penalty that
    are to do what they do without weights follow from these.
    """
    weights = class_weights(hp, counts)
    if hp.predictor_type == BINARY:
        weights = np.array([1.0, positive_weights(hp, counts)[0]])
    if weights is None or not counts.any():
        return EVEN
    return RowWeights(mean=float(counts @ weights / counts.sum()), largest=float(weights.max()))


def number_of_classes(hp: HyperParameters) -> int:
    """0 for a regressor."""
    return {BINARY: 2, MULTICLASS: hp.num_classes}.get(hp.predictor_type, 0)
