"""What ``auto`` means, one line each: AUTO_MEANS is the table to tune.

Where the candidates vary a value that the user left to ``auto``, the one here is the base candidate's. The numbers are
those that Amazon's container was seen to use (its logs of 2018 to 2020: model 0 of 32), with two departures: ``sgd``
has momentum 0.9 rather than 0, and ``sgd`` and ``adagrad`` have larger steps than ``adam``. On adult, credit_default,
diamonds, casp and communities, 15 epochs of 1000-row mini-batches then end at a held-out loss at most 0.1 % (``sgd``)
and 4 % (``adagrad``) above that of ``adam``, often below it; ``sgd`` with momentum 0 and the steps of ``adam`` ended up
to 19 % above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from linear_learner.hyperparameters.fields import as_text
from linear_learner.hyperparameters.schema import LOSSES_OF, REGRESSOR, HyperParameters

LEARNING_RATES = {"adam": 0.005, "rmsprop": 0.005, "sgd": 0.02, "adagrad": 0.1}
"""By optimizer, for features and labels of unit variance."""


@dataclass(frozen=True)
class TrainChannel:
    """What a meaning may depend on besides other hyperparameters. ``rows`` is None for a stream of unknown length."""

    feature_dim: int
    rows: int | None


@dataclass(frozen=True)
class Meaning:
    """``text`` is for the documentation. ``value(hp, train)`` is None where only training can tell, which has the
    labels or the engines at hand; what earlier lines of the table name is settled in ``hp`` by then."""

    text: str
    value: Callable[[HyperParameters, TrainChannel], Any] | None = None


def _always(value: Any) -> Meaning:
    return Meaning(f"`{as_text(value)}`", lambda hp, train: value)


def _for_regressors(with_bias_only: bool = False) -> Callable[[HyperParameters, TrainChannel], bool]:
    return lambda hp, train: hp.predictor_type == REGRESSOR and (hp.use_bias or not with_bias_only)


AUTO_MEANS: dict[str, Meaning] = {
    "loss": Meaning(
        ", ".join(f"`{losses[0]}` ({predictor})" for predictor, losses in LOSSES_OF.items()),
        lambda hp, train: LOSSES_OF[hp.predictor_type][0],
    ),
    "optimizer": _always("adam"),
    "feature_dim": Meaning("the width of the data", lambda hp, train: train.feature_dim),
    "num_models": _always(32),
    "learning_rate": Meaning(
        ", ".join(f"`{rate}` ({optimizer})" for optimizer, rate in LEARNING_RATES.items()),
        lambda hp, train: LEARNING_RATES[hp.optimizer],
    ),
    "wd": _always(0.0001),
    "l1": _always(0.0),
    "momentum": _always(0.9),
    "beta_1": _always(0.9),
    "beta_2": _always(0.999),
    "bias_lr_mult": _always(10.0),
    "bias_wd_mult": _always(0.0),
    "lr_scheduler_step": _always(10),
    "lr_scheduler_factor": _always(0.99),
    "lr_scheduler_minimum_lr": _always(0.00001),
    "normalize_data": _always(True),
    "normalize_label": Meaning("`true` for a regressor", _for_regressors()),
    "unbias_data": Meaning("as `use_bias`", lambda hp, train: hp.use_bias),
    "unbias_label": Meaning("as `use_bias` for a regressor", _for_regressors(with_bias_only=True)),
    "positive_example_weight_mult": Meaning("chosen from the labels"),
    "num_calibration_samples": _always(10_000_000),
    "_kvstore": _always("local"),
    "_num_kv_servers": _always(1),
    "_num_gpus": _always(0),
    "_engine": Meaning("`native` where it can be loaded, else `operators`"),
}


def replace_auto(hp: HyperParameters, names: Iterable[str], train: TrainChannel) -> HyperParameters:
    """``hp`` with the meaning of ``auto`` in its place, for ``names`` in their order."""
    for name in names:
        meaning = AUTO_MEANS[name].value
        if hp.is_auto(name) and meaning is not None:
            hp = replace(hp, **{name: meaning(hp, train)})
    return hp
