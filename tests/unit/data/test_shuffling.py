from __future__ import annotations

import itertools
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.data.shuffling import _places, _shuffle, shuffled
from linear_learner.native import library, shuffling


@given(st.integers(0, 2**64 - 1), st.integers(0, 300))
def test_the_library_and_python_shuffle_alike(seed: int, rows: int) -> None:
    np.testing.assert_array_equal(shuffling.shuffle(seed, rows), _shuffle(seed, rows))


@pytest.mark.parametrize("problem", [None, "it is not there"])
def test_every_row_is_visited_once_with_and_without_the_library(problem: str | None) -> None:
    with patch.object(library, "problem", return_value=problem):
        order = shuffled(1000, np.random.default_rng(3))
    assert order.dtype == np.int64
    assert sorted(order) == list(range(1000))
    assert order[:10].tolist() == shuffled(1000, np.random.default_rng(3))[:10].tolist()


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The first outputs for seed 1234567 by the authors' C code, reduced to the place among i + 1 that they choose.
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    places = _places(1234567, 5)[::-1]
    assert places.tolist() == [(output >> 32) * (i + 1) >> 32 for i, output in enumerate(outputs, 1)]


def test_all_orders_come_equally_often() -> None:
    times = 12_000
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    random = np.random.default_rng(0)
    for _ in range(times):
        counts[tuple(shuffled(4, random).tolist())] += 1
    expected = times / len(counts)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 49.7  # of 23 degrees of freedom, once in a thousand


def test_a_row_may_come_to_any_place() -> None:
    places = np.array([shuffled(1000, np.random.default_rng(seed)).argsort() for seed in range(300)])
    # 300 uniform numbers from 0 to 999: their mean deviates by 17 from 499.5, rarely by more than 4 times as much.
    assert np.abs(places.mean(axis=0) - 499.5).max() < 75
    assert np.abs(places.std(axis=0) - 288.7).max() < 45
