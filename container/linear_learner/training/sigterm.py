"""The signal by which a platform ends a job. Imports next to nothing, so that it is heard from early on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable


def stop_on_sigterm() -> Callable[[], bool]:
    """SageMaker sends SIGTERM, waits 120 s and kills. Returns a function that says whether it came. As PID 1 of a
    container a process without a handler would not hear it at all."""
    stopped = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    return stopped.is_set


def ignore_sigterm() -> None:
    """All is done, and the interpreter would take its handlers down before it ends: a signal that comes then must not
    make a failure of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def later(should_stop: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """Says yes so many seconds after ``should_stop`` was first seen to."""
    heard: list[float] = []

    def is_late() -> bool:
        if not heard and should_stop():
            heard.append(time.monotonic())
        return bool(heard) and time.monotonic() - heard[0] >= seconds

    return is_late
