from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from linear_learner.errors import ClientError
from linear_learner.formats.in_order import in_order


class Held:
    """Something that a weak reference can watch."""


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.01 if item == 0 else 0)
        return item * item

    assert list(in_order(slow_at_first, range(20), threads)) == [(i, i * i) for i in range(20)]
    assert list(in_order(slow_at_first, [], threads)) == []


def test_so_many_are_worked_on_at_once() -> None:
    """The thread that asks is one of them."""
    meeting = threading.Barrier(3, timeout=10)
    threads = set()

    def meet(item: int) -> None:
        threads.add(threading.current_thread())
        meeting.wait()

    assert len(list(in_order(meet, range(3), 3))) == 3
    assert len(threads) == 3 and threading.current_thread() in threads


def test_one_thread_at_a_time_takes_an_item() -> None:
    def items() -> Iterator[int]:
        for i in range(40):
            time.sleep(0.001)  # a generator that is asked while it works raises ValueError
            yield i

    assert [item for item, _ in in_order(lambda item: item, items(), 4)] == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_few_items_are_taken_ahead(threads: int) -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    for done, _ in enumerate(in_order(lambda item: item, items(), threads), 1):
        time.sleep(0.001)  # for the others to take all that they may
        assert len(taken) <= done + threads + 4


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_items_comes_after_the_results_before_it(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(4)
        raise ClientError("the file is cut short")

    results = in_order(lambda item: item, items(), threads)
    assert [next(results)[0] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ClientError, match="cut short"):
        next(results)


def test_an_error_is_not_taken_for_the_end_of_the_items() -> None:
    """Whichever thread comes upon it, and wherever the other one is then."""

    def items() -> Iterator[int]:
        yield from ()
        raise ClientError("the file is cut short")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(1000):
            with pytest.raises(ClientError, match="cut short"):
                list(in_order(lambda item: item, items(), 2))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [ClientError("a bad row"), KeyboardInterrupt("stop")])
def test_an_error_of_the_work_comes_after_the_results_before_it(threads: int, error: BaseException) -> None:
    def work(item: int) -> int:
        if item == 4:
            raise error
        return item

    results = in_order(work, range(100), threads)
    assert [next(results)[1] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(type(error), match=str(error)):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_holds_nothing_once_it_is_let_go(threads: int) -> None:
    held = Held()
    watched = weakref.ref(held)

    def items(held: Held) -> Iterator[int]:
        yield 1
        raise ClientError("the file is cut short")

    gc.disable()  # a circle would be seen
    try:
        with pytest.raises(ClientError):
            list(in_order(lambda item: item, items(held), threads))
        del held
        assert watched() is None
    finally:
        gc.enable()


def test_threads_end_with_whoever_asks() -> None:
    results = in_order(lambda item: item, range(100), 3)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoder")]


def test_a_program_ends_by_an_error_while_its_results_are_asked_for() -> None:
    program = """
from linear_learner.formats.in_order import in_order
results = in_order(lambda item: item, range(100), 3)
next(results)
raise KeyError("nobody catches it")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert ended.returncode == 1 and b"nobody catches it" in ended.stderr


@pytest.mark.parametrize("most", [0, 1])
def test_those_do_the_work_that_the_system_lets_start(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    start, started = threading.Thread.start, []

    def start_one(thread: threading.Thread) -> None:
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    assert [item for item, _ in in_order(lambda item: item, range(100), 4)] == list(range(100))
    assert len(started) == most and not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize("items", [0, 1, 2])
def test_few_items_start_few_threads(monkeypatch: pytest.MonkeyPatch, items: int) -> None:
    start, started = threading.Thread.start, []

    def count(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", count)
    assert len(list(in_order(lambda item: item, range(items), 50))) == items
    assert len(started) <= items
