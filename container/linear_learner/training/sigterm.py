"""The signal by which a platform ends a job. Imports next to nothing, so that it is heard from early on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


def stop_on_sigterm() -> Callable[[], bool]:
    """SageMaker sends SIGTERM, waits 120 s and kills. Returns a function that says whether it came. As PID 1 of a
    container a process without a handler would not hear it at all.

    After Ctrl-C the function raises KeyboardInterrupt in any thread: the main one, which is interrupted, may have to
    wait for another one that waits for a pipe."""
    stopped, interrupted = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        interrupted.set()
        raise KeyboardInterrupt

    def should_stop() -> bool:
        if interrupted.is_set():
            raise KeyboardInterrupt
        return stopped.is_set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is of a shell's background jobs
            signal.signal(signal.SIGINT, interrupt)
    return should_stop


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
