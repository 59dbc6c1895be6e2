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
from linear_learner.training.engines.state import Objective
from linear_learner.training.preparation.task import Task

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
"""The largest second derivative of a loss's value by its scores. The other losses have kinks, and none."""

LEAST_VARIANCE = 1e-8
"""Of the largest variance of a direction: below, float32 weights of the columns would drown it in rounding."""

MOST_STEPS = 60

NOISE = 0.03
"""Of the standard deviation that a gradient has by which rows came into the sample: one that small is next to none."""


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
    curvature /= objective.loss.steepness(**objective.constants)
    with one_thread():
        return _minimum(features.astype(np.float64), labels, objective, curvature, cluster)


def _minimum(
    features: np.ndarray, labels: np.ndarray, objective: Objective, curvature: float, cluster: Cluster
) -> tuple[np.ndarray, np.ndarray]:
    """By accelerated gradient descent with restarts (Nesterov 1983, O'Donoghue and Candes 2015) of weights in
    uncorrelated coordinates, and of a bias where there is one. ``features`` are written over."""
    columns, outputs = features.shape[1], objective.outputs
    *totals, rows = cluster.sum(np.append(features.sum(axis=0), len(features)))
    mean = np.array(totals) / rows if objective.use_bias else np.zeros(columns)
    features -= mean
    rotation = _uncorrelating(cluster.sum(features.T @ features) / rows)
    targets = _targets(labels, outputs)
    point = last = np.zeros((columns + objective.use_bias, outputs))
    momentum = 1.0
    for _ in range(MOST_STEPS):
        scores = features @ (rotation @ point[:columns]) + point[columns:].sum(axis=0)
        slopes = _slopes(scores, targets, objective)
        sums = cluster.sum(np.vstack([features.T @ slopes, slopes.sum(axis=0), np.square(slopes).sum(axis=0)]))
        gradient = np.vstack([rotation.T @ sums[:columns], sums[columns:-1]])[: len(point)] / rows
        step = point - gradient / curvature
        if np.vdot(gradient, step - last) > 0:
            momentum = 1.0
        following = (1 + math.sqrt(1 + 4 * momentum * momentum)) / 2
        point, last, momentum = step + (momentum - 1) / following * (step - last), step, following
        if (np.abs(gradient).max(axis=0) <= NOISE * np.sqrt(sums[-1]) / rows).all():
            break
    weights = rotation @ last[:columns]
    bias = last[columns:].sum(axis=0) - mean @ weights
    return weights.astype(np.float32), bias.astype(np.float32)


def _uncorrelating(covariance: np.ndarray) -> np.ndarray:
    """A matrix (d, d): the products of centered rows with it are uncorrelated and have a variance of 1, or less where
    the columns hold next to nothing in a direction."""
    variances, directions = np.linalg.eigh(covariance)
    matrix: np.ndarray = directions / np.sqrt(variances.clip(0) + max(LEAST_VARIANCE * variances[-1], 1e-30))
    return matrix


def _targets(labels: np.ndarray, outputs: int) -> np.ndarray:
    """As a loss wants them: (n, 1), or one-hot (n, 1, C) where it couples its outputs."""
    return labels[:, np.newaxis] if outputs == 1 else np.eye(outputs)[labels.astype(np.int64)][:, np.newaxis]


def _slopes(scores: np.ndarray, targets: np.ndarray, objective: Objective) -> np.ndarray:
    """(n, C), of the loss by the ``scores`` (n, C)."""
    shaped = scores if objective.outputs == 1 else scores[:, np.newaxis]
    return objective.loss.gradient(np, shaped, targets, **objective.constants).reshape(scores.shape)
