"""A bar at the bottom of a terminal, on stderr. What a logger writes to that terminal goes above it."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm


class _AboveBar(logging.Handler):
    """Takes the bar away while ``inner`` writes a line to the terminal."""

    def __init__(self, inner: logging.StreamHandler) -> None:
        super().__init__(inner.level)
        self.inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        with tqdm.external_write_mode(file=self.inner.stream):
            self.inner.emit(record)


@contextlib.contextmanager
def progress_bar(total: int) -> Iterator[Callable[[float, str], None]]:
    """Gives what moves the bar: how much of ``total`` is done, and the words behind it."""
    package = logging.getLogger(__name__.partition(".")[0])
    before = package.handlers[:]
    tqdm.monitor_interval = 0  # no thread of its own
    form = "{percentage:3.0f}%|{bar}|{desc}"
    bar = tqdm(total=total, file=sys.stderr, leave=False, dynamic_ncols=True, bar_format=form)

    def move(done: float, words: str) -> None:
        bar.n = min(done, total)
        bar.set_description_str(f" {words}")

    try:
        package.handlers[:] = [_above_bar(handler) for handler in before]
        yield move
    finally:
        package.handlers[:] = before
        bar.close()


def _above_bar(handler: logging.Handler) -> logging.Handler:
    """The handler, or one in its place if it writes to a terminal."""
    if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
        return _AboveBar(handler)
    return handler
