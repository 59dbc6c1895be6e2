"""A binary model along all thresholds, and whether its probabilities mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np

QUANTILES = 101
"""Of the scores of each class; that many points at most does each make of a curve."""

BINS = 10
"""Of a calibration curve, with an equal number of rows each."""


def thresholds(scores: np.ndarray, positive: np.ndarray, chosen: float) -> np.ndarray:
    """float64 (t,), ascending: scores (n,) at which curves are drawn, evenly spaced over the rows of either class, then
    one above all scores, and the ``chosen`` threshold."""
    found = [np.float64(chosen), np.nextafter(scores.max(), np.float32(np.inf), dtype=np.float32)]
    for part in (np.sort(scores[positive]), np.sort(scores[~positive])):
        if len(part):
            found.extend(part[np.linspace(0, len(part) - 1, QUANTILES).round().astype(np.int64)])
    return np.unique(np.array(found, np.float64))


def confusion(scores: np.ndarray, positive: np.ndarray, at: np.ndarray) -> dict[str, list[int]]:
    """Counts of the rows (n,) that reach each threshold of ``at`` (t,) or do not, by label."""
    reached = {}
    for name, part in (("positive", scores[positive]), ("negative", scores[~positive])):
        reached[name] = len(part) - np.searchsorted(np.sort(part).astype(np.float64), at, side="left")
    positives = int(np.count_nonzero(positive))
    right, wrong = reached["positive"], reached["negative"]
    return {
        "true_positives": right.tolist(),
        "false_positives": wrong.tolist(),
        "false_negatives": (positives - right).tolist(),
        "true_negatives": (len(scores) - positives - wrong).tolist(),
    }


def calibration(probabilities: np.ndarray, happened: np.ndarray) -> dict[str, Any]:
    """Predicted probabilities (n,) beside how often it ``happened``, bool (n,), in bins of equal size.

    ``expected_calibration_error``: the mean distance of the two, weighted by rows (Naeini et al. 2015).
    ``brier_score``: the mean squared error of the probabilities.
    """
    order = np.argsort(probabilities, kind="stable")
    values, truth = probabilities[order].astype(np.float64), happened[order]
    edges = np.unique(np.arange(BINS + 1) * len(values) // BINS)
    rows = np.diff(edges)
    predicted = np.add.reduceat(values, edges[:-1]) / rows
    observed = np.add.reduceat(truth.astype(np.float64), edges[:-1]) / rows
    return {
        "rows": rows.tolist(),
        "predicted": predicted.tolist(),
        "observed": observed.tolist(),
        "expected_calibration_error": float(np.sum(rows * np.abs(predicted - observed)) / len(values)),
        "brier_score": float(np.mean(np.square(values - truth))),
    }
