"""From the rows of the channels to what the engine sees: scaled, weighted, and with an objective."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.data.feature_ranges import (
    MOST_RANGES,
    FeatureRanges,
    coarse_columns_notice,
    far_columns_notice,
)
from linear_learner.data.stream import Stream
from linear_learner.data.streamed_epochs import StreamedEpochs
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model import scaler
from linear_learner.model.losses import LOSSES, Loss
from linear_learner.model.scaler import Scaler
from linear_learner.training.cluster.agreement import Totals, merged, merged_ranges, totals
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.engines.state import Objective
from linear_learner.training.epochs.strides import SNAPSHOTS, snapshots_of_sparse_rows
from linear_learner.training.preparation.class_weights import class_weights, number_of_classes
from linear_learner.training.preparation.penalties import penalty_factors

logger = logging.getLogger(__name__)

FEWEST_ROWS = 32
"""Of a mini-batch on one of several hosts, for sgd: its steps follow the gradient's size, and a few rows are so far
from all of them that a learning rate diverges which suits the whole mini-batch. The other optimizers' steps do not."""

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
    ``ranges`` may be asked for once an epoch is over; ranges are None for more than MOST_RANGES columns. ``columns``:
    int64 (u,), ascending, where ``train`` and ``judge`` hold these columns alone, those in which any sparse row of the
    train channel has something: of the others there is nothing to learn, and their weights are 0. None where they hold
    all columns. ``penalty_factors``: float32 (trained columns,), or None for dense rows: see ``Objective``.
    ``snapshots``: how many an epoch is averaged over. ``work``: of a row, for one output of one candidate, in values of
    a dense row. ``class_weights``: float32 (num_classes,) or None. ``share``: this host's of the rows of ``train`` and
    of each mini-batch.
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
    penalty_factors: np.ndarray | None = None
    snapshots: int = SNAPSHOTS
    share: float = 1.0

    @property
    def rows(self) -> int | None:
        """Of an epoch on all hosts, as far as this one can tell."""
        own = self.train.rows
        return round(own / self.share) if own else None

    @property
    def trained_columns(self) -> int:
        """How many columns ``train`` holds."""
        return self.scaler.feature_dim if self.columns is None else len(self.columns)


def prepare(hp: HyperParameters, channels: Mapping[str, Dataset | Stream], cluster: Cluster = ALONE) -> Task:
    """Fit the scaler on the train channel and normalise. ``channels``: by name, train at least, which alone may be
    streamed; each host has its own rows of them, and all hosts come to the same scaler and weights."""
    train, validation = channels["train"], channels.get("validation")
    assert not isinstance(validation, Stream)  # noqa: S101 (for the type checker)
    found = totals(train, number_of_classes(hp), cluster)
    sample = train.survey.sample() if isinstance(train, Stream) else train
    scaler, factors = fit_scaler(hp, sample, cluster, found.share)
    columns = _columns_to_train(train, cluster) if found.rows is not None else None
    common = Common(
        scaler=scaler,
        columns=columns,
        penalty_factors=factors if factors is None or columns is None else factors[columns],
        class_weights=class_weights(hp, found.class_counts, are_all=found.rows is not None),
        totals=found,
        cluster=cluster,
    )
    if isinstance(train, Stream):
        return prepare_stream(hp, train, validation, common)
    return prepare_in_memory(hp, train, validation, common)


@dataclass(frozen=True)
class Common:
    """What is the same on all hosts; see ``Task``."""

    scaler: Scaler
    columns: np.ndarray | None
    penalty_factors: np.ndarray | None
    class_weights: np.ndarray | None
    totals: Totals
    cluster: Cluster

    def normalise(self, data: Dataset, *, in_place: bool = False) -> Chunk:
        """Raw rows as the engine sees them. ``in_place``: the rows are not needed any more, and may be written to."""
        features = data.features
        # Of one of several hosts, rows may lie apart in memory; those of the outcome do not.
        can_be_written = isinstance(features, CsrMatrix) or features.flags.carray
        features = self.scaler.transform(features, in_place=in_place and can_be_written)
        if self.columns is not None and isinstance(features, CsrMatrix):
            features = features.only_columns(self.columns)
        return Chunk(
            features,
            self.scaler.transform_labels(data.labels),
            np.arange(len(data.labels), dtype=np.int64),
            row_weights(data.labels, self.class_weights),
        )


def prepare_in_memory(hp: HyperParameters, train: Dataset, validation: Dataset | None, common: Common) -> Task:
    """The train channel is normalised in place, to hold it once, unless its raw rows are needed as the judge."""
    judge_channel = "train" if validation is None else "validation"
    ranges = FeatureRanges.of(train.features) if train.feature_dim <= MOST_RANGES and len(train) else None
    _warn_of_columns(train, ranges, validation)
    raw_judge = train if validation is None else validation
    judge = Judge(raw_judge, common.normalise(raw_judge))
    rows = judge.rows if judge_channel == "train" else common.normalise(train, in_place=True)
    return Task(
        loss=LOSSES[hp.predictor_type, hp.loss],
        scaler=common.scaler,
        class_weights=common.class_weights,
        train=Epochs(rows.features, rows.labels, rows.weights, seed_of_order(hp, common.cluster)),
        judge_channel=judge_channel,
        judge=lambda: judge,
        ranges=functools.cache(lambda: merged_ranges(ranges, train.feature_dim, common.cluster)),
        work=_work(train, common.totals),
        columns=common.columns,
        penalty_factors=common.penalty_factors,
        snapshots=_snapshots(train, common),
        share=common.totals.share,
    )


def prepare_stream(hp: HyperParameters, stream: Stream, validation: Dataset | None, common: Common) -> Task:
    """Scaler and class weights come from the rows surveyed so far; the judging rows, where there is no ``validation``,
    are a sample of all rows of the first epoch."""
    survey = stream.survey
    _warn_of_columns(stream, survey.ranges, validation)

    @functools.cache
    def judge() -> Judge:
        raw = survey.sample() if validation is None else validation
        return Judge(raw, common.normalise(raw))

    return Task(
        loss=LOSSES[hp.predictor_type, hp.loss],
        scaler=common.scaler,
        class_weights=common.class_weights,
        train=StreamedEpochs(
            stream,
            lambda rows: common.normalise(rows, in_place=True),
            window_size=stream.window_size,
            mini_batch_size=own_mini_batch_size(hp, common.totals.share),
            seed=seed_of_order(hp, common.cluster),
        ),
        judge_channel="train" if validation is None else "validation",
        judge=judge,
        ranges=functools.cache(lambda: merged_ranges(survey.ranges, stream.feature_dim, common.cluster)),
        work=_work(stream, common.totals),
        columns=common.columns,
        penalty_factors=common.penalty_factors,
        snapshots=_snapshots(stream, common),
        share=common.totals.share,
    )


def _warn_of_columns(train: Dataset | Stream, ranges: FeatureRanges | None, validation: Dataset | None) -> None:
    """By the rows of this host that are known so far. ``ranges``: those of ``train``."""
    if ranges is None:
        return
    notices = [coarse_columns_notice(train.name, ranges.minima, ranges.maxima, train.feature_names)]
    # That a sparse column holds more than it did, as counts of words do, means little.
    if validation is not None and len(validation) and not validation.is_sparse:
        found = FeatureRanges.of(validation.features)
        extremes = (found.minima, found.maxima), (ranges.minima, ranges.maxima)
        notices.append(far_columns_notice(validation.name, *extremes, train.feature_names))
    for notice in filter(None, notices):
        logger.warning("%s", notice)


def fit_scaler(
    hp: HyperParameters, train: Dataset, cluster: Cluster = ALONE, share: float = 1.0
) -> tuple[Scaler, np.ndarray | None]:
    """The scaler and, of sparse rows, the penalty factors of all columns, float32 (d,). From ``num_point_for_scaler``
    rows, spread over the channel, of which this host has a ``share``."""
    sample = scaler.sample_rows(len(train.labels), math.ceil(hp.num_point_for_scaler * share))
    measures = merged(scaler.measure(train.features[sample]), cluster)
    fitted = scaler.of_measures(
        measures,
        merged(scaler.measure(train.labels[sample].reshape(-1, 1)), cluster),
        normalize_data=hp.normalize_data,
        unbias_data=hp.unbias_data,
        normalize_label=hp.normalize_label,
        unbias_label=hp.unbias_label,
    )
    return fitted, penalty_factors(measures, fitted.std) if train.is_sparse else None


def own_mini_batch_size(hp: HyperParameters, share: float) -> int:
    """What a host with a ``share`` of the rows takes of every mini-batch, so that each of them makes as many updates an
    epoch as one host would, together on as many rows; but FEWEST_ROWS of sgd, as far as a mini-batch has them."""
    fewest = min(FEWEST_ROWS, hp.mini_batch_size) if hp.optimizer == "sgd" else 1
    return max(fewest, round(hp.mini_batch_size * share))


def seed_of_order(hp: HyperParameters, cluster: Cluster) -> int:
    """Hosts with neighbouring rows visit them in different orders."""
    return hp.seed if cluster.is_first else hp.seed + (cluster.rank << 64)


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
        mini_batch_size=own_mini_batch_size(hp, task.share),
        use_bias=hp.use_bias,
        constants=constants,
        penalty_factors=task.penalty_factors,
    )


def row_weights(labels: np.ndarray, class_weights: np.ndarray | None) -> np.ndarray | None:
    """float32 (n,), the weight of each row by its class; None where rows count alike."""
    return None if class_weights is None else class_weights[labels.astype(np.int64)]


def _snapshots(train: Dataset | Stream, common: Common) -> int:
    """See ``Task.snapshots``."""
    rows = common.totals.rows
    if not train.is_sparse or rows is None:
        return SNAPSHOTS
    trained = train.feature_dim if common.columns is None else len(common.columns)
    return snapshots_of_sparse_rows(common.totals.values_per_row * rows, trained)


def _work(train: Dataset | Stream, totals: Totals) -> float:
    """See ``Task.work``."""
    return totals.values_per_row * (SPARSE_VALUE if train.is_sparse else 1)


def _columns_to_train(train: Dataset | Stream, cluster: Cluster) -> np.ndarray | None:
    """See ``Task.columns``."""
    if not train.is_sparse:
        return None
    used = np.zeros(train.feature_dim, bool)
    used[slice(None) if (own := train.used_columns) is None else own] = True
    if cluster.size > 1:
        used = cluster.sum(used) > 0
    if not used.any():
        used[0] = True  # engines know no rows without columns
    return None if used.all() else np.flatnonzero(used)
