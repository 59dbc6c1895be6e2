"""Whether the candidates fit in the memory that is left, told before it is taken."""

from __future__ import annotations

import bisect
import logging

from linear_learner.errors import ClientError
from linear_learner.training.state import State

logger = logging.getLogger(__name__)

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


def candidates_that_fit(
    wanted: int,
    *,
    outputs: int,
    trained_columns: int,
    feature_dim: int,
    memory: int | None,
    may_be_fewer: bool,
    hosts: int = 1,
) -> int:
    """How many of the ``wanted`` candidates can be trained in ``memory`` bytes; what they take is logged. All of them
    where ``memory`` is not known.

    ``hosts``: of the job. ``trained_columns`` of ``feature_dim`` columns are trained. ClientError where not one of them
    fits, or fewer than ``wanted`` and the user named the number.
    """
    if memory is None:
        return wanted
    model = ARRAYS_OF_A_MODEL * 8 * feature_dim * (1 + outputs)
    room = SHARE * memory - model
    arrays = ARRAYS if hosts == 1 else ARRAYS + ARRAYS_OF_HOSTS

    def size(candidates: int) -> int:
        return arrays * State.array_bytes(candidates, outputs, trained_columns) + BESIDE_THE_ARRAYS * candidates

    fitting = bisect.bisect_right(range(1, min(wanted, MOST) + 1), room, key=size)
    if fitting < wanted and not (may_be_fewer and fitting > 0):
        raise ClientError(
            f"{wanted} models of {trained_columns} features and {outputs} outputs take {_gib(size(wanted) + model)}, "
            f"and {_gib(memory)} of memory are left",
            where="hyperparameter num_models",
            fix=f"set num_models to {fitting} or less" if fitting > 0 else "use a larger instance type",
        )
    logger.info("%d models take %s of memory to train; %s are left.", fitting, _gib(size(fitting)), _gib(memory))
    if fitting < wanted:
        logger.warning("Training %d models and not %d, which would take %s.", fitting, wanted, _gib(size(wanted)))
    return fitting


def _gib(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"
