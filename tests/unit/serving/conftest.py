"""A client of the application around a small model."""

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


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., str]:
    """Writes a regressor that answers ``constant`` to anything, loose in a folder, and returns that."""

    def make(name: str, constant: float, feature_dim: int = 2) -> str:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        weights = np.zeros((feature_dim, 1), np.float32)
        bias = np.array([constant], np.float32)
        artifact.save(
            LinearModel(weights, bias, predictor_type="regressor", loss="squared_loss", link="identity"),
            folder,
            pack=False,
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
