"""A binary model along all thresholds, and whether its probabilities mean what they say."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

QUANTILES = 101
"""Of the scores of each class; that many points at most does each make of a curve."""

BINS = 10
"""Of a calibration curve, with about as many rows each."""


class Ordered(NamedTuple):
    """Rows by their ``scores`` float32 (n,), ascending; ``positive``: bool (n,)."""

    scores: np.ndarray
    positive: np.ndarray


def order(scores: np.ndarray, positive: np.ndarray) -> Ordered:
    """Rows in any order: sorting many is most of what is done with them. Equal scores come in any order."""
    places = np.argsort(scores)
    return Ordered(scores[places], positive[places])


def thresholds(rows: Ordered, chosen: float) -> np.ndarray:
    """float64 (t,), ascending: scores at which curves are drawn, evenly spaced over the rows of either class, then one
    above all scores, and the ``chosen`` threshold."""
    found = [np.float64(chosen), np.nextafter(rows.scores[-1], np.float32(np.inf), dtype=np.float32)]
    for part in (rows.scores[rows.positive], rows.scores[~rows.positive]):
        if len(part):
            found.extend(part[np.linspace(0, len(part) - 1, QUANTILES).round().astype(np.int64)])
    return np.unique(np.array(found, np.float64))


def confusion(rows: Ordered, at: np.ndarray) -> dict[str, list[int]]:
    """Counts of the rows that reach each threshold of ``at`` (t,) or do not, by label."""
    below = np.searchsorted(rows.scores.astype(np.float64), at, side="left")
    missed = np.concatenate([[0], np.cumsum(rows.positive)])[below]
    positives = int(np.count_nonzero(rows.positive))
    rest = below - missed
    return {
        "true_positives": (positives - missed).tolist(),
        "false_positives": (len(rows.scores) - positives - rest).tolist(),
        "false_negatives": missed.tolist(),
        "true_negatives": rest.tolist(),
    }


def calibration(predictions: Ordered) -> dict[str, Any]:
    """Predicted probabilities beside how often it was so, in bins of about equal size; equal predictions share one.

    ``expected_calibration_error``: the mean distance of the two, weighted by rows (Naeini et al. 2015).
    ``brier_score``: the mean squared error of the probabilities.
    """
    values, truth = predictions.scores.astype(np.float64), predictions.positive
    cuts = np.searchsorted(values, values[np.arange(BINS) * len(values) // BINS], side="left")
    edges = np.append(np.unique(cuts), len(values))
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
