"""Which classes a model takes for which."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST_MATRIX = 100
"""Classes up to which the whole matrix is told; of more, the confusions that are most frequent."""
MOST_CONFUSIONS = 200


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, Any]:
    """``labels`` and ``predicted``: int64 (n,), class numbers.

    ``matrix``: rows by label and prediction, None for many classes. ``confusions``: [label, prediction, rows], most
    frequent first. ``per_class``: how many rows have it as the label, are predicted so, and both.
    """
    right = labels == predicted
    pairs, counts = np.unique(labels[~right] * classes + predicted[~right], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CONFUSIONS]
    confusions = np.stack([*np.divmod(pairs[order], classes), counts[order]], axis=1).tolist()
    matrix = None
    if classes <= LARGEST_MATRIX:
        cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
        matrix = cells.reshape(classes, classes).tolist()
    return {
        "matrix": matrix,
        "confusions": confusions,
        "per_class": {
            "labelled": np.bincount(labels, minlength=classes).tolist(),
            "predicted": np.bincount(predicted, minlength=classes).tolist(),
            "right": np.bincount(labels[right], minlength=classes).tolist(),
        },
    }
