"""The native engine on sparse rows, against the operators engine, which defines what it computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.data.chunk import Chunk
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import resolve, validate
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, Loss
from linear_learner.native import library
from linear_learner.training.engines.candidates import make_candidates, rates
from linear_learner.training.engines.operators_engine import OperatorsEngine
from linear_learner.training.engines.state import Objective, Rates, State

pytestmark = pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")

CONSTANTS = {"margin": 1.0, "quantile": 0.3, "epsilon": 0.2, "delta": 0.7}
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adagrad")
LOGISTIC = LOSSES["binary_classifier", "logistic"]
SOFTMAX = LOSSES["multiclass_classifier", "softmax_loss"]


def native(objective: Objective, rates: Rates, threads: int = 1):
    from linear_learner.training.engines.native_engine import NativeEngine

    return NativeEngine(objective, rates, threads)


def some_rates(candidates: int) -> Rates:
    rng = np.random.default_rng(0)

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, candidates).astype(np.float32)

    return Rates(
        learning_rate=draw(0.001, 0.02),
        lr_scheduler_step=rng.integers(1, 5, candidates),
        lr_scheduler_factor=draw(0.8, 1),
        lr_scheduler_minimum_lr=draw(0.0005, 0.002),
        wd=draw(0, 0.05),
        l1=draw(0, 0.01),
        momentum=draw(0, 0.95),
        beta_1=draw(0.5, 0.95),
        beta_2=draw(0.9, 0.999),
        bias_lr_mult=draw(0.5, 5),
        bias_wd_mult=draw(0, 1),
        positive_weight=draw(0.5, 3),
        raw_penalty=rng.integers(0, 2, candidates).astype(np.float32),
    )


def some_objective(loss: Loss, optimizer: str = "adam", batch: int = 50, outputs: int = 3) -> Objective:
    constants = {name: CONSTANTS[name] for name, _ in loss.constants}
    return Objective(loss, outputs if loss.coupled else 1, optimizer, batch, constants=constants)


def some_factors(d: int) -> np.ndarray:
    return np.random.default_rng(4).uniform(0, 4, d).astype(np.float32)


def some_chunk(objective: Objective, rows: int, d: int, *, density: float = 0.1, weighted: bool = True) -> Chunk:
    """Shuffled rows, some of them empty, of features that are rare to different degrees."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(rows, d)) * (rng.random((rows, d)) < density * 3 * rng.random(d))
    features[rng.random(rows) < 0.05] = 0
    labels = {BINARY: rng.integers(0, 2, rows), MULTICLASS: rng.integers(0, objective.outputs, rows)}
    return Chunk(
        CsrMatrix.from_dense(features.astype(np.float32)),
        labels.get(objective.loss.predictor_type, rng.normal(size=rows)).astype(np.float32),
        rng.permutation(rows),
        rng.uniform(0.5, 2, rows).astype(np.float32) if weighted else None,
    )


def some_state(candidates: int, outputs: int, d: int) -> State:
    rng = np.random.default_rng(3)
    state = State.zeros(candidates, outputs, d)
    columns = candidates * outputs
    state.set_weights(rng.normal(0, 0.3, (d, columns)), rng.normal(0, 0.1, columns))
    return state


def bits(state: State) -> list[bytes]:
    return [a.tobytes() for a in (state.weights, state.bias, *state.moments, *state.bias_moments)]


def check_same(objective: Objective, chunk: Chunk, candidates: int, *, threads: int = 2, calls: int = 2) -> None:
    """Both engines find the same losses, and after some calls of a few mini-batches the same state."""
    rates, d = some_rates(candidates), chunk.features.shape[1]
    objective = replace(objective, penalty_factors=some_factors(d))
    engines = native(objective, rates, threads), OperatorsEngine(objective, rates)
    states = [some_state(candidates, objective.outputs, d) for _ in engines]
    losses = [engine.evaluate(chunk, state) for engine, state in zip(engines, states, strict=True)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for order in np.array_split(chunk.order, calls):
        sums = [e.step(replace(chunk, order=order), s) for e, s in zip(engines, states, strict=True)]
        np.testing.assert_allclose(*sums, rtol=1e-4)
    assert states[0].updates == states[1].updates
    for name in ("weights", "bias"):
        np.testing.assert_allclose(getattr(states[0], name), getattr(states[1], name), rtol=2e-3, atol=2e-4)
    for name in ("moments", "bias_moments"):
        for one, other in zip(getattr(states[0], name), getattr(states[1], name), strict=True):
            np.testing.assert_allclose(one, other, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize(("optimizer", "decay"), [("sgd", "momentum"), ("adam", "beta_1"), ("adam", "beta_2")])
def test_a_decay_that_is_1_in_float32_leaves_numbers_on_either_engine(optimizer: str, decay: str) -> None:
    requested = validate({"predictor_type": "binary_classifier", "optimizer": optimizer, decay: "0.99999999"})
    candidates = make_candidates(requested, resolve(requested, feature_dim=20, rows=400), rows=400)
    objective = some_objective(LOGISTIC, optimizer)
    chunk = some_chunk(objective, 400, 20)
    for make in (native, OperatorsEngine):
        state = some_state(len(candidates), 1, 20)
        before = state.weights.copy()
        assert np.isfinite(make(objective, rates(candidates)).step(chunk, state)).all()
        assert np.isfinite(state.weights).all()
        assert not np.allclose(state.weights, before, atol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", [LOGISTIC, SOFTMAX], ids=["logistic", "softmax"])
def test_trains_as_the_operators_do(loss: Loss, optimizer: str) -> None:
    objective = some_objective(loss, optimizer, batch=40)
    check_same(objective, some_chunk(objective, 400, 60), candidates=5)


SMOOTH = ("squared_loss", "huber_loss", "eps_insensitive_squared_loss", "logistic")


@pytest.mark.parametrize("name", SMOOTH)
def test_trains_any_smooth_loss(name: str) -> None:
    loss = next(loss for loss in LOSSES.values() if loss.value.__name__ == name)
    objective = some_objective(loss)
    check_same(objective, some_chunk(objective, 300, 40, weighted=False), candidates=20)


@pytest.mark.parametrize(("candidates", "outputs"), [(1, 1), (16, 1), (33, 1), (1, 3), (7, 5), (17, 17)])
def test_trains_any_number_of_candidates_and_outputs(candidates: int, outputs: int) -> None:
    objective = some_objective(SOFTMAX if outputs > 1 else LOGISTIC, batch=120, outputs=outputs)
    check_same(objective, some_chunk(objective, 250, 30), candidates)


def test_every_loss_of_a_row_is_that_of_the_dense_row() -> None:
    for loss in LOSSES.values():
        objective = some_objective(loss)
        sparse = some_chunk(objective, 200, 25)
        dense = replace(sparse, features=sparse.features.toarray())
        engine, state = native(objective, some_rates(4)), some_state(4, objective.outputs, 25)
        np.testing.assert_allclose(engine.evaluate(sparse, state), engine.evaluate(dense, state), rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 400),
    d=st.sampled_from([1, 2, 17, 300]),
    candidates=st.integers(1, 40),
    outputs=st.sampled_from([1, 3, 20]),
    batch=st.integers(1, 450),
    density=st.sampled_from([0, 0.02, 0.5]),
    optimizer=st.sampled_from(OPTIMIZERS),
)
def test_the_number_of_threads_changes_no_bit(
    rows: int, d: int, candidates: int, outputs: int, batch: int, density: float, optimizer: str
) -> None:
    objective = some_objective(SOFTMAX if outputs > 1 else LOGISTIC, optimizer, batch, outputs)
    objective = replace(objective, penalty_factors=some_factors(d))
    chunk, rates = some_chunk(objective, rows, d, density=density), some_rates(candidates)
    outcomes = []
    for threads in (1, 2, 3, 7):
        engine, state = native(objective, rates, threads), some_state(candidates, objective.outputs, d)
        outcomes.append((engine.evaluate(chunk, state).tobytes(), engine.step(chunk, state).tobytes(), bits(state)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_several_threads_share_one_candidate() -> None:
    """A mini-batch large enough for a team: same bits, and as the operators train."""
    objective = some_objective(LOGISTIC, batch=1000)
    chunk, rates = some_chunk(objective, 3000, 300, density=0.3), some_rates(1)
    states = [some_state(1, 1, 300) for _ in range(3)]
    for threads, state in zip((1, 2, 5), states, strict=True):
        native(objective, rates, threads).step(chunk, state)
    assert bits(states[0]) == bits(states[1]) == bits(states[2])
    check_same(objective, chunk, 1)


def test_a_view_into_larger_rows_is_trained_on() -> None:
    objective = some_objective(LOGISTIC)
    chunk = some_chunk(objective, 300, 20)
    part = slice(100, 200)
    order = np.arange(100)
    taken = Chunk(chunk.features[part], chunk.labels[part], order, chunk.weights[part])
    copied = replace(taken, features=CsrMatrix.from_dense(taken.features.toarray()))
    states = [some_state(4, 1, 20) for _ in range(2)]
    for one, state in zip((taken, copied), states, strict=True):
        native(objective, some_rates(4)).step(one, state)
    assert bits(states[0]) == bits(states[1])


ENGINES = {"native": native, "operators": lambda objective, rates: OperatorsEngine(objective, rates)}


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_penalty_factors_lead_to_the_closed_form_of_a_ridge_with_those_penalties(engine) -> None:
    loss = next(loss for loss in LOSSES.values() if loss.value.__name__ == "squared_loss")
    rows, d = 200, 6
    objective = replace(some_objective(loss, "sgd", rows), use_bias=False, penalty_factors=some_factors(d))
    chunk = some_chunk(objective, rows, d, density=0.5, weighted=False)
    rates = Rates(**{name: np.repeat(values[:1], 2) for name, values in vars(some_rates(1)).items()})
    constant = {"learning_rate": 0.2, "lr_scheduler_factor": 1.0, "wd": 0.5, "l1": 0.0, "momentum": 0.0}
    rates = replace(
        rates,
        **{name: np.full(2, value, np.float32) for name, value in constant.items()},
        raw_penalty=np.array([0, 1], np.float32),
    )
    state, made = State.zeros(2, 1, d), engine(objective, rates)
    for _ in range(300):
        made.step(chunk, state)
    x, y = chunk.features.toarray().astype(np.float64), chunk.labels
    for k, factors in enumerate((np.ones(d), objective.penalty_factors)):
        expected = np.linalg.solve(2 * x.T @ x / rows + np.diag(0.5 * factors), 2 * x.T @ y / rows)
        np.testing.assert_allclose(state.candidate(k)[0][:, 0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_factor_of_four_is_four_times_the_l2_and_twice_the_l1(engine, optimizer: str) -> None:
    objective, rates = some_objective(LOGISTIC, optimizer, batch=40), some_rates(3)
    chunk, states = some_chunk(objective, 400, 60), [some_state(3, 1, 60) for _ in range(2)]
    raw, flat = replace(rates, raw_penalty=np.ones(3, np.float32)), replace(rates, wd=4 * rates.wd, l1=2 * rates.l1)
    flat = replace(flat, bias_wd_mult=rates.bias_wd_mult / 4)  # the bias has no factor
    engine(replace(objective, penalty_factors=np.full(60, 4, np.float32)), raw).step(chunk, states[0])
    engine(objective, flat).step(chunk, states[1])
    assert bits(states[0]) == bits(states[1])


def test_rows_without_factors_have_factors_of_one() -> None:
    objective, rates = some_objective(LOGISTIC), some_rates(5)
    chunk, states = some_chunk(objective, 300, 20), [some_state(5, 1, 20) for _ in range(2)]
    native(objective, rates).step(chunk, states[0])
    native(replace(objective, penalty_factors=np.ones(20, np.float32)), rates).step(chunk, states[1])
    assert bits(states[0]) == bits(states[1])


def test_dense_rows_have_no_penalty_factors() -> None:
    objective = some_objective(LOGISTIC)
    chunk = some_chunk(objective, 10, 5)
    engine = native(replace(objective, penalty_factors=np.ones(5, np.float32)), some_rates(1))
    with pytest.raises(Exception, match="dense rows have no penalty factors"):
        engine.step(replace(chunk, features=chunk.features.toarray()), some_state(1, 1, 5))


def test_wide_column_numbers_are_refused() -> None:
    objective = some_objective(LOGISTIC)
    chunk = some_chunk(objective, 10, 5)
    wide = replace(chunk, features=replace(chunk.features, indices=chunk.features.indices.astype(np.int64)))
    with pytest.raises(TypeError, match="indices of sparse rows are int32"):
        native(objective, some_rates(1)).step(wide, some_state(1, 1, 5))


@pytest.mark.parametrize("is_sparse", [True, False])
@pytest.mark.parametrize("d", [1, 5, 2000])
def test_many_rows_at_even_odds_have_a_finite_loss(is_sparse: bool, d: int) -> None:
    objective = some_objective(LOGISTIC, batch=1000)
    chunk = some_chunk(objective, 1000, d, weighted=False)
    if not is_sparse:
        chunk = replace(chunk, features=chunk.features.toarray())
    rates = replace(some_rates(3), positive_weight=np.ones(3, np.float32))
    expected = np.full(3, 1000 * np.log(2))
    engine = native(objective, rates)
    np.testing.assert_allclose(engine.evaluate(chunk, State.zeros(3, 1, d)), expected, rtol=1e-5)
    np.testing.assert_allclose(engine.step(chunk, State.zeros(3, 1, d)), expected, rtol=1e-5)
