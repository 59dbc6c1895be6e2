"""The kernels of all instruction sets that this machine runs give the same numbers, up to rounding."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest
from matrix_of_weights import weight_matrix

from linear_learner.data.chunk import Chunk
from linear_learner.model.losses import LOSSES
from linear_learner.native import library
from linear_learner.training.engines.state import Objective, Rates, State

pytestmark = pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")


@pytest.fixture
def plain() -> Iterator[ctypes.CDLL]:
    functions = library.plain()
    functions.linear_learner_kernels.restype = ctypes.c_char_p
    chosen = functions.linear_learner_kernels()
    yield functions
    functions.linear_learner_choose_kernels(chosen)


def trained(key: tuple[str, str], optimizer: str) -> tuple[np.ndarray, np.ndarray]:
    """Losses and weights after 20 mini-batches of 30 rows, 5 candidates and 11 features."""
    from linear_learner.training.engines.native_engine import NativeEngine

    loss, rng = LOSSES[key], np.random.default_rng(0)
    outputs = 3 if loss.coupled else 1
    constants = {name: 0.5 for name, _ in loss.constants}
    numbers = [0.01, 10, 0.9, 0.001, 0.01, 0.01, 0.9, 0.9, 0.99, 2, 0.5, 1.5, 0]
    rates = Rates(*(np.full(5, number, np.float32) for number in numbers))
    labels = rng.normal(size=600) if key[0] == "regressor" else rng.integers(0, 2, 600)
    chunk = Chunk(
        rng.normal(size=(600, 11)).astype(np.float32), labels.astype(np.float32), rng.permutation(600),
        rng.uniform(0.5, 2, 600).astype(np.float32),
    )  # fmt: skip
    state = State.zeros(5, outputs, 11)
    state.set_weights(rng.normal(size=(11, 5 * outputs)), rng.normal(size=5 * outputs))
    sums = NativeEngine(Objective(loss, outputs, optimizer, 30, constants=constants), rates, 1).step(chunk, state)
    return sums, weight_matrix(state)


@pytest.mark.parametrize("key", LOSSES, ids="-".join)
@pytest.mark.parametrize("name", [b"avx2", b"avx512"])
def test_vector_kernels_agree_with_the_baseline(plain: ctypes.CDLL, name: bytes, key: tuple[str, str]) -> None:
    if not plain.linear_learner_choose_kernels(name):
        pytest.skip(f"this machine does not run {name.decode()}")
    sums, weights = trained(key, "adam")
    assert plain.linear_learner_choose_kernels(b"baseline")
    expected_sums, expected_weights = trained(key, "adam")
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-4)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-3, atol=1e-4)


def test_the_fastest_that_the_machine_runs_are_used(plain: ctypes.CDLL) -> None:
    used = plain.linear_learner_kernels()
    assert used == next(n for n in (b"avx512", b"avx2", b"baseline") if plain.linear_learner_choose_kernels(n))


def test_kernels_that_nobody_wrote_are_not_chosen(plain: ctypes.CDLL) -> None:
    before = plain.linear_learner_kernels()
    assert not plain.linear_learner_choose_kernels(b"mmx")
    assert plain.linear_learner_kernels() == before
