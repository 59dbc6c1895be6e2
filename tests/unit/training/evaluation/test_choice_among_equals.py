"""The best candidate, where several are as good."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from linear_learner.errors import ClientError
from linear_learner.training.evaluation.model_selection import chance, deciding_rows, equally_good, least_loss
from linear_learner.training.evaluation.threshold import Criterion

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
    ("name", "best", "rows"),
    [
        ("accuracy", 0.9, 1000),
        ("f1", 0.9, 50),
        ("recall_at_target_precision", 0.9, 50),
        ("precision_at_target_recall", 1.0, 40),
        ("precision_at_target_recall", 0.1, 400),
        ("precision_at_target_recall", 0.01, 1000),
        ("precision_at_target_recall", 0.0, 50),
    ],
)
def test_the_rows_that_decide_are_those_that_the_criterion_speaks_of(name: str, best: float, rows: int) -> None:
    criterion = Criterion(name, f_beta=1.0, target_recall=0.8, target_precision=0.8)
    assert deciding_rows(criterion, best, rows=1000, positive=50) == rows


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
