"""The training engine: one call trains all candidates over a chunk of rows.

Two implementations of one contract. ``operators_engine`` calls MXNet's own operators, some 25 for every mini-batch: the
readable reference, and what runs where the native library is missing. ``native_engine`` is one C++ operator that runs
all mini-batches of a chunk in a call. Both give the same numbers up to float32 rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.errors import ClientError
from linear_learner.native import library
from linear_learner.training.engines.state import Objective, Rates, State

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshots:
    """After every ``stride`` rows, whole mini-batches, the weights and the bias are added to ``average``. ``done``:
    rows since the last time."""

    average: State
    stride: int
    done: int

    def along(self, step: Callable[[Chunk, State], np.ndarray], chunk: Chunk, state: State) -> np.ndarray:
        """Train over the chunk by a ``step`` that takes none."""
        sums, rows, start = np.zeros(state.candidates), len(chunk.order), 0
        while start < rows:
            stop = min(start + self.stride - (self.done + start) % self.stride, rows)
            sums += step(replace(chunk, order=chunk.order[start:stop]), state)
            if (self.done + stop) % self.stride == 0:
                self.average.add(state)
            start = stop
        return sums


class Engine(Protocol):
    """Trains K candidates of one objective."""

    def step(self, chunk: Chunk, state: State, snapshots: Snapshots | None = None) -> np.ndarray:
        """Train over the chunk's mini-batches in order, changing ``state`` in place, and the average of ``snapshots``.

        Returns float64 (K,): the sums over the rows of each candidate's weighted loss, taken before the update that the
        row takes part in. A candidate that diverged has a sum that is not finite.
        """

    def evaluate(self, chunk: Chunk, state: State) -> np.ndarray:
        """float64 (K,): the sums over the chunk's rows of each candidate's weighted loss. Changes nothing."""


def make_engine(name: str, objective: Objective, rates: Rates, threads: int) -> Engine:
    """The engine that the hyperparameter ``_engine`` names; ``auto`` takes the native one where it can be loaded.

    Here MXNet is loaded: for the native engine its library alone, for the other one Python's ``mxnet``, whose import
    takes almost two seconds.
    """
    if name != "operators":
        problem = library.operator_problem()
        if problem is None:
            from linear_learner.training.engines.native_engine import NativeEngine

            return NativeEngine(objective, rates, threads)
        if name == "native":
            raise ClientError(
                f"The native engine cannot be loaded: {problem}",
                where="hyperparameter _engine",
                fix="build it with 'make native', or leave _engine out",
            )
        logger.warning("Training with MXNet's operators: the native engine cannot be loaded: %s", problem)
    from linear_learner.training.engines.operators_engine import OperatorsEngine

    return OperatorsEngine(objective, rates)
