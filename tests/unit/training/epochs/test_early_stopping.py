"""When training ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.training.epochs.early_stopping import EarlyStopping, Verdict


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
