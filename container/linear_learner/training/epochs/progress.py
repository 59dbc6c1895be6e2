"""How far training has come: all that it needs to go on, and all that it will be judged by."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from linear_learner.training.engines.state import State
from linear_learner.training.epochs.early_stopping import EarlyStopping

AVERAGE = ("average_weights", "average_bias")
"""The arrays of an epoch's average."""


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    ``rows``: how many were trained on. ``train_loss`` and ``judge_loss``: (K,), means over rows, in the units of the
    labels that the engine sees, and nan for candidates that diverged. ``criterion``: what early stopping watches, the
    best over the candidates.
    """

    epoch: int
    rows: int
    train_loss: np.ndarray
    judge_loss: np.ndarray
    criterion: float
    message: str | None


@dataclass
class Trained:
    """The outcome: for every candidate the weights of its best epoch.

    ``loss``: (K,) their mean loss on the rows that chose them. ``alive``: (K,), False for candidates that diverged.
    """

    best: State
    loss: np.ndarray
    best_epoch: np.ndarray
    alive: np.ndarray
    epochs: list[EpochReport] = field(default_factory=list)


@dataclass
class Pass:
    """The epoch in hand: the sums of each candidate's loss, float64 (K,), over so many ``rows`` of all hosts together,
    ``rows_by_host``, int64 (hosts,), and how many ``snapshots`` of the weights its average holds, the last of them
    after ``rows_then`` rows."""

    sums: np.ndarray
    rows_by_host: np.ndarray
    snapshots: int = 0
    rows_then: int = 0

    @classmethod
    def at_the_start(cls, candidates: int, hosts: int) -> Pass:
        return cls(np.zeros(candidates), np.zeros(hosts, np.int64))

    @property
    def rows(self) -> int:
        return int(self.rows_by_host.sum())

    def had_snapshots(self, stride: int) -> None:
        """One after every ``stride`` rows until now."""
        self.snapshots, self.rows_then = self.rows // stride, self.rows // stride * stride


@dataclass
class Progress:
    """``epoch``: the one in hand, which ``current`` tells of; ``average``: the sum of its snapshots. ``finished``:
    training ended by early stopping."""

    state: State
    average: State
    trained: Trained
    stopping: EarlyStopping
    current: Pass
    epoch: int = 0
    finished: bool = False

    @classmethod
    def at_the_start(cls, state: State, stopping: EarlyStopping, hosts: int = 1) -> Progress:
        count = state.candidates
        trained = Trained(
            best=state.like(),
            loss=np.full(count, np.inf),
            best_epoch=np.full(count, -1),
            alive=np.ones(count, bool),
        )
        return cls(state, state.like(), trained, stopping, Pass.at_the_start(count, hosts))

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.current = Pass.at_the_start(self.state.candidates, len(self.current.rows_by_host))
        self.average.weights[...] = 0
        self.average.bias[...] = 0

    def take_snapshot(self) -> None:
        """Add the weights as they are to the average."""
        self.average.add(self.state)
        self.current.snapshots += 1
        self.current.rows_then = self.current.rows

    def pack(self) -> dict[str, np.ndarray]:
        """Everything as arrays, none of them of objects; ``facts`` is JSON in UTF-8. An average of nothing is left
        out."""
        reports = self.trained.epochs
        facts = {
            "epoch": self.epoch,
            "finished": self.finished,
            "updates": self.state.updates,
            "snapshots": self.current.snapshots,
            "rows_then": self.current.rows_then,
            "idle": self.stopping.idle,
            "messages": [report.message for report in reports],
        }
        left_out = () if self.current.snapshots else AVERAGE
        return {
            **{name: array for name, array in self._arrays().items() if name not in left_out},
            "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
            "references": np.array(self.stopping.references),
            "report_rows": np.array([report.rows for report in reports], np.int64),
            "report_criteria": np.array([report.criterion for report in reports], np.float64),
            "report_train_losses": self._by_epoch([report.train_loss for report in reports]),
            "report_judge_losses": self._by_epoch([report.judge_loss for report in reports]),
        }

    def unpack(self, packed: dict[str, np.ndarray]) -> None:
        """Go on where ``pack`` was called. ValueError or KeyError where that was another training's."""
        facts: dict[str, Any] = json.loads(packed["facts"].tobytes())
        arrays = self._arrays()
        if not facts["snapshots"]:
            packed = {name: np.zeros_like(arrays[name]) for name in AVERAGE} | packed
        for name, array in arrays.items():
            if packed[name].shape != array.shape or packed[name].dtype != array.dtype:
                raise ValueError(
                    f"{name} is {packed[name].dtype} {packed[name].shape}, not {array.dtype} {array.shape}"
                )
            array[...] = packed[name]
        self.epoch, self.finished, self.state.updates = facts["epoch"], facts["finished"], facts["updates"]
        self.current.snapshots, self.current.rows_then = facts["snapshots"], facts["rows_then"]
        self.stopping.idle, self.stopping.references = facts["idle"], packed["references"].tolist()
        self.trained.epochs = [
            EpochReport(epoch, int(rows), train_loss, judge_loss, float(criterion), message)
            for epoch, (rows, train_loss, judge_loss, criterion, message) in enumerate(
                zip(
                    packed["report_rows"],
                    packed["report_train_losses"],
                    packed["report_judge_losses"],
                    packed["report_criteria"],
                    facts["messages"],
                    strict=True,
                )
            )
        ]

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays that training changes in place, by name."""
        state, trained = self.state, self.trained
        return {
            "weights": state.weights,
            "bias": state.bias,
            "first_moment": state.moments[0],
            "second_moment": state.moments[1],
            "first_bias_moment": state.bias_moments[0],
            "second_bias_moment": state.bias_moments[1],
            "average_weights": self.average.weights,
            "average_bias": self.average.bias,
            "best_weights": trained.best.weights,
            "best_bias": trained.best.bias,
            "best_loss": trained.loss,
            "best_epoch": trained.best_epoch,
            "alive": trained.alive,
            "loss_sums": self.current.sums,
            "rows_by_host": self.current.rows_by_host,
        }

    def _by_epoch(self, losses: list[np.ndarray]) -> np.ndarray:
        return np.array(losses, np.float64).reshape(len(losses), self.state.candidates)
