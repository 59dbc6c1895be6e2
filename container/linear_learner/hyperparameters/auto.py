"""What ``auto`` means, one line each: AUTO_MEANS is the table to tune.

Where the candidates vary a value that the user left to ``auto``, the one here is the base candidate's. Amazon's
container was seen to use fixed ones (learning rate 0.005, wd 0.0001, factor 0.99). Ours follow the data instead, since
the best ones do: wide rows need small steps, a penalty that wins on a thousand rows drowns a million, and the learning
rate has to fall by the end of the job, however many steps that is. docs/algorithm.md tells how they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from linear_learner.hyperparameters.fields import as_text
from linear_learner.hyperparameters.schema import LOSSES_OF, REGRESSOR, HyperParameters

LARGEST_LEARNING_RATE = 0.2
LEARNING_RATES: dict[str, Callable[[float], float]] = {
    "adam": lambda d: min(LARGEST_LEARNING_RATE, d**-0.7),
    "rmsprop": lambda d: 0.3 * min(LARGEST_LEARNING_RATE, d**-0.7),
    "adagrad": lambda d: 5 * min(LARGEST_LEARNING_RATE, d**-0.7),
    "sgd": lambda d: min(LARGEST_LEARNING_RATE, 2 / d),
}
"""By optimizer, for d features of unit variance: a step of adam's size in each of d weights moves a score d times as
far, and sgd is stable below 2 over the curvature, which may be as large as d."""

STEEP_LOSSES = ("squared_loss", "eps_insensitive_squared_loss")
LESS_FOR_STEEP_LOSSES = 1 / 8
"""Their curvature is eight times that of the logistic loss, for which LEARNING_RATES are: with momentum, and the larger
learning rate of the bias, sgd diverged at those."""

DECAY_OVER_THE_JOB = 0.5
"""What a whole job multiplies the learning rate by."""

FEW_EPOCHS, FEW_UPDATES, MORE_DECAY = 15, 15 * 128, 0.25
"""Longer jobs of a regressor multiply it by (FEW_EPOCHS / epochs) ** MORE_DECAY besides, so that the steepest schedules
of the candidates end at a learning rate that falls with the number of epochs. Near the minimum, adam's steps are as
large as the learning rate however small the gradients are, and decide how good a good fit is. A classifier of classes
that can be told apart has no such minimum, and was worse for it. Nor does it serve a job of so few updates that it does
not come near."""

KINKED_LOSSES = ("absolute_loss", "eps_insensitive_absolute_loss", "quantile_loss")
"""Longer jobs of these let the learning rate fall as it does over FEW_EPOCHS, and further. Their slopes do not vanish
near the minimum, and all that a large learning rate shows there is noise: were it to stay large for longer, early
stopping would end the job before it falls."""

NEGLIGIBLE_PENALTY = 0.01
"""A wd of this over the number of rows weighs as much as a hundredth of a row."""

ROWS_OF_A_STREAM = 100_000
TIMES_WHAT_FITS = 4
"""A stream of unknown length is taken to have so many rows, or so many times those that fit in memory where that is
more."""


def expected_rows(rows: int | None, seen: int) -> int:
    """``rows``, or a guess where it is None, for a stream of unknown length of which ``seen`` rows have come."""
    return rows or max(ROWS_OF_A_STREAM, TIMES_WHAT_FITS * seen)


@dataclass(frozen=True)
class RowWeights:
    """How much rows count, by their class: in the mean, and at most."""

    mean: float = 1.0
    largest: float = 1.0

    def in_a_mini_batch(self, size: int) -> float:
        """The mean weight of its rows, or of those of one that holds a single row that counts, of the largest weight,
        where that is more."""
        return max(self.mean, self.largest / size)


EVEN = RowWeights()
"""Of rows that count alike."""


@dataclass(frozen=True)
class TrainChannel:
    """What a meaning may depend on besides other hyperparameters. ``rows`` is None for a stream of unknown length, of
    which ``seen`` rows are known. ``hosts``: of the job. ``values_per_row``: the mean number of values that a row
    holds, at least 1; ``feature_dim`` where rows are dense. ``weights``: of the rows, under the base candidate."""

    feature_dim: int
    rows: int | None
    values_per_row: float
    seen: int = 0
    hosts: int = 1
    weights: RowWeights = EVEN

    @property
    def rows_or_guess(self) -> int:
        return expected_rows(self.rows, self.seen)


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


def steady(rate: float, wd: float) -> float:
    """A learning rate of sgd that bears a penalty: ``wd`` adds to the curvature, and a step over it that is too large
    diverges whatever the loss is."""
    return rate / (1 + rate * wd)


def _learning_rate(hp: HyperParameters, train: TrainChannel) -> float:
    rate = LEARNING_RATES[hp.optimizer](train.values_per_row)
    if hp.optimizer != "sgd":
        return rate
    # Weights multiply the curvature. The steps of the other optimizers do not follow the size of a gradient.
    rate /= train.weights.in_a_mini_batch(hp.mini_batch_size)
    return steady(rate * LESS_FOR_STEEP_LOSSES if hp.loss in STEEP_LOSSES else rate, hp.wd)


def _factor(hp: HyperParameters, train: TrainChannel) -> float:
    """One decrease of the learning rate, so that those of a job of ``epochs`` epochs come to DECAY_OVER_THE_JOB."""
    epochs = min(hp.epochs, FEW_EPOCHS) if hp.loss in KINKED_LOSSES else hp.epochs
    updates = epochs * math.ceil(train.rows_or_guess / hp.mini_batch_size)
    decay = DECAY_OVER_THE_JOB
    if hp.predictor_type == REGRESSOR:
        decay *= min(1.0, max(FEW_EPOCHS / epochs, FEW_UPDATES / updates)) ** MORE_DECAY
    return float(decay ** (hp.lr_scheduler_step / updates))


AUTO_MEANS: dict[str, Meaning] = {
    "loss": Meaning(
        ", ".join(f"`{losses[0]}` ({predictor})" for predictor, losses in LOSSES_OF.items()),
        lambda hp, train: LOSSES_OF[hp.predictor_type][0],
    ),
    "optimizer": _always("adam"),
    "feature_dim": Meaning("the width of the data", lambda hp, train: train.feature_dim),
    "num_models": _always(32),
    "wd": Meaning(
        "0.01 / rows, times their mean weight",
        lambda hp, train: NEGLIGIBLE_PENALTY / train.rows_or_guess * train.weights.mean,
    ),
    "learning_rate": Meaning(
        "the smaller of 0.2 and d^-0.7 (`adam`), 0.3 times that (`rmsprop`), 5 times that (`adagrad`); the smaller of "
        "0.2 and 2 / d (`sgd`), and an eighth of that for squared losses, over the mean weight of the rows or the "
        "largest over `mini_batch_size`, whichever is more, and no more than 1 / wd; d is feature_dim, and of sparse "
        "rows the mean number of values in a row",
        _learning_rate,
    ),
    "l1": _always(0.0),
    "momentum": _always(0.9),
    "beta_1": _always(0.9),
    "beta_2": _always(0.999),
    "bias_lr_mult": _always(10.0),
    "bias_wd_mult": _always(0.0),
    "lr_scheduler_step": _always(10),
    "lr_scheduler_factor": Meaning(
        "so that the learning rate halves over the job, or over its first 15 epochs where the loss is an absolute or a "
        "quantile one; another regressor's falls further where there are more than 15 epochs and 1,920 mini-batches",
        _factor,
    ),
    "lr_scheduler_minimum_lr": _always(0.00001),
    "normalize_data": _always(True),
    "normalize_label": Meaning("`true` for a regressor", _for_regressors()),
    "unbias_data": Meaning("as `use_bias`", lambda hp, train: hp.use_bias),
    "unbias_label": Meaning("as `use_bias` for a regressor", _for_regressors(with_bias_only=True)),
    "positive_example_weight_mult": Meaning("chosen from the labels"),
    "num_calibration_samples": _always(10_000_000),
    "_kvstore": Meaning(
        "`local` on one host, else `dist_sync`", lambda hp, train: "local" if train.hosts == 1 else "dist_sync"
    ),
    "_num_kv_servers": Meaning("as many as there are hosts", lambda hp, train: train.hosts),
    "_num_gpus": _always(0),
    "memory_mb": Meaning("three quarters of the free memory, and 256 at most in Pipe mode"),
    "probability_calibration": Meaning("what has the least log loss on validation rows that it was not fitted to"),
    "_engine": Meaning("`native` where it can be loaded, else `operators`"),
}


def replace_auto(hp: HyperParameters, names: Iterable[str], train: TrainChannel) -> HyperParameters:
    """``hp`` with the meaning of ``auto`` in its place, for ``names`` in their order."""
    for name in names:
        meaning = AUTO_MEANS[name].value
        if hp.is_auto(name) and meaning is not None:
            hp = replace(hp, **{name: meaning(hp, train)})
    return hp
