"""From the chosen model to the one that is served: its probabilities, its threshold, and what is promised of both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.errors import CutShort
from linear_learner.formats.csr import Rows
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.schema import NONE
from linear_learner.model.linear_model import LARGEST, LINKS, LinearModel
from linear_learner.model.losses import BINARY
from linear_learner.model.probability_map import ProbabilityMap
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.cluster.scores import MOST_GATHERED_SCORES, gather_scores, on_first_host, share_of
from linear_learner.training.ending.outcome import rows_that_meet, terms
from linear_learner.training.engines.candidates import Candidate
from linear_learner.training.evaluation import bootstrap, confidence, metrics
from linear_learner.training.evaluation.bootstrap import Interval
from linear_learner.training.evaluation.model_selection import neutral_threshold, promised_criterion, threshold_of
from linear_learner.training.evaluation.probability_calibration import calibrated, without_weights
from linear_learner.training.evaluation.ranking import Confusion
from linear_learner.training.evaluation.threshold import Criterion, evenly_spaced
from linear_learner.training.preparation.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """``model``: as it is served. ``facts``: for its metadata, of what was done beyond training; empty where nothing
    was asked for."""

    model: LinearModel
    facts: dict[str, Any]


def finish_model(
    model: LinearModel, chosen: Candidate, candidates: int, task: Task, hp: HyperParameters, cluster: Cluster = ALONE
) -> Finished:
    """``model``: as ``model_selection`` gives it, one of so many ``candidates``, trained with the numbers of
    ``chosen``. Its threshold is found on the scores as they are served."""
    facts: dict[str, Any] = {}
    if hp.correct_weighted_probabilities:
        weights = _class_weights(chosen, task, hp)
        if (weights != 1).any():
            model = without_weights(model, weights)
            facts["corrected_class_weights"] = weights.tolist()
            logger.info("The shift of probabilities by class weights is taken out: %s.", weights.tolist())
    if hp.probability_calibration != NONE:
        features, own_labels = _judging_rows(model, task, hp, cluster)
        scores, labels = gather_scores(cluster, model.raw_scores(features), own_labels)
        model, facts["probability_calibration"] = calibrated(model, scores, labels.astype(np.int64), hp)
    if hp.predictor_type != BINARY:
        return Finished(model, facts)
    threshold, counts = _threshold(model, task, hp, candidates, cluster)
    model = replace(model, threshold=threshold)
    if model.probability_map is not None:
        facts["threshold_before_calibration"] = _graph_threshold(model, model.probability_map)
    criterion = promised_criterion(hp, candidates)
    if criterion.error is not None:
        facts["target_confidence"] = _promise(counts, criterion, candidates, hp)
    elif criterion.name == "recall_at_target_precision" and counts.true_positives + counts.false_positives == 0:
        logger.warning(
            "No threshold reaches target_precision=%s: nothing is called positive. Lower it, or choose by another "
            "criterion.",
            hp.target_precision,
        )
    return Finished(model, facts)


def _threshold(
    model: LinearModel, task: Task, hp: HyperParameters, candidates: int, cluster: Cluster
) -> tuple[float, Confusion]:
    """By the judging rows of all hosts, and what it makes of them."""
    features, own_labels = _judging_rows(model, task, hp, cluster)

    def found(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        calibration = threshold_of(scores, labels, model.score_link, hp, candidates)
        return np.array([calibration.threshold, *astuple(calibration.confusion)], np.float64)

    threshold, *counts = on_first_host(cluster, model.predict(features).score, own_labels, found).tolist()
    return threshold, Confusion(*map(int, counts))


def _judging_rows(model: LinearModel, task: Task, hp: HyperParameters, cluster: Cluster) -> tuple[Rows, np.ndarray]:
    """This host's part of the rows that calibration takes: raw features, and labels."""
    judge = task.judge()
    most = hp.num_calibration_samples
    if cluster.size > 1:
        most = min(most, MOST_GATHERED_SCORES // model.outputs)
    rows = evenly_spaced(len(judge.raw), share_of(len(judge.raw), most, cluster))
    return judge.raw.features[rows], judge.rows.labels[rows]


def _class_weights(chosen: Candidate, task: Task, hp: HyperParameters) -> np.ndarray:
    """float64 (2,) or (num_classes,): what a row of each class weighed in training."""
    if hp.predictor_type == BINARY:
        return np.array([1.0, chosen.positive_weight])
    return np.ones(hp.num_classes) if task.class_weights is None else task.class_weights.astype(np.float64)


def _graph_threshold(model: LinearModel, probabilities: ProbabilityMap) -> float:
    """Where rows part by the scores of the graph as they part by the model's own: MXNet alone knows no map."""
    assert model.threshold is not None  # noqa: S101 (for the type checker: a binary model has one)
    raw = np.clip(probabilities.least_score(model.threshold), -LARGEST, LARGEST)
    score = LINKS[model.link](np.array([raw], np.float32))[0]
    if raw == LARGEST and model.link == "logistic":
        score = np.nextafter(score, np.float32(2))  # a probability may be 1 by rounding
    return float(score)


def _promise(counts: Confusion, criterion: Criterion, candidates: int, hp: HyperParameters) -> dict[str, Any]:
    """What is known of the share that the threshold keeps, for the log and the metadata."""
    assert criterion.error is not None  # noqa: S101 (for the type checker)
    right, called = counts.true_positives, counts.true_positives + counts.false_positives
    if criterion.name == "precision_at_target_recall":
        share, target, trials, error = (
            "recall",
            criterion.target_recall,
            right + counts.false_negatives,
            criterion.error,
        )
    else:
        rows = called + counts.false_negatives + counts.true_negatives
        share, target, trials = "precision", criterion.target_precision, called
        error = confidence.error_of_a_cut(rows, target, criterion.error)
    bound = confidence.lower_bound(right, trials, error) if trials else None
    if bound is None:
        logger.warning(
            "No threshold keeps target_precision=%s with target_confidence=%s: nothing is called positive.",
            target,
            hp.target_confidence,
        )
    else:
        words = "With confidence %s, %s is at least %r: %d of %d rows, the best of %d models over %d epochs."
        logger.info(words, hp.target_confidence, share, bound, right, trials, candidates, hp.epochs)
    return {
        "confidence": hp.target_confidence,
        "of": share,
        "target": target,
        "lower_bound": bound,
        "rows": trials,
        "right": right,
    }


def intervals(
    model: LinearModel,
    channels: Mapping[str, Dataset],
    candidates: int,
    task: Task,
    hp: HyperParameters,
    cluster: Cluster = ALONE,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """For the metadata, the bootstrap intervals of the threshold and, by channel, of the final metrics; each is logged.
    Empty where none are asked for, and where ``should_stop`` says yes before they are there. ``channels``: raw rows."""
    if not hp.bootstrap_samples:
        return {}
    words = f"{bootstrap.LEVEL:.0%} interval of {hp.bootstrap_samples} bootstrap samples"

    def go_on() -> None:
        if cluster.any(should_stop()):
            raise CutShort

    try:
        go_on()
        threshold = None
        if hp.predictor_type == BINARY:
            threshold = _threshold_interval(model, task, hp, candidates, go_on, cluster)
        by_channel = {name: _metric_intervals(model, data, hp, go_on, cluster) for name, data in channels.items()}
    except CutShort:
        logger.warning("The job is to end: no intervals are given.")
        return {}
    if threshold is not None:
        logger.info("%s: threshold from %r to %r.", words, *threshold)
    for channel, found in by_channel.items():
        for metric, (low, high) in found.items():
            logger.info("%s: %s %s from %r to %r.", words, channel, metric, low, high)
    return {
        "intervals": {
            "level": bootstrap.LEVEL,
            "samples": hp.bootstrap_samples,
            "threshold": threshold,
            "metrics": by_channel,
        }
    }


def _metric_intervals(
    model: LinearModel, data: Dataset, hp: HyperParameters, go_on: Callable[[], None], cluster: Cluster
) -> dict[str, Interval]:
    """By the name of each metric that has a meaning here."""
    kept = rows_that_meet(data, model, cluster)
    scores, labels = gather_scores(cluster, model.predict(data.features[kept]).score, data.labels[kept])
    by = terms(model, hp)
    rows, names = metrics.rows_to_judge(scores, labels, by), metrics.metric_names(by)
    found = bootstrap.intervals(rows, model.threshold, hp.bootstrap_samples, hp.seed, go_on)
    return {name: interval for name, interval in zip(names, found, strict=True) if interval is not None}


def _threshold_interval(
    model: LinearModel, task: Task, hp: HyperParameters, candidates: int, go_on: Callable[[], None], cluster: Cluster
) -> Interval | None:
    features, own_labels = _judging_rows(model, task, hp, cluster)
    return bootstrap.threshold_interval(
        *gather_scores(cluster, model.predict(features).score, own_labels),
        promised_criterion(hp, candidates),
        neutral=neutral_threshold(model.score_link),
        at_most=hp.num_calibration_samples,
        samples=hp.bootstrap_samples,
        seed=hp.seed,
        go_on=go_on,
    )
