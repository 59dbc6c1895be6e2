"""An iterator that works while its consumer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def one_ahead(items: Iterator[Item], abandon: Callable[[], None]) -> Iterator[Item]:
    """The items, each made by a thread of its own while the consumer is at work on the one before; no more than one
    waits. ``abandon`` tells ``items``, before their end, that nobody asks for more: the thread has to end, too."""
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        future = pool.submit(next, items, _END)
        try:
            while (item := future.result()) is not _END:
                future = pool.submit(next, items, _END)
                yield item  # type: ignore[misc]
        except BaseException:
            abandon()
            raise
        finally:
            # A future that failed holds its error, and the error this frame: a circle that would keep a file open.
            del future
