"""How a stop is heard."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from linear_learner.training.sigterm import later, stop_on_sigterm


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever has started the tests may ignore it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_is_told_when_asked_for() -> None:
    should_stop = stop_on_sigterm()
    assert not should_stop()
    signal.raise_signal(signal.SIGTERM)
    assert should_stop()


def test_an_interrupt_ends_what_other_threads_wait_for() -> None:
    stop_on_sigterm()  # of a job before
    should_stop = stop_on_sigterm()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        should_stop()


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    should_stop = stop_on_sigterm()
    signal.raise_signal(signal.SIGINT)
    assert not should_stop()


def test_it_is_heard_so_many_seconds_after_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, came = iter([150.0, 150.0, 169.0, 170.0, 180.0]), iter([False, True])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    is_late = later(lambda: next(came), seconds=20)
    assert [is_late() for _ in range(5)] == [False, False, False, True, True]
