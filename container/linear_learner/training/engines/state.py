"""What is trained: the stacked parameters of all candidates, and the numbers by which each is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from linear_learner.formats.csr import Rows
from linear_learner.model.losses import Loss

TILE = 16
"""Columns of a tile: one AVX-512 register of float32, one cache line."""


@dataclass(frozen=True)
class Objective:
    """What is minimised: a loss, its constants (in the units of the labels it sees), and how rows are grouped.

    ``outputs`` is C: 1, or the number of classes where the loss couples them. ``penalty_factors``: float32 (d,), for
    sparse rows alone, by which the penalties on the weights of each feature are multiplied, ``wd`` by the factor and
    ``l1`` by its root, in the candidates whose ``Rates.raw_penalty`` is 1; None where all of them are 1.
    """

    loss: Loss
    outputs: int
    optimizer: str
    mini_batch_size: int
    use_bias: bool = True
    constants: dict[str, float] = field(default_factory=dict)
    penalty_factors: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rates:
    """One number for each of K candidates, float64 (K,) unless said otherwise: a factor that halves the learning rate
    over millions of updates, or a decay close to 1, is 1 in float32.

    ``lr_scheduler_step`` is int64 (K,): the learning rate of update t (from 0) is
    learning_rate * lr_scheduler_factor ** (t // lr_scheduler_step), from where it falls no further than to
    lr_scheduler_minimum_lr, and with use_lr_scheduler=false the factor is 1. ``positive_weight`` multiplies the weight
    of a row whose label is 1 (binary losses only). ``raw_penalty`` is 1 or 0: see ``Objective.penalty_factors``.
    """

    learning_rate: np.ndarray
    lr_scheduler_step: np.ndarray
    lr_scheduler_factor: np.ndarray
    lr_scheduler_minimum_lr: np.ndarray
    wd: np.ndarray
    l1: np.ndarray
    momentum: np.ndarray
    beta_1: np.ndarray
    beta_2: np.ndarray
    bias_lr_mult: np.ndarray
    bias_wd_mult: np.ndarray
    positive_weight: np.ndarray
    raw_penalty: np.ndarray

    def __len__(self) -> int:
        return len(self.learning_rate)

    def learning_rate_at(self, step: int) -> np.ndarray:
        """float32 (K,): the learning rates of update ``step`` (from 0). Computed in float64."""
        decays = (step // self.lr_scheduler_step).astype(np.float64)
        rate = self.learning_rate * self.lr_scheduler_factor.astype(np.float64) ** decays
        floor = np.minimum(self.lr_scheduler_minimum_lr, self.learning_rate)
        return np.maximum(rate, floor).astype(np.float32)


@dataclass
class State:
    """The stacked parameters of K candidates with C outputs each.

    Column k * C + c belongs to output c of candidate k. Columns are stored in tiles of 16: ``weights`` and its two
    moments are float32 (T, d, 16) with T = ceil(K * C / 16), feature-major inside a tile, so that a kernel reads
    them in order and a sparse row touches one cache line a tile. Column j is ``weights[j // 16, :, j % 16]``.
    ``bias`` and its moments are (T * 16,). Padding columns are zero and stay zero. ``updates`` counts the
    mini-batches seen.
    """

    candidates: int
    outputs: int
    weights: np.ndarray
    bias: np.ndarray
    moments: list[np.ndarray]
    bias_moments: list[np.ndarray]
    updates: int = 0

    @classmethod
    def zeros(cls, candidates: int, outputs: int, feature_dim: int) -> State:
        tiles = -(-candidates * outputs // TILE)
        weights, bias = (tiles, feature_dim, TILE), (tiles * TILE,)
        return cls(
            candidates,
            outputs,
            weights=np.zeros(weights, np.float32),
            bias=np.zeros(bias, np.float32),
            moments=[np.zeros(weights, np.float32) for _ in range(2)],
            bias_moments=[np.zeros(bias, np.float32) for _ in range(2)],
        )

    def like(self) -> State:
        """Another one of zeros."""
        return State.zeros(self.candidates, self.outputs, self.feature_dim)

    @staticmethod
    def array_bytes(candidates: int, outputs: int, feature_dim: int) -> int:
        """What ``weights`` takes, or one of its moments."""
        return -(-candidates * outputs // TILE) * TILE * feature_dim * np.dtype(np.float32).itemsize

    @property
    def feature_dim(self) -> int:
        return int(self.weights.shape[1])

    @property
    def columns(self) -> int:
        """K * C, the columns that are not padding."""
        return self.candidates * self.outputs

    def add(self, other: State) -> None:
        """The other's weights and bias to these."""
        self.weights += other.weights
        self.bias += other.bias

    def scores(self, features: Rows) -> np.ndarray:
        """float32 (n, K * C): the scores of features (n, d), before any link."""
        products = [features @ self.weights[t] for t in range(len(self.weights))]
        return (np.concatenate(products, axis=1) + self.bias)[:, : self.columns]

    def set_weights(self, matrix: np.ndarray, bias: np.ndarray) -> None:
        """From a matrix (d, K * C) and a bias (K * C,)."""
        self.weights[...] = tile(matrix)
        self.bias[...] = 0
        self.bias[: self.columns] = bias

    def set_every_candidate(self, weights: np.ndarray, bias: np.ndarray | float) -> None:
        """To the same weights (d, C) and bias (C,), or one number."""
        for block, first in zip(self.weights, range(0, self.columns, TILE), strict=True):
            columns = np.arange(first, min(first + TILE, self.columns))
            block[:, : len(columns)] = weights[:, columns % self.outputs]
        self.bias[: self.columns] = np.tile(np.broadcast_to(bias, self.outputs), self.candidates)

    def candidate(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Copies of candidate k's weights (d, C) and bias (C,)."""
        columns = np.arange(k * self.outputs, (k + 1) * self.outputs)
        return self.weights[columns // TILE, :, columns % TILE].T.copy(), self.bias[columns].copy()


def tile(matrix: np.ndarray) -> np.ndarray:
    """(d, m) -> float32 (ceil(m / 16), d, 16), padded with zeros."""
    d, m = matrix.shape
    tiles = -(-m // TILE)
    padded = np.zeros((d, tiles * TILE), np.float32)
    padded[:, :m] = matrix
    return np.ascontiguousarray(padded.reshape(d, tiles, TILE).transpose(1, 0, 2))


def untile(tiles: np.ndarray) -> np.ndarray:
    """(T, d, 16) -> (d, T * 16), a copy."""
    count, d, _ = tiles.shape
    return tiles.transpose(1, 0, 2).copy().reshape(d, count * TILE)
