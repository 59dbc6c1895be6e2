"""Normalisation: the mean and std of a sample of the train channel, applied to rows and folded back out of a model.

Models are trained on normalised rows, and the saved model takes raw features and answers in raw label units. Both
directions use the same rounded numbers, so what a model answers does not depend on which side of ``fold`` it stands.
Sparse rows are scaled and not shifted: shifted, they would have no zeros left.

Source: the Linear Learner pages of the SageMaker Developer Guide (normalize_*, unbias_*); its logs show population std.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.row_blocks import row_blocks, rows_beside, wide_row_blocks
from linear_learner.native import columns as native

BLOCK_VALUES = 1 << 16
"""Values handled at a time: a block of them stays in the cache, also in float64."""

ROUNDING = float(np.finfo(np.float32).eps)
"""One float32 step relative to the value. A column that varies by less than this around its mean only varies by how its
numbers were rounded."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """Shifts and scales: normalised = (raw - mean) / std, for features and for the label.

    ``mean``, ``std``: float32 (d,), in feature units, std > 0. ``label_mean``, ``label_std``: label units; 0 and 1 in
    classification, where labels stay as they are. What is not unbiased has mean 0, what is not normalised std 1.
    """

    mean: np.ndarray
    std: np.ndarray
    label_mean: float = 0.0
    label_std: float = 1.0

    @property
    def feature_dim(self) -> int:
        return len(self.mean)

    @property
    def is_identity(self) -> bool:
        """Whether features pass unchanged."""
        return not self.mean.any() and bool((self.std == 1).all())

    def transform(self, features: Rows, *, in_place: bool = False) -> Rows:
        """(features - mean) / std as float32 (n, d), C-contiguous or sparse as ``features`` are. The mean of a scaler
        for sparse rows is 0. ``in_place``: write over ``features``."""
        if isinstance(features, CsrMatrix):
            return self._scale(features, in_place)
        return self._shift_and_scale(features, out=features if in_place else None)

    def _scale(self, features: CsrMatrix, in_place: bool) -> CsrMatrix:
        scaled = features.values if in_place else np.empty_like(features.values)
        for start in range(0, features.nnz, BLOCK_VALUES):
            block = slice(start, start + BLOCK_VALUES)
            np.divide(features.values[block], self.std[features.indices[block]], out=scaled[block])
        return replace(features, values=scaled)

    def _shift_and_scale(self, features: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        if out is None:
            out = np.empty(features.shape, np.float32)
        if self.is_identity:
            if out is not features:
                out[...] = features
            return out
        if native.can_take(features):
            native.shift_and_scale(features, self.mean, self.std, out)
            return out
        mean, std = np.tile(self.mean, beside := rows_beside(features)), np.tile(self.std, beside)
        for rows, beside in wide_row_blocks(features, BLOCK_VALUES):
            width = beside * self.feature_dim
            scaled = out[rows].reshape(-1, width)
            np.subtract(features[rows].reshape(-1, width), mean[:width], out=scaled)
            np.divide(scaled, std[:width], out=scaled)
        return out

    def transform_labels(self, labels: np.ndarray) -> np.ndarray:
        """(labels - label_mean) / label_std as float32 (n,), a copy."""
        return ((labels.astype(np.float64) - self.label_mean) / self.label_std).astype(np.float32)

    def fold(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The model (W, B) on raw rows that answers in raw label units what (weights, bias) answers on normalised ones:

            X @ W + B == label_std * (transform(X) @ weights + bias) + label_mean   for all X (n, d)

        weights (d, C), bias (C,); returns float32 (d, C) and (C,). Computed in float64 and rounded once. B makes good
        for the rounding of W, so that the law is closest where the rows are: a mean of 1e6 would show every bit of W.
        What float32 cannot hold (a std of 1e-38 ...) is infinite.
        """
        scale = self.label_std / self.std.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            raw_weights = (weights * scale[:, None]).astype(np.float32)
            shift = self.mean.astype(np.float64) @ raw_weights.astype(np.float64)
            raw_bias = self.label_std * bias.astype(np.float64) + self.label_mean - shift
            return raw_weights, raw_bias.astype(np.float32)

    def unfold(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What ``fold`` undoes: raw weights (d, C) and bias (C,) -> float32 ones of normalised rows and labels."""
        raw = weights.astype(np.float64)
        scaled = raw * (self.std.astype(np.float64) / self.label_std)[:, None]
        shifted = (bias + self.mean.astype(np.float64) @ raw - self.label_mean) / self.label_std
        return scaled.astype(np.float32), shifted.astype(np.float32)


def of_measures(
    features: Measures,
    labels: Measures,
    *,
    normalize_data: bool,
    unbias_data: bool,
    normalize_label: bool,
    unbias_label: bool,
) -> Scaler:
    """The scaler of a sample by what was measured of its features (n, d) and of its labels (n, 1), n > 0, all finite.
    ``unbias_data`` is for dense rows."""
    mean, std = _center_and_spread(features)
    label_mean, label_std = _center_and_spread(labels)
    return Scaler(
        mean=mean if unbias_data and features.held is None else np.zeros_like(mean),
        std=std if normalize_data else np.ones_like(std),
        label_mean=float(label_mean[0]) if unbias_label else 0.0,
        label_std=float(label_std[0]) if normalize_label else 1.0,
    )


def sample_rows(rows: int, num_point_for_scaler: int) -> np.ndarray:
    """Which of ``rows`` rows to fit on: int64 (min(rows, num_point_for_scaler),), ascending and distinct.

    The rows are cut into equal stretches and one is drawn from each (always the same one), so that neither sorted data
    nor data that repeats with a fixed period gives a lopsided sample.
    """
    count = min(rows, num_point_for_scaler)
    edges = np.arange(count + 1, dtype=np.int64) * rows // max(count, 1)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


@dataclass
class Moments:
    """Mean and population std of the columns of all rows seen, in one pass and in float64.

    Blocks are merged by their means and sums of squared deviations (Chan, Golub and LeVeque 1979), which loses nothing
    to columns whose mean is large beside their std.
    """

    feature_dim: int
    count: int = 0
    mean: np.ndarray = field(init=False)
    squares: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.mean = np.zeros(self.feature_dim)
        self.squares = np.zeros(self.feature_dim)

    def add(self, features: Rows) -> None:
        """Rows (n, d)."""
        if isinstance(features, CsrMatrix):
            return self._add_sparse(features)
        for rows in row_blocks(features.shape, BLOCK_VALUES):
            block = features[rows].astype(np.float64)
            mean = block.mean(axis=0)
            block -= mean
            self.merge(len(block), mean, np.einsum("ij,ij->j", block, block))
        return None

    def _add_sparse(self, features: CsrMatrix) -> None:
        """In two passes: the squares are those of the deviations, also of all the zeros that are not stored."""
        rows, columns = features.shape
        if not rows:
            return
        stored, mean, squares = np.zeros(columns, np.int64), np.zeros(columns), np.zeros(columns)
        blocks = [slice(start, start + BLOCK_VALUES) for start in range(0, features.nnz, BLOCK_VALUES)]
        for block in blocks:
            np.add.at(stored, features.indices[block], 1)
            np.add.at(mean, features.indices[block], features.values[block].astype(np.float64))
        mean /= rows
        for block in blocks:
            deviations = features.values[block] - mean[features.indices[block]]
            np.add.at(squares, features.indices[block], deviations * deviations)
        self.merge(rows, mean, squares + (rows - stored) * mean * mean)

    def merge(self, count: int, mean: np.ndarray, squares: np.ndarray) -> None:
        """Add ``count`` rows by their mean and their sums of squared deviations, both (d,)."""
        if not count:
            return
        delta = mean - self.mean
        total = self.count + count
        self.squares += squares + delta * delta * (self.count * count / total)
        self.mean += delta * (count / total)
        self.count = total

    @property
    def std(self) -> np.ndarray:
        """float64 (d,), ddof 0."""
        return np.sqrt(self.squares / max(self.count, 1))


@dataclass
class Measures:
    """What a scaler needs to know of rows (n, d). ``held``: float64 (d,), how many of them hold something in a column,
    where they are sparse; else None."""

    moments: Moments
    held: np.ndarray | None

    def pack(self) -> np.ndarray:
        """As float64 numbers, as many for all rows of one width."""
        held = np.zeros(0) if self.held is None else self.held
        return np.concatenate([[float(self.moments.count)], self.moments.mean, self.moments.squares, held])

    def merge(self, packed: np.ndarray) -> None:
        """Add other rows, by what ``pack`` made of their measures."""
        d = self.moments.feature_dim
        self.moments.merge(int(packed[0]), packed[1 : 1 + d], packed[1 + d : 1 + 2 * d])
        if self.held is not None:
            self.held += packed[1 + 2 * d :]


def measure(columns: Rows) -> Measures:
    """Of rows (n, d), which may be none."""
    moments = Moments(columns.shape[1])
    moments.add(columns)
    if not isinstance(columns, CsrMatrix):
        return Measures(moments, None)
    held = np.bincount(columns.indices[columns.values != 0], minlength=columns.shape[1])
    return Measures(moments, held.astype(np.float64))


def nothing_measured(like: Measures) -> Measures:
    """Of no rows, of the width and kind of those that ``like`` is about."""
    return Measures(Moments(like.moments.feature_dim), None if like.held is None else np.zeros_like(like.held))


def _center_and_spread(measures: Measures) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of the columns that were measured, both float32 (d,), scale > 0.

    A constant column has no std. Its scale is 1, so that a row that departs from it later keeps its own units, or its
    magnitude where that is larger: otherwise the initial weight of a column of 1e9 would drown the sum in rounding.

    The squared deviations of a sparse column are divided by the rows that hold something, and not by all rows: over all
    rows, the std of a rare feature is so small that the few values it has would become the largest of all.
    """
    moments = measures.moments
    spread = moments.std
    if measures.held is not None:
        spread *= np.sqrt(moments.count / np.maximum(measures.held, 1))
    mean, std = moments.mean.astype(np.float32), spread.astype(np.float32)
    constant = (moments.std <= ROUNDING * np.abs(moments.mean)) | (std < np.finfo(np.float32).tiny)
    return mean, np.where(constant, np.maximum(np.abs(mean), 1), std).astype(np.float32)
