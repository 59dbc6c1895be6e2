"""The best candidate, and when training ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.training.selection import EarlyStopping, Verdict, chance, equally_good, least_loss

ALIVE = np.ones(4, bool)
VALUES = np.array([0.3, 0.9, 0.9, 0.1])


def best(values: np.ndarray, *, losses: np.ndarray | None = None, **rule: Any) -> int:
    return least_loss(equally_good(values, **rule), np.zeros(len(values)) if losses is None else losses)


def test_the_best_is_the_highest_or_the_lowest() -> None:
    assert best(np.array([0.3, 0.9, 0.8, 0.1]), higher_is_better=True, alive=ALIVE) == 1
    assert best(np.array([0.3, 0.9, 0.8, 0.1]), higher_is_better=False, alive=ALIVE) == 3


def test_of_equal_values_the_lower_index_wins() -> None:
    assert best(VALUES, higher_is_better=True, alive=ALIVE) == 1


def test_of_equal_values_the_lower_loss_wins_and_then_the_lower_index() -> None:
    assert best(VALUES, higher_is_better=True, alive=ALIVE, losses=np.array([0.1, 0.5, 0.4, 0.1])) == 2
    assert best(VALUES, higher_is_better=True, alive=ALIVE, losses=np.array([0.1, 0.5, 0.5, 0.1])) == 1
    assert best(VALUES, higher_is_better=True, alive=ALIVE, losses=np.array([0.1, math.nan, 9.0, 0.1])) == 2


def test_candidates_that_diverged_are_passed_over() -> None:
    assert best(VALUES, higher_is_better=True, alive=np.array([True, False, True, True])) == 2
    assert best(np.array([math.nan, 2.0, 1.0, math.nan]), higher_is_better=False, alive=ALIVE) == 2


@pytest.mark.parametrize(("values", "alive"), [(VALUES, ~ALIVE), (np.full(4, math.nan), ALIVE)])
def test_nothing_left_to_choose_is_told_with_a_remedy(values: np.ndarray, alive: np.ndarray) -> None:
    with pytest.raises(ClientError, match=r"every candidate model diverged.*Lower learning_rate"):
        best(values, higher_is_better=False, alive=alive)


def losses(*values: float, patience: int = 3, tolerance: float = 0.001) -> list[Verdict]:
    """The verdicts on a job whose criterion is its loss, up to the one that stops it."""
    stopping = EarlyStopping(patience, tolerance, higher_is_better=False)
    verdicts = []
    for epoch, value in enumerate(values):
        verdicts.append(stopping.update(epoch, criterion=value, loss=value))
        if verdicts[-1].stop:
            break
    return verdicts


def test_patience_three_ends_with_the_fourth_idle_epoch_as_in_amazons_log() -> None:
    # The best epoch is 10; nothing is said of 11 to 13; 14 is the end.
    verdicts = losses(*np.linspace(40, 20, 11), 21, 22, 21, 26, 20)
    assert [verdict.message for verdict in verdicts[10:]] == [
        "Epoch 10: Loss improved. Updating best model",
        None,
        None,
        None,
        "Epoch 14: Loss has not improved for 4 epochs.",
    ]
    assert [verdict.stop for verdict in verdicts] == [False] * 14 + [True]


def test_the_first_epoch_improves() -> None:
    assert losses(0.7) == [Verdict(True, False, "Epoch 0: Loss improved. Updating best model")]


def test_a_smaller_step_than_the_tolerance_does_not_count() -> None:
    assert [verdict.improved for verdict in losses(100.0, 99.95, tolerance=0.001)] == [True, False]
    assert [verdict.improved for verdict in losses(100.0, 99.85, tolerance=0.001)] == [True, True]


def test_steps_that_are_too_small_add_up() -> None:
    verdicts = losses(100.0, 99.95, 99.85, 99.80, 99.72, patience=1)
    assert [verdict.improved for verdict in verdicts] == [True, False, True, False, True]


def test_an_improvement_winds_patience_up_again() -> None:
    verdicts = losses(10, 10, 10, 9, 9, 9, 9, patience=2)
    assert [verdict.stop for verdict in verdicts] == [False] * 6 + [True]


def test_patience_above_the_number_of_epochs_never_stops() -> None:
    assert not any(verdict.stop for verdict in losses(*[1.0] * 15, patience=16))


def test_loss_and_criterion_are_both_progress() -> None:
    stopping = EarlyStopping(patience=1, tolerance=0.01, higher_is_better=True)
    seen = [(0.8, 1.0), (0.8, 0.9), (0.9, 0.9), (0.9, 0.9), (0.7, 2.0)]
    verdicts = [stopping.update(epoch, criterion=c, loss=value) for epoch, (c, value) in enumerate(seen)]
    assert [verdict.improved for verdict in verdicts] == [True, True, True, False, False]
    assert [verdict.stop for verdict in verdicts] == [False, False, False, False, True]


def test_one_of_the_two_does_not_move_the_others_reference() -> None:
    stopping = EarlyStopping(patience=9, tolerance=0.01, higher_is_better=True)
    stopping.update(0, criterion=0.5, loss=1.0)
    assert stopping.update(1, criterion=0.502, loss=0.9).improved
    # 0.506 is 1.2 % above the 0.5 of the last improvement, and only 0.8 % above 0.502.
    assert stopping.update(2, criterion=0.506, loss=0.9).improved


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_progress(nothing: float) -> None:
    assert [verdict.improved for verdict in losses(nothing, 1.0, nothing, 0.5)] == [False, True, False, True]


def test_from_zero_every_gain_counts_and_standing_still_does_not() -> None:
    stopping = EarlyStopping(patience=3, tolerance=0.1, higher_is_better=True)
    gains = [stopping.update(epoch, criterion=f1, loss=1.0).improved for epoch, f1 in enumerate([0.0, 0.0, 1e-9])]
    assert gains == [True, False, True]
    assert [verdict.improved for verdict in losses(0.0, 0.0, 0.0)] == [True, False, False]


def test_a_negative_reference_is_measured_by_its_size() -> None:
    assert [verdict.improved for verdict in losses(-10.0, -10.05, -10.2, tolerance=0.01)] == [True, False, True]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 4), st.floats(1e-6, 0.5))
def test_training_ends_only_after_patience_epochs_without_a_better_loss(
    values: list[float], patience: int, tolerance: float
) -> None:
    verdicts = losses(*values, patience=patience, tolerance=tolerance)
    if verdicts[-1].stop:
        idle = values[len(verdicts) - patience - 1 : len(verdicts)]
        before = min(values[: len(verdicts) - patience - 1])
        # Nothing in the idle stretch is better than what came before by more than what two tolerances allow.
        assert min(idle) >= before * (1 - tolerance) ** 2 - 1e-12
    else:
        assert len(verdicts) == len(values)


def test_values_within_the_slack_are_told_apart_by_the_loss() -> None:
    values, losses = np.array([0.900, 0.899, 0.897, np.nan]), np.array([0.5, 0.4, 0.1, 0.0])
    alive = np.array([True, True, True, True])
    assert best(values, higher_is_better=True, alive=alive, losses=losses, slack=0.002) == 1
    assert best(values, higher_is_better=True, alive=alive, losses=losses) == 0


def test_two_rows_are_chance_however_shares_are_rounded() -> None:
    for rows in range(100, 1000):
        values = np.array([0.9 * rows // 1, 0.9 * rows // 1 - 2, 0.9 * rows // 1 - 3]) / rows
        slack = chance(values[0], rows)
        found = equally_good(values, higher_is_better=True, alive=np.ones(3, bool), slack=slack)
        assert found.tolist() == [0, 1], rows


@pytest.mark.parametrize(
    ("share", "rows", "slack"),
    [
        (0.5, 1_000_000, 0.001),
        (0.5, 10_000, 0.002),
        (0.5, 100, 0.02),
        (0.9, 100, 0.02),
        (1.0, 100, 0.0),
        (0.0, 0, 0.0),
    ],
)
def test_chance_is_the_standard_error_within_bounds(share: float, rows: int, slack: float) -> None:
    assert chance(share, rows) == pytest.approx(slack)
