"""An iterator that works while its consumer does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def made_ahead(items: Iterator[Item], abandon: Callable[[], None]) -> Iterator[Item]:
    """The items, each made by a thread of its own while the consumer is at work on the one before. ``abandon`` tells
    ``items``, before their end, that nobody asks for more: the thread has to end, too."""
    asked: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[tuple[object, BaseException | None]] = SimpleQueue()

    def make() -> None:
        while asked.get():
            try:
                made.put((next(items, _END), None))
            except BaseException as error:
                made.put((None, error))

    item: object = None
    error: BaseException | None = None
    thread = threading.Thread(target=make, name="reader")
    thread.start()
    asked.put(True)
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            asked.put(True)
            yield item  # type: ignore[misc]
    except BaseException:
        abandon()
        raise
    finally:
        asked.put(False)
        thread.join()
        # An error holds the frames that it came through, and these would hold it: circles that would keep a file open.
        del error
        while not made.empty():
            made.get()
