"""What all steps of a training job need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from linear_learner.data.dataset import Dataset
from linear_learner.data.stream import Stream
from linear_learner.environment import Environment
from linear_learner.hyperparameters import HyperParameters
from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.engines.candidates import Candidate
from linear_learner.training.logs.log_lines import Reporter
from linear_learner.training.preparation.task import Task


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """On one of the ``cluster``'s hosts, whose rows ``channels`` and ``task`` hold: the first raw, by channel, the
    second as they are trained on. Once ``should_stop`` says yes, the job is to end soon."""

    env: Environment
    hp: HyperParameters
    channels: Mapping[str, Dataset | Stream]
    task: Task
    candidates: list[Candidate]
    log: Reporter
    should_stop: Callable[[], bool]
    cluster: Cluster
