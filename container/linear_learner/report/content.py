"""Everything that a report tells, as one JSON object; docs/report.md describes it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from linear_learner.model.losses import BINARY, MULTICLASS
from linear_learner.report import binary, coefficients, findings, multiclass, regression
from linear_learner.report.subject import Scored, Subject

SCHEMA_VERSION = 1
STRONGEST = 50
"""Features whose coefficients are told; coefficients.csv has all."""


def describe(subject: Subject, deviation: np.ndarray) -> dict[str, Any]:
    """``deviation``: (d,), of the features. A number that is not finite is None."""
    candidates, choice = subject.candidates, subject.choice
    return finite(
        {
            "schema_version": SCHEMA_VERSION,
            "predictor_type": subject.predictor_type,
            "objective": subject.objective,
            "hyperparameters": {"given": subject.given, "resolved": subject.resolved},
            "job": subject.job,
            "hosts": subject.hosts,
            "data": {
                "features": subject.feature_dim,
                "sparse": subject.is_sparse,
                "named": subject.names is not None,
                "classes": list(subject.classes),
                "channels": {
                    name: {
                        "rows": channel.rows,
                        "class_counts": None if channel.class_counts is None else channel.class_counts.tolist(),
                        "label": _spread(subject.samples[name].labels) if name in subject.samples else None,
                    }
                    for name, channel in subject.channels.items()
                },
            },
            "metrics": {name: scored.metrics for name, scored in subject.scored.items()},
            "intervals": subject.intervals,
            "choice": {
                "candidate": choice.candidate,
                "channel": subject.judge,
                "criterion": choice.criterion,
                "value": float(candidates.values[choice.candidate]),
                "higher_is_better": choice.higher_is_better,
                "tied": list(choice.tied),
                "epoch": int(candidates.best_epoch[choice.candidate]),
                "threshold": subject.threshold,
            },
            "epochs": len(candidates.train_loss),
            "stopped_early": subject.stopped_early,
            "candidates": [
                {
                    "number": k,
                    "hyperparameters": settings,
                    "diverged": not candidates.alive[k],
                    "value": float(candidates.values[k]),
                    "best_epoch": int(candidates.best_epoch[k]),
                    "train_loss": candidates.train_loss[:, k].tolist(),
                    "judge_loss": candidates.judge_loss[:, k].tolist(),
                }
                for k, settings in enumerate(candidates.settings)
            ],
            "details": _details(subject),
            "coefficients": {
                "bias": subject.bias.tolist(),
                "nonzero": int(np.count_nonzero(subject.weights)),
                "total": subject.weights.size,
                "strongest": coefficients.strongest(subject, deviation, STRONGEST),
            },
            "findings": [finding._asdict() for finding in findings.look(subject)],
            "versions": subject.versions,
        }
    )


def _details(subject: Subject) -> dict[str, dict[str, Any]]:
    """What each channel's scores look like, by predictor type."""
    if subject.predictor_type == BINARY:
        return _binary_details(subject)
    if subject.predictor_type == MULTICLASS:
        return {name: _multiclass_details(scored, subject.link) for name, scored in subject.scored.items()}
    return {name: regression.errors(scored.scores, scored.labels) for name, scored in subject.scored.items()}


def _binary_details(subject: Subject) -> dict[str, dict[str, Any]]:
    assert subject.threshold is not None  # noqa: S101 (for the type checker)
    ordered = {name: binary.order(scored.scores, scored.labels == 1) for name, scored in subject.scored.items()}
    # The same thresholds for all channels: one slider moves them all.
    at = binary.thresholds(ordered[subject.judge], subject.threshold)
    return {
        name: {
            "thresholds": at.tolist(),
            "confusion": binary.confusion(rows, at),
            "calibration": binary.calibration(rows) if subject.link != "identity" else None,
        }
        for name, rows in ordered.items()
    }


def _multiclass_details(scored: Scored, link: str) -> dict[str, Any]:
    predicted, truth = scored.scores.argmax(axis=1), scored.labels.astype(np.int64)
    # Of the probability of the predicted class, and whether the prediction was right.
    rows = binary.order(scored.scores.max(axis=1), truth == predicted)
    return {
        **multiclass.confusion(truth, predicted, scored.scores.shape[1]),
        "calibration": binary.calibration(rows) if link != "identity" else None,
    }


def _spread(labels: np.ndarray) -> dict[str, float]:
    """Of a sample's labels."""
    values = labels.astype(np.float64)
    low, middle, high = np.quantile(values, (0, 0.5, 1))
    return {"mean": float(values.mean()), "std": float(values.std()), "least": low, "median": middle, "most": high}


def finite(value: Any) -> Any:
    """The value with None for numbers that JSON does not know, and plain types for NumPy's."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return finite(value.item()) if isinstance(value, np.generic) else value
