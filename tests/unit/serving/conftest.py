"""Small models whose answers are known, and a client of the application around one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

MakeClient = Callable[..., FlaskClient]


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


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., str]:
    """Writes a regressor that answers ``constant`` to anything, loose in a folder, and returns that."""

    def make(name: str, constant: float, feature_dim: int = 2) -> str:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        weights = np.zeros((feature_dim, 1), np.float32)
        bias = np.array([constant], np.float32)
        artifact.save(
            _model(weights, bias, predictor_type="regressor", loss="squared_loss", link="identity"), folder, pack=False
        )
        (folder / "model_algo-1").unlink()
        return str(folder)

    return make


@pytest.fixture
def make_client() -> MakeClient:
    def make(model: LinearModel | None, **settings: object) -> FlaskClient:
        return create_app(model, Settings(**settings)).test_client()

    return make


@pytest.fixture
def client(make_client: MakeClient, binary: LinearModel) -> FlaskClient:
    return make_client(binary)
