"""From the rows of the channels to what the engine sees: scaled, weighted, and with an objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model import scaler
from linear_learner.model.losses import LOSSES, Loss
from linear_learner.model.scaler import Scaler
from linear_learner.training.class_weights import class_weights
from linear_learner.training.state import Objective

MOST_RANGES = 1 << 17
"""Columns up to which a model tells what the train channel held in each: the lists are text, in a file of the model."""


@dataclass(frozen=True)
class FeatureRanges:
    """What the train channel holds in each column, float64 (d,), in raw units: what serving measures rows against."""

    means: np.ndarray
    minima: np.ndarray
    maxima: np.ndarray

    @classmethod
    def of(cls, features: Rows) -> FeatureRanges:
        """``features``: (n, d), n > 0."""
        if isinstance(features, CsrMatrix):
            return cls._of_sparse(features)
        return cls(
            features.mean(axis=0, dtype=np.float64),
            features.min(axis=0).astype(np.float64),
            features.max(axis=0).astype(np.float64),
        )

    @classmethod
    def _of_sparse(cls, features: CsrMatrix) -> FeatureRanges:
        rows, columns = features.shape
        minima, maxima = np.full(columns, np.inf), np.full(columns, -np.inf)
        np.minimum.at(minima, features.indices, features.values)
        np.maximum.at(maxima, features.indices, features.values)
        has_zeros = np.bincount(features.indices, minlength=columns) < rows
        return cls(
            np.bincount(features.indices, features.values, minlength=columns) / rows,
            np.where(has_zeros, np.minimum(minima, 0), minima),
            np.where(has_zeros, np.maximum(maxima, 0), maxima),
        )


@dataclass(frozen=True)
class Judge:
    """The rows by which epochs and candidates are compared: ``raw``, and ``rows`` as the engine sees them."""

    raw: Dataset
    rows: Chunk


@dataclass(frozen=True)
class Task:
    """What a job trains on and is judged by.

    ``train``: the normalised rows of the train channel. ``judge_channel``: validation, or else train. ``judge`` and
    ``ranges`` may be asked for once an epoch is over; ranges are None for more than MOST_RANGES columns.
    ``columns``: int64 (u,), ascending, where ``train`` and ``judge`` hold these columns alone, those in which any
    sparse row of the train channel has something: of the others there is nothing to learn, and their weights are 0.
    None where they hold all columns. ``class_weights``: float32 (num_classes,) or None.
    """

    loss: Loss
    scaler: Scaler
    class_weights: np.ndarray | None
    train: Epochs
    judge_channel: str
    judge: Callable[[], Judge]
    ranges: Callable[[], FeatureRanges | None]
    columns: np.ndarray | None = None

    @property
    def trained_columns(self) -> int:
        """How many columns ``train`` holds."""
        return self.scaler.feature_dim if self.columns is None else len(self.columns)


def prepare(hp: HyperParameters, channels: dict[str, Dataset]) -> Task:
    """Fit the scaler on the train channel and normalise. ``channels``: by name, train at least.

    The train channel is normalised in place, to hold it once, unless its raw rows are needed as the judge.
    """
    train = channels["train"]
    judge_channel = "validation" if "validation" in channels else "train"
    fitted = fit_scaler(hp, train)
    ranges = FeatureRanges.of(train.features) if train.feature_dim <= MOST_RANGES else None
    columns = _columns_to_train(train.features)
    weights = class_weights(hp, train.labels)
    judge = Judge(channels[judge_channel], _normalise(channels[judge_channel], fitted, columns, weights))
    rows = judge.rows if judge_channel == "train" else _normalise(train, fitted, columns, weights, in_place=True)
    return Task(
        loss=LOSSES[hp.predictor_type, hp.loss],
        scaler=fitted,
        class_weights=weights,
        train=Epochs(rows.features, rows.labels, rows.weights, hp.seed),
        judge_channel=judge_channel,
        judge=lambda: judge,
        ranges=lambda: ranges,
        columns=columns,
    )


def fit_scaler(hp: HyperParameters, train: Dataset) -> Scaler:
    """From ``num_point_for_scaler`` rows, spread over the channel."""
    sample = scaler.sample_rows(len(train.labels), hp.num_point_for_scaler)
    return scaler.fit(
        train.features[sample],
        train.labels[sample],
        normalize_data=hp.normalize_data,
        unbias_data=hp.unbias_data,
        normalize_label=hp.normalize_label,
        unbias_label=hp.unbias_label,
    )


def make_objective(hp: HyperParameters, task: Task) -> Objective:
    """The objective in normalised label units: constants that are in label units are scaled with the label."""
    constants = {}
    for keyword, name in task.loss.constants:
        value = getattr(hp, name)
        constants[keyword] = value / task.scaler.label_std if keyword in task.loss.scaled_constants else value
    return Objective(
        loss=task.loss,
        outputs=hp.num_classes if task.loss.coupled else 1,
        optimizer=hp.optimizer,
        mini_batch_size=hp.mini_batch_size,
        use_bias=hp.use_bias,
        constants=constants,
    )


def row_weights(labels: np.ndarray, class_weights: np.ndarray | None) -> np.ndarray | None:
    """float32 (n,), the weight of each row by its class; None where rows count alike."""
    return None if class_weights is None else class_weights[labels.astype(np.int64)]


def _columns_to_train(features: Rows) -> np.ndarray | None:
    """See ``Task.columns``."""
    if not isinstance(features, CsrMatrix):
        return None
    columns = features.used_columns()
    return columns if len(columns) < features.shape[1] else None


def _normalise(
    data: Dataset,
    fitted: Scaler,
    columns: np.ndarray | None,
    class_weights: np.ndarray | None,
    *,
    in_place: bool = False,
) -> Chunk:
    features = fitted.transform(data.features, in_place=in_place)
    if columns is not None and isinstance(features, CsrMatrix):
        features = features.only_columns(columns)
    return Chunk(
        features,
        fitted.transform_labels(data.labels),
        np.arange(len(data.labels), dtype=np.int64),
        row_weights(data.labels, class_weights),
    )
