from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from linear_learner.data.ahead import made_ahead


def unused() -> None:
    raise AssertionError("nothing was abandoned")


def test_items_come_in_their_order() -> None:
    assert list(made_ahead(iter(range(100)), unused)) == list(range(100))
    assert list(made_ahead(iter(()), unused)) == []


def test_one_item_is_made_ahead_and_no_more() -> None:
    made: list[int] = []
    latest = threading.Event()

    def items() -> Iterator[int]:
        for i in range(9):
            made.append(i)
            if i == 2:
                latest.set()
            yield i

    ahead = made_ahead(items(), lambda: None)
    assert next(ahead) == 0 and next(ahead) == 1
    assert latest.wait(10)
    time.sleep(0.05)  # for one too many to be made
    assert made == [0, 1, 2]
    ahead.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    abandoned = threading.Event()
    ahead = made_ahead(items(), abandoned.set)
    assert next(ahead) == 1
    with pytest.raises(KeyError, match="broken"):
        next(ahead)


def test_who_leaves_early_abandons_the_thread_before_waiting_for_it() -> None:
    abandoned = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        abandoned.wait()
        yield 2

    ahead = made_ahead(items(), abandoned.set)
    assert next(ahead) == 1
    ahead.close()  # type: ignore[attr-defined]
    assert abandoned.is_set()


@pytest.mark.parametrize("leaves_early", [False, True])
def test_what_the_items_held_is_let_go_with_the_error(leaves_early: bool) -> None:
    class File:
        """Something that is open for as long as it is held."""

    held: list[weakref.ref[File]] = []

    def items() -> Iterator[int]:
        file = File()
        held.append(weakref.ref(file))
        yield 1
        raise ValueError("broken")

    gc.disable()  # what is let go is gone at once, without its help
    try:
        ahead = made_ahead(items(), lambda: None)
        assert next(ahead) == 1
        if leaves_early:
            ahead.close()  # type: ignore[attr-defined]
        else:
            with pytest.raises(ValueError, match="broken"):
                next(ahead)
        del ahead
        assert held[0]() is None
    finally:
        gc.enable()
