"""First weights near the minimum, where there are rows enough for it.

Optimizers that step in each weight by itself need the more epochs the more the columns go together: what tells two
columns apart that are nearly the same is learnt hundreds of times as slowly as what they share. In coordinates that are
uncorrelated and of one variance everything is learnt alike, and some tens of steps on a sample of the rows come to its
minimum. Training goes on from there, with all rows and with the penalties of each candidate.
"""

from __future__ import annotations

import math

import numpy as np

from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters
from linear_learner.native.numpy_blas import one_thread
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.preparation import Task
from linear_learner.training.state import Objective

INITIALIZER = frozenset({"init_method", "init_scale", "init_sigma", "init_bias"})

MOST_ROWS = 10_000
ROWS_FOR_A_WEIGHT = 20
"""With fewer the minimum of the sample is that of its noise."""

CURVATURES = {
    "logistic": 0.25,
    "softmax_loss": 0.5,
    "squared_loss": 2.0,
    "eps_insensitive_squared_loss": 2.0,
    "huber_loss": 1.0,
}
"""The largest second derivative of a loss by its scores. The other losses have kinks, and no second derivative."""

LEAST_VARIANCE = 1e-8
"""Of the largest variance of a direction: below, float32 weights of the columns would drown it in rounding."""

MOST_STEPS, SMALL_GRADIENT = 60, 1e-6


def head_start(
    hp: HyperParameters, task: Task, objective: Objective, cluster: Cluster = ALONE
) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights float32 (d, C) and bias (C,) of normalised rows, near the least loss of a sample of the rows of all hosts
    without penalties; the same bits on all hosts. None of sparse rows, of too few, of losses with
    kinks, and where ``hp`` says how to begin."""
    curvature = CURVATURES.get(objective.loss.name)
    if curvature is None or hp.given & INITIALIZER:
        return None
    features, labels = task.train.sample(math.ceil(MOST_ROWS * task.share))
    rows = cluster.sum(np.array([len(labels)]))[0]
    weights = features.shape[1] * objective.outputs
    if isinstance(features, CsrMatrix) or rows < ROWS_FOR_A_WEIGHT * weights:
        return None
    with one_thread():
        return _minimum(features.astype(np.float64), labels, objective, curvature, cluster)


def _minimum(
    features: np.ndarray, labels: np.ndarray, objective: Objective, curvature: float, cluster: Cluster
) -> tuple[np.ndarray, np.ndarray]:
    """By accelerated gradient descent with restarts (Nesterov 1983, O'Donoghue and Candes 2015) in uncorrelated
    coordinates. ``features`` are written over."""
    mean, rotation, rows = _uncorrelated(features, cluster, unbias=objective.use_bias)
    inputs = (features - mean) @ rotation
    if objective.use_bias:
        inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    targets = _targets(labels, objective.outputs)
    point = last = np.zeros((inputs.shape[1], objective.outputs))
    momentum = 1.0
    for _ in range(MOST_STEPS):
        gradient = cluster.sum(inputs.T @ _slopes(inputs @ point, targets, objective)) / rows
        if np.abs(gradient).max() < SMALL_GRADIENT:
            break
        step = point - gradient / curvature
        if np.vdot(gradient, step - last) > 0:
            momentum = 1.0
        following = (1 + math.sqrt(1 + 4 * momentum * momentum)) / 2
        point, last, momentum = step + (momentum - 1) / following * (step - last), step, following
    weights = rotation @ last[: len(mean)]
    bias = last[-1] - mean @ weights if objective.use_bias else np.zeros(objective.outputs)
    return weights.astype(np.float32), bias.astype(np.float32)


def _uncorrelated(features: np.ndarray, cluster: Cluster, *, unbias: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Means (d,) and a matrix (d, d), so that the columns of ``(features - mean) @ matrix`` are uncorrelated and have a
    variance of 1, or less where the columns hold next to nothing in a direction; and the rows of all hosts."""
    columns = features.shape[1]
    sums = cluster.sum(np.append(features.sum(axis=0), len(features)))
    rows = sums[-1]
    mean = sums[:-1] / rows if unbias else np.zeros(columns)
    centered = features - mean
    variances, directions = np.linalg.eigh(cluster.sum(centered.T @ centered) / rows)
    return mean, directions / np.sqrt(variances.clip(0) + max(LEAST_VARIANCE * variances[-1], 1e-30)), rows


def _targets(labels: np.ndarray, outputs: int) -> np.ndarray:
    """As a loss wants them: (n, 1), or one-hot (n, 1, C) where it couples its outputs."""
    return labels[:, np.newaxis] if outputs == 1 else np.eye(outputs)[labels.astype(np.int64)][:, np.newaxis]


def _slopes(scores: np.ndarray, targets: np.ndarray, objective: Objective) -> np.ndarray:
    """(n, C), of the loss by the ``scores`` (n, C)."""
    shaped = scores if objective.outputs == 1 else scores[:, np.newaxis]
    return objective.loss.gradient(np, shaped, targets, **objective.constants).reshape(scores.shape)
