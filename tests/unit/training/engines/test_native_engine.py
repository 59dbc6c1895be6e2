"""The native engine against the same training written out in float64 with NumPy, a mini-batch at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_of_weights import weight_matrix

from linear_learner.data.chunk import Chunk
from linear_learner.formats.csr import CsrMatrix
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, Loss
from linear_learner.native import library
from linear_learner.native.mxnet_library import MXNetError
from linear_learner.training.engines.engine import Snapshots, make_engine
from linear_learner.training.engines.state import Objective, Rates, State, tile

pytestmark = pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")

CONSTANTS = {"margin": 1.0, "quantile": 0.3, "epsilon": 0.2, "delta": 0.7}
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adagrad")
LOGISTIC = LOSSES["binary_classifier", "logistic"]
SOFTMAX = LOSSES["multiclass_classifier", "softmax_loss"]
SQUARED = LOSSES["regressor", "squared_loss"]
KINK = 1e-5
"""Closer than this to a kink of a loss, float32 may take the other side."""


def native(objective: Objective, rates: Rates, threads: int = 1):
    from linear_learner.training.engines.native_engine import NativeEngine

    return NativeEngine(objective, rates, threads)


def some_rates(candidates: int, rng: np.random.Generator) -> Rates:
    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, candidates).astype(np.float32)

    return Rates(
        learning_rate=draw(0.001, 0.02),
        lr_scheduler_step=rng.integers(1, 5, candidates),
        lr_scheduler_factor=draw(0.5, 1),
        lr_scheduler_minimum_lr=draw(0.0005, 0.002),
        wd=draw(0, 0.1),
        l1=draw(0, 0.1),
        momentum=draw(0, 0.95),
        beta_1=draw(0.5, 0.95),
        beta_2=draw(0.9, 0.999),
        bias_lr_mult=draw(0.5, 5),
        bias_wd_mult=draw(0, 1),
        positive_weight=draw(0.5, 3),
        raw_penalty=rng.integers(0, 2, candidates).astype(np.float32),
    )


def some_objective(loss: Loss, optimizer: str = "adam", batch: int = 50, outputs: int = 3, **more: bool) -> Objective:
    constants = {name: CONSTANTS[name] for name, _ in loss.constants}
    return Objective(loss, outputs if loss.coupled else 1, optimizer, batch, constants=constants, **more)


def some_chunk(objective: Objective, rows: int, d: int, rng: np.random.Generator, weighted: bool = True) -> Chunk:
    """Shuffled rows whose scores are of order 1 whatever d is."""
    labels = {BINARY: rng.integers(0, 2, rows), MULTICLASS: rng.integers(0, objective.outputs, rows)}
    return Chunk(
        (rng.normal(size=(rows, d)) / np.sqrt(d)).astype(np.float32),
        labels.get(objective.loss.predictor_type, rng.normal(size=rows)).astype(np.float32),
        rng.permutation(rows),
        rng.uniform(0.5, 2, rows).astype(np.float32) if weighted else None,
    )


def some_state(candidates: int, outputs: int, d: int, rng: np.random.Generator, updates: int = 0) -> State:
    """As in the midst of training."""
    state = State.zeros(candidates, outputs, d)
    columns = candidates * outputs

    def bias_like(values: np.ndarray) -> np.ndarray:
        return np.pad(values, (0, len(state.bias) - columns)).astype(np.float32)

    state.set_weights(rng.normal(size=(d, columns)), rng.normal(size=columns))
    state.moments = [tile(rng.normal(0, 0.1, (d, columns))), tile(rng.uniform(0.01, 0.1, (d, columns)))]
    state.bias_moments = [bias_like(rng.normal(0, 0.1, columns)), bias_like(rng.uniform(0.01, 0.1, columns))]
    state.updates = updates
    return state


def copy_of(state: State) -> State:
    return replace(
        state,
        weights=state.weights.copy(),
        bias=state.bias.copy(),
        moments=[m.copy() for m in state.moments],
        bias_moments=[m.copy() for m in state.bias_moments],
    )


def bits(state: State) -> list[bytes]:
    return [a.tobytes() for a in (state.weights, state.bias, *state.moments, *state.bias_moments)]


class Reference:
    """The engine in float64, on matrices (d, K * C), written from the definitions."""

    def __init__(self, objective: Objective, rates: Rates, state: State) -> None:
        self.objective, self.updates = objective, state.updates
        self.K, self.C = len(rates), objective.outputs
        self.rates = {name: np.repeat(value.astype(np.float64), self.C) for name, value in vars(rates).items()}
        columns = self.K * self.C

        def matrix(tiles: np.ndarray) -> np.ndarray:
            joined = np.concatenate(list(tiles), axis=1) if tiles.ndim == 3 else tiles[None]
            return joined[:, :columns].astype(np.float64)

        # The last row of each is the bias.
        self.W = np.vstack([matrix(state.weights), matrix(state.bias)])
        self.M, self.V = (
            np.vstack([matrix(m), matrix(b)]) for m, b in zip(state.moments, state.bias_moments, strict=True)
        )
        self.closest_kink = np.inf

    def losses(self, S: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """S (b, K * C) -> values (b, K) and gradients (b, K * C)."""
        c = self.objective.constants
        name = self.objective.loss.value.__name__
        y = y[:, None]
        e = S - y
        if name == "logistic":
            return np.logaddexp(0, S) - S * y, 1 / (1 + np.exp(-S)) - y
        if name == "hinge_loss":
            slack = c["margin"] - (2 * y - 1) * S
            self.near(slack)
            return np.maximum(slack, 0), -(2 * y - 1) * (slack > 0)
        if name == "squared_loss":
            return e**2, 2 * e
        if name == "absolute_loss":
            self.near(e)
            return abs(e), np.sign(e)
        if name == "eps_insensitive_squared_loss":
            over = np.maximum(abs(e) - c["epsilon"], 0)
            return over**2, 2 * np.sign(e) * over
        if name == "eps_insensitive_absolute_loss":
            over = abs(e) - c["epsilon"]
            self.near(over)
            return np.maximum(over, 0), np.sign(e) * (over > 0)
        if name == "quantile_loss":
            self.near(e)
            q = c["quantile"]
            return np.where(e < 0, -q * e, (1 - q) * e), np.where(e < 0, -q, 1 - q)
        if name == "huber_loss":
            d = c["delta"]
            return np.where(abs(e) < d, e**2 / 2, d * (abs(e) - d / 2)), np.clip(e, -d, d) / min(d, 1)
        return self.coupled_losses(name, S.reshape(len(S), self.K, self.C), y[:, 0].astype(int), c)

    def coupled_losses(
        self, name: str, S: np.ndarray, y: np.ndarray, c: dict[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = np.zeros(S.shape[:2]), np.zeros_like(S)
        for i in range(len(S)):
            for k in range(self.K):
                s, right = S[i, k], y[i]
                if name == "softmax_loss":
                    p = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
                    value[i, k] = -np.log(p[right])
                    gradient[i, k] = p
                    gradient[i, k, right] -= 1
                else:
                    rival = max((j for j in range(self.C) if j != right), key=lambda j: s[j])
                    slack = c["margin"] + s[rival] - s[right]
                    wrong = np.sort(np.delete(s, right))
                    self.near(np.array([slack, *np.diff(wrong)[-1:]]))
                    if slack > 0:
                        value[i, k] = slack
                        gradient[i, k, rival], gradient[i, k, right] = 1, -1
        return value, gradient.reshape(len(S), -1)

    def near(self, distances: np.ndarray) -> None:
        self.closest_kink = min(self.closest_kink, abs(distances).min(initial=np.inf))

    def weights_of(self, chunk: Chunk, rows: np.ndarray) -> np.ndarray:
        """(b, K)"""
        w = np.ones((len(rows), self.K)) if chunk.weights is None else np.repeat(chunk.weights[rows, None], self.K, 1)
        if self.objective.loss.predictor_type == BINARY:
            w = np.where(chunk.labels[rows, None] == 1, w * self.rates["positive_weight"], w)
        return w.astype(np.float64)

    def step(self, chunk: Chunk, train: bool = True) -> np.ndarray:
        sums, r, b = np.zeros(self.K), self.rates, self.objective.mini_batch_size
        for start in range(0, len(chunk.order), b):
            rows = chunk.order[start : start + b]
            X = np.column_stack([chunk.features[rows], np.ones(len(rows))]).astype(np.float64)
            value, slope = self.losses(X @ self.W, chunk.labels[rows].astype(np.float64))
            w = self.weights_of(chunk, rows)
            sums += (w * value).sum(axis=0)
            if not train:
                continue
            wd = np.vstack([np.tile(r["wd"], (len(self.W) - 1, 1)), r["wd"] * r["bias_wd_mult"]])
            self.move(X.T @ (np.repeat(w, self.C, axis=1) * slope) / len(rows) + wd * self.W)
            self.updates += 1
        return sums

    def move(self, g: np.ndarray) -> None:
        r, t = self.rates, self.updates
        decayed = r["learning_rate"] * r["lr_scheduler_factor"] ** (t // r["lr_scheduler_step"])
        lr = np.maximum(decayed, np.minimum(r["lr_scheduler_minimum_lr"], r["learning_rate"]))
        lr = np.vstack([np.tile(lr, (len(g) - 1, 1)), lr * r["bias_lr_mult"]])
        if self.objective.optimizer == "sgd":
            self.M = r["momentum"] * self.M + (1 - r["momentum"]) * g
            step, direction = lr / (1 - r["momentum"]), self.M
        elif self.objective.optimizer == "adam":
            self.M = r["beta_1"] * self.M + (1 - r["beta_1"]) * g
            self.V = r["beta_2"] * self.V + (1 - r["beta_2"]) * g**2
            correction = np.sqrt(1 - r["beta_2"] ** (t + 1)) / (1 - r["beta_1"] ** (t + 1))
            step, direction = lr * correction / (np.sqrt(self.V) + 1e-8), self.M
        elif self.objective.optimizer == "rmsprop":
            self.V = 0.9 * self.V + 0.1 * g**2
            step, direction = lr / (np.sqrt(self.V) + 1e-8), g
        else:
            self.V = self.V + g**2
            step, direction = lr / (np.sqrt(self.V) + 1e-7), g
        before, moved = self.W.copy(), self.W - step * direction
        l1 = np.vstack([np.tile(r["l1"], (len(g) - 1, 1)), np.zeros_like(r["l1"])])
        self.W = np.sign(moved) * np.maximum(abs(moved) - step * l1, 0)
        if not self.objective.use_bias:
            self.W[-1] = before[-1]


def check_against_reference(
    objective: Objective, candidates: int, rows: int, d: int, *, weighted: bool, threads: int, updates: int, seed: int
) -> bool:
    """False if a score came so close to a kink of its loss that the training could not be compared."""
    rng = np.random.default_rng(seed)
    chunk = some_chunk(objective, rows, d, rng, weighted)
    state = some_state(candidates, objective.outputs, d, rng, updates)
    rates = some_rates(candidates, rng)
    if not weighted:
        rates = replace(rates, positive_weight=np.ones(candidates, np.float32))
    reference, engine = Reference(objective, rates, state), native(objective, rates, threads)
    before = engine.evaluate(chunk, state)
    np.testing.assert_allclose(before, reference.step(chunk, train=False), rtol=1e-5, atol=1e-4)
    sums = engine.step(chunk, state)
    expected = reference.step(chunk)
    if reference.closest_kink < KINK:
        return False
    np.testing.assert_allclose(sums, expected, rtol=3e-5, atol=1e-4)
    np.testing.assert_allclose(weight_matrix(state), reference.W[:-1], rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(state.bias[: state.columns], reference.W[-1], rtol=1e-3, atol=2e-4)
    assert state.updates == reference.updates
    for padded in (untiled(state.weights), state.bias[None], *map(untiled, state.moments)):
        assert not padded[:, state.columns :].any()
    return True


def untiled(tiles: np.ndarray) -> np.ndarray:
    return np.concatenate(list(tiles), axis=1)


@pytest.mark.parametrize("key", LOSSES)
def test_both_engines_stay_together_over_several_epochs(key: tuple[str, str]) -> None:
    """Of losses with kinks, too, where rounding decides which side a row is on; labels are noise, so that no loss
    becomes as small as what float32 leaves of it."""
    rng = np.random.default_rng(3)
    objective = some_objective(LOSSES[key], batch=100)
    chunk, rates = some_chunk(objective, 2000, 8, rng), some_rates(4, rng)
    engines = [make_engine(name, objective, rates, 2) for name in ("native", "operators")]
    states = [State.zeros(4, objective.outputs, 8) for _ in engines]
    for _ in range(4):
        native_sums, plain_sums = (engine.step(chunk, state) for engine, state in zip(engines, states, strict=True))
        np.testing.assert_allclose(native_sums, plain_sums, rtol=1e-5)


class TestAgainstTheReference:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("key", LOSSES)
    def test_every_loss_and_optimizer(self, key: tuple[str, str], optimizer: str) -> None:
        for weighted, seed in ((True, 0), (False, 2)):
            assert check_against_reference(
                some_objective(LOSSES[key], optimizer, batch=30),
                17, 110, 7, weighted=weighted, threads=2, updates=3, seed=seed,
            )  # fmt: skip

    @settings(max_examples=120, deadline=None)
    @given(
        key=st.sampled_from(list(LOSSES)),
        optimizer=st.sampled_from(OPTIMIZERS),
        rows=st.integers(1, 130),
        d=st.integers(1, 70),
        candidates=st.integers(1, 35),
        outputs=st.integers(2, 20),
        batch=st.integers(1, 140),
        weighted=st.booleans(),
        use_bias=st.booleans(),
        threads=st.integers(1, 4),
        updates=st.integers(0, 40),
        seed=st.integers(0, 99),
    )
    def test_any_shape(self, key, optimizer, rows, d, candidates, outputs, batch, use_bias, **how) -> None:
        loss = LOSSES[key]
        batch = max(batch, -(-rows // 6))
        objective = some_objective(loss, optimizer, batch, outputs, use_bias=use_bias)
        candidates = min(candidates, 6) if loss.coupled else candidates
        check_against_reference(objective, candidates, rows, d, **how)

    @pytest.mark.parametrize("d", [255, 256, 257, 511, 513, 1030, 3001])
    def test_many_features(self, d: int) -> None:
        """Around the sizes at which weights and rows are blocked."""
        assert check_against_reference(
            some_objective(LOGISTIC, batch=40), 5, 100, d, weighted=True, threads=2, updates=0, seed=d
        )

    @pytest.mark.parametrize("outputs", [16, 17, 100, 1000])
    def test_many_classes(self, outputs: int) -> None:
        objective = some_objective(SOFTMAX, batch=20, outputs=outputs)
        assert check_against_reference(objective, 2, 40, 5, weighted=False, threads=2, updates=0, seed=outputs)

    @pytest.mark.parametrize("rows", [959, 960, 961, 2500])
    def test_mini_batches_that_are_sliced(self, rows: int) -> None:
        assert check_against_reference(
            some_objective(SQUARED, batch=1000), 3, rows, 12, weighted=True, threads=3, updates=0, seed=rows
        )

    def test_mini_batches_of_many_rows_far_apart(self) -> None:
        assert check_against_reference(
            some_objective(LOGISTIC, batch=10_500), 2, 21_500, 400, weighted=False, threads=2, updates=0, seed=0
        )


class TestThreads:
    @pytest.mark.parametrize(
        ("loss", "outputs", "candidates", "rows", "d", "batch"),
        [
            (LOGISTIC, 1, 33, 700, 30, 100),  # more groups than some numbers of threads
            (LOGISTIC, 1, 3, 4000, 40, 1000),  # one group, shared by a team
            (LOGISTIC, 1, 3, 1500, 600, 700),  # wide rows
            (SOFTMAX, 3, 17, 900, 30, 300),  # two groups, one of them not full
            (SOFTMAX, 5, 2, 2000, 40, 1000),
        ],
    )
    def test_bits_do_not_depend_on_how_many(
        self, loss: Loss, outputs: int, candidates: int, rows: int, d: int, batch: int
    ) -> None:
        objective = some_objective(loss, batch=batch, outputs=outputs)
        rng = np.random.default_rng(0)
        chunk, rates = some_chunk(objective, rows, d, rng), some_rates(candidates, rng)
        start = some_state(candidates, objective.outputs, d, rng)
        outcomes = set()
        for threads in (1, 2, 3, 4, 9):
            state, engine = copy_of(start), native(objective, rates, threads)
            sums = [engine.step(chunk, state), engine.step(chunk, state), engine.evaluate(chunk, state)]
            outcomes.add((*(s.tobytes() for s in sums), *bits(state)))
        assert len(outcomes) == 1


class TestCalls:
    """One call or several, in whatever order rows lie in memory, make the same training."""

    def setup_method(self) -> None:
        rng = np.random.default_rng(0)
        self.objective = some_objective(LOGISTIC, batch=100)
        self.chunk = some_chunk(self.objective, 1000, 30, rng)
        self.rates = some_rates(20, rng)
        self.start = some_state(20, 1, 30, rng)
        self.engine = native(self.objective, self.rates)

    def trained(self, *chunks: Chunk) -> list[bytes]:
        state = copy_of(self.start)
        for chunk in chunks:
            self.engine.step(chunk, state)
        assert state.updates == 10
        return bits(state)

    def test_a_chunk_split_between_mini_batches(self) -> None:
        first, second = (replace(self.chunk, order=part) for part in np.split(self.chunk.order, [300]))
        assert self.trained(first, second) == self.trained(self.chunk)

    @pytest.mark.parametrize("engine", ["native", "operators"])
    @pytest.mark.parametrize("sparse", [False, True])
    def test_snapshots_on_the_way(self, engine: str, sparse: bool) -> None:
        """After 200, 500 and 800 of 1,000 rows, where 100 of the first 300 came before."""
        chunk = self.chunk
        if sparse:
            chunk = replace(chunk, features=CsrMatrix.from_dense(chunk.features))
        made = make_engine(engine, self.objective, self.rates, 2)
        state, average, in_parts, sums = copy_of(self.start), self.start.like(), copy_of(self.start), self.start.like()
        losses = made.step(chunk, state, Snapshots(average, 300, 100))
        parts = np.split(chunk.order, [200, 500, 800])
        for part in parts:
            losses -= made.step(replace(chunk, order=part), in_parts)
            if part is not parts[-1]:
                sums.weights += in_parts.weights
                sums.bias += in_parts.bias
        np.testing.assert_allclose(losses, 0, atol=1e-6)
        assert bits(state) == bits(in_parts)
        assert bits(average) == bits(sums)

    def test_rows_in_order_of_memory(self) -> None:
        order = self.chunk.order
        sorted_chunk = Chunk(
            self.chunk.features[order], self.chunk.labels[order], np.arange(1000), self.chunk.weights[order]
        )
        assert self.trained(sorted_chunk) == self.trained(self.chunk)

    def test_some_rows_only(self) -> None:
        state, other = copy_of(self.start), copy_of(self.start)
        rows = self.chunk.order[:250]
        self.engine.step(replace(self.chunk, order=rows), state)
        alone = Chunk(self.chunk.features[rows], self.chunk.labels[rows], np.arange(250), self.chunk.weights[rows])
        self.engine.step(alone, other)
        assert bits(state) == bits(other)
        assert state.updates == 3

    def test_evaluation_changes_nothing(self) -> None:
        state = copy_of(self.start)
        self.engine.evaluate(self.chunk, state)
        assert bits(state) == bits(self.start)
        assert state.updates == 0

    def test_the_sum_of_one_mini_batch_is_its_evaluation(self) -> None:
        chunk = replace(self.chunk, order=self.chunk.order[:100])
        evaluated = self.engine.evaluate(chunk, self.start)
        np.testing.assert_array_equal(self.engine.step(chunk, copy_of(self.start)), evaluated)

    def test_a_chunk_without_rows(self) -> None:
        state = copy_of(self.start)
        empty = replace(self.chunk, order=np.empty(0, np.int64))
        np.testing.assert_array_equal(self.engine.step(empty, state), np.zeros(20))
        assert bits(state) == bits(self.start)
        assert state.updates == 0

    def test_without_a_bias_it_stays_as_it_is(self) -> None:
        state = copy_of(self.start)
        native(replace(self.objective, use_bias=False), self.rates).step(self.chunk, state)
        assert state.bias.tobytes() == self.start.bias.tobytes()
        assert state.weights.tobytes() != self.start.weights.tobytes()

    @pytest.mark.parametrize("row", [-1, 1000])
    def test_an_order_that_names_no_row_is_refused(self, row: int) -> None:
        order = self.chunk.order.copy()
        order[500] = row
        with pytest.raises(MXNetError, match="order names a row that is not there"):
            self.engine.step(replace(self.chunk, order=order), copy_of(self.start))

    def test_snapshots_inside_a_mini_batch_are_refused(self) -> None:
        with pytest.raises(MXNetError, match="snapshots are taken after whole mini-batches"):
            self.engine.step(self.chunk, copy_of(self.start), Snapshots(self.start.like(), 250, 0))

    def test_after_an_error_it_goes_on(self) -> None:
        with pytest.raises(MXNetError):
            self.engine.step(replace(self.chunk, order=np.full(3, 1000)), copy_of(self.start))
        expected = native(self.objective, self.rates).evaluate(self.chunk, self.start)
        np.testing.assert_array_equal(self.engine.evaluate(self.chunk, self.start), expected)

    def test_arrays_of_the_wrong_type_are_refused(self) -> None:
        with pytest.raises(MXNetError, match="input 1 is of the wrong type"):
            self.engine.step(replace(self.chunk, labels=self.chunk.labels.astype(np.float64)), copy_of(self.start))

    def test_labels_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(MXNetError, match="features is of the wrong size"):
            self.engine.step(replace(self.chunk, labels=self.chunk.labels[:-1]), copy_of(self.start))


class TestDivergence:
    @pytest.mark.parametrize("key", LOSSES)
    @pytest.mark.parametrize("weighted", [True, False])
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_one_candidate_is_lost_and_the_others_are_not_touched(self, key, weighted: bool, bad: float) -> None:
        rng = np.random.default_rng(0)
        objective = some_objective(LOSSES[key], batch=40)
        chunk, rates = some_chunk(objective, 100, 6, rng, weighted), some_rates(5, rng)
        if not weighted:
            rates = replace(rates, positive_weight=np.ones(5, np.float32))
        sound = some_state(5, objective.outputs, 6, rng)
        broken = copy_of(sound)
        column = 2 * objective.outputs
        broken.weights[column // 16, 3, column % 16] = bad
        engine = native(objective, rates)
        for call in (engine.evaluate, engine.step):
            expected, sums = call(chunk, sound), call(chunk, broken)
            assert not np.isfinite(sums[2])
            others = np.arange(5) != 2
            np.testing.assert_array_equal(sums[others], expected[others])
        for k in (0, 1, 3, 4):
            np.testing.assert_array_equal(broken.candidate(k)[0], sound.candidate(k)[0])

    def test_a_learning_rate_that_is_far_too_high(self) -> None:
        rng = np.random.default_rng(0)
        objective = some_objective(SQUARED, "sgd", batch=10)
        rates = replace(some_rates(2, rng), learning_rate=np.array([0.001, 1e6], np.float32))
        sums = native(objective, rates).step(some_chunk(objective, 1000, 6, rng), some_state(2, 1, 6, rng))
        assert np.isfinite(sums[0])
        assert not np.isfinite(sums[1])

    def test_a_constant_that_is_subnormal(self) -> None:
        rng = np.random.default_rng(0)
        objective = replace(some_objective(LOSSES["regressor", "huber_loss"]), constants={"delta": 1e-320})
        sums = native(objective, some_rates(2, rng)).step(some_chunk(objective, 100, 6, rng), some_state(2, 1, 6, rng))
        np.testing.assert_allclose(sums, 0, atol=1e-6)


class TestAccuracy:
    """exp and log of the logistic loss, one row at a time, against float64."""

    @pytest.mark.parametrize("weight", [None, np.full(1, 1.0, np.float32)])
    def test_logistic_loss_of_a_score(self, weight: np.ndarray | None) -> None:
        scores = np.concatenate([np.linspace(-30, 30, 150), np.geomspace(1e-6, 80, 50)]).astype(np.float32)
        rates = replace(some_rates(1, np.random.default_rng(0)), positive_weight=np.ones(1, np.float32))
        state = State.zeros(len(scores), 1, 1)
        state.set_weights(scores[None], np.zeros(len(scores)))
        rates = Rates(**{name: np.repeat(value, len(scores)) for name, value in vars(rates).items()})
        engine = native(some_objective(LOGISTIC), rates)
        for label in (0, 1):
            chunk = Chunk(np.ones((1, 1), np.float32), np.full(1, label, np.float32), np.zeros(1, np.int64), weight)
            expected = np.logaddexp(0, -scores.astype(np.float64) if label else scores.astype(np.float64))
            # Scores are subtracted from their softplus where the label is 1, so the error is that of the score.
            tolerance = 3e-7 * (expected + np.maximum(scores, 0) * label)
            assert (abs(engine.evaluate(chunk, state) - expected) <= tolerance).all()

    def test_many_rows_with_tiny_losses_keep_their_sum(self) -> None:
        """Rows that weigh the same share a logarithm; 1 + exp(-20) is 1 in float32."""
        rng = np.random.default_rng(0)
        objective = some_objective(LOGISTIC, batch=500)
        state = State.zeros(1, 1, 1)
        state.set_weights(np.full((1, 1), -20.0), np.zeros(1))
        chunk = Chunk(np.ones((500, 1), np.float32), np.zeros(500, np.float32), np.arange(500))
        rates = replace(some_rates(1, rng), positive_weight=np.ones(1, np.float32))
        np.testing.assert_allclose(
            native(objective, rates).evaluate(chunk, state), 500 * np.log1p(np.exp(-20.0)), rtol=1e-6
        )
