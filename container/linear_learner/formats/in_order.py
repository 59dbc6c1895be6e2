"""Work on item after item, shared by threads, whose results come in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

_SPARE = 4
"""Items beyond one for each thread. With fewer, a thread that is late with the first of them keeps the others waiting.
"""


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[tuple[Item, Result]]:
    """(item, function(item)) of each item, in their order, by so many ``threads``.

    The thread that asks for them is one of these: where it would wait, it works. ``items`` are taken by whoever is
    free, one at a time; so many and a few are held. An error of either comes after the results before it.
    """
    if threads == 1:
        yield from ((item, function(item)) for item in items)
        return
    tasks = _Tasks(function, iter(items), threads)
    try:
        while (task := tasks.next_done()) is not None:
            yield task.outcome()
    finally:
        tasks.end()


class _Task(Generic[Item, Result]):
    """An item, and what comes of it once it is ``done``. Without an item: the error that came in its place."""

    def __init__(self, item: Item | None, error: BaseException | None = None) -> None:
        self.done = threading.Event()
        self._item = item
        self._result: Result | None = None
        self._error = error

    def run(self, function: Callable[[Item], Result]) -> None:
        try:
            if self._error is None:
                self._result = function(cast(Item, self._item))
        except BaseException as error:
            self._error = error
        self.done.set()

    def outcome(self) -> tuple[Item, Result]:
        """To be asked for once."""
        error, self._error = self._error, None
        if error is None:
            return cast(Item, self._item), cast(Result, self._result)
        try:
            raise error
        finally:
            # An error holds the frames that it came through, and these would hold it: circles that keep a file open.
            del error


class _Tasks(Generic[Item, Result]):
    """Tasks of the items, no more than ``threads + _SPARE`` taken that were not asked for.

    A thread that has taken an item starts another one, up to so many ``threads`` with the one that asks: small files
    come by the thousand, and to start all threads for each would take longer than to read it.
    """

    def __init__(self, function: Callable[[Item], Result], items: Iterator[Item], threads: int) -> None:
        self._function = function
        self._items = items
        self._most_helpers = threads - 1
        self._helpers: list[threading.Thread] = []
        self._turn = threading.Lock()  # of the thread that takes an item
        self._room = threading.Semaphore(threads + _SPARE)
        self._taken: deque[_Task[Item, Result]] = deque()
        self._is_ended = False

    def next_done(self) -> _Task[Item, Result] | None:
        """The next one in order, None after the last. One thread alone may ask."""
        while not (self._taken and self._taken[0].done.is_set()):
            # The end is looked at first: whatever was taken before it can be seen then.
            if not self._is_ended and self._room.acquire(blocking=False):
                self._take_and_run()
            elif self._taken:
                self._taken[0].done.wait()
            else:
                return None
        self._room.release()
        return self._taken.popleft()

    def end(self) -> None:
        """Nobody asks any more: the helpers, who may wait for room, are to leave."""
        self._is_ended = True
        self._room.release(1 + self._most_helpers)  # of which there may be none
        for helper in self._helpers:  # where one starts another, that is before it leaves
            helper.join()

    def _help(self) -> None:
        """Work on items until there are none."""
        while not self._is_ended:
            self._room.acquire()
            self._take_and_run()

    def _take_and_run(self) -> None:
        with self._turn:
            task = None if self._is_ended else self._take()
            if not self._is_ended and len(self._helpers) < self._most_helpers:
                self._start_helper()
        if task is not None:
            task.run(self._function)

    def _start_helper(self) -> None:
        # A daemon: an error that nobody catches holds the results, and the interpreter would wait for other threads.
        helper = threading.Thread(target=self._help, name=f"decoder-{len(self._helpers) + 1}", daemon=True)
        try:
            helper.start()
        except RuntimeError:  # the system has no more threads: those that there are do the work
            self._most_helpers = len(self._helpers)
        else:
            self._helpers.append(helper)

    def _take(self) -> _Task[Item, Result] | None:
        try:
            task = _Task[Item, Result](next(self._items))
        except StopIteration:
            self._is_ended = True
            return None
        except BaseException as error:
            task = _Task[Item, Result](None, error)
            self._taken.append(task)
            self._is_ended = True  # not before, see next_done
            return task
        self._taken.append(task)
        return task
