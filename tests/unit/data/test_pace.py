"""What is said no more often than it should be."""

from __future__ import annotations

from linear_learner.data.pace import Pace


def test_it_is_time_once_the_seconds_have_passed_and_then_anew() -> None:
    now = [100.0]
    pace = Pace(30, clock=lambda: now[0])
    told = []
    for now[0] in (100, 129.9, 130, 131, 159, 170, 199, 200.5):
        told.append(pace.is_time())
    assert told == [False, False, True, False, False, True, False, True]
