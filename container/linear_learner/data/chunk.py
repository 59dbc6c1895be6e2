"""Normalised rows for one call of the training engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """Rows for one call of the engine, already normalised.

    ``features``: float32 (n, d), C-contiguous. ``labels``: float32 (n,) (0/1, class number, or normalised target).
    ``weights``: float32 (n,) or None, how much each row counts.
    ``order``: int64 (m,), the rows to visit, in order; consecutive ``mini_batch_size`` of them form a mini-batch and
    the last mini-batch may be smaller.
    """

    features: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    weights: np.ndarray | None = None
