"""Missing features, NaN in rows, and what takes their place: the mean of the column in a sample of the train channel.

The means are kept with the model, so that a row is filled alike in training and in serving.
"""

from __future__ import annotations

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.row_blocks import row_blocks

BLOCK_VALUES = 1 << 18
"""Values looked at a time: a block of them stays in the cache."""


def means_of(sums_and_counts: np.ndarray) -> np.ndarray:
    """float32 (d,): the means of columns of which ``column_sums`` tells; 0 where all is missing."""
    sums, counts = sums_and_counts
    return (sums / np.maximum(counts, 1)).astype(np.float32)


def column_sums(features: Rows) -> np.ndarray:
    """float64 (2, d): the sum of each column of rows (n, d) without its missing values, and how many others it has.
    What sparse rows do not store is 0 and counts."""
    columns = features.shape[1]
    sums, counts = np.zeros(columns), np.full(columns, float(len(features)))
    if isinstance(features, CsrMatrix):
        missing = np.isnan(features.values)
        stored = np.where(missing, 0, features.values.astype(np.float64))
        sums += np.bincount(features.indices, weights=stored, minlength=columns)
        counts -= np.bincount(features.indices[missing], minlength=columns)
    else:
        for rows in row_blocks(features.shape, BLOCK_VALUES):
            missing = np.isnan(features[rows])
            sums += np.where(missing, 0, features[rows].astype(np.float64)).sum(axis=0)
            counts -= missing.sum(axis=0)
    return np.stack([sums, counts])


def fill(features: Rows, fills: np.ndarray) -> int:
    """Put ``fills``, float32 (d,), in the place of what is missing in rows (n, d), which are changed; returns how many
    values that were."""
    filled = 0
    if isinstance(features, CsrMatrix):
        missing = np.isnan(features.values)
        features.values[missing] = fills[features.indices[missing]]
        return int(np.count_nonzero(missing))
    for rows in row_blocks(features.shape, BLOCK_VALUES):
        block = features[rows]
        row, column = np.nonzero(np.isnan(block))
        block[row, column] = fills[column]
        filled += len(row)
    return filled


def filled(features: Rows, fills: np.ndarray) -> Rows:
    """The rows with ``fills`` in the place of what is missing: the same rows, unless they cannot be written."""
    if isinstance(features, np.ndarray) and not features.flags.writeable:
        features = features.copy()
    fill(features, fills)
    return features
