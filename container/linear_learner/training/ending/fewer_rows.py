"""Finishing a stopped job on few enough rows to be done in seconds: the platform kills it after 120 s."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.cluster.scores import share_of
from linear_learner.training.epochs.strides import rows_at_once
from linear_learner.training.evaluation.threshold import evenly_spaced
from linear_learner.training.preparation.task import Judge
from linear_learner.training.training_job import TrainingJob

logger = logging.getLogger(__name__)

MOST_ROWS = 1_000_000
"""By so many the thresholds of 32 models are chosen in seconds."""


def on_fewer_rows(job: TrainingJob) -> TrainingJob:
    """The job with evenly spaced rows of its held-out channels, where they have more than one call of the engine takes
    or than MOST_ROWS, of all hosts together; the log says of how many."""
    task, channels = job.task, dict(job.channels)
    outputs = job.hp.num_classes if task.loss.coupled else 1
    most = min(MOST_ROWS, rows_at_once(task.work * outputs * len(job.candidates), job.hp.mini_batch_size))
    judge = task.judge()
    own = _chosen(judge.raw, most, job.cluster)
    judge = Judge(_sample(judge.raw, own), _sample_of_chunk(judge.rows, own))
    test = channels.get("test")
    if isinstance(test, Dataset):
        channels["test"] = _sample(test, _chosen(test, most, job.cluster))
    return replace(job, task=replace(task, judge=lambda: judge), channels=channels)


def _chosen(data: Dataset, most: int, cluster: Cluster) -> np.ndarray | slice:
    """Rows of this host, of which all hosts together have about ``most``."""
    count = share_of(len(data), most, cluster)
    if count < len(data):
        logger.warning(
            "The job is to end: the model is chosen and scored by %d of the %d rows of channel '%s'.",
            *(count, len(data), data.name),
        )
    return evenly_spaced(len(data), count)


def _sample(data: Dataset, rows: np.ndarray | slice) -> Dataset:
    if isinstance(rows, slice):  # of all
        return data
    return replace(data, features=data.features[rows], labels=data.labels[rows], segments=data.segments[:1])


def _sample_of_chunk(chunk: Chunk, rows: np.ndarray | slice) -> Chunk:
    if isinstance(rows, slice):
        return chunk
    weights = None if chunk.weights is None else chunk.weights[rows]
    return Chunk(chunk.features[rows], chunk.labels[rows], np.arange(len(rows)), weights)
