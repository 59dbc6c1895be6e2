"""What is said of the chosen model: its final scores in the log, and the story of its making in the artifact."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from linear_learner import __version__
from linear_learner.data.dataset import Dataset
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import BINARY
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.cluster.scores import MOST_GATHERED_SCORES, on_first_host, share_of
from linear_learner.training.engines.candidates import Candidate
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation import metrics
from linear_learner.training.evaluation.metrics import LOSS, Metric, Terms
from linear_learner.training.evaluation.model_selection import Choice
from linear_learner.training.evaluation.threshold import evenly_spaced
from linear_learner.training.preparation.task import Task, row_weights
from linear_learner.training.training_job import TrainingJob

VALUES_AT_ONCE = 1 << 20
"""Scores whose loss is taken at a time: a few arrays of so many float64."""


def score(
    model: LinearModel,
    data: Dataset,
    task: Task,
    chosen: Candidate,
    hp: HyperParameters,
    cluster: Cluster = ALONE,
    *,
    as_trained: LinearModel | None = None,
) -> list[Metric]:
    """The objective and all metrics of the model, as it is served, on the raw rows of a channel, of all hosts
    together. Metrics take a sample of the rows of several hosts where their scores are more than MOST_GATHERED_SCORES.
    ``as_trained``: the model that minimised the objective, where that is another."""
    loss, rows = cluster.sum(np.array([loss_sum(as_trained or model, data, task, chosen, hp), len(data)]))
    found: list[Metric] = []

    def evaluate(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        found.extend(metrics.evaluate(scores, labels, terms(model, hp)))
        return np.zeros(0)

    kept = rows_that_meet(data, model, cluster)
    on_first_host(cluster, model.predict(data.features[kept]).score, data.labels[kept], evaluate)
    told = cluster.gather([(metric.name, metric.tag, metric.value) for metric in found])[0]
    return [Metric(task.loss.objective, LOSS, loss / rows), *(Metric(*metric) for metric in told)]


def terms(model: LinearModel, hp: HyperParameters) -> Terms:
    """By what the metrics of the model are taken."""
    return Terms(hp.predictor_type, model.score_link, model.threshold, hp.f_beta, hp.accuracy_top_k)


def rows_that_meet(data: Dataset, model: LinearModel, cluster: Cluster) -> np.ndarray | slice:
    """Which rows of this host metrics are taken of: all, or with several hosts so many that their scores meet."""
    most = MOST_GATHERED_SCORES // model.outputs if cluster.size > 1 else len(data)
    return evenly_spaced(len(data), share_of(len(data), most, cluster))


def loss_sum(model: LinearModel, data: Dataset, task: Task, chosen: Candidate, hp: HyperParameters) -> float:
    """The weighted loss of the model, summed over raw rows, in raw label units."""
    constants = {keyword: getattr(hp, name) for keyword, name in task.loss.constants}
    weights = row_weights(data.labels, task.class_weights)
    if task.loss.predictor_type == BINARY:
        weights = np.where(data.labels == 1, chosen.positive_weight, 1.0)
    total = 0.0
    size = max(1, VALUES_AT_ONCE // model.outputs)
    for start in range(0, len(data.labels), size):
        rows = slice(start, start + size)
        scores, labels = model.raw_scores(data.features[rows]).astype(np.float64), data.labels[rows]
        if task.loss.coupled:
            one_hot = np.zeros(scores.shape)
            one_hot[np.arange(len(labels)), labels.astype(np.int64)] = 1
            values = task.loss.value(np, scores[:, None, :], one_hot[:, None, :], **constants)[:, 0]
        else:
            values = task.loss.value(np, scores, labels[:, None].astype(np.float64), **constants)[:, 0]
        total += float(np.sum(values if weights is None else values * weights[rows]))
    return total


def metadata(job: TrainingJob, choice: Choice, trained: Trained, scores: Mapping[str, list[Metric]]) -> dict[str, Any]:
    """What additional-params.json tells beside Amazon's keys. ``scores``: final metrics by channel."""
    hp, task, train = job.hp, job.task, job.channels["train"]
    chosen = job.candidates[choice.candidate]
    values = dataclasses.asdict(chosen)
    positive_weight, raw_penalty = values.pop("positive_weight"), values.pop("raw_penalty")
    ranges = task.ranges()
    return {
        "hyperparameters": hp.as_dict() | values | {"positive_example_weight_mult": positive_weight},
        "feature_names": None if train.feature_names is None else list(train.feature_names),
        **({} if train.schema is None else {"schema": train.schema.as_json()}),
        "feature_means": None if ranges is None else ranges.means.tolist(),
        "feature_minima": None if ranges is None else ranges.minima.tolist(),
        "feature_maxima": None if ranges is None else ranges.maxima.tolist(),
        **({} if train.fills is None else {"feature_fills": train.fills.tolist()}),
        "class_weights": None if task.class_weights is None else task.class_weights.tolist(),
        "selection": {
            "candidate": choice.candidate,
            "candidates": len(trained.alive),
            "raw_penalty": raw_penalty,
            "diverged": np.flatnonzero(~trained.alive).tolist(),
            "epoch": int(trained.best_epoch[choice.candidate]),
            "epochs": len(trained.epochs),
            "channel": task.judge_channel,
        },
        "metrics": {channel: {metric.name: metric.value for metric in found} for channel, found in scores.items()},
        "versions": {
            "linear_learner": __version__,
            "numpy": np.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
        },
    }
