"""Probabilities that mean what they say: the shift by class weights taken out, and calibration on held-out rows.

Both change the scores of a model that has been chosen, not which model is. All but isotonic calibration are folded into
weights and bias, so that MXNet alone answers the same. docs/probabilities.md says what each is good for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from linear_learner.hyperparameters import AUTO, HyperParameters
from linear_learner.hyperparameters.schema import CALIBRATIONS_OF, NONE
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import BINARY
from linear_learner.training.evaluation.probability_fits import FITS, Fitted, Unchanged, folds

logger = logging.getLogger(__name__)

FOLDS = 5


def without_weights(model: LinearModel, weights: np.ndarray) -> LinearModel:
    """The model with the probabilities of rows as they come, where in training they weighed ``weights`` by their class:
    (2,), or (num_classes,).

    Weights multiply the odds of their classes, so that a logit is off by log(w). A class of weight 0 had no row, and
    there is nothing to take out.
    """
    shift = np.log(np.where(weights > 0, weights, 1.0))
    if model.predictor_type == BINARY:
        shift = shift[1:] - shift[:1]
    return replace(model, bias=(model.bias.astype(np.float64) - shift).astype(np.float32))


def calibrated(
    model: LinearModel, scores: np.ndarray, labels: np.ndarray, hp: HyperParameters
) -> tuple[LinearModel, dict[str, Any]]:
    """The model with its probabilities calibrated as ``probability_calibration`` says, and what to tell of that.

    ``scores``: float32 (n, C), the model's, before its link. ``labels``: int64 (n,). Both of rows held out of training.
    """
    losses = held_out_losses(model.link, scores, labels, _methods(hp), hp.seed)
    method = _method(losses, hp)
    fitted = _fit(method, model.link, scores, labels) if method in losses else None
    told = ", ".join(f"{name} {loss!r}" for name, loss in losses.items())
    if fitted is None:
        logger.warning(
            "Probabilities are not calibrated: of the %d rows too few are of a class, or their labels do not rise with "
            "the scores.",
            len(labels),
        )
        return model, {"method": NONE, "rows": len(labels), "held_out_log_loss": losses}
    logger.info("Probability calibration: %s. Log loss on rows held out of the fit: %s.", method, told)
    return fitted.apply(model), {
        "method": method, "rows": len(labels), "held_out_log_loss": losses, **fitted.facts()
    }  # fmt: skip


def held_out_losses(
    link: str, scores: np.ndarray, labels: np.ndarray, methods: Sequence[str], seed: int
) -> dict[str, float]:
    """The mean log loss of each way, the model's own probabilities first if its ``link`` makes any: fitted to FOLDS - 1
    parts of the rows and held against the other, for each part. What cannot be fitted is left out.

    ``scores``: float32 (n, C), before the link. ``labels``: int64 (n,).
    """
    parts = FOLDS if scores.shape[1] > 1 else int(min(FOLDS, *np.bincount(labels, minlength=2)))
    parts = min(parts, len(labels))
    if parts < 2:
        return {}
    fold = folds(labels, parts, seed)
    losses = {}
    for method in ([] if link == "identity" else [NONE]) + list(methods):
        total = 0.0
        for part in range(parts):
            held_out = fold == part
            fitted = _fit(method, link, scores[~held_out], labels[~held_out])
            if fitted is None:
                break
            total += fitted.log_loss(scores[held_out], labels[held_out]) * np.count_nonzero(held_out)
        else:
            losses[method] = float(total / len(labels))
    return losses


def _methods(hp: HyperParameters) -> Sequence[str]:
    if hp.probability_calibration != AUTO:
        return [hp.probability_calibration]
    precision_is_promised = (
        hp.target_confidence != NONE and hp.binary_classifier_model_selection_criteria == "recall_at_target_precision"
    )
    # Isotonic steps are laid by the rows on which the precision is counted.
    return [m for m in CALIBRATIONS_OF[hp.predictor_type] if m != "isotonic" or not precision_is_promised]


def _method(losses: Mapping[str, float], hp: HyperParameters) -> str:
    """For ``auto``, that of the least loss, and of equal ones the simplest."""
    if hp.probability_calibration != AUTO:
        return hp.probability_calibration
    return min(losses, key=losses.__getitem__, default=NONE)


def _fit(method: str, link: str, scores: np.ndarray, labels: np.ndarray) -> Fitted | None:
    return Unchanged(link) if method == NONE else FITS[method](scores, labels)
