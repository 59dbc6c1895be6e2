"""The update rules against MXNet's own optimizers, and their fixed points against the optimality condition."""

from __future__ import annotations

import numpy as np
import pytest

from linear_learner.model.mxnet_import import mx
from linear_learner.training.engines.optimizers import OPTIMIZERS, soft_threshold
from linear_learner.training.engines.state import Rates


def one_rate(**changed: float) -> Rates:
    values = {
        "learning_rate": 0.05, "lr_scheduler_step": 1, "lr_scheduler_factor": 1, "lr_scheduler_minimum_lr": 1e-9,
        "wd": 0, "l1": 0, "momentum": 0.9, "beta_1": 0.9, "beta_2": 0.999, "bias_lr_mult": 1, "bias_wd_mult": 0,
        "positive_weight": 1, "raw_penalty": 0,
    } | changed  # fmt: skip
    return Rates(
        **{
            name: np.array([value], np.int64 if name == "lr_scheduler_step" else np.float32)
            for name, value in values.items()
        }
    )


def run(name: str, gradient, w: np.ndarray, steps: int, *, l1: float = 0.0, **changed: float) -> np.ndarray:
    """``steps`` updates of w (d, 1) by the row ``name`` of OPTIMIZERS."""
    rates, row = one_rate(**changed), OPTIMIZERS[name]
    decay = [v for field in row.decays for v in (getattr(rates, field), 1 - getattr(rates, field))]
    moments = [np.zeros_like(w) for _ in range(2)]
    for update in range(steps):
        lr = rates.learning_rate_at(update).astype(np.float64)
        step, direction = row.step(np, gradient(w, update), moments, row.rate(rates, lr, update), decay)
        w = soft_threshold(np, w - step * direction, step * l1)
    return w


MXNET = {
    "sgd": lambda: mx.optimizer.SGD(learning_rate=0.05, momentum=0.9, wd=0),
    "adam": lambda: mx.optimizer.Adam(learning_rate=0.05, beta1=0.9, beta2=0.999, epsilon=1e-8, wd=0),
    "rmsprop": lambda: mx.optimizer.RMSProp(learning_rate=0.05, gamma1=0.9, epsilon=1e-8, wd=0),
    "adagrad": lambda: mx.optimizer.AdaGrad(learning_rate=0.05, eps=1e-7, wd=0),
}


@pytest.mark.parametrize("name", MXNET)
def test_updates_equal_mxnets_own_optimizer(name: str) -> None:
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(30, 5, 1)).astype(np.float32)
    start = rng.normal(size=(5, 1)).astype(np.float32)
    theirs, updater = mx.nd.array(start), mx.optimizer.get_updater(MXNET[name]())
    for gradient in gradients:
        updater(0, mx.nd.array(gradient), theirs)
    ours = run(name, lambda w, update: gradients[update], start.copy(), len(gradients))
    np.testing.assert_allclose(ours, theirs.asnumpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", MXNET)
def test_l1_ends_at_the_minimum_of_the_penalised_loss_with_exact_zeros(name: str) -> None:
    """Minimum of sum(h/2 (w - t)^2) + l1 |w|: w = soft(t, l1 / h), coordinate by coordinate."""
    target, curvature, l1 = np.array([[2.0], [0.05], [-1.0], [0.0]]), np.array([[1.0], [2.0], [0.5], [1.0]]), 0.3
    settings = {"learning_rate": 0.3, "momentum": 0.5} if name != "rmsprop" else {"learning_rate": 0.001}
    w = run(name, lambda w, update: curvature * (w - target), np.full((4, 1), 0.5), 6000, l1=l1, **settings)
    np.testing.assert_allclose(w, soft_threshold(np, target, l1 / curvature), atol=2e-3)
    assert w[1, 0] == 0 and w[3, 0] == 0


def test_soft_threshold() -> None:
    x = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    np.testing.assert_array_equal(soft_threshold(np, x, 1.0), [-2, 0, 0, 0, 2])
