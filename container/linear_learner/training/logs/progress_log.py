"""How a long job shows that it is alive, and how long it will still take: lines of the log, and a bar on a terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

from linear_learner.data.pace import BETWEEN_SIGNS, Pace
from linear_learner.hyperparameters import HyperParameters
from linear_learner.training.epochs.progress import Progress

BETWEEN_MOVES = 0.1
"""Seconds between two moves of the bar."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimeLeft:
    """Seconds: ``least`` if no epoch from now on improves anything, ``most`` if none is spared."""

    least: float
    most: float

    def __str__(self) -> str:
        least, most = _duration(self.least), _duration(self.most)
        return f"about {most} left" if least == most else f"{least} to {most} left"


class Pulse:
    """Follows training from where ``progress`` is, which may be a checkpoint.

    ``rows``: how many an epoch has, None as long as nobody knows.
    """

    def __init__(
        self,
        progress: Progress,
        hp: HyperParameters,
        rows: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hp = hp
        self._rows = rows
        self.clock = clock
        self._began = clock()
        self._rows_before = _rows_trained_on(progress)

    def rows_of_an_epoch(self, progress: Progress) -> int | None:
        epochs = progress.trained.epochs
        return epochs[-1].rows if epochs else self._rows()

    def share_of_epoch(self, progress: Progress) -> float:
        """From 0 to 1; 0 where it is not known."""
        rows = self.rows_of_an_epoch(progress)
        return min(progress.current.rows / rows, 1.0) if rows else 0.0

    def time_left(self, progress: Progress) -> TimeLeft | None:
        """By the rows that were trained on so far, judging included; None where it is not known."""
        rows = self.rows_of_an_epoch(progress)
        trained = _rows_trained_on(progress) - self._rows_before
        if not rows or trained <= 0:
            return None
        seconds_an_epoch = rows * (self.clock() - self._began) / trained
        stopping = progress.stopping
        # The first epoch is always an improvement.
        until_patience_ends = stopping.patience + 1 - stopping.idle + (progress.epoch == 0)
        most = self._hp.epochs - progress.epoch
        done = self.share_of_epoch(progress)
        return TimeLeft((min(until_patience_ends, most) - done) * seconds_an_epoch, (most - done) * seconds_an_epoch)

    def words(self, progress: Progress) -> str:
        """For beside the bar."""
        left = self.time_left(progress)
        epoch = min(progress.epoch + 1, self._hp.epochs)
        return f"epoch {epoch} of at most {self._hp.epochs}" + ("" if left is None else f", {left}")

    def line(self, progress: Progress) -> str:
        """For the log."""
        rows = self.rows_of_an_epoch(progress)
        of_rows = "" if rows is None else f" of {rows}"
        left = self.time_left(progress)
        return f"Epoch {progress.epoch}: {progress.current.rows}{of_rows} rows trained on" + (
            "." if left is None else f", {left}."
        )


def shows_bar(stdout: TextIO, stderr: TextIO) -> bool:
    """Whether stderr is a terminal and the log on stdout goes elsewhere. A log that scrolls over the terminal is life
    enough; a bar would get between its lines, and into what others read from there: the SageMaker SDK's local mode
    gives a job one terminal for both."""
    return stderr.isatty() and not stdout.isatty()


@contextlib.contextmanager
def life_signs(pulse: Pulse, epochs: int) -> Iterator[Callable[[Progress], None]]:
    """Gives what training calls as often as it can: it writes a line to the log every BETWEEN_SIGNS seconds, and where
    someone sees it moves a bar, which is gone when the ``with`` ends. ``epochs``: the most that there will be."""
    lines, moves = Pace(BETWEEN_SIGNS, pulse.clock), Pace(BETWEEN_MOVES, pulse.clock)
    with contextlib.ExitStack() as stack:
        move = None
        if shows_bar(sys.stdout, sys.stderr):
            # Here and not above: nothing but a terminal needs it.
            from linear_learner.training.logs.progress_bar import progress_bar

            move = stack.enter_context(progress_bar(epochs))

        def show(progress: Progress) -> None:
            if lines.is_time():
                logger.info("%s", pulse.line(progress))
            if move is not None and moves.is_time():
                move(progress.epoch + pulse.share_of_epoch(progress), pulse.words(progress))

        yield show


def _rows_trained_on(progress: Progress) -> int:
    return sum(report.rows for report in progress.trained.epochs) + progress.current.rows


def _duration(seconds: float) -> str:
    """Two digits are all that an estimate is worth."""
    seconds = max(seconds, 0)
    for size, unit in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{float(f'{seconds / size:.2g}'):g} {unit}"
    return f"{float(f'{seconds:.2g}'):g} seconds"
