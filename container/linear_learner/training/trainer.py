"""The training loop: epochs over the data, validation, early stopping, and the best epoch of every candidate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.errors import ClientError
from linear_learner.training.cluster.averaging import Averaging
from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.engines.engine import Engine, Snapshots
from linear_learner.training.engines.state import TILE, State
from linear_learner.training.epochs.progress import EpochReport, Progress, Trained
from linear_learner.training.epochs.strides import SNAPSHOTS, pieces_of, rows_per_join, rows_per_snapshot
from linear_learner.training.logs.log_lines import Timers

logger = logging.getLogger(__name__)

MOST_NAMED = 10
"""Models whose numbers a line of the log gives."""


class Epochs(Protocol):
    """The training rows, in a new order every epoch."""

    @property
    def rows(self) -> int | None:
        """Of an epoch; None until the first is over, where only that tells."""

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        """The rows of an epoch. Every chunk but the last holds whole mini-batches. Fewer chunks, or none, come where
        the job is stopped."""


class Checkpoints(Protocol):
    """Where progress is kept."""

    def due(self, *, epoch_is_over: bool = False) -> bool:
        """Whether to save now."""

    def save(self, progress: Progress) -> None: ...


def train(
    engine: Engine,
    progress: Progress,
    epochs: Epochs,
    *,
    mini_batch_size: int,
    max_epochs: int,
    averaging: Averaging,
    judge: Callable[[], Chunk],
    criterion: Callable[[State], np.ndarray] | None,
    report: Callable[[EpochReport], None],
    timers: Timers,
    should_stop: Callable[[], bool],
    snapshots: int = SNAPSHOTS,
    checkpoints: Checkpoints | None = None,
    rows_at_once: int | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Train all candidates from where ``progress`` is, and return each one's best epoch.

    ``epochs`` and ``judge`` have the rows of this host, in mini-batches of ``mini_batch_size``; ``averaging`` joins the
    hosts, after every stretch of an epoch. ``judge``: gives the rows by whose loss epochs are compared; asked after an
    epoch. ``criterion``: what early stopping watches besides the loss, (K,), higher is better; None to watch the loss
    alone. ``should_stop``: asked often; once it says yes, the epoch at hand is the last, cut short, and left out if
    judging it would take long. ``snapshots``: of an epoch. ``checkpoints``: told of the progress after every epoch, and
    inside it where it is long or cut short. ``rows_at_once``: the most for one call of the engine, whole mini-batches;
    None for any number. ClientError when every candidate diverged.
    """
    trained, average, cluster = progress.trained, progress.average, averaging.cluster
    while progress.epoch < max_epochs and not progress.finished:
        epoch = progress.epoch
        with timers.measure("update.time"):
            known = _rows_of_an_epoch(progress, epochs, cluster)
            if cluster.size == 1:
                stride = rows_per_snapshot(known, mini_batch_size, snapshots)
            else:
                stride = rows_per_join(
                    known, mini_batch_size, snapshots, rows_at_once, cluster, weights=progress.state.weights.size
                )
            done = int(progress.current.rows_by_host[cluster.rank])
            most = rows_at_once if cluster.size == 1 else min(rows_at_once or stride, stride)
            pieces = pieces_of(epochs.chunks(epoch), stride, most, done)
            stretches = _stretches(engine, progress, pieces, cluster, stride, done, known)

            def at_a_join(rows: int, stride: int = stride) -> bool:
                return rows % stride == 0 or (epochs.rows is not None and rows >= epochs.rows)

            cut_short = _run_epoch(progress, stretches, averaging, stride, at_a_join, should_stop, checkpoints, watch)
            rows = progress.current.rows
            if not rows:
                break
            _finish_average(progress)
            train_loss = progress.current.sums / rows
            loss = _judge(engine, judge(), average, cluster, rows_at_once, should_stop)
            if loss is None:
                if trained.epochs:
                    break
                # Without it there would be no model at all. No checkpoint may hold such a loss.
                loss, cut_short = _judge_by_few(engine, judge(), average, cluster, rows_at_once), True
            _drop_diverged(progress, ~(np.isfinite(train_loss) & np.isfinite(loss)))
            train_loss, loss = (np.where(trained.alive, values, np.nan) for values in (train_loss, loss))
            _keep_best(trained, average, epoch, loss)
        with timers.measure("check_early_stopping.time"):
            least = float(np.nanmin(loss))
            watched = least if criterion is None else float(np.nanmax(criterion(average)[trained.alive]))
            verdict = progress.stopping.update(epoch, criterion=watched, loss=least)
        trained.epochs.append(EpochReport(epoch, rows, train_loss, loss, watched, verdict.message))
        report(trained.epochs[-1])
        progress.begin_epoch(epoch + 1)
        progress.finished = verdict.stop
        watch(progress)
        if cut_short:
            break
        is_last = progress.finished or progress.epoch == max_epochs
        if checkpoints is not None and (is_last or checkpoints.due(epoch_is_over=True)):
            checkpoints.save(progress)
        if cluster.any(should_stop()):
            break
    return trained


@dataclass(frozen=True)
class Stretch:
    """What this host has trained on before the hosts join: so many rows, with these sums of losses, (K,).
    ``has_more``: whether it expects more rows in this epoch."""

    rows: int
    sums: np.ndarray
    has_more: bool


def _stretches(
    engine: Engine,
    progress: Progress,
    pieces: Iterator[Chunk],
    cluster: Cluster,
    stride: int,
    done: int,
    known: int | None,
) -> Iterator[Stretch]:
    """Trains. On one host every piece is a stretch, on whose way a snapshot is taken every ``stride`` rows. Several
    join after ``stride`` rows each, of which ``known`` are expected and ``done`` done before, and go on to do so
    without rows when they have no more: another may have. The last of the known rows are joined once the pieces have
    come to their end: a reader that is left before its end counts as abandoned, and later epochs would get nothing from
    it."""
    state = progress.state
    if cluster.size == 1:
        for piece in pieces:
            snapshots = Snapshots(progress.average, stride, done % stride)
            done += len(piece.order)
            yield Stretch(len(piece.order), engine.step(piece, state, snapshots), has_more=True)
        return
    rows, sums = 0, np.zeros(state.candidates)
    for piece in pieces:
        sums += engine.step(piece, state)
        rows += len(piece.order)
        if (done + rows) % stride == 0 and (known is None or done + rows < known):
            done += rows
            yield Stretch(rows, sums, has_more=True)
            rows, sums = 0, np.zeros(state.candidates)
    while True:
        yield Stretch(rows, sums, has_more=False)
        rows, sums = 0, np.zeros(state.candidates)


def _run_epoch(
    progress: Progress,
    stretches: Iterator[Stretch],
    averaging: Averaging,
    stride: int,
    at_a_join: Callable[[int], bool],
    should_stop: Callable[[], bool],
    checkpoints: Checkpoints | None,
    watch: Callable[[Progress], None],
) -> bool:
    """The rest of the pass over the rows that is in hand. One host has taken a snapshot every ``stride`` rows; several
    take one whenever they have joined. Returns whether it was cut short. ``at_a_join``: whether a pass that is not cut
    short joins the hosts after so many rows of this one."""
    current, cluster = progress.current, averaging.cluster
    for stretch in stretches:
        joined = averaging.join(
            progress.state, stretch.rows, stretch.sums, has_more=stretch.has_more, stops=should_stop()
        )
        current.sums += joined.sums
        current.rows_by_host += joined.rows
        if cluster.size == 1:
            current.had_snapshots(stride)
        elif joined.rows.any():
            progress.take_snapshot()
        watch(progress)
        if joined.stops or not joined.has_more:
            break
        if checkpoints is not None and checkpoints.due():
            checkpoints.save(progress)
    # Rows that are read as they are trained on end early by themselves where the job is stopped.
    stopped = cluster.any(should_stop())
    if stopped:
        # Going on from where hosts join only because they stop, a job would end with other bits.
        own = int(current.rows_by_host[cluster.rank])
        elsewhere = cluster.any(cluster.size > 1 and not at_a_join(own))
        if checkpoints is not None and not elsewhere:
            checkpoints.save(progress)
    return stopped


def _finish_average(progress: Progress) -> None:
    """Make of the snapshots' sum their mean.

    The mean of the iterates has far less noise than the last of them, so that a learning rate that is large enough to
    get there can also be small enough to stay (Polyak and Juditsky 1992). A weight that L1 holds at zero at the end of
    the epoch is zero in the mean too, and keeps the model sparse.
    """
    current, average = progress.current, progress.average
    if current.rows > current.rows_then:
        progress.take_snapshot()
    average.weights *= np.float32(1 / max(current.snapshots, 1))
    average.bias *= np.float32(1 / max(current.snapshots, 1))
    for mean, last in zip(average.weights, progress.state.weights, strict=True):
        mean[last == 0] = 0


def _judge(
    engine: Engine,
    judging: Chunk,
    average: State,
    cluster: Cluster,
    rows_at_once: int | None,
    should_stop: Callable[[], bool],
) -> np.ndarray | None:
    """(K,): the mean loss of each candidate, on the judging rows of all hosts. None if the job is to end before all of
    them were looked at."""
    rows = len(judging.order)
    at_once = rows_at_once or max(1, rows)
    sums = np.zeros(average.candidates)
    for call in range(max(cluster.gather(-(-rows // at_once)))):
        if call and cluster.any(should_stop()):
            return None
        sums += _losses(engine, replace(judging, order=judging.order[call * at_once : (call + 1) * at_once]), average)
    *total, rows_of_all = cluster.sum(np.append(sums, rows))
    return np.array(total) / rows_of_all


def _judge_by_few(
    engine: Engine, judging: Chunk, average: State, cluster: Cluster, rows_at_once: int | None
) -> np.ndarray:
    """(K,): the mean loss of each candidate on as many rows of each host as one call takes, evenly spaced."""
    rows = len(judging.order)
    few = replace(judging, order=judging.order[:: max(1, -(-rows // (rows_at_once or max(1, rows))))])
    logger.info("The models are judged by %d of %d rows, since the job is to end.", len(few.order), rows)
    *total, rows_of_all = cluster.sum(np.append(_losses(engine, few, average), len(few.order)))
    return np.array(total) / rows_of_all


def _losses(engine: Engine, rows: Chunk, state: State) -> np.ndarray:
    """(K,): the sums of each candidate's loss. A host may have no rows, which an engine does not take."""
    return engine.evaluate(rows, state) if len(rows.order) else np.zeros(state.candidates)


def _rows_of_an_epoch(progress: Progress, epochs: Epochs, cluster: Cluster) -> int | None:
    """On this host, as far as it is known."""
    passes = progress.trained.epochs
    return passes[-1].rows if passes and cluster.size == 1 else epochs.rows


def _drop_diverged(progress: Progress, diverged: np.ndarray) -> None:
    """Take candidates whose loss is no number out of the race; their weights become zero, so that they cost nothing."""
    trained, state = progress.trained, progress.state
    if not (trained.alive & ~diverged).any():
        raise ClientError(
            "The loss of every model became infinite or NaN",
            where=f"epoch {progress.epoch}",
            fix="lower learning_rate, leave normalize_data on, and look for values far beyond the others in the data",
        )
    if (dropped := np.flatnonzero(diverged & trained.alive)).size:
        numbers = ", ".join(map(str, dropped[:MOST_NAMED])) + (", ..." if dropped.size > MOST_NAMED else "")
        which = f"Model {numbers} diverged in epoch {progress.epoch} and is dropped. Its learning_rate is"
        if dropped.size > 1:
            which = (
                f"{dropped.size} models diverged in epoch {progress.epoch} and are dropped: {numbers}. Their "
                "learning rates are"
            )
        logger.warning("%s too high.", which)
    trained.alive &= ~diverged
    columns = _columns(state, diverged)
    if not columns.any():
        return
    # The moments of the average are never used.
    for tiles in (state.weights, *state.moments, progress.average.weights):
        np.copyto(tiles, 0, where=columns[:, np.newaxis, :])
    for row in (state.bias, *state.bias_moments, progress.average.bias):
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
