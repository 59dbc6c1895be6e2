"""The optimizers, one row each: SGD with momentum, Adam, RMSProp and AdaGrad, as proximal steps.

An optimizer turns a gradient ``g`` into a direction ``m`` and a step ``s`` for every coordinate; the update is then

    w  <-  soft(w - s * m, s * l1),      soft(x, a) = sign(x) * max(|x| - a, 0)

the proximal step of the L1 penalty in the optimizer's own metric, so that weights become exactly zero and the fixed
point is the minimum of loss + l1 * |w| whatever the step is. L2 (``wd``) comes with the gradient.

Of sparse rows, a mini-batch touches the features that one of its rows holds, and the others have no gradient. They are
not moved then, but caught up with when a mini-batch touches them next, or at the end of the call: n mini-batches at
once, with the step s that their moments give at the beginning of the gap and the rate at its end,

    w  <-  soft((w - s * M * (b + b^2 + ... + b^n)) / (1 + n * s * wd), n * s * l1)

where M is the first moment, if there is one, and b what a mini-batch multiplies it by: the momentum that is left runs
out, and the penalties of n mini-batches are paid, L2 as an implicit step, which shrinks and never overshoots. Then both
moments fade as n gradients of zero make them. ``catch_up`` is that; with n = 0 it changes nothing. wd and l1 may be
those of each weight: see ``Objective.penalty_factors``.

All functions are written over ``F``, which is ``mxnet.nd`` or ``numpy``; arrays are (d, K * C) and the rates (K * C,)
or scalars. Formulas are those of MXNet 1.9.1's optimizers (``mxnet/optimizer``), with classical momentum written as an
average: M <- mom * M + (1 - mom) * g and a step of lr / (1 - mom), which moves w just as v <- mom * v - lr * g does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from linear_learner.training.engines.state import Rates

Array = Any  # numpy.ndarray or mxnet.nd.NDArray, as F is

ADAM_EPSILON = 1e-8
RMSPROP_DECAY, RMSPROP_EPSILON = 0.9, 1e-8
ADAGRAD_EPSILON = 1e-7


def soft_threshold(F: Any, x: Array, a: Array) -> Array:
    """sign(x) * max(|x| - a, 0)."""
    return F.sign(x) * F.maximum(F.abs(x) - a, 0.0)


def sgd(F: Any, g: Array, moments: list[Array], rate: Array, decay: list[Array]) -> tuple[Array, Array]:
    """Returns (s, m). ``decay`` holds momentum and 1 - momentum; rate is already lr / (1 - momentum)."""
    momentum, rest = decay
    moments[0][:] = momentum * moments[0] + rest * g
    return rate, moments[0]


def adam(F: Any, g: Array, moments: list[Array], rate: Array, decay: list[Array]) -> tuple[Array, Array]:
    """Kingma and Ba 2015. ``decay``: beta_1, 1 - beta_1, beta_2, 1 - beta_2; rate carries the bias correction."""
    beta_1, rest_1, beta_2, rest_2 = decay
    moments[0][:] = beta_1 * moments[0] + rest_1 * g
    moments[1][:] = beta_2 * moments[1] + rest_2 * F.square(g)
    return rate / (F.sqrt(moments[1]) + ADAM_EPSILON), moments[0]


def rmsprop(F: Any, g: Array, moments: list[Array], rate: Array, decay: list[Array]) -> tuple[Array, Array]:
    """Tieleman and Hinton 2012, not centred."""
    moments[1][:] = RMSPROP_DECAY * moments[1] + (1 - RMSPROP_DECAY) * F.square(g)
    return rate / (F.sqrt(moments[1]) + RMSPROP_EPSILON), g


def adagrad(F: Any, g: Array, moments: list[Array], rate: Array, decay: list[Array]) -> tuple[Array, Array]:
    """Duchi, Hazan and Singer 2011."""
    moments[1][:] = moments[1] + F.square(g)
    return rate / (F.sqrt(moments[1]) + ADAGRAD_EPSILON), g


def catch_up(
    F: Any,
    w: Array,
    moments: list[Array],
    missed: Array,
    rate: Array,
    fading: list[Array],
    size: Callable[..., Array],
    wd: Array,
    l1: Array,
) -> None:
    """Bring features (a, K * C) up to date in place that ``missed``, (a, 1), mini-batches did not touch. ``fading``: b,
    1 - b, and b of the second moment, (1, K * C); ``size``: of the optimizer's row."""
    first, rest, second = fading
    step = size(F, moments, rate)
    left = first**missed
    moved = w - step * moments[0] * (first * (1 - left) / rest)
    w[:] = soft_threshold(F, moved / (1 + missed * step * wd), missed * step * l1)
    moments[0][:] = moments[0] * left
    moments[1][:] = moments[1] * second**missed


def _constant_size(F: Any, moments: list[Array], rate: Array) -> Array:
    return rate


def _adaptive_size(epsilon: float) -> Callable[..., Array]:
    return lambda F, moments, rate: rate / (F.sqrt(moments[1]) + epsilon)


def _plain_rate(rates: Rates, lr: np.ndarray, update: int) -> np.ndarray:
    return lr


def _sgd_rate(rates: Rates, lr: np.ndarray, update: int) -> np.ndarray:
    return lr / (1 - rates.momentum.astype(np.float64))


def _adam_rate(rates: Rates, lr: np.ndarray, update: int) -> np.ndarray:
    """lr * sqrt(1 - beta_2^t) / (1 - beta_1^t), t counted from 1."""
    beta_1, beta_2 = rates.beta_1.astype(np.float64), rates.beta_2.astype(np.float64)
    return lr * np.sqrt(1 - beta_2 ** (update + 1)) / (1 - beta_1 ** (update + 1))


@dataclass(frozen=True)
class Optimizer:
    """One row of OPTIMIZERS.

    ``step`` as above. ``rate(rates, lr, update)``: float64 (K,), what multiplies a direction at that update.
    ``moments``: which of the two it keeps. ``decays``: the fields of Rates that its ``decay`` argument is made of, each
    followed by 1 minus it. ``size``: the step s that the moments as they are would give. ``fading``: what a gradient of
    zero multiplies the two moments by, a number or the field of Rates that holds it; 0 where there is no first moment.
    """

    step: Callable[[Any, Array, list[Array], Array, list[Array]], tuple[Array, Array]]
    size: Callable[[Any, list[Array], Array], Array]
    fading: tuple[str | float, str | float]
    moments: tuple[int, ...]
    rate: Callable[[Rates, np.ndarray, int], np.ndarray] = _plain_rate
    decays: tuple[str, ...] = ()


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, _constant_size, ("momentum", 1.0), (0,), _sgd_rate, decays=("momentum",)),
    "adam": Optimizer(
        adam, _adaptive_size(ADAM_EPSILON), ("beta_1", "beta_2"), (0, 1), _adam_rate, decays=("beta_1", "beta_2")
    ),
    "rmsprop": Optimizer(rmsprop, _adaptive_size(RMSPROP_EPSILON), (0.0, RMSPROP_DECAY), (1,)),
    "adagrad": Optimizer(adagrad, _adaptive_size(ADAGRAD_EPSILON), (0.0, 1.0), (1,)),
}
