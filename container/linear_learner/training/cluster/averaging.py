"""How the hosts of a job train one state: each for a stretch on its own rows, and then all go on from the mean.

The mean is weighted by the rows that each host has trained on since the last time, and taken of the weights and of the
moments alike (local SGD: McMahan et al. 2017, Stich 2019). One addition over all hosts carries everything: the state
times its rows, the rows themselves, the sums of losses, and what hosts have to tell each other on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.engines.optimizers import OPTIMIZERS
from linear_learner.training.engines.state import State


@dataclass(frozen=True)
class Joined:
    """A stretch, on all hosts together. ``rows``: int64 (hosts,), by host. ``sums``: float64 (K,), of losses.
    ``has_more``: whether any host has rows left in this epoch; ``stops``: whether any is told to end."""

    rows: np.ndarray
    sums: np.ndarray
    has_more: bool
    stops: bool


class Averaging:
    """Brings states of one shape together. ``optimizer``: by which it depends what a state consists of."""

    def __init__(self, cluster: Cluster, optimizer: str) -> None:
        self.cluster = cluster
        self._moments = OPTIMIZERS[optimizer].moments
        self._numbers = np.zeros(0)

    def join(self, state: State, rows: int, sums: np.ndarray, *, has_more: bool, stops: bool) -> Joined:
        """Give ``state``, on every host, the mean over the hosts. ``rows`` were trained on since the last time, with
        ``sums`` of their losses. Every host calls this equally often."""
        if self.cluster.size == 1:
            return Joined(np.array([rows], np.int64), sums, has_more, stops)
        hosts = self.cluster.size
        parts = self._parts(state)
        head = 2 * hosts + 2 + len(sums)
        size = head + sum(part.size for part in parts)
        if len(self._numbers) != size:
            self._numbers = np.empty(size)
        numbers = self._numbers
        numbers[:head] = 0
        numbers[self.cluster.rank] = rows
        numbers[hosts + self.cluster.rank] = state.updates
        numbers[2 * hosts : 2 * hosts + 2] = has_more, stops
        numbers[2 * hosts + 2 : head] = sums
        slices = _slices(parts, numbers[head:])
        for part, target in slices:
            # Of a host without rows nothing counts, not even numbers that are none.
            np.multiply(part.ravel(), float(rows), out=target, dtype=np.float64) if rows else target.fill(0)
        self.cluster.add(numbers)
        by_host = numbers[:hosts].astype(np.int64)
        total = int(by_host.sum())
        if total:
            state.updates = int(numbers[hosts : 2 * hosts].max())
            numbers[head:] /= total
            with np.errstate(over="ignore"):  # of candidates that diverge
                for part, mean in slices:
                    part[...] = mean.reshape(part.shape)
        return Joined(by_host, numbers[2 * hosts + 2 : head].copy(), numbers[2 * hosts] > 0, numbers[2 * hosts + 1] > 0)

    def _parts(self, state: State) -> list[np.ndarray]:
        moments = [array for i in self._moments for array in (state.moments[i], state.bias_moments[i])]
        return [state.weights, state.bias, *moments]


def _slices(parts: list[np.ndarray], numbers: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each part, with its place among the numbers."""
    ends = np.cumsum([part.size for part in parts])
    return [(part, numbers[end - part.size : end]) for part, end in zip(parts, ends, strict=True)]
