from __future__ import annotations

import numpy as np
import pytest

from linear_learner.hyperparameters import validate
from linear_learner.training.engines.state import State
from linear_learner.training.preparation.initializer import initial_state


def state_for(**given: str) -> State:
    hp = validate({"predictor_type": "regressor", **given})
    return initial_state(hp, candidates=17, outputs=1, feature_dim=4000)


def test_uniform_weights_fill_the_scale() -> None:
    weights = state_for(init_scale="0.5").candidate(0)[0]
    assert -0.5 <= weights.min() < -0.49 and 0.49 < weights.max() <= 0.5
    assert abs(weights.mean()) < 0.02


def test_normal_weights_have_the_spread() -> None:
    weights = state_for(init_method="normal", init_sigma="2").candidate(0)[0]
    assert weights.std() == pytest.approx(2, rel=0.05)


def test_all_candidates_start_alike_and_padding_is_zero() -> None:
    state = state_for()
    for k in range(1, 17):
        np.testing.assert_array_equal(state.candidate(k)[0], state.candidate(0)[0])
    assert not state.weights[1, :, 1:].any()


@pytest.mark.parametrize(("use_bias", "bias"), [("true", 1.5), ("false", 0.0)])
def test_the_bias_starts_at_init_bias_if_there_is_one(use_bias: str, bias: float) -> None:
    assert state_for(init_bias="1.5", use_bias=use_bias).bias[:17].tolist() == [bias] * 17


def test_the_seed_decides() -> None:
    np.testing.assert_array_equal(state_for().weights, state_for().weights)
    assert (state_for(seed="1").weights != state_for().weights).any()
