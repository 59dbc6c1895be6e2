"""Normalised rows for one call of the training engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linear_learner.formats.csr import Rows


@dataclass(frozen=True)
class Chunk:
    """Rows for one call of the engine, already normalised.

    ``features``: (n, d), float32 and C-contiguous, or sparse rows. ``labels``: float32 (n,) (0/1, class number, or
    normalised target).
    ``weights``: float32 (n,) or None, how much each row counts.
    ``order``: int64 (m,), the rows to visit, in order; consecutive ``mini_batch_size`` of them form a mini-batch and
    the last mini-batch may be smaller.
    """

    features: Rows
    labels: np.ndarray
    order: np.ndarray
    weights: np.ndarray | None = None
