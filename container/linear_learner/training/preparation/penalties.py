"""What the penalties of sparse columns are multiplied by in the candidates with a raw penalty.

Columns are scaled, and a penalty on the weights of scaled columns is another one on those of raw columns: a word that
comes up twice in a text now and then has a larger std than one that never does. Which of the two is the better guess
depends on the data, and validation tells. docs/algorithm.md says what each is worth.
"""

from __future__ import annotations

import numpy as np

from linear_learner.model.scaler import Measures

FREQUENCY_POWER = 0.4
"""Of the share of rows that hold something in a column: a rare column may have larger weights."""

MOST = 100.0
"""A larger factor would make steps of the largest penalty overshoot; real columns have less."""


def penalty_factors(measures: Measures, std: np.ndarray) -> np.ndarray:
    """float32 (d,), f of each column of sparse rows that ``measures`` tells of and ``std``, (d,) > 0, scales.

    ``wd * f`` on the weights of scaled columns is a penalty on those of raw ones, f ~ df^0.4 / std^2 with df the share
    of rows that hold something in the column; factors are relative, so that their geometric mean over all values stored
    is 1, and at most MOST. A column that no row of the sample holds counts as one that a single row does.
    """
    held = measures.held
    assert held is not None  # noqa: S101 (for the type checker)
    if not held.any():
        return np.ones(len(held), np.float32)
    logarithms = np.maximum(held, 1)  # in place from here on: there may be millions
    np.log(logarithms, out=logarithms)
    logarithms *= FREQUENCY_POWER  # what all columns share drops out
    logarithms -= 2 * np.log(std)
    logarithms -= (held @ logarithms) / held.sum()
    return np.exp(np.minimum(logarithms, np.log(MOST), out=logarithms), out=logarithms).astype(np.float32)
