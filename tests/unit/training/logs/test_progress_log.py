"""Signs of life: when they come, what they promise, and that no tuner reads them."""

from __future__ import annotations

import contextlib
import io
import logging
import re

import numpy as np
import pytest

from linear_learner.hyperparameters import HyperParameters, validate
from linear_learner.hyperparameters.tuning import METRIC_DEFINITIONS
from linear_learner.training.engines.state import State
from linear_learner.training.epochs.early_stopping import EarlyStopping
from linear_learner.training.epochs.progress import EpochReport, Progress
from linear_learner.training.logs import progress_log
from linear_learner.training.logs.progress_bar import progress_bar
from linear_learner.training.logs.progress_log import Pulse, TimeLeft


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def hp() -> HyperParameters:
    return validate({"predictor_type": "regressor", "epochs": "10", "early_stopping_patience": "3"})


def progress(epoch: int = 0, rows: int = 0, idle: int = 0) -> Progress:
    """``epoch`` epochs of 1000 rows are over, the last ``idle`` of them without an improvement."""
    found = Progress.at_the_start(State.zeros(1, 1, 1), EarlyStopping(3, 0.001, higher_is_better=False, idle=idle))
    nothing = np.zeros(1)
    found.trained.epochs = [EpochReport(number, 1000, nothing, nothing, 0.0, None) for number in range(epoch)]
    found.begin_epoch(epoch)
    found.current.rows_by_host[:] = rows
    return found


def pulse(hp: HyperParameters, *, since: Progress, seconds: float, rows: int | None = 1000) -> Pulse:
    """Of a training that has gone on for ``seconds`` since then."""
    times = iter([0.0, seconds, seconds])
    return Pulse(since, hp, lambda: rows, clock=lambda: next(times))


class TestTimeLeft:
    """An epoch takes 10 seconds."""

    def test_is_from_the_end_of_patience_to_that_of_all_epochs(self, hp: HyperParameters) -> None:
        left = pulse(hp, since=progress(), seconds=45).time_left(progress(4, 500, idle=2))
        # Two idle epochs are left to patience 3, so that the second from now on ends it.
        assert left == TimeLeft(pytest.approx(15), pytest.approx(55))

    def test_of_the_first_epoch_which_improves_for_sure(self, hp: HyperParameters) -> None:
        left = pulse(hp, since=progress(), seconds=5).time_left(progress(0, 500))
        assert left == TimeLeft(pytest.approx(45), pytest.approx(95))

    def test_is_no_longer_than_the_epochs(self, hp: HyperParameters) -> None:
        left = pulse(hp, since=progress(), seconds=80).time_left(progress(8))
        assert left == TimeLeft(pytest.approx(20), pytest.approx(20))

    def test_counts_what_was_done_since_a_checkpoint_alone(self, hp: HyperParameters) -> None:
        left = pulse(hp, since=progress(5, 200), seconds=3).time_left(progress(5, 500))
        assert left is not None and left.most == pytest.approx(45)

    def test_is_unknown_without_rows_or_their_number(self, hp: HyperParameters) -> None:
        assert pulse(hp, since=progress(), seconds=1).time_left(progress()) is None
        assert pulse(hp, since=progress(), seconds=1, rows=None).time_left(progress(0, 10)) is None

    @pytest.mark.parametrize(
        ("least", "most", "text"),
        [
            (15, 55, "15 seconds to 55 seconds left"),
            (20.04, 20.3, "about 20 seconds left"),
            (119.2, 3600, "120 seconds to 60 minutes left"),
            (8000, 100_000, "2.2 hours to 28 hours left"),
            (-1, 0.0123, "0 seconds to 0.012 seconds left"),
        ],
    )
    def test_is_told_with_two_digits(self, least: float, most: float, text: str) -> None:
        assert str(TimeLeft(least, most)) == text


@pytest.mark.parametrize(
    ("at", "rows", "line"),
    [
        ((4, 500, 2), 1000, "Epoch 4: 500 of 1000 rows trained on, 15 seconds to 55 seconds left."),
        ((0, 500, 0), None, "Epoch 0: 500 rows trained on."),
    ],
)
def test_a_line_is_for_people_alone(at: tuple[int, int, int], rows: int | None, line: str, hp: HyperParameters) -> None:
    assert pulse(hp, since=progress(), seconds=10 * at[0] + 5, rows=rows).line(progress(*at)) == line
    for metric in METRIC_DEFINITIONS.values():
        assert not re.search(metric.regex.format(channel="train"), line)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ((0, 0, 0), "epoch 1 of at most 10"),
        ((4, 500, 2), "epoch 5 of at most 10, 15 seconds to 55 seconds left"),
        ((10, 0, 0), "epoch 10 of at most 10, about 0 seconds left"),
    ],
)
def test_beside_the_bar_epochs_count_from_one(at: tuple[int, int, int], words: str, hp: HyperParameters) -> None:
    assert pulse(hp, since=progress(), seconds=10 * at[0] + at[1] / 100).words(progress(*at)) == words


class TestSigns:
    @pytest.fixture(autouse=True)
    def info(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")

    def test_come_every_so_often(self, hp: HyperParameters, caplog: pytest.LogCaptureFixture) -> None:
        now = [0.0]
        with progress_log.life_signs(Pulse(progress(), hp, lambda: 1000, clock=lambda: now[0]), 10) as watch:
            for now[0] in (10, 31, 40, 59, 62):
                watch(progress(0, int(now[0])))
        assert [line.split(" rows")[0] for line in caplog.messages] == ["Epoch 0: 31 of 1000", "Epoch 0: 62 of 1000"]

    @pytest.mark.parametrize(
        ("stdout", "stderr", "shows"),
        [
            (io.StringIO(), Terminal(), True),
            (Terminal(), Terminal(), False),  # the log itself is seen there
            (io.StringIO(), io.StringIO(), False),
            (Terminal(), io.StringIO(), False),
        ],
    )
    def test_are_a_bar_where_it_is_seen_and_in_nobodys_way(
        self, stdout: io.StringIO, stderr: io.StringIO, shows: bool
    ) -> None:
        assert progress_log.shows_bar(stdout, stderr) == shows


class TestBar:
    @pytest.fixture(autouse=True)
    def width(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")

    def test_shows_how_much_is_done_and_goes(self) -> None:
        with contextlib.redirect_stderr(Terminal()) as terminal, progress_bar(8) as move:
            move(2.0, "epoch 3 of at most 8")
            assert " 25%|" in terminal.getvalue()
            assert "| epoch 3 of at most 8" in terminal.getvalue()
        assert terminal.getvalue().endswith("\r")
        assert "\n" not in terminal.getvalue()

    def test_what_is_logged_to_its_terminal_has_a_line_of_its_own(self) -> None:
        terminal, file = Terminal(), io.StringIO()
        package = logging.getLogger("linear_learner")
        before, package.handlers[:] = (
            package.handlers[:],
            [logging.StreamHandler(terminal), logging.StreamHandler(file)],
        )
        during = package.handlers[:]
        try:
            with contextlib.redirect_stderr(terminal), progress_bar(8) as move:
                move(2.0, "epoch 3 of at most 8")
                package.warning("a line")
                *_, line, bar = (text for text in re.split(r"[\r\n]+", terminal.getvalue()) if text.strip())
            assert package.handlers == during
        finally:
            package.handlers[:] = before
        assert line == "a line"
        assert "epoch 3 of at most 8" in bar
        assert file.getvalue() == "a line\n"
