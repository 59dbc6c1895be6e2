"""The training engine in C++: one call of one MXNet operator for all mini-batches of a chunk."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.model.losses import BINARY
from linear_learner.native import library
from linear_learner.native.mxnet_arrays import Array
from linear_learner.training.engines.engine import Snapshots
from linear_learner.training.engines.state import Objective, Rates, State

MOST_ELEMENTS = 2**31 - 2
"""Of an MXNet 1.9.1 array."""


class NativeEngine:
    """``Engine`` on the operator ``linear_learner`` of the native library.

    The operator works on the state's own memory, split over ``threads`` threads by candidates; the numbers do not
    depend on how many there are. One call at a time.
    """

    def __init__(self, objective: Objective, rates: Rates, threads: int) -> None:
        self._operator = library.operator()
        self._mini_batch_size = objective.mini_batch_size
        # In the order of the fields, which enum Rate in native/engine.h repeats.
        columns = {field.name: np.asarray(getattr(rates, field.name), np.float64) for field in fields(rates)}
        if objective.loss.predictor_type != BINARY:
            columns["positive_weight"] = np.ones(len(rates))
        self._rates = np.stack(list(columns.values()))
        self._unweighted = np.ones(1, np.float32)
        self._sums = np.zeros(len(rates))
        self._penalty_factors = factors = objective.penalty_factors
        self._shared_sums = Array(self._sums)
        self._last: list[Array] = []
        self._settings = {
            "loss": objective.loss.value.__name__,
            "constant": next(iter(objective.constants.values()), 0.0),
            "optimizer": objective.optimizer,
            "outputs": objective.outputs,
            "mini_batch_size": objective.mini_batch_size,
            "use_bias": int(objective.use_bias),
            "threads": threads,
            "penalty_factors_address": 0 if factors is None else _address("penalty factors", factors, np.float32),
        }

    def step(self, chunk: Chunk, state: State, snapshots: Snapshots | None = None) -> np.ndarray:
        if snapshots is not None and isinstance(chunk.features, CsrMatrix):
            # A snapshot needs all weights up to date, which the end of a call brings.
            return snapshots.along(self.step, chunk, state)
        sums = self._call(chunk, state, train=True, snapshots=snapshots)
        state.updates += -(-len(chunk.order) // self._mini_batch_size)
        return sums

    def evaluate(self, chunk: Chunk, state: State) -> np.ndarray:
        return self._call(chunk, state, train=False)

    def _call(self, chunk: Chunk, state: State, train: bool, snapshots: Snapshots | None = None) -> np.ndarray:
        if len(chunk.order) == 0:
            return np.zeros_like(self._sums)  # MXNet knows no arrays without elements
        features, addresses = self._features(chunk.features)
        weights = self._unweighted if chunk.weights is None else chunk.weights
        arrays = [features, chunk.labels, weights, chunk.order, self._rates]
        arrays += [state.weights, state.bias, *state.moments, *state.bias_moments]
        settings = self._settings | addresses | _snapshot_settings(snapshots)
        settings |= {"updates": state.updates, "weighted": int(chunk.weights is not None), "train": int(train)}
        self._operator(self._shared(arrays), self._shared_sums, settings)
        return self._sums.copy()

    def _features(self, rows: Rows) -> tuple[np.ndarray, dict[str, int]]:
        """The features as an input of the operator, and the addresses of what is none."""
        addresses = {"features_address": 0, "indptr_address": 0, "indices_address": 0}
        if isinstance(rows, CsrMatrix):
            return self._unweighted, {
                "features_address": _address("values of sparse rows", rows.values, np.float32),
                "indptr_address": _address("indptr of sparse rows", rows.indptr, np.int64),
                "indices_address": _address("indices of sparse rows", rows.indices, np.int32),
            }
        if rows.size > MOST_ELEMENTS:
            return rows[:1], addresses | {"features_address": rows.ctypes.data}
        return rows, addresses

    def _shared(self, arrays: list[np.ndarray]) -> list[Array]:
        """The arrays as MXNet's. Most are those of the call before."""
        known = {id(made.array): made for made in self._last}
        self._last = [known.get(id(array)) or Array(array) for array in arrays]
        return self._last


def _snapshot_settings(snapshots: Snapshots | None) -> dict[str, int]:
    if snapshots is None:
        return {"snapshot_rows": 0, "snapshot_done": 0, "average_weights_address": 0, "average_bias_address": 0}
    return {
        "snapshot_rows": snapshots.stride,
        "snapshot_done": snapshots.done,
        "average_weights_address": _address("average weights", snapshots.average.weights, np.float32),
        "average_bias_address": _address("average bias", snapshots.average.bias, np.float32),
    }


def _address(name: str, array: np.ndarray, dtype: type[np.generic]) -> int:
    """Of the numbers of an array that comes to the operator by its address, which MXNet does not check."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"the {name} are {np.dtype(dtype)} in one piece, not {array.dtype}")
    return array.ctypes.data
