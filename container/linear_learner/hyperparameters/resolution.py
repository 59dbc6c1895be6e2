"""Hyperparameters as given -> hyperparameters as used: the one place where AUTO ends."""

from __future__ import annotations

import dataclasses

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.auto import AUTO_MEANS, EVEN, RowWeights, TrainChannel, replace_auto
from linear_learner.hyperparameters.schema import REGRESSOR, HyperParameters
from linear_learner.hyperparameters.tuning import is_for_one_model

UPDATES_PER_EPOCH = 128
"""A data set of a few mini-batches of the default size would be done after a few updates, far from any minimum."""

FEWEST_ROWS_OF_SGD = 8
"""Of a regressor's mini-batch: the gradient of a squared error on one or two rows is so large that sgd diverges."""


def resolve(
    hp: HyperParameters,
    *,
    feature_dim: int,
    rows: int | None,
    seen: int = 0,
    values_per_row: float | None = None,
    weights: RowWeights = EVEN,
) -> HyperParameters:
    """The values that a job trains with, for the base candidate where candidates differ.

    ``hp``: as ``without_unused`` leaves it. ``feature_dim`` is the width of the train channel, ``rows`` its length
    (None: not known, a stream, of which ``seen`` rows have come), and ``values_per_row`` how many values a row holds in
    the mean (None: as many as it is wide), all of all hosts together. ``weights``: of its rows. Left as they are:
    ``positive_example_weight_mult``, ``memory_mb``, ``probability_calibration`` and ``_engine``, for which training
    decides what ``auto`` means. Raises ClientError where a given ``feature_dim`` is not that of the data.
    """
    _check_width(hp, feature_dim)
    if is_for_one_model(hp):
        hp = dataclasses.replace(hp, num_models=1)
    hp = dataclasses.replace(hp, mini_batch_size=_mini_batch_size(hp, rows))
    values = feature_dim if values_per_row is None else max(1.0, values_per_row)
    return replace_auto(hp, AUTO_MEANS, TrainChannel(feature_dim, rows, values, seen, weights=weights))


def _mini_batch_size(hp: HyperParameters, rows: int | None) -> int:
    """Not more than there are rows; and where the user gave none, small enough for UPDATES_PER_EPOCH."""
    if rows is None:
        return hp.mini_batch_size
    if "mini_batch_size" in hp.given:
        return max(1, min(hp.mini_batch_size, rows))
    fewest = FEWEST_ROWS_OF_SGD if hp.optimizer == "sgd" and hp.predictor_type == REGRESSOR else 1
    return max(1, min(hp.mini_batch_size, max(fewest, rows // UPDATES_PER_EPOCH), rows))


def _check_width(hp: HyperParameters, feature_dim: int) -> None:
    if hp.is_auto("feature_dim") or hp.feature_dim == feature_dim:
        return
    raise ClientError(
        f"Incorrect configuration or train dataset provided. The value of feature_dim hyperparameter "
        f"'{hp.feature_dim}' doesn't match train data dimensionality '{feature_dim}'. Please set feature_dim to the "
        "number of features in train dataset."
    )
