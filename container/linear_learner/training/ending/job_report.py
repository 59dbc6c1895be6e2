"""Hands a finished job over to the report, as plain values."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.data.stream import Stream
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.linear_model import LinearModel
from linear_learner.report import writing
from linear_learner.report.subject import Candidates, Channel, Choice, Sample, Scored, Subject
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation import model_selection
from linear_learner.training.evaluation.metrics import Metric
from linear_learner.training.evaluation.threshold import evenly_spaced
from linear_learner.training.preparation.class_weights import number_of_classes
from linear_learner.training.preparation.task import Task
from linear_learner.training.training_job import TrainingJob

logger = logging.getLogger(__name__)

SAMPLED_ROWS, SAMPLED_VALUES = 10_000, 1 << 21
"""Of a channel, what the report looks at column by column, at most."""


def leave_report(job: TrainingJob, describe_job: Callable[[], Subject]) -> None:
    """Write the report of a job whose model is saved. Whatever goes wrong here, in ``describe_job`` too, ends in a
    warning: a job does not fail for its report. Of several hosts, it is about the rows of this one."""
    without_rows = [name for name, channel in job.channels.items() if channel.rows == 0]
    if without_rows:
        logger.info("No report is written: this host, whose rows it would be about, has none of %s.", without_rows[0])
        return
    start = time.perf_counter()
    try:
        page = writing.write(job.env.output_data_dir, describe_job())
        logger.info("The report is in %s (%.3f s)", page, time.perf_counter() - start)
    except Exception as error:
        logger.warning("The report could not be written; the model is not affected.", exc_info=error)


def describe(
    job: TrainingJob,
    trained: Trained,
    choice: model_selection.Choice,
    model: LinearModel,
    judged: Mapping[str, Dataset],
    scores: Mapping[str, list[Metric]],
) -> Subject:
    """``judged``: the rows, in raw units, of the channels that the model was scored on; ``scores``: its final metrics
    there."""
    env, hp, task, channels = job.env, job.hp, job.task, job.channels
    criterion = model_selection.criterion_of(hp)
    raw_units = task.scaler.label_std**task.loss.degree
    ranges = task.ranges()
    samples = {
        "train": _train_sample(task, channels["train"]),
        **{name: _sample(task, rows) for name, rows in judged.items() if name != "train"},
    }
    return Subject(
        predictor_type=hp.predictor_type,
        given=env.hyperparameters(),
        resolved=hp.as_dict(),
        objective=task.loss.objective,
        link=model.score_link,
        channels={name: Channel(channel.rows, _counts(channel, hp)) for name, channel in channels.items()},
        samples=samples,
        scored={
            name: Scored(
                model.predict(rows.features).score, rows.labels, {metric.name: metric.value for metric in scores[name]}
            )
            for name, rows in judged.items()
        },
        judge=task.judge_channel,
        candidates=Candidates(
            settings=[asdict(candidate) for candidate in job.candidates],
            train_loss=np.array([epoch.train_loss for epoch in trained.epochs]) * raw_units,
            judge_loss=np.array([epoch.judge_loss for epoch in trained.epochs]) * raw_units,
            best_epoch=trained.best_epoch,
            alive=trained.alive,
            values=np.where(trained.alive, choice.values, np.nan) * (raw_units if criterion is None else 1),
        ),
        choice=Choice(
            candidate=choice.candidate,
            criterion=task.loss.objective if criterion is None else criterion.name,
            higher_is_better=criterion is not None,
            tied=choice.tied,
        ),
        weights=model.weights,
        bias=model.bias,
        threshold=model.threshold,
        is_sparse=channels["train"].is_sparse,
        names=channels["train"].feature_names,
        classes=() if channels["train"].schema is None else channels["train"].schema.classes,
        columns=task.columns,
        scale=task.scaler.std,
        constant=None if ranges is None else np.flatnonzero(ranges.minima == ranges.maxima),
        stopped_early=len(trained.epochs) < hp.epochs,
        versions=model.metadata["versions"],
        intervals=model.metadata.get("intervals"),
        hosts=len(env.hosts()[1]),
        job=env.job_name,
    )


def _counts(channel: Dataset | Stream, hp: HyperParameters) -> np.ndarray | None:
    classes = number_of_classes(hp)
    return channel.class_counts(classes) if classes else None


def _train_sample(task: Task, train: Dataset | Stream) -> Sample:
    features, labels = task.train.sample(_rows_to_look_at(train))
    return Sample(features, labels * np.float32(task.scaler.label_std) + np.float32(task.scaler.label_mean))


def _sample(task: Task, data: Dataset) -> Sample:
    rows = evenly_spaced(len(data), _rows_to_look_at(data))
    features = task.scaler.transform(data.features[rows])
    if task.columns is not None and isinstance(features, CsrMatrix):
        features = features.only_columns(task.columns)
    return Sample(features, data.labels[rows])


def _rows_to_look_at(data: Dataset | Stream) -> int:
    return min(SAMPLED_ROWS, max(1, int(SAMPLED_VALUES / max(1.0, data.values_per_row))))
