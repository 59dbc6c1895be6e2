"""The training loop: epochs over the data, validation, early stopping, and the best epoch of every candidate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.errors import ClientError
from linear_learner.training.engine import Engine
from linear_learner.training.reporting import Timers
from linear_learner.training.selection import EarlyStopping
from linear_learner.training.state import TILE, State

logger = logging.getLogger(__name__)

SNAPSHOTS, FEWEST_SNAPSHOTS = 16, 2
"""How many times an epoch the weights are taken for its average, at most and at least."""

VALUES_PER_SNAPSHOT = 4
"""Stored values of sparse rows, for each of their columns, that are worth a snapshot. It passes over all weights, and a
mini-batch only over those it touches; so snapshots never take most of the time, however wide the rows are."""

MINI_BATCHES_PER_SNAPSHOT = 64
"""The same in an epoch whose length is not known before its end."""


class Epochs(Protocol):
    """The training rows, in a new order every epoch."""

    @property
    def rows(self) -> int | None:
        """Of an epoch; None until the first is over, where only that tells."""

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        """The rows of an epoch. Every chunk but the last holds whole mini-batches. Fewer chunks, or none, come where
        the job is stopped."""


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


def train(
    engine: Engine,
    state: State,
    epochs: Epochs,
    *,
    mini_batch_size: int,
    max_epochs: int,
    stopping: EarlyStopping,
    judge: Callable[[], Chunk],
    criterion: Callable[[State], np.ndarray] | None,
    report: Callable[[EpochReport], None],
    timers: Timers,
    should_stop: Callable[[], bool],
    snapshots: int = SNAPSHOTS,
) -> Trained:
    """Train all candidates of ``state`` and return each one's best epoch.

    ``judge``: gives the rows by whose loss epochs are compared; asked after an epoch. ``criterion``: what early
    stopping watches besides the loss, (K,), higher is better; None to watch the loss alone. ``should_stop``: asked
    often; once it says yes, the epoch at hand is the last, cut short. ``snapshots``: of an epoch. ClientError when
    every candidate diverged.
    """
    count = state.candidates
    average = State.zeros(count, state.outputs, state.feature_dim)
    result = Trained(
        best=State.zeros(count, state.outputs, state.feature_dim),
        loss=np.full(count, np.inf),
        best_epoch=np.full(count, -1),
        alive=np.ones(count, bool),
    )
    for epoch in range(max_epochs):
        with timers.measure("update.time"):
            sums, rows = _run_epoch(engine, state, average, epochs, epoch, mini_batch_size, snapshots, should_stop)
            if not rows:
                break
            train_loss = sums / rows
            judging = judge()
            loss = engine.evaluate(judging, average) / len(judging.order)
            _drop_diverged(result, state, average, epoch, ~(np.isfinite(train_loss) & np.isfinite(loss)))
            train_loss, loss = (np.where(result.alive, values, np.nan) for values in (train_loss, loss))
            _keep_best(result, average, epoch, loss)
        with timers.measure("check_early_stopping.time"):
            least = float(np.nanmin(loss))
            watched = least if criterion is None else float(np.nanmax(criterion(average)[result.alive]))
            verdict = stopping.update(epoch, criterion=watched, loss=least)
        result.epochs.append(EpochReport(epoch, rows, train_loss, loss, watched, verdict.message))
        report(result.epochs[-1])
        if verdict.stop or should_stop():
            break
    return result


def _run_epoch(
    engine: Engine,
    state: State,
    average: State,
    epochs: Epochs,
    epoch: int,
    mini_batch_size: int,
    snapshots: int,
    should_stop: Callable[[], bool],
) -> tuple[np.ndarray, int]:
    """One pass over the rows. Returns the sums of each candidate's loss, (K,), and the number of rows, and leaves in
    ``average`` the mean of the weights along the way.

    The mean of the iterates has far less noise than the last of them, so that a learning rate that is large enough to
    get there can also be small enough to stay (Polyak and Juditsky 1992). A weight that L1 holds at zero at the end of
    the epoch is zero in the mean too, and keeps the model sparse.
    """
    sums = np.zeros(state.candidates)
    average.weights[...] = 0
    average.bias[...] = 0
    taken = rows = rows_then = 0
    stride = _rows_per_snapshot(epochs.rows, mini_batch_size, snapshots)

    def take_snapshot() -> None:
        nonlocal taken, rows_then
        average.weights += state.weights
        average.bias += state.bias
        taken, rows_then = taken + 1, rows

    for piece in _pieces(epochs.chunks(epoch), stride):
        sums += engine.step(piece, state)
        rows += len(piece.order)
        if rows % stride == 0:
            take_snapshot()
        if should_stop():
            break
    if rows > rows_then:
        take_snapshot()
    average.weights *= np.float32(1 / max(taken, 1))
    average.bias *= np.float32(1 / max(taken, 1))
    for mean, last in zip(average.weights, state.weights, strict=True):
        mean[last == 0] = 0
    return sums, rows


def snapshots_of_sparse_rows(values: float, columns: int) -> int:
    """How many snapshots an epoch is worth whose rows store so many values in so many columns."""
    worth = int(values / max(columns, 1)) // VALUES_PER_SNAPSHOT
    return min(max(worth, FEWEST_SNAPSHOTS), SNAPSHOTS)


def _rows_per_snapshot(rows: int | None, mini_batch_size: int, snapshots: int) -> int:
    """So that an epoch of ``rows`` rows comes to about so many snapshots."""
    if rows is None:
        return MINI_BATCHES_PER_SNAPSHOT * mini_batch_size
    mini_batches = -(-rows // mini_batch_size)
    return -(-mini_batches // snapshots) * mini_batch_size


def _pieces(chunks: Iterator[Chunk], stride: int) -> Iterator[Chunk]:
    """The chunks, cut wherever a multiple of ``stride`` rows is complete."""
    rows = 0
    for chunk in chunks:
        start = 0
        while start < len(chunk.order):
            stop = start + stride - rows % stride
            piece = replace(chunk, order=chunk.order[start:stop])
            rows += len(piece.order)
            start = stop
            yield piece


def _drop_diverged(result: Trained, state: State, average: State, epoch: int, diverged: np.ndarray) -> None:
    """Take candidates whose loss is no number out of the race; their weights become zero, so that they cost nothing."""
    for k in np.flatnonzero(diverged & result.alive):
        logger.warning("Model %d diverged in epoch %d and is dropped. Its learning_rate is too high.", k, epoch)
    result.alive &= ~diverged
    if not result.alive.any():
        raise ClientError(
            "The loss of every model became infinite or NaN",
            where=f"epoch {epoch}",
            fix="lower learning_rate, or leave normalize_data on",
        )
    columns = _columns(state, diverged)
    if not columns.any():
        return
    # The moments of the average are never used.
    for tiles in (state.weights, *state.moments, average.weights):
        np.copyto(tiles, 0, where=columns[:, np.newaxis, :])
    for row in (state.bias, *state.bias_moments, average.bias):
        row[columns.ravel()] = 0


def _keep_best(result: Trained, average: State, epoch: int, loss: np.ndarray) -> None:
    """Remember the weights of the candidates whose loss is the least so far."""
    better = loss < result.loss
    result.loss[better] = loss[better]
    result.best_epoch[better] = epoch
    columns = _columns(average, better)
    np.copyto(result.best.weights, average.weights, where=columns[:, np.newaxis, :])
    result.best.bias[columns.ravel()] = average.bias[columns.ravel()]


def _columns(state: State, candidates: np.ndarray) -> np.ndarray:
    """bool (T, 16): which columns of the tiles belong to the ``candidates``, bool (K,)."""
    columns = np.zeros(state.bias.shape, bool)
    columns[: state.columns] = np.repeat(candidates, state.outputs)
    return columns.reshape(-1, TILE)
