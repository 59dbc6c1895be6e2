"""From trained candidates to one model: the best by the criterion, in raw units."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.csr import Rows
from linear_learner.formats.row_blocks import row_blocks, rows_beside, wide_row_blocks
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.linear_model import LINKS, LinearModel
from linear_learner.model.losses import BINARY
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.cluster.scores import on_first_host, share_of
from linear_learner.training.engines.state import TILE, State
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation.confidence import error_of_a_model
from linear_learner.training.evaluation.threshold import (
    Calibration,
    Criterion,
    best_values,
    calibrate,
    evenly_spaced,
)
from linear_learner.training.preparation.task import Task

SAMPLED_ROWS = 10_000
"""Rows on which the criterion is watched after each epoch: a share is known to half a percent."""

SCORES_AT_ONCE = 1 << 26
"""Scores of candidates held at a time while they are compared: 256 MiB."""

VALUES_AT_ONCE = 1 << 17
"""Scores computed at a time: half a megabyte, which the caches hold from step to step."""

COMPARED_ROWS = 200_000
"""Of several hosts together, rows by which candidates are compared: their scores meet on the first host."""


MOST_ROWS_BY_CHANCE, OF_ROWS = 2, 1000
"""See ``chance``."""

ROUNDING = 1e-9
"""Of a slack: far more than what rounding adds to the difference of two values, and far less than a row."""


@dataclass(frozen=True)
class Choice:
    """The chosen candidate's number and its model, with the neutral threshold; ``values``: (K,), what the candidates
    were compared by; ``tied``: the candidates whose value counts as equal to the best, the chosen one among them."""

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


def promised_criterion(hp: HyperParameters, candidates: int) -> Criterion:
    """What thresholds are chosen by: the criterion, with the error that ``target_confidence`` leaves to each model."""
    if isinstance(hp.target_confidence, str):
        return _criterion(hp)
    return replace(_criterion(hp), error=error_of_a_model(hp.target_confidence, candidates * hp.epochs))


def neutral_threshold(link: str) -> float:
    """Where a score itself draws the line: at even odds, or at a margin of 0."""
    return 0.5 if link == "logistic" else 0.0


def watcher(task: Task, criterion: Criterion, cluster: Cluster = ALONE) -> Callable[[State], np.ndarray]:
    """What early stopping asks after each epoch: the criterion of every candidate, float64 (K,), each with its best
    threshold, on a sample of the judging rows of all hosts."""

    @functools.cache
    def sample() -> tuple[Rows, np.ndarray]:
        judge = task.judge().rows
        rows = evenly_spaced(len(judge.labels), share_of(len(judge.labels), SAMPLED_ROWS, cluster))
        return judge.features[rows], judge.labels[rows]

    def criterion_of_epoch(state: State) -> np.ndarray:
        features, labels = sample()
        # The link is left out: it changes no order.
        return on_first_host(
            cluster, state.scores(features), labels, lambda scores, labels: best_values(scores, labels, criterion)
        )

    return criterion_of_epoch


def choose(
    trained: Trained,
    task: Task,
    hp: HyperParameters,
    cluster: Cluster = ALONE,
    go_on: Callable[[], None] = lambda: None,
) -> Choice:
    """The best candidate by the judging rows of all hosts. ClientError when none is left. ``go_on`` is called, on all
    hosts together, again and again while that takes long."""
    criterion = criterion_of(hp)
    values, slack = trained.loss, 0.0
    if criterion is not None:
        values = _criterion_values(trained, task, hp, cluster, go_on)
        labels = task.judge().rows.labels
        rows, positive = map(int, cluster.sum(np.array([len(labels), np.count_nonzero(labels)])))
        best = float(np.nanmax(values))
        slack = chance(best, deciding_rows(criterion, best, rows, positive))
    tied = equally_good(values, higher_is_better=criterion is not None, alive=trained.alive, slack=slack)
    chosen = least_loss(tied, trained.loss)
    return Choice(chosen, to_model(trained.best, chosen, task, hp), values, tuple(tied.tolist()))


def threshold_of(
    scores: np.ndarray, labels: np.ndarray, link: str, hp: HyperParameters, candidates: int
) -> Calibration:
    """``scores`` and ``labels``: float32 (n,), of judging rows, by the best of so many ``candidates`` of a binary
    classifier. ``link``: what made the scores; ``logistic`` makes probabilities."""
    return calibrate(
        scores,
        labels,
        promised_criterion(hp, candidates),
        neutral=neutral_threshold(link),
        at_most=hp.num_calibration_samples,
    )


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
        threshold=neutral_threshold(task.loss.link) if hp.predictor_type == BINARY else None,
        num_classes=hp.num_classes,
    )


def _criterion_values(
    trained: Trained, task: Task, hp: HyperParameters, cluster: Cluster, go_on: Callable[[], None]
) -> np.ndarray:
    """float64 (K,): the criterion of each candidate at its own best threshold; nan for those that diverged."""
    values = np.full(len(trained.alive), np.nan)
    judge = task.judge().rows
    features, labels = judge.features, judge.labels
    if cluster.size > 1:
        rows = evenly_spaced(len(labels), share_of(len(labels), COMPARED_ROWS, cluster))
        features, labels = features[rows], labels[rows]
    at_once = min(max(1, SCORES_AT_ONCE // max(cluster.gather(len(labels)))), TILE)

    def criteria(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        rows = evenly_spaced(len(labels), hp.num_calibration_samples)
        scores = scores[rows]
        for block in row_blocks(scores.shape, VALUES_AT_ONCE):
            scores[block] = LINKS[task.loss.link](scores[block])
        return best_values(scores, labels[rows], promised_criterion(hp, len(trained.alive)))

    for first, block in _scores(trained.best, features, at_once):
        go_on()
        alive = trained.alive[first : first + block.shape[1]]
        own = block if alive.all() else block[:, alive]
        values[first : first + block.shape[1]][alive] = on_first_host(cluster, own, labels, criteria)
    return values


def _scores(best: State, features: Rows, at_once: int) -> Iterator[tuple[int, np.ndarray]]:
    """(k, float32 (n, m)) for candidates k to k + m - 1, of one output each, no more than ``at_once``: their scores
    before the link."""
    for first in range(0, best.columns, TILE):
        tile, last = best.weights[first // TILE], min(first + TILE, best.columns)
        for start in range(first, last, at_once):
            stop = min(start + at_once, last)
            weights, bias = tile[:, start - first : stop - first], best.bias[start:stop]
            scores = np.empty((len(features), stop - start), np.float32)
            biases = np.tile(bias, rows_beside(scores))
            for block, beside in wide_row_blocks(scores, VALUES_AT_ONCE):
                scores[block] = features[block] @ weights
                scores[block].reshape(-1, beside * len(bias))[...] += biases[: beside * len(bias)]
            yield start, scores


def deciding_rows(criterion: Criterion, best: float, rows: int, positive: int) -> int:
    """How many rows decide the ``best`` value of a criterion, of so many ``rows`` and ``positive`` ones: all of them,
    or those that it speaks of. Precision speaks of the rows that are called positive."""
    if criterion.name == "accuracy":
        return rows
    if criterion.name == "precision_at_target_recall" and best > 0:
        return min(rows, round(criterion.target_recall * positive / best))
    return positive


def equally_good(values: np.ndarray, *, higher_is_better: bool, alive: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """int64 (t,), ascending: the candidates whose value is no further than ``slack`` from the best.

    ``values``: (K,), the criterion. ``alive``: bool (K,), False for a candidate that diverged; one whose value is nan
    counts as such. ClientError if no candidate is left.
    """
    left = np.flatnonzero(np.asarray(alive) & ~np.isnan(values))
    if not len(left):
        raise ClientError(
            "every candidate model diverged: all losses became infinite or nan",
            where="training",
            fix="lower learning_rate, set normalize_data=true, or look for huge feature or label values",
        )
    values = np.asarray(values)[left]
    distance = values.max() - values if higher_is_better else values - values.min()
    return left[distance <= slack * (1 + ROUNDING)]


def least_loss(candidates: np.ndarray, losses: np.ndarray) -> int:
    """Of equally good ``candidates``, int64 (t,), the one with the least of ``losses`` (K,), and then the lowest index:
    the first candidates are those nearest to what the user asked for."""
    known = np.where(np.isnan(losses[candidates]), np.inf, losses[candidates])
    return int(candidates[np.argmin(known)])


def chance(share: float, rows: int) -> float:
    """By how much a share that was counted on ``rows`` rows may be better than another by chance: two standard
    errors, but at most two rows, or two in a thousand of many.

    Many candidates that differ in a handful of rows are as good as equal by accuracy, and the loss, to which every row
    contributes, tells them apart (after the standard-error rule of Breiman et al. 1984, kept within narrow bounds).
    """
    rows = max(rows, 1)
    return min(2 * math.sqrt(share * (1 - share) / rows), MOST_ROWS_BY_CHANCE / min(rows, OF_ROWS))
