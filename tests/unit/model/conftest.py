"""Models of every kind, with numbers of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.model.linear_model import LinearModel

# predictor_type, loss, link, outputs, threshold
KINDS: dict[str, tuple[str, str, str, int, float | None]] = {
    "logistic": ("binary_classifier", "logistic", "logistic", 1, 0.25),
    "hinge": ("binary_classifier", "hinge_loss", "identity", 1, -0.125),
    "softmax": ("multiclass_classifier", "softmax_loss", "softmax", 4, None),
    "multiclass_hinge": ("multiclass_classifier", "hinge_loss", "identity", 3, None),
    # Calibrated, so that scores are probabilities.
    "platt_hinge": ("binary_classifier", "hinge_loss", "logistic", 1, 0.25),
    "temperature_hinge": ("multiclass_classifier", "hinge_loss", "softmax", 3, None),
    "squared": ("regressor", "squared_loss", "identity", 1, None),
}


@pytest.fixture
def make_model() -> Callable[..., LinearModel]:
    """``make_model(kind, feature_dim=5, seed=0, **changes)``."""

    def make(kind: str, feature_dim: int = 5, seed: int = 0, **changes: Any) -> LinearModel:
        predictor_type, loss, link, outputs, threshold = KINDS[kind]
        random = np.random.default_rng(seed)
        fields = {
            "weights": random.normal(size=(feature_dim, outputs)).astype(np.float32),
            "bias": random.normal(size=outputs).astype(np.float32),
            "predictor_type": predictor_type,
            "loss": loss,
            "link": link,
            "threshold": threshold,
            "num_classes": outputs,
        }
        return LinearModel(**{**fields, **changes})

    return make


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def features() -> np.ndarray:
    """float32 (7, 5)."""
    return np.random.default_rng(7).normal(size=(7, 5)).astype(np.float32)


@pytest.fixture
def amazon_artifacts() -> Path:
    """The folder with real ``model_algo-1`` files of Amazon's container, which stays outside the project."""
    folder = Path(__file__).parents[4] / "shared" / "amazon-artifacts"
    if not folder.is_dir():
        pytest.skip(f"no artifacts of Amazon's container in {folder}")
    return folder
