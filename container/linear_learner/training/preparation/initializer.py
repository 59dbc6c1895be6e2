"""The first weights of the candidates."""

from __future__ import annotations

import numpy as np

from linear_learner.hyperparameters import HyperParameters
from linear_learner.training.engines.state import State


def initial_state(hp: HyperParameters, *, candidates: int, outputs: int, feature_dim: int) -> State:
    """The state before training: weights drawn by ``init_method``, every bias ``init_bias``.

    All candidates start from the same weights, as Amazon's do (the learning curves of its first models coincide until
    their learning rates part), so that what differs between them is what their hyperparameters did.
    """
    rng = np.random.default_rng([hp.seed])
    shape = (feature_dim, outputs)
    if hp.init_method == "uniform":
        weights = rng.uniform(-hp.init_scale, hp.init_scale, shape)
    else:
        weights = rng.normal(0, hp.init_sigma, shape)
    state = State.zeros(candidates, outputs, feature_dim)
    state.set_every_candidate(weights, hp.init_bias if hp.use_bias else 0.0)
    return state
