"""The losses a candidate can be trained on, one row each.

A loss is a pair of pure functions of scores and labels. They are written over ``F``, which is ``numpy`` or
``mxnet.nd``: only functions that both have under one name and meaning are used, so the same line evaluates the
validation channel, is held against finite differences in float64, and trains on MXNet's operators.

Scores of a loss with one output are (n, K): n rows, K candidates; labels are (n, 1). Scores of a coupled loss (softmax,
multiclass hinge) are (n, K, C) and the labels one-hot, (n, 1, C). Values are (n, K), gradients like the scores.
Constants (``margin``, ``delta`` ...) arrive by keyword; see ``Loss.constants``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any  # numpy.ndarray or mxnet.nd.NDArray, as F is


def softplus(F: Any, x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return F.maximum(x, 0.0) + F.log1p(F.exp(-F.abs(x)))


def sigmoid(F: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow, with full relative precision for very negative x."""
    e = F.exp(-F.abs(x))
    positive = x >= 0
    return (positive + (1 - positive) * e) / (1 + e)


def logistic(F: Any, score: Array, label: Array) -> Array:
    """Cross entropy of a 0/1 label under sigmoid(score)."""
    return softplus(F, score) - score * label


def logistic_gradient(F: Any, score: Array, label: Array) -> Array:
    return sigmoid(F, score) - label


def hinge_loss(F: Any, score: Array, label: Array, margin: float) -> Array:
    """max(0, margin - sign * score) for a 0/1 label, whose sign is -1 or 1."""
    return F.maximum(margin - (2 * label - 1) * score, 0.0)


def hinge_loss_gradient(F: Any, score: Array, label: Array, margin: float) -> Array:
    sign = 2 * label - 1
    return -sign * (margin - sign * score > 0)


def squared_loss(F: Any, score: Array, label: Array) -> Array:
    """(score - label)^2, without a factor 1/2: the objective that Amazon's logs print."""
    return F.square(score - label)


def squared_loss_gradient(F: Any, score: Array, label: Array) -> Array:
    return 2 * (score - label)


def absolute_loss(F: Any, score: Array, label: Array) -> Array:
    return F.abs(score - label)


def absolute_loss_gradient(F: Any, score: Array, label: Array) -> Array:
    return F.sign(score - label)


def eps_insensitive_squared_loss(F: Any, score: Array, label: Array, epsilon: float) -> Array:
    """max(0, |score - label| - epsilon)^2."""
    return F.square(F.maximum(F.abs(score - label) - epsilon, 0.0))


def eps_insensitive_squared_loss_gradient(F: Any, score: Array, label: Array, epsilon: float) -> Array:
    error = score - label
    return 2 * F.sign(error) * F.maximum(F.abs(error) - epsilon, 0.0)


def eps_insensitive_absolute_loss(F: Any, score: Array, label: Array, epsilon: float) -> Array:
    """max(0, |score - label| - epsilon)."""
    return F.maximum(F.abs(score - label) - epsilon, 0.0)


def eps_insensitive_absolute_loss_gradient(F: Any, score: Array, label: Array, epsilon: float) -> Array:
    error = score - label
    return F.sign(error) * (F.abs(error) > epsilon)


def quantile_loss(F: Any, score: Array, label: Array, quantile: float) -> Array:
    """The pinball loss, least where the label is below the score with probability ``quantile`` (Koenker 1978)."""
    error = label - score
    return F.maximum(quantile * error, (quantile - 1) * error)


def quantile_loss_gradient(F: Any, score: Array, label: Array, quantile: float) -> Array:
    error = label - score
    return (1 - quantile) * (error < 0) - quantile * (error > 0)


def huber_loss(F: Any, score: Array, label: Array, delta: float) -> Array:
    """error^2 / 2 up to delta, delta (|error| - delta / 2) above (Huber 1964)."""
    size = F.abs(score - label)
    inside = F.minimum(size, delta)
    return inside * (size - 0.5 * inside)


def huber_loss_gradient(F: Any, score: Array, label: Array, delta: float) -> Array:
    """Of a delta of one dollar beside prices of a million, a loss next to nothing would be left, which any penalty
    drowns; so its steepest slope, delta, counts as 1 where it is less."""
    error = score - label
    return F.sign(error) * F.minimum(F.abs(error), delta) / huber_steepness(delta)


def huber_steepness(delta: float) -> float:
    return max(min(delta, 1.0), LEAST_STEEPNESS)


LEAST_STEEPNESS = 2.0**-126
"""One over a smaller number is beyond float32."""


def softmax_loss(F: Any, score: Array, label: Array) -> Array:
    """Cross entropy of the label's class under softmax(score)."""
    shifted = score - F.max(score, axis=2, keepdims=True)
    return F.log(F.sum(F.exp(shifted), axis=2)) - F.sum(shifted * label, axis=2)


def softmax_loss_gradient(F: Any, score: Array, label: Array) -> Array:
    e = F.exp(score - F.max(score, axis=2, keepdims=True))
    return e / F.sum(e, axis=2, keepdims=True) - label


def multiclass_hinge_loss(F: Any, score: Array, label: Array, margin: float) -> Array:
    """max(0, margin + highest wrong score - right score) (Crammer and Singer 2001)."""
    right = F.sum(score * label, axis=2)
    # A wrong score is lowered by nothing, the right one by far more than any score differs from another.
    wrong = F.max(score - label * RIGHT_CLASS_OUT, axis=2)
    return F.maximum(margin + wrong - right, 0.0)


def multiclass_hinge_loss_gradient(F: Any, score: Array, label: Array, margin: float) -> Array:
    right = F.sum(score * label, axis=2, keepdims=True)
    others = score - label * RIGHT_CLASS_OUT
    wrong = F.max(others, axis=2, keepdims=True)
    active = margin + wrong - right > 0
    rival = others == wrong
    # Several classes that tie for the highest wrong score share the blame: a subgradient like any other.
    return active * (rival / F.sum(rival * 1.0, axis=2, keepdims=True) - label)


RIGHT_CLASS_OUT = 1e30


@dataclass(frozen=True)
class Loss:
    """One row of LOSSES.

    ``gradient``: what training follows, the slope of ``value`` over ``steepness``, which is asked with the constants.
    ``constants`` maps the keyword of the functions to the hyperparameter that gives it.
    ``degree``: value(a * score, a * label) with constants in label units scaled by a equals a**degree * value(score,
    label); it turns an objective in normalised label units into raw ones.
    ``scaled_constants``: the constants that are in label units.
    ``link``: what a score is passed through when serving. ``coupled``: the C outputs of a candidate share one label.
    """

    name: str
    predictor_type: str
    value: Callable[..., Array]
    gradient: Callable[..., Array]
    objective: str
    link: str = "identity"
    degree: int = 0
    constants: tuple[tuple[str, str], ...] = ()
    scaled_constants: tuple[str, ...] = ()
    coupled: bool = False
    steepness: Callable[..., float] = lambda **constants: 1.0


BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"

_ROWS = (
    Loss(
        "logistic", BINARY, logistic, logistic_gradient,
        objective="binary_classification_cross_entropy_objective", link="logistic",
    ),
    Loss(
        "hinge_loss", BINARY, hinge_loss, hinge_loss_gradient,
        objective="hinge_loss_objective", constants=(("margin", "margin"),),
    ),
    Loss(
        "softmax_loss", MULTICLASS, softmax_loss, softmax_loss_gradient,
        objective="multiclass_cross_entropy_objective", link="softmax", coupled=True,
    ),
    Loss(
        "hinge_loss", MULTICLASS, multiclass_hinge_loss, multiclass_hinge_loss_gradient,
        objective="multiclass_hinge_loss_objective", constants=(("margin", "margin"),), coupled=True,
    ),
    Loss("squared_loss", REGRESSOR, squared_loss, squared_loss_gradient, objective="mse_objective", degree=2),
    Loss(
        "absolute_loss", REGRESSOR, absolute_loss, absolute_loss_gradient,
        objective="absolute_loss_objective", degree=1,
    ),
    Loss(
        "eps_insensitive_squared_loss", REGRESSOR,
        eps_insensitive_squared_loss, eps_insensitive_squared_loss_gradient,
        objective="eps_insensitive_squared_loss_objective", degree=2,
        constants=(("epsilon", "loss_insensitivity"),), scaled_constants=("epsilon",),
    ),
    Loss(
        "eps_insensitive_absolute_loss", REGRESSOR,
        eps_insensitive_absolute_loss, eps_insensitive_absolute_loss_gradient,
        objective="eps_insensitive_absolute_loss_objective", degree=1,
        constants=(("epsilon", "loss_insensitivity"),), scaled_constants=("epsilon",),
    ),
    Loss(
        "quantile_loss", REGRESSOR, quantile_loss, quantile_loss_gradient,
        objective="quantile_loss_objective", degree=1, constants=(("quantile", "quantile"),),
    ),
    Loss(
        "huber_loss", REGRESSOR, huber_loss, huber_loss_gradient,
        objective="huber_loss_objective", degree=2,
        constants=(("delta", "huber_delta"),), scaled_constants=("delta",), steepness=huber_steepness,
    ),
)  # fmt: skip

LOSSES: dict[tuple[str, str], Loss] = {(row.predictor_type, row.name): row for row in _ROWS}
"""By (predictor_type, loss)."""
