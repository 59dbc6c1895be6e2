"""From trained candidates to one model: the best by the criterion, in raw units, with its threshold."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from linear_learner.environment import cpu_count
from linear_learner.errors import ClientError
from linear_learner.formats.csr import Rows
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.linear_model import LINKS, LinearModel
from linear_learner.model.losses import BINARY, Loss
from linear_learner.training import selection
from linear_learner.training.calibration import (
    SAMPLED_ROWS,
    Calibration,
    Criterion,
    calibrate,
    evenly_spaced,
    sampled_criterion,
)
from linear_learner.training.preparation import Task
from linear_learner.training.progress import Trained
from linear_learner.training.state import TILE, State

SCORES_AT_ONCE = 1 << 26
"""Scores of candidates held at a time while they are compared: 256 MiB."""


@dataclass(frozen=True)
class Choice:
    """The chosen candidate's number and model; ``values``: (K,), what the candidates were compared by; ``tied``: the
    candidates whose value counts as equal to the best, the chosen one among them."""

    candidate: int
    model: LinearModel
    values: np.ndarray
    tied: tuple[int, ...]


def criterion_of(hp: HyperParameters) -> Criterion | None:
    """What a binary classifier is chosen by besides the loss; None where the loss alone counts."""
    if hp.predictor_type != BINARY:
        return None
    criterion = _criterion(hp)
    return None if criterion.by_loss else criterion


def _criterion(hp: HyperParameters) -> Criterion:
    return Criterion(hp.binary_classifier_model_selection_criteria, hp.f_beta, hp.target_recall, hp.target_precision)


def neutral_threshold(loss: Loss) -> float:
    """Where the loss itself draws the line: at even odds, or at a margin of 0."""
    return 0.5 if loss.link == "logistic" else 0.0


def watcher(task: Task, criterion: Criterion) -> Callable[[State], np.ndarray]:
    """What early stopping asks after each epoch: the criterion of every candidate, float64 (K,), each with its best
    threshold, on a sample of the judging rows."""

    @functools.cache
    def sample() -> tuple[Rows, np.ndarray]:
        judge = task.judge().rows
        rows = evenly_spaced(len(judge.labels), SAMPLED_ROWS)
        return judge.features[rows], judge.labels[rows]

    def criterion_of_epoch(state: State) -> np.ndarray:
        features, labels = sample()
        # The link is left out: it changes no order.
        return sampled_criterion(state.scores(features), labels, criterion)

    return criterion_of_epoch


def choose(trained: Trained, task: Task, hp: HyperParameters) -> Choice:
    """The best candidate as a model with its threshold. ClientError when no candidate is left."""
    criterion = criterion_of(hp)
    values, slack = trained.loss, 0.0
    if criterion is not None:
        values = _criterion_values(trained, task, hp)
        slack = selection.chance(float(np.nanmax(values)), _deciding_rows(criterion, task.judge().rows.labels))
    tied = selection.equally_good(values, higher_is_better=criterion is not None, alive=trained.alive, slack=slack)
    chosen = selection.least_loss(tied, trained.loss)
    model = to_model(trained.best, chosen, task, hp)
    if hp.predictor_type == BINARY:
        # On the scores as they are served, which differ from those compared above by rounding.
        threshold = _calibrate(model.predict(task.judge().raw.features).score, task, hp).threshold
        model = replace(model, threshold=threshold)
    return Choice(chosen, model, values, tuple(tied.tolist()))


def to_model(best: State, k: int, task: Task, hp: HyperParameters) -> LinearModel:
    """Candidate k with the scaling folded in, and with the neutral threshold. ClientError where raw units are so large
    or small that its weights are beyond float32."""
    weights, bias = best.candidate(k)
    if task.columns is not None:
        trained, weights = weights, np.zeros((task.scaler.feature_dim, best.outputs), np.float32)
        weights[task.columns] = trained
    weights, bias = task.scaler.fold(weights, bias)
    finite = np.isfinite(weights).all(axis=1)
    if not (finite.all() and np.isfinite(bias).all()):
        which = "the bias" if finite.all() else f"the weight of feature {np.argmin(finite) + 1}"
        raise ClientError(
            f"In raw units, {which} is beyond the range of float32 (3.4e38)",
            where="channel 'train'",
            fix="scale features and labels whose values are extremely small or large",
        )
    return LinearModel(
        weights=weights,
        bias=bias,
        predictor_type=hp.predictor_type,
        loss=task.loss.name,
        link=task.loss.link,
        threshold=neutral_threshold(task.loss) if hp.predictor_type == BINARY else None,
        num_classes=hp.num_classes,
    )


def _criterion_values(trained: Trained, task: Task, hp: HyperParameters) -> np.ndarray:
    """float64 (K,): the criterion of each candidate at its own best threshold; nan for those that diverged."""
    values = np.full(len(trained.alive), np.nan)

    def value(scores: np.ndarray) -> float:
        return _calibrate(LINKS[task.loss.link](scores), task, hp).value

    # Sorting and counting hold no lock, so that each processor can have a candidate of its own.
    with ThreadPoolExecutor(cpu_count()) as pool:
        for first, block in _scores(trained.best, task.judge().rows.features):
            alive = trained.alive[first : first + len(block)]
            values[first : first + len(block)][alive] = list(pool.map(value, block[alive]))
    return values


def _scores(best: State, features: Rows) -> Iterator[tuple[int, np.ndarray]]:
    """(k, float32 (m, n)) for candidates k to k + m - 1, of one output each: their scores before the link."""
    at_once = min(max(1, SCORES_AT_ONCE // len(features)), TILE)
    for first in range(0, best.columns, TILE):
        tile, last = best.weights[first // TILE], min(first + TILE, best.columns)
        for start in range(first, last, at_once):
            stop = min(start + at_once, last)
            block = features @ tile[:, start - first : stop - first] + best.bias[start:stop]
            yield start, np.ascontiguousarray(block.T)


def _calibrate(scores: np.ndarray, task: Task, hp: HyperParameters) -> Calibration:
    """``scores``: float32 (n,), of the judging rows."""
    return calibrate(
        scores,
        task.judge().rows.labels,
        _criterion(hp),
        neutral=neutral_threshold(task.loss),
        at_most=hp.num_calibration_samples,
    )


def _deciding_rows(criterion: Criterion, labels: np.ndarray) -> int:
    """How many rows decide the criterion: all of them, or the positive ones where it speaks of those."""
    return len(labels) if criterion.name == "accuracy" else int(np.count_nonzero(labels))
