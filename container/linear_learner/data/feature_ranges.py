"""What the columns of a channel hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.row_blocks import wide_row_blocks
from linear_learner.native import columns as native

BLOCK_VALUES = 1 << 16
"""Values handled at a time: they stay in the cache."""

MOST_RANGES = 1 << 17
"""Columns up to which a model tells what the train channel held in each: the lists are text, in a file of the model."""

FEWEST_STEPS = 64
"""Of a column: where all its values lie on fewer neighbouring float32 numbers, rounding is part of what is learned."""

FAR = 100
"""Ranges of a train column: a value that lies so many of them beyond is a mistake, or outweighs all other rows."""

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
    listed = _listed(coarse, names, lambda c: f"{minima[c]:.9g} to {maxima[c]:.9g} in steps of {step[c]:g}")
    return (
        f"Columns of channel '{channel}' vary less than the float32 numbers that hold them can tell: {listed}. "
        "Subtract a constant from each, here and in the rows to predict."
    )


def far_columns_notice(
    channel: str,
    found: tuple[np.ndarray, np.ndarray],
    train: tuple[np.ndarray, np.ndarray],
    names: Sequence[str] | None,
) -> str | None:
    """A sentence for the log where columns of a channel go much further than in the train rows, such as 999999 for a
    value that is missing. ``found``, ``train``: minima and maxima, (d,) each."""
    minima, maxima = (extremes.astype(np.float64) for extremes in found)
    lowest, highest = (extremes.astype(np.float64) for extremes in train)
    with np.errstate(invalid="ignore"):  # of columns without values
        width = highest - lowest
        far = np.flatnonzero((width > 0) & (np.maximum(maxima - highest, lowest - minima) > FAR * width))
    if not far.size:
        return None
    listed = _listed(
        far, names, lambda c: f"{minima[c]:.6g} to {maxima[c]:.6g}, in train {lowest[c]:.6g} to {highest[c]:.6g}"
    )
    return (
        f"Columns of channel '{channel}' go more than {FAR} times as far as in channel 'train': {listed}. The rows "
        "that hold such values outweigh all others in what is measured. If they are mistakes, or stand for missing "
        "values, mend them."
    )


def _listed(columns: np.ndarray, names: Sequence[str] | None, tell: Callable[[int], str]) -> str:
    """The first few columns, by name or number, with what there is to tell of each, and how many more there are."""
    shown = [f"{names[column] if names else column + 1} ({tell(column)})" for column in columns[:_SHOWN]]
    return ", ".join(shown) + (f", and {columns.size - _SHOWN} more" if columns.size > _SHOWN else "")


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
        sums, minima, maxima = (native.measure if native.can_take(features) else _measure)(features)
        rows = len(features)
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


def _measure(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sums, minima and maxima of the columns, (d,) each."""
    _, columns = features.shape
    sums = np.zeros(columns)
    minima, maxima = np.full(columns, np.inf, features.dtype), np.full(columns, -np.inf, features.dtype)
    for block, beside in wide_row_blocks(features, BLOCK_VALUES):
        wide, narrow = features[block].reshape(-1, beside * columns), (beside, columns)
        sums += wide.astype(np.float64).sum(axis=0).reshape(narrow).sum(axis=0)
        np.minimum(minima, wide.min(axis=0).reshape(narrow).min(axis=0), out=minima)
        np.maximum(maxima, wide.max(axis=0).reshape(narrow).max(axis=0), out=maxima)
    return sums, minima, maxima
