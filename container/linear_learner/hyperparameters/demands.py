"""What hyperparameters ask of a job: channels, and as many hosts as a store can join.

A job that lacks it would end before it trains, so that this is asked wherever a job is described: when it starts, when
it is validated, and before it is sent to a platform.
"""

from __future__ import annotations

from collections.abc import Collection

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.schema import NONE, HyperParameters
from linear_learner.hyperparameters.tuning import check_channels


def check_demands(hp: HyperParameters, channels: Collection[str], hosts: int) -> None:
    """``hp``: as ``without_unused`` leaves it. ClientError where ``channels`` or ``hosts`` are not what it takes."""
    check_channels(hp, channels)
    _check_held_out_rows(hp, channels)
    if hosts > 1 and "dist" not in hp._kvstore:
        raise ClientError(
            f"The store '{hp._kvstore}' does not join the {hosts} hosts of the job",
            where="hyperparameter _kvstore",
            fix="leave it out, or set it to dist_sync",
        )


def _check_held_out_rows(hp: HyperParameters, channels: Collection[str]) -> None:
    """Of calibrated probabilities, and of a target that is kept with some confidence."""
    wanted = [name for name in ("probability_calibration", "target_confidence") if getattr(hp, name) != NONE]
    if wanted and "validation" not in channels:
        raise ClientError(
            f"{wanted[0]}={getattr(hp, wanted[0])} needs rows that the models are not trained on, and there is no "
            "channel 'validation'",
            where=f"hyperparameter {wanted[0]}",
            fix="add the channel, or leave the hyperparameter out",
        )
