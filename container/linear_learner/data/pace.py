"""How often something is done that nobody wants more often."""

from __future__ import annotations

import time
from collections.abc import Callable

BETWEEN_SIGNS = 30.0
"""Seconds between two lines of the log by which a job that is long at something shows that it is alive."""


class Pace:
    """Says that it is time once ``seconds`` have passed since it last did, or since it was made."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last = clock()

    def is_time(self) -> bool:
        now = self._clock()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
