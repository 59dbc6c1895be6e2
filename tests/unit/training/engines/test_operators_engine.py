"""The operators engine against the same training written plainly, one candidate and one row at a time, in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matrix_of_weights import weight_matrix

from linear_learner.data.chunk import Chunk
from linear_learner.formats.csr import CsrMatrix
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS
from linear_learner.training.engines.operators_engine import OperatorsEngine
from linear_learner.training.engines.optimizers import OPTIMIZERS, catch_up, soft_threshold
from linear_learner.training.engines.state import Objective, Rates, State

CONSTANTS = {"margin": 1.0, "quantile": 0.3, "epsilon": 0.2, "delta": 0.7}


def some_rates(candidates: int, seed: int = 0) -> Rates:
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, candidates).astype(np.float32)

    return Rates(
        learning_rate=draw(0.01, 0.05),
        lr_scheduler_step=rng.integers(1, 5, candidates),
        lr_scheduler_factor=draw(0.8, 0.99),
        lr_scheduler_minimum_lr=draw(0.005, 0.02),
        wd=draw(0, 0.1),
        l1=draw(0, 0.02),
        momentum=draw(0, 0.9),
        beta_1=draw(0.5, 0.9),
        beta_2=draw(0.9, 0.999),
        bias_lr_mult=draw(1, 5),
        bias_wd_mult=draw(0, 1),
        positive_weight=draw(0.5, 3),
        raw_penalty=rng.integers(0, 2, candidates).astype(np.float32),
    )


def problem(loss_key: tuple[str, str], optimizer: str, rows: int, d: int, batch: int, use_bias: bool = True):
    """An Objective and a Chunk with row weights, and C."""
    loss, rng = LOSSES[loss_key], np.random.default_rng(5)
    outputs = 3 if loss.coupled else 1
    labels = {BINARY: rng.integers(0, 2, rows), MULTICLASS: rng.integers(0, outputs, rows)}.get(
        loss.predictor_type, rng.normal(size=rows)
    )
    chunk = Chunk(
        rng.normal(size=(rows, d)).astype(np.float32),
        labels.astype(np.float32),
        rng.permutation(rows),
        rng.uniform(0.5, 2, rows).astype(np.float32),
    )
    constants = {name: CONSTANTS[name] for name, _ in loss.constants}
    return Objective(loss, outputs, optimizer, batch, use_bias, constants), chunk


def start(candidates: int, outputs: int, d: int) -> State:
    rng = np.random.default_rng(3)
    state = State.zeros(candidates, outputs, d)
    columns = candidates * outputs
    state.set_weights(rng.normal(0, 0.3, (d, columns)), rng.normal(0, 0.1, columns))
    return state


class Plain:
    """One candidate, float64, loops; the textbook next to the engine."""

    def __init__(self, objective: Objective, rates: Rates, k: int, w: np.ndarray, b: np.ndarray) -> None:
        self.o, self.w, self.b, self.t = objective, w.astype(np.float64), b.astype(np.float64), 0
        self.r = {name: float(getattr(rates, name)[k]) for name in rates.__dataclass_fields__}
        self.first = [np.zeros_like(self.w), np.zeros_like(self.b)]
        self.second = [np.zeros_like(self.w), np.zeros_like(self.b)]

    def loss(self, function: str, score: np.ndarray, label: float) -> np.ndarray:
        """Value or gradient of one row; score (C,)."""
        f = getattr(self.o.loss, function)
        if self.o.loss.coupled:
            one_hot = np.eye(self.o.outputs)[int(label)][None, None, :]
            return np.ravel(f(np, score[None, None, :], one_hot, **self.o.constants))
        return np.ravel(f(np, score[None, :], np.array([[label]]), **self.o.constants))

    def epoch(self, chunk: Chunk) -> float:
        total = 0.0
        for begin in range(0, len(chunk.order), self.o.mini_batch_size):
            rows = chunk.order[begin : begin + self.o.mini_batch_size]
            gw, gb = np.zeros_like(self.w), np.zeros_like(self.b)
            for i in rows:
                x, y = chunk.features[i].astype(np.float64), float(chunk.labels[i])
                weight = float(chunk.weights[i])
                if self.o.loss.predictor_type == BINARY and y == 1:
                    weight *= self.r["positive_weight"]
                score = x @ self.w + self.b
                total += weight * float(self.loss("value", score, y)[0])
                g = weight * self.loss("gradient", score, y) / len(rows)
                gw += np.outer(x, g)
                gb += g
            r = self.r
            lr = max(
                min(r["lr_scheduler_minimum_lr"], r["learning_rate"]),
                r["learning_rate"] * r["lr_scheduler_factor"] ** (self.t // r["lr_scheduler_step"]),
            )
            self.w = self.move(0, self.w, gw + r["wd"] * self.w, lr, r["l1"])
            if self.o.use_bias:
                gb = gb + r["wd"] * r["bias_wd_mult"] * self.b
                self.b = self.move(1, self.b, gb, lr * r["bias_lr_mult"], 0.0)
            self.t += 1
        return total

    def move(self, i: int, w: np.ndarray, g: np.ndarray, lr: float, l1: float) -> np.ndarray:
        r, t = self.r, self.t + 1
        step, direction = {
            "sgd": self.sgd, "adam": self.adam, "rmsprop": self.rmsprop, "adagrad": self.adagrad,
        }[self.o.optimizer](i, g, lr, r, t)  # fmt: skip
        moved = w - step * direction
        return np.sign(moved) * np.maximum(np.abs(moved) - step * l1, 0)

    def sgd(self, i, g, lr, r, t):
        self.first[i] = r["momentum"] * self.first[i] + (1 - r["momentum"]) * g
        return lr / (1 - r["momentum"]), self.first[i]

    def adam(self, i, g, lr, r, t):
        self.first[i] = r["beta_1"] * self.first[i] + (1 - r["beta_1"]) * g
        self.second[i] = r["beta_2"] * self.second[i] + (1 - r["beta_2"]) * g * g
        scale = lr * np.sqrt(1 - r["beta_2"] ** t) / (1 - r["beta_1"] ** t)
        return scale / (np.sqrt(self.second[i]) + 1e-8), self.first[i]

    def rmsprop(self, i, g, lr, r, t):
        self.second[i] = 0.9 * self.second[i] + 0.1 * g * g
        return lr / (np.sqrt(self.second[i]) + 1e-8), g

    def adagrad(self, i, g, lr, r, t):
        self.second[i] = self.second[i] + g * g
        return lr / (np.sqrt(self.second[i]) + 1e-7), g


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
@pytest.mark.parametrize("loss_key", LOSSES, ids="-".join)
def test_two_epochs_equal_plain_training(loss_key: tuple[str, str], optimizer: str) -> None:
    """17 candidates fill one tile and begin the next; 23 rows in batches of 5 leave a partial mini-batch."""
    candidates = 17 if optimizer == "adam" else 2
    objective, chunk = problem(loss_key, optimizer, rows=23, d=3, batch=5)
    rates = some_rates(candidates)
    state = start(candidates, objective.outputs, 3)
    plain = [Plain(objective, rates, k, *state.candidate(k)) for k in range(candidates)]
    engine = OperatorsEngine(objective, rates)
    for _ in range(2):
        sums = engine.step(chunk, state)
        np.testing.assert_allclose(sums, [p.epoch(chunk) for p in plain], rtol=2e-3)
    assert state.updates == 10
    for k, p in enumerate(plain):
        w, b = state.candidate(k)
        np.testing.assert_allclose(w, p.w, rtol=5e-3, atol=2e-4)
        np.testing.assert_allclose(b, p.b, rtol=5e-3, atol=2e-4)


def test_without_a_bias_the_bias_stays_what_it_was() -> None:
    objective, chunk = problem((BINARY, "logistic"), "adam", rows=10, d=2, batch=4, use_bias=False)
    state = start(2, 1, 2)
    before = state.bias.copy()
    OperatorsEngine(objective, some_rates(2)).step(chunk, state)
    np.testing.assert_array_equal(state.bias, before)


def test_a_mini_batch_larger_than_the_chunk_is_one_update() -> None:
    objective, chunk = problem((BINARY, "logistic"), "adam", rows=4, d=2, batch=1000)
    state = start(1, 1, 2)
    OperatorsEngine(objective, some_rates(1)).step(chunk, state)
    assert state.updates == 1


def test_evaluate_sums_the_weighted_loss_and_changes_nothing() -> None:
    objective, chunk = problem((BINARY, "logistic"), "adam", rows=9, d=2, batch=100)
    rates, state = some_rates(3), start(3, 1, 2)
    engine = OperatorsEngine(objective, rates)
    before = weight_matrix(state)
    sums = engine.evaluate(chunk, state)
    np.testing.assert_array_equal(weight_matrix(state), before)
    np.testing.assert_allclose(sums, engine.step(chunk, state), rtol=1e-5)


def test_a_candidate_that_diverges_has_no_number_and_leaves_the_others_alone() -> None:
    objective, chunk = problem(("regressor", "squared_loss"), "sgd", rows=40, d=3, batch=2)
    good, bad = some_rates(2), some_rates(2)
    bad.learning_rate[1] = 1e6
    bad.lr_scheduler_minimum_lr[1] = 1e6
    first, second = start(2, 1, 3), start(2, 1, 3)
    OperatorsEngine(objective, good).step(chunk, first)
    with np.errstate(all="ignore"):
        sums = OperatorsEngine(objective, bad).step(chunk, second)
    assert np.isfinite(sums[0]) and not np.isfinite(sums[1])
    np.testing.assert_array_equal(second.candidate(0)[0], first.candidate(0)[0])


def sparse_problem(optimizer: str, *, density: float, rows: int = 120, d: int = 9, batch: int = 10):
    """A binary Objective, and the same rows as a dense and as a sparse Chunk."""
    objective, chunk = problem(("binary_classifier", "logistic"), optimizer, rows, d, batch)
    rng = np.random.default_rng(8)
    kept = rng.random(chunk.features.shape) < density
    dense = replace(chunk, features=np.where(kept, chunk.features, 0).astype(np.float32))
    return objective, dense, replace(dense, features=CsrMatrix.from_dense(dense.features))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sparse_rows_that_touch_every_feature_train_as_dense_ones(optimizer: str) -> None:
    objective, dense, sparse = sparse_problem(optimizer, density=1)
    rates = some_rates(3)
    states, sums = [start(3, 1, 9) for _ in range(2)], []
    for state, chunk in zip(states, (dense, sparse), strict=True):
        sums.append(OperatorsEngine(objective, rates).step(chunk, state))
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-5)
    np.testing.assert_allclose(states[1].weights, states[0].weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states[1].bias, states[0].bias, rtol=1e-4, atol=1e-5)


def without_penalties(rates: Rates) -> Rates:
    return replace(rates, wd=0 * rates.wd, l1=0 * rates.l1)


def test_momentum_is_caught_up_with_exactly_where_the_rate_stays() -> None:
    objective, dense, sparse = sparse_problem("sgd", density=0.05)
    rates = without_penalties(replace(some_rates(3), lr_scheduler_factor=np.ones(3, np.float32)))
    states = [start(3, 1, 9) for _ in range(2)]
    for state, chunk in zip(states, (dense, sparse), strict=True):
        OperatorsEngine(objective, rates).step(chunk, state)
    # The scores of a mini-batch only depend on features it touches, and those are caught up with.
    np.testing.assert_allclose(states[1].weights, states[0].weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states[1].moments[0], states[0].moments[0], rtol=1e-3, atol=1e-6)


class TestCatchUp:
    """What n mini-batches without a gradient do, against n steps of the optimizer."""

    @staticmethod
    def after(optimizer: str, n: int, wd: float, l1: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """(w, first moment, second moment), float64 (9, 3): caught up with at once, and step by step."""
        rng, row = np.random.default_rng(2), OPTIMIZERS[optimizer]
        rates = some_rates(3)
        w = rng.normal(0, 1, (9, 3))
        moments = [rng.normal(0, 0.1, (9, 3)), rng.uniform(0.01, 0.02, (9, 3))]
        if row.fading[0] == 0:
            moments[0][:] = 0
        rate = np.full(3, 0.001)
        first, second = (getattr(rates, name).astype(float) if isinstance(name, str) else name for name in row.fading)
        decays = [getattr(rates, name).astype(float) for name in row.decays]
        decay = [value for d in decays for value in (d, 1 - d)]
        stepped = [w.copy(), *(moment.copy() for moment in moments)]
        for _ in range(n):
            step, direction = row.step(np, wd * stepped[0], stepped[1:], rate, decay)
            stepped[0] = soft_threshold(np, stepped[0] - step * direction, step * l1)
        missed = np.full((9, 1), n)
        catch_up(np, w, moments, missed, rate, [first, 1 - first, second], row.size, wd, l1)
        return [w, *moments], stepped

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_moments_fade_as_step_by_step(self, optimizer: str) -> None:
        at_once, stepped = self.after(optimizer, 20, 0, 0)
        for one, other in zip(at_once[1:], stepped[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)

    @pytest.mark.parametrize(("wd", "l1"), [(0, 0), (0.01, 0), (0, 0.01), (0.01, 0.01)])
    def test_weights_move_as_step_by_step_where_steps_stay(self, wd: float, l1: float) -> None:
        at_once, stepped = self.after("sgd", 20, wd, l1)
        start, _ = self.after("sgd", 0, 0, 0)
        moved = np.abs(stepped[0] - start[0]).max()
        # The momentum that wd leaves behind at the end of the gap is not paid yet: a few of its mini-batches.
        np.testing.assert_allclose(at_once[0], stepped[0], rtol=0, atol=1e-9 if wd == l1 == 0 else 0.1 * moved)

    def test_weights_move_nearly_as_step_by_step_where_the_second_moment_is_long(self) -> None:
        at_once, stepped = self.after("adagrad", 20, 0.01, 0.01)
        np.testing.assert_allclose(at_once[0], stepped[0], rtol=0.01, atol=1e-4)

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_a_huge_gap_leaves_finite_numbers_and_no_weight_of_the_other_sign(self, optimizer: str) -> None:
        start, _ = self.after(optimizer, 0, 0, 0)
        at_once, _ = self.after(optimizer, 10**6, 10.0, 1e-9)
        for array in at_once:
            assert np.isfinite(array).all()
        kept = np.abs(start[0]) > 0.5  # whose momentum does not turn them
        assert (at_once[0] * start[0] >= 0)[kept].all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_calls_leave_every_feature_up_to_date(optimizer: str) -> None:
    """Touched or not: a feature of no row is paid for too."""
    objective, _, sparse = sparse_problem(optimizer, density=0.2)
    kept = sparse.features.toarray()
    kept[:, 4] = 0
    state, rates = start(3, 1, 9), replace(some_rates(3), wd=np.full(3, 0.5, np.float32))
    before = state.weights.copy()
    OperatorsEngine(objective, rates).step(replace(sparse, features=CsrMatrix.from_dense(kept)), state)
    untouched = state.weights[0, 4, :3]
    assert (np.abs(untouched) < np.abs(before[0, 4, :3])).all()


def test_a_mini_batch_of_empty_rows_moves_the_bias_alone() -> None:
    objective, _, sparse = sparse_problem("sgd", density=0)
    rates = without_penalties(some_rates(3))
    state = start(3, 1, 9)
    before = state.weights.copy(), state.bias.copy()
    OperatorsEngine(objective, rates).step(sparse, state)
    np.testing.assert_array_equal(state.weights, before[0])
    assert (state.bias[:3] != before[1][:3]).all()


def test_the_loss_of_sparse_rows_is_that_of_dense_ones() -> None:
    objective, dense, sparse = sparse_problem("adam", density=0.2)
    state = start(3, 1, 9)
    losses = [OperatorsEngine(objective, some_rates(3)).evaluate(chunk, state) for chunk in (dense, sparse)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
