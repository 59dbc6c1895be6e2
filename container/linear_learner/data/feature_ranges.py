"""What the columns of a channel hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.row_blocks import wide_row_blocks

BLOCK_VALUES = 1 << 16
"""Values handled at a time: they stay in the cache."""

MOST_RANGES = 1 << 17
"""Columns up to which a model tells what the train channel held in each: the lists are text, in a file of the model."""

FEWEST_STEPS = 64
"""Of a column: where all its values lie on fewer neighbouring float32 numbers, rounding is part of what is learned."""

_SHOWN = 5


def coarse_columns_notice(
    channel: str, minima: np.ndarray, maxima: np.ndarray, names: Sequence[str] | None
) -> str | None:
    """A sentence for the log where columns are far from zero beside how much they vary, so that float32 keeps little of
    it, such as seconds since 1970 within an hour. ``minima``, ``maxima``: (d,)."""
    spread = maxima.astype(np.float64) - minima
    step = np.spacing(np.maximum(np.abs(minima), np.abs(maxima)).astype(np.float32)).astype(np.float64)
    coarse = np.flatnonzero((spread > 0) & (spread < FEWEST_STEPS * step))
    if not coarse.size:
        return None
    shown = [
        f"{names[column] if names else column + 1} ({minima[column]:.9g} to {maxima[column]:.9g} in steps of "
        f"{step[column]:g})"
        for column in coarse[:_SHOWN]
    ]
    more = f", and {coarse.size - _SHOWN} more" if coarse.size > _SHOWN else ""
    return (
        f"Columns of channel '{channel}' vary less than the float32 numbers that hold them can tell: "
        f"{', '.join(shown)}{more}. Subtract a constant from each, here and in the rows to predict."
    )


@dataclass(frozen=True)
class FeatureRanges:
    """What ``rows`` rows hold in each column, float64 (d,), in raw units: what serving measures rows against."""

    rows: int
    means: np.ndarray
    minima: np.ndarray
    maxima: np.ndarray

    @classmethod
    def of(cls, features: Rows) -> FeatureRanges:
        """``features``: (n, d), n > 0."""
        if isinstance(features, CsrMatrix):
            return cls._of_sparse(features)
        rows, columns = features.shape
        sums = np.zeros(columns)
        minima, maxima = np.full(columns, np.inf, features.dtype), np.full(columns, -np.inf, features.dtype)
        for block, beside in wide_row_blocks(features, BLOCK_VALUES):
            wide, narrow = features[block].reshape(-1, beside * columns), (beside, columns)
            sums += wide.astype(np.float64).sum(axis=0).reshape(narrow).sum(axis=0)
            np.minimum(minima, wide.min(axis=0).reshape(narrow).min(axis=0), out=minima)
            np.maximum(maxima, wide.max(axis=0).reshape(narrow).max(axis=0), out=maxima)
        return cls(rows, sums / rows, minima.astype(np.float64), maxima.astype(np.float64))

    @classmethod
    def _of_sparse(cls, features: CsrMatrix) -> FeatureRanges:
        rows, columns = features.shape
        # Of the values' own type: NumPy is then thirty times as fast.
        minima, maxima = np.full(columns, np.inf, np.float32), np.full(columns, -np.inf, np.float32)
        np.minimum.at(minima, features.indices, features.values)
        np.maximum.at(maxima, features.indices, features.values)
        has_zeros = np.bincount(features.indices, minlength=columns) < rows
        return cls(
            rows,
            np.bincount(features.indices, features.values, minlength=columns) / rows,
            np.where(has_zeros, np.minimum(minima, 0), minima).astype(np.float64),
            np.where(has_zeros, np.maximum(maxima, 0), maxima).astype(np.float64),
        )

    def joined(self, other: FeatureRanges) -> FeatureRanges:
        """Of the rows of both."""
        rows = self.rows + other.rows
        return FeatureRanges(
            rows,
            self.means + (other.means - self.means) * (other.rows / rows),
            np.minimum(self.minima, other.minima),
            np.maximum(self.maxima, other.maxima),
        )
