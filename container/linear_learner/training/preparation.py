"""From the rows of the channels to what the engine sees: scaled, weighted, and with an objective."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.data.feature_ranges import MOST_RANGES, FeatureRanges
from linear_learner.data.stream import Stream
from linear_learner.data.streamed_epochs import StreamedEpochs
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model import scaler
from linear_learner.model.losses import LOSSES, Loss
from linear_learner.model.scaler import Scaler
from linear_learner.training.class_weights import class_weights, number_of_classes
from linear_learner.training.state import Objective
from linear_learner.training.trainer import SNAPSHOTS, snapshots_of_sparse_rows

SPARSE_VALUE = 10
"""The work of a stored value of a sparse row, in values of a dense one, which are read in order."""


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
    None where they hold all columns. ``snapshots``: how many an epoch is averaged over. ``work``: of a row, for one
    output of one candidate, in values of a dense row. ``class_weights``: float32 (num_classes,) or None.
    """

    loss: Loss
    scaler: Scaler
    class_weights: np.ndarray | None
    train: Epochs | StreamedEpochs
    judge_channel: str
    judge: Callable[[], Judge]
    ranges: Callable[[], FeatureRanges | None]
    work: float
    columns: np.ndarray | None = None
    snapshots: int = SNAPSHOTS

    @property
    def trained_columns(self) -> int:
        """How many columns ``train`` holds."""
        return self.scaler.feature_dim if self.columns is None else len(self.columns)


def prepare(hp: HyperParameters, channels: Mapping[str, Dataset | Stream]) -> Task:
    """Fit the scaler on the train channel and normalise. ``channels``: by name, train at least, which alone may be
    streamed."""
    train, validation = channels["train"], channels.get("validation")
    assert not isinstance(validation, Stream)  # noqa: S101 (for the type checker)
    if isinstance(train, Stream):
        return prepare_stream(hp, train, validation)
    return prepare_in_memory(hp, train, validation)


def prepare_in_memory(hp: HyperParameters, train: Dataset, validation: Dataset | None) -> Task:
    """The train channel is normalised in place, to hold it once, unless its raw rows are needed as the judge."""
    judge_channel = "train" if validation is None else "validation"
    fitted = fit_scaler(hp, train)
    ranges = FeatureRanges.of(train.features) if train.feature_dim <= MOST_RANGES else None
    columns = _columns_to_train(train.features)
    weights = class_weights(hp, train.class_counts(number_of_classes(hp)))
    raw_judge = train if validation is None else validation
    judge = Judge(raw_judge, _normalise(raw_judge, fitted, columns, weights))
    rows = judge.rows if judge_channel == "train" else _normalise(train, fitted, columns, weights, in_place=True)
    return Task(
        loss=LOSSES[hp.predictor_type, hp.loss],
        scaler=fitted,
        class_weights=weights,
        train=Epochs(rows.features, rows.labels, rows.weights, hp.seed),
        judge_channel=judge_channel,
        judge=lambda: judge,
        ranges=lambda: ranges,
        work=_work(train),
        columns=columns,
        snapshots=_snapshots(train, columns),
    )


def prepare_stream(hp: HyperParameters, stream: Stream, validation: Dataset | None) -> Task:
    """Scaler and class weights come from the rows surveyed so far; the judging rows, where there is no ``validation``,
    are a sample of all rows of the first epoch."""
    survey = stream.survey
    fitted = fit_scaler(hp, survey.sample())
    is_complete = stream.rows is not None
    columns = survey.used_columns if is_complete else None
    weights = class_weights(hp, survey.class_counts, are_all=is_complete)

    @functools.cache
    def judge() -> Judge:
        raw = survey.sample() if validation is None else validation
        return Judge(raw, _normalise(raw, fitted, columns, weights))

    return Task(
        loss=LOSSES[hp.predictor_type, hp.loss],
        scaler=fitted,
        class_weights=weights,
        train=StreamedEpochs(
            stream,
            lambda rows: _normalise(rows, fitted, columns, weights, in_place=True),
            window_size=stream.window_size,
            mini_batch_size=hp.mini_batch_size,
            seed=hp.seed,
        ),
        judge_channel="train" if validation is None else "validation",
        judge=judge,
        ranges=lambda: survey.ranges,
        work=_work(stream),
        columns=columns,
        snapshots=_snapshots(stream, columns),
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


def _snapshots(train: Dataset | Stream, columns: np.ndarray | None) -> int:
    """See ``Task.snapshots``."""
    if not train.is_sparse or train.rows is None:
        return SNAPSHOTS
    trained = train.feature_dim if columns is None else len(columns)
    return snapshots_of_sparse_rows(train.values_per_row * train.rows, trained)


def _work(train: Dataset | Stream) -> float:
    """See ``Task.work``."""
    return train.values_per_row * (SPARSE_VALUE if train.is_sparse else 1)


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
    features = data.features
    can_be_written = isinstance(features, CsrMatrix) or features.flags.writeable
    features = fitted.transform(features, in_place=in_place and can_be_written)
    if columns is not None and isinstance(features, CsrMatrix):
        features = features.only_columns(columns)
    return Chunk(
        features,
        fitted.transform_labels(data.labels),
        np.arange(len(data.labels), dtype=np.int64),
        row_weights(data.labels, class_weights),
    )
