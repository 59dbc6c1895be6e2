"""The engine made of MXNet's own operators: the readable reference of what training computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.model.losses import BINARY
from linear_learner.model.mxnet_import import mx
from linear_learner.training.engines.engine import Snapshots
from linear_learner.training.engines.optimizers import OPTIMIZERS, catch_up, soft_threshold
from linear_learner.training.engines.state import Objective, Rates, State, tile, untile

Array = Any  # mxnet.nd.NDArray

EVALUATION_ROWS = 8192


class OperatorsEngine:
    """``Engine`` on ``mxnet.nd``. The state is laid out as matrices (d, K * C) for the length of a call, with one row
    more for a feature that no row of the data has: MXNet knows no arrays without elements, and a mini-batch of sparse
    rows may hold nothing at all."""

    def __init__(self, objective: Objective, rates: Rates) -> None:
        self.objective = objective
        self.rates = rates
        self.optimizer = OPTIMIZERS[objective.optimizer]
        # Adding 1 / 2**24 or less to 1 is lost in float32, so 1 - beta is taken in float64 and rounded once.
        decays = [getattr(rates, name).astype(np.float64) for name in self.optimizer.decays]
        self.decay = [self._row(value) for decay in decays for value in (decay, 1 - decay)]
        first, second = (
            getattr(rates, name).astype(np.float64) if isinstance(name, str) else np.full(len(rates), name)
            for name in self.optimizer.fading
        )
        self.fading = [self._row(value) for value in (first, 1 - first, second)]
        self.bias_wd = self._row(rates.wd * rates.bias_wd_mult)
        self.positive_weight = mx.nd.array(rates.positive_weight.reshape(1, -1))

    def step(self, chunk: Chunk, state: State, snapshots: Snapshots | None = None) -> np.ndarray:
        if snapshots is not None:
            return snapshots.along(self.step, chunk, state)
        weights, bias = self._matrix(state.weights, state), self._matrix(state.bias[None], state)
        moments = [self._matrix(moment, state) for moment in state.moments]
        bias_moments = [self._matrix(moment[None], state) for moment in state.bias_moments]
        sums = np.zeros(len(self.rates))
        size = self.objective.mini_batch_size
        # The mini-batches of this call that each feature is up to date with.
        done = np.zeros(state.feature_dim + 1, np.int64)
        penalties = self._penalties(state)
        for number, start in enumerate(range(0, len(chunk.order), size)):
            rows = chunk.order[start : start + size]
            features, touched = self._features(chunk.features, rows)
            labels, row_weights = self._targets(chunk, rows)
            lr = self.rates.learning_rate_at(state.updates).astype(np.float64)
            w, w_moments = weights[touched], [moment[touched] for moment in moments]
            wd, l1 = (penalty[touched] for penalty in penalties)
            self._catch_up(w, w_moments, number - done[touched], lr, state.updates, wd, l1)
            scores = mx.nd.broadcast_add(mx.nd.dot(features, w), bias)
            loss, gradient = self._loss_and_gradient(scores, labels, row_weights)
            sums += loss
            gradient = gradient / len(rows)
            w_gradient = mx.nd.dot(features, gradient, transpose_a=True) + wd * w
            self._update(w, w_moments, w_gradient, lr, state.updates, l1)
            for whole, part in zip((weights, *moments), (w, *w_moments), strict=True):
                whole[touched] = part
            if self.objective.use_bias:
                bias_gradient = mx.nd.sum(gradient, axis=0, keepdims=True) + self.bias_wd * bias
                self._update(bias, bias_moments, bias_gradient, lr * self.rates.bias_lr_mult, state.updates, None)
            state.updates += 1
            done[touched] = number + 1
        if len(chunk.order):
            self._catch_up(weights, moments, number + 1 - done, lr, state.updates - 1, *penalties)
        self._store(state, weights, bias, moments, bias_moments)
        return sums

    def evaluate(self, chunk: Chunk, state: State) -> np.ndarray:
        weights, bias = self._matrix(state.weights, state), self._matrix(state.bias[None], state)
        sums = np.zeros(len(self.rates))
        for start in range(0, len(chunk.order), EVALUATION_ROWS):
            rows = chunk.order[start : start + EVALUATION_ROWS]
            features, touched = self._features(chunk.features, rows)
            labels, row_weights = self._targets(chunk, rows)
            scores = mx.nd.broadcast_add(mx.nd.dot(features, weights[touched]), bias)
            sums += self._loss(self._by_candidate(scores), labels, row_weights).asnumpy().sum(axis=0, dtype=np.float64)
        return sums

    def _features(self, features: Rows, rows: np.ndarray) -> tuple[Array, np.ndarray | slice]:
        """The features that any of the rows touches, (n, a), and which those are; all features of dense rows."""
        if isinstance(features, CsrMatrix):
            batch = replace(features[rows], shape=(len(rows), features.shape[1] + 1))
            touched = np.append(np.unique(batch.indices), features.shape[1])
            return mx.nd.array(batch.only_columns(touched).toarray()), touched
        return mx.nd.array(features[rows]), slice(features.shape[1])

    def _penalties(self, state: State) -> tuple[Array, Array]:
        """wd and l1 of every weight, both (d + 1, K * C)."""
        factors = np.ones(state.feature_dim + 1, np.float32)
        if self.objective.penalty_factors is not None:
            factors[:-1] = self.objective.penalty_factors
        factor = np.where(self.rates.raw_penalty != 0, factors[:, np.newaxis], np.float32(1))
        return tuple(self._columns(penalty) for penalty in (self.rates.wd * factor, self.rates.l1 * np.sqrt(factor)))

    def _catch_up(
        self, w: Array, moments: list[Array], missed: np.ndarray, lr: np.ndarray, update: int, wd: Array, l1: Array
    ) -> None:
        """Bring features (a, K * C) up to date that ``missed``, (a,), mini-batches did not touch."""
        if missed.any():
            rate = self._row(self.optimizer.rate(self.rates, lr, update))
            n = mx.nd.array(missed.reshape(-1, 1))
            catch_up(mx.nd, w, moments, n, rate, self.fading, self.optimizer.size, wd, l1)

    def _update(self, w: Array, moments: list[Array], g: Array, lr: np.ndarray, update: int, l1: Array | None) -> None:
        """One step of the optimizer on the matrix ``w``, in place."""
        rate = self._row(self.optimizer.rate(self.rates, lr, update))
        step, direction = self.optimizer.step(mx.nd, g, moments, rate, self.decay)
        moved = w - step * direction
        w[:] = moved if l1 is None else soft_threshold(mx.nd, moved, step * l1)

    def _loss(self, scores: Array, labels: Array, row_weights: Array) -> Array:
        """(n, K): the weighted loss of every row."""
        return row_weights * self.objective.loss.value(mx.nd, scores, labels, **self.objective.constants)

    def _loss_and_gradient(self, scores: Array, labels: Array, row_weights: Array) -> tuple[np.ndarray, Array]:
        """(K,) sums of the weighted loss and its gradient (n, K * C) with respect to the scores."""
        shaped = self._by_candidate(scores)
        loss = self._loss(shaped, labels, row_weights).asnumpy().sum(axis=0, dtype=np.float64)
        gradient = self.objective.loss.gradient(mx.nd, shaped, labels, **self.objective.constants)
        if self.objective.loss.coupled:
            row_weights = row_weights.expand_dims(2)
        return loss, (row_weights * gradient).reshape(scores.shape)

    def _targets(self, chunk: Chunk, rows: np.ndarray) -> tuple[Array, Array]:
        """Labels (n, 1) or one-hot (n, 1, C), and weights (n, K or 1) of some rows."""
        labels = mx.nd.array(chunk.labels[rows])
        weights = np.ones(len(rows), np.float32) if chunk.weights is None else chunk.weights[rows]
        row_weights = mx.nd.array(weights.reshape(-1, 1))
        if self.objective.loss.coupled:
            labels = mx.nd.one_hot(labels, self.objective.outputs).expand_dims(1)
        else:
            labels = labels.reshape((-1, 1))
            if self.objective.loss.predictor_type == BINARY:
                row_weights = row_weights * (1 + labels * (self.positive_weight - 1))
        return labels, row_weights

    def _by_candidate(self, scores: Array) -> Array:
        """(n, K * C) -> (n, K, C) where the outputs of a candidate are coupled."""
        if not self.objective.loss.coupled:
            return scores
        return scores.reshape((0, len(self.rates), self.objective.outputs))

    def _row(self, per_candidate: np.ndarray) -> Array:
        """(K,) -> (1, K * C), each number repeated for the outputs of its candidate."""
        return self._columns(per_candidate.reshape(1, -1))

    def _columns(self, per_candidate: np.ndarray) -> Array:
        """(n, K) -> (n, K * C), likewise."""
        return mx.nd.array(np.repeat(per_candidate, self.objective.outputs, axis=1).astype(np.float32))

    def _matrix(self, tiles: np.ndarray, state: State) -> Array:
        """Tiles (T, d, 16) as a matrix (d + 1, K * C), or a row of them (1, T * 16) as (1, K * C)."""
        matrix = np.pad(untile(tiles), ((0, 1), (0, 0))) if tiles.ndim == 3 else tiles
        return mx.nd.array(matrix[:, : state.columns])

    def _store(
        self, state: State, weights: Array, bias: Array, moments: list[Array], bias_moments: list[Array]
    ) -> None:
        state.set_weights(weights.asnumpy()[:-1], bias.asnumpy()[0])
        for stored, moment in zip(state.moments, moments, strict=True):
            stored[...] = tile(moment.asnumpy()[:-1])
        for stored, moment in zip(state.bias_moments, bias_moments, strict=True):
            stored[: state.columns] = moment.asnumpy()[0]
