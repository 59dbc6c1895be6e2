"""One state trained on several hosts, which are threads here: what they agree on, and what it is the mean of."""

from __future__ import annotations

import numpy as np
import pytest
from in_threads import together

from linear_learner.training.cluster.averaging import Averaging, Joined
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.engines.state import State

ROWS = [30, 10, 0]
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adagrad")


def state_of(rank: int) -> State:
    """Of 3 candidates and 5 features; no two numbers of it are alike on any host."""
    random = np.random.default_rng(rank)
    state = State.zeros(3, 1, 5)
    for array in (state.weights, state.bias, *state.moments, *state.bias_moments):
        array[...] = random.normal(size=array.shape)
    state.updates = 4 - rank
    return state


def join(cluster: Cluster, optimizer: str = "adam", rows: list[int] = ROWS) -> tuple[State, Joined]:
    state, rank = state_of(cluster.rank), cluster.rank
    sums = np.array([1.0, 2.0, rank])
    joined = Averaging(cluster, optimizer).join(state, rows[rank], sums, has_more=rank == 1, stops=rank == 2)
    return state, joined


@pytest.mark.parametrize(
    ("optimizer", "moments"), [("sgd", [True, False]), ("adam", [True, True]), ("rmsprop", [False, True])]
)
def test_the_state_is_the_mean_by_rows(optimizer: str, moments: list[bool]) -> None:
    """A host without rows has no weight. Moments that the optimizer does not keep stay at home."""
    weights = np.array(ROWS) / sum(ROWS)
    before = [state_of(rank) for rank in range(3)]

    def mean(arrays: list[np.ndarray]) -> np.ndarray:
        return np.tensordot(weights, np.array(arrays, np.float64), 1)

    for state, _ in together(3, lambda cluster: join(cluster, optimizer)):
        np.testing.assert_allclose(state.weights, mean([own.weights for own in before]), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(state.bias, mean([own.bias for own in before]), rtol=1e-6, atol=1e-6)
        assert state.updates == 4
    states = [state for state, _ in together(3, lambda cluster: join(cluster, optimizer))]
    for i, is_kept in enumerate(moments):
        for rank, state in enumerate(states):
            expected = mean([own.moments[i] for own in before]) if is_kept else before[rank].moments[i]
            np.testing.assert_allclose(state.moments[i], expected, rtol=1e-6, atol=1e-6)
            expected = mean([own.bias_moments[i] for own in before]) if is_kept else before[rank].bias_moments[i]
            np.testing.assert_allclose(state.bias_moments[i], expected, rtol=1e-6, atol=1e-6)


def test_numbers_travel_as_float64() -> None:
    """The product of a float32 number and so many rows would not be exact, or not even finite, in float32."""

    def run(cluster: Cluster) -> State:
        state = state_of(0)
        state.weights[0, 0, 0] = 2e38
        Averaging(cluster, "adam").join(state, [333_333, 1][cluster.rank], np.zeros(3), has_more=False, stops=False)
        return state

    expected = state_of(0).weights
    expected[0, 0, 0] = 2e38
    for state in together(2, run):
        np.testing.assert_array_equal(state.weights, expected)


def test_all_hosts_hold_the_same_bits() -> None:
    states = [state for state, _ in together(3, join)]
    assert len({state.weights.tobytes() + state.moments[1].tobytes() for state in states}) == 1


def test_the_hosts_tell_each_other_how_far_they_are() -> None:
    for _, joined in together(3, join):
        assert joined.rows.tolist() == ROWS
        assert joined.sums.tolist() == [3.0, 6.0, 3.0]
        assert joined.has_more
        assert joined.stops


def test_without_rows_on_any_host_nothing_changes() -> None:
    for rank, (state, joined) in enumerate(together(3, lambda cluster: join(cluster, rows=[0, 0, 0]))):
        np.testing.assert_array_equal(state.weights, state_of(rank).weights)
        assert state.updates == 4 - rank
        assert joined.rows.tolist() == [0, 0, 0]


def test_a_candidate_that_diverges_on_one_host_has_diverged_on_all() -> None:
    def run(cluster: Cluster) -> State:
        state = state_of(cluster.rank)
        if cluster.rank == 1:
            state.weights[0, 2, 1] = np.inf
            state.weights[0, 2, 2] = np.nan
        Averaging(cluster, "adam").join(state, ROWS[cluster.rank], np.zeros(3), has_more=False, stops=False)
        return state

    for state in together(3, run):
        assert np.isinf(state.weights[0, 2, 1]) and np.isnan(state.weights[0, 2, 2])
        assert np.isfinite(state.weights[0, :, 0]).all()


def test_numbers_that_are_none_of_a_host_without_rows_do_not_count() -> None:
    def run(cluster: Cluster) -> State:
        state = state_of(cluster.rank)
        if cluster.rank == 2:
            state.weights[...] = np.nan
        Averaging(cluster, "adam").join(state, ROWS[cluster.rank], np.zeros(3), has_more=False, stops=False)
        return state

    assert all(np.isfinite(state.weights).all() for state in together(3, run))


def test_one_host_keeps_what_it_has() -> None:
    state = state_of(0)
    joined = Averaging(ALONE, "adam").join(state, 7, np.array([1.0, 2.0, 3.0]), has_more=True, stops=False)
    np.testing.assert_array_equal(state.weights, state_of(0).weights)
    assert (joined.rows.tolist(), joined.sums.tolist(), joined.has_more, joined.stops) == ([7], [1, 2, 3], True, False)


def test_the_order_in_which_parts_come_does_not_show() -> None:
    """As ``cluster.store`` promises: a few float32 numbers, each times a number of rows, add up exactly in float64."""
    random = np.random.default_rng(0)
    rows = random.integers(1, 1 << 20, 8)
    parts = (1 + random.random((8, 10_000)).astype(np.float32)).astype(np.float64) * rows[:, np.newaxis]
    sums = {np.add.reduce(parts[random.permutation(8)], axis=0).tobytes() for _ in range(20)}
    assert len(sums) == 1
