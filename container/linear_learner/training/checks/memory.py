"""Whether the candidates fit in the memory that is left, told before it is taken."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from linear_learner.errors import ClientError
from linear_learner.training.engines.state import State

ARRAYS = 5
"""Of the size of the weights: they, two moments, the mean of an epoch, and the best epoch of each candidate."""

ARRAYS_OF_HOSTS = 6
"""More of them on several hosts: the weights and two moments as float64, on their way."""

SHARE = 0.9
"""Of the memory that is left; the rest is for mini-batches, scores and what else a job holds."""

BESIDE_THE_ARRAYS = 11_000
"""Bytes of a candidate: its settings, losses and lines in the log."""

MOST = 1 << 40
"""Candidates that no memory holds."""

ARRAYS_OF_A_MODEL = 6
"""Float64 columns of the whole width, and as many for each output, while scales are fitted and folded into a model."""


@dataclass(frozen=True)
class ModelSize:
    """What tells how much memory models take: ``trained_columns`` of ``feature_dim`` columns are trained, by ``hosts``
    hosts."""

    outputs: int
    trained_columns: int
    feature_dim: int
    hosts: int = 1

    def bytes_of(self, candidates: int) -> int:
        """What they take while they are trained."""
        arrays = ARRAYS if self.hosts == 1 else ARRAYS + ARRAYS_OF_HOSTS
        one = State.array_bytes(candidates, self.outputs, self.trained_columns)
        return arrays * one + BESIDE_THE_ARRAYS * candidates

    @property
    def columns(self) -> str:
        """In words."""
        trained = f"{self.trained_columns} features"
        return trained if self.trained_columns == self.feature_dim else f"{trained} in use, of {self.feature_dim},"

    @property
    def bytes_of_the_model(self) -> int:
        """What the one that is written takes besides."""
        return ARRAYS_OF_A_MODEL * 8 * self.feature_dim * (1 + self.outputs)


def candidates_that_fit(wanted: int, size: ModelSize, *, memory: int | None, may_be_fewer: bool) -> int:
    """How many of the ``wanted`` candidates can be trained in ``memory`` bytes. All of them where ``memory`` is not
    known. ClientError where not one of them fits, or fewer than ``wanted`` and the user named the number."""
    if memory is None:
        return wanted
    room = SHARE * memory - size.bytes_of_the_model
    fitting = bisect.bisect_right(range(1, min(wanted, MOST) + 1), room, key=size.bytes_of)
    if fitting < wanted and not (may_be_fewer and fitting > 0):
        raise ClientError(
            f"{wanted} models of {size.columns} and {size.outputs} outputs take "
            f"{_gib(size.bytes_of(wanted) + size.bytes_of_the_model)}, and {_gib(memory)} of memory are left",
            where="hyperparameter num_models",
            fix=f"set num_models to {fitting} or less" if fitting > 0 else "use a larger instance type",
        )
    return fitting


def size_notice(candidates: int, size: ModelSize, memory: int) -> str:
    """A sentence for the log."""
    taken = _gib(size.bytes_of(candidates))
    return f"{candidates} models take {taken} of memory to train; {_gib(memory)} are left."


def fewer_notice(fitting: int, wanted: int, size: ModelSize) -> str | None:
    """A warning where fewer candidates fit than are ``wanted``."""
    if fitting >= wanted:
        return None
    return f"Training {fitting} models and not {wanted}, which would take {_gib(size.bytes_of(wanted))}."


def _gib(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"
