"""Small models whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from linear_learner.model.linear_model import LinearModel


def _model(weights: list[list[float]], bias: list[float], **kind: object) -> LinearModel:
    return LinearModel(np.array(weights, np.float32), np.array(bias, np.float32), **kind)


@pytest.fixture
def binary() -> LinearModel:
    """score = sigmoid(x0 - x1)."""
    weights = [[1], [-1], [0]]
    return _model(
        weights, [0], predictor_type="binary_classifier", loss="logistic", link="logistic", threshold=0.5, num_classes=2
    )


@pytest.fixture
def multiclass() -> LinearModel:
    """score = softmax(x)."""
    return _model(
        np.eye(3).tolist(),
        [0, 0, 0],
        predictor_type="multiclass_classifier",
        loss="softmax_loss",
        link="softmax",
        num_classes=3,
    )


@pytest.fixture
def regressor() -> LinearModel:
    """score = x0 + 2 x1 + 4 x2 + 0.5."""
    return _model([[1], [2], [4]], [0.5], predictor_type="regressor", loss="squared_loss", link="identity")
