"""Checks, before training, that a job has as many held-out rows as its promise of a target needs."""

from __future__ import annotations

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.data.stream import Stream
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.cluster.scores import share_of
from linear_learner.training.evaluation import confidence
from linear_learner.training.evaluation.model_selection import promised_criterion
from linear_learner.training.evaluation.threshold import evenly_spaced


def check_confidence(
    hp: HyperParameters, validation: Dataset | Stream | None, candidates: int, cluster: Cluster = ALONE
) -> None:
    """ClientError where the validation rows of all hosts are so few that no scores whatever could keep the target with
    ``target_confidence``. ``hp`` is resolved."""
    if promised_criterion(hp, candidates).error is None:
        return
    assert isinstance(validation, Dataset)  # noqa: S101 (for the type checker: the train channel alone is streamed)
    labels = validation.labels
    labels = labels[evenly_spaced(len(labels), share_of(len(labels), hp.num_calibration_samples, cluster))]
    positives, rows = map(int, cluster.sum(np.array([np.count_nonzero(labels == 1), len(labels)])))
    check_counts(hp, positives, rows, candidates)


def check_counts(hp: HyperParameters, positives: int, rows: int, candidates: int) -> None:
    """The same of ``rows`` rows of which so many are ``positives``."""
    criterion = promised_criterion(hp, candidates)
    if criterion.error is None:
        return
    if criterion.name == "precision_at_target_recall":
        name, target, error = "target_recall", criterion.target_recall, criterion.error
    else:
        name, target = "target_precision", criterion.target_precision
        error = confidence.error_of_a_cut(rows, target, criterion.error)
    needed = confidence.fewest_trials(target, error)
    if positives < needed:
        raise ClientError(
            f"No threshold can keep {name}={target} with target_confidence={hp.target_confidence}: that takes at least "
            f"{needed} rows of label 1, and there are {positives}",
            where="channel 'validation'",
            fix=f"give more rows or lower one of the two; fewer num_models ({candidates}) and epochs ({hp.epochs}), "
            "among which the best is chosen, need somewhat fewer",
        )
