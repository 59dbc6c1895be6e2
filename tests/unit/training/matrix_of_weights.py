"""The weights of a state in one piece, to compare them by."""

from __future__ import annotations

import numpy as np

from linear_learner.training.engines.state import State, untile


def weight_matrix(state: State) -> np.ndarray:
    """A copy of the weights as a matrix (d, K * C)."""
    return untile(state.weights)[:, : state.columns]
