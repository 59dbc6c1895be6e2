"""The errors of a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS = 400
"""Rows that are drawn one by one."""
BINS = 40
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def errors(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """``scores`` and ``labels``: float32 (n,), in raw units. An error is score less label.

    ``quantiles``: of the errors, by share. ``histogram``: rows by error between its ``edges``, which leave out the
    outermost hundredth where that is far from the rest. ``points``: [label, score] of evenly spaced rows.
    """
    error = np.subtract(scores, labels, dtype=np.float64)
    low, high = np.quantile(error, (0.005, 0.995))
    margin = (high - low) / 4
    low, high = max(low - margin, error.min()), min(high + margin, error.max())
    if low == high:
        room = max(0.5, abs(low) / BINS)  # 0.5 is nothing beside 1e17
        low, high = low - room, high + room
    counts, edges = np.histogram(error, BINS, (low, high))
    rows = np.unique(np.linspace(0, len(error) - 1, POINTS).round().astype(np.int64))
    return {
        "quantiles": dict(zip(map(str, SHARES), np.quantile(error, SHARES).tolist(), strict=False)),
        "histogram": {"edges": edges.tolist(), "rows": counts.tolist()},
        "points": np.stack([labels[rows], scores[rows]], axis=1).astype(float).tolist(),
    }
