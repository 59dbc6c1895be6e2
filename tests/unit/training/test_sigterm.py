"""A stop that is heard later."""

from __future__ import annotations

import time

import pytest

from linear_learner.training.sigterm import later


def test_it_is_heard_so_many_seconds_after_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, came = iter([150.0, 150.0, 169.0, 170.0, 180.0]), iter([False, True])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    is_late = later(lambda: next(came), seconds=20)
    assert [is_late() for _ in range(5)] == [False, False, False, True, True]
