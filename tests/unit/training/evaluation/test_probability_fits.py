"""Fits against scikit-learn's and SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax
from sklearn import metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression, isotonic_regression
from sklearn.linear_model import LogisticRegression

from linear_learner.training.evaluation import probability_fits as fits
from linear_learner.training.evaluation.probability_fits import Isotonic, Sigmoid, Temperature, Unchanged


def rows(number: int, *, scale: float = 0.5, shift: float = -1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, 1) whose log odds are scale * score + shift, and labels."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(number, 1)).astype(np.float32) * 3
    return scores, (random.random(number) < expit(scale * scores[:, 0] + shift)).astype(np.int64)


def logits(sigmoid: Sigmoid | None, scores: np.ndarray) -> np.ndarray:
    assert sigmoid is not None
    return sigmoid.scale * scores[:, 0].astype(float) + sigmoid.shift


class TestPlatt:
    def test_finds_the_sigmoid_that_made_the_labels(self) -> None:
        found = fits.fit_platt(*rows(200_000))
        assert found is not None
        assert (found.scale, found.shift) == (pytest.approx(0.5, abs=0.01), pytest.approx(-1, abs=0.02))

    @pytest.mark.parametrize("number", [40, 2000])
    @pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
    @pytest.mark.parametrize("method", ["platt", "isotonic"])
    def test_is_that_of_scikit_learn(self, number: int, unit: float, method: str) -> None:
        scores, labels = rows(number)
        scores *= unit
        judge = LogisticRegression()
        judge.coef_, judge.intercept_, judge.classes_ = np.array([[1.0]]), np.array([0.0]), np.array([0, 1])
        name = "sigmoid" if method == "platt" else method
        calibrated = CalibratedClassifierCV(FrozenEstimator(judge), method=name).fit(scores.astype(float), labels)
        expected = calibrated.predict_proba(scores.astype(float))[:, 1]
        if method == "platt":
            assert_allclose(expit(logits(fits.fit_platt(scores, labels), scores)), expected, atol=2e-5)
        else:
            least = 1 / (number + 2)
            found = fits.fit_isotonic(scores, labels).probability_map(scores[:, 0])
            # scikit-learn takes scores that differ by less than a millionth for one.
            if unit >= 1:
                assert_allclose(found, np.clip(expected, least, 1 - least), atol=1e-6)

    def test_classes_told_apart_get_no_certainty(self) -> None:
        scores = np.array([[-1], [-2], [1], [2]], np.float32)
        found = expit(logits(fits.fit_platt(scores, np.array([0, 0, 1, 1])), scores))
        assert 0.1 < found[0] < 0.5 < found[2] < 0.9

    def test_falls_nowhere(self) -> None:
        scores, labels = rows(500)
        assert fits.fit_platt(-scores, labels) is None
        assert fits.fit_platt(np.ones_like(scores), labels) is None


rows_in_order = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), min_size=1, max_size=60)


class TestPool:
    @given(rows_in_order)
    def test_is_isotonic_regression(self, found: list[tuple[int, int]]) -> None:
        values, weights = np.array([v / 20 for v, _ in found]), np.array([w for _, w in found])
        starts, means = fits.pool(values, weights)
        fitted = np.repeat(means, np.diff(np.append(starts, len(values))))
        assert_allclose(fitted, isotonic_regression(values, sample_weight=weights.astype(float)), atol=1e-12)

    @given(rows_in_order)
    @example([(7, 7), (7, 5)])  # 0.35 * 7 / 7 and 0.35 * 5 / 5: one number, but by their products two
    def test_rises_and_keeps_the_mean(self, found: list[tuple[int, int]]) -> None:
        values, weights = np.array([v / 20 for v, _ in found]), np.array([w for _, w in found])
        starts, means = fits.pool(values, weights)
        sizes = np.add.reduceat(weights, starts)
        assert starts[0] == 0 and (np.diff(starts) > 0).all()
        assert (np.diff(means) > 0).all()
        assert np.sum(means * sizes) == pytest.approx(np.sum(values * weights))

    def test_a_long_fall_at_the_end_takes_one_block_after_the_other(self) -> None:
        values = np.append(np.arange(3000.0), np.zeros(500))
        starts, means = fits.pool(values, np.ones(3500, int))
        assert_allclose(np.repeat(means, np.diff(np.append(starts, 3500))), isotonic_regression(values))


class TestIsotonic:
    @given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=50))
    def test_is_that_of_scikit_learn_between_its_knots_too(self, found: list[tuple[int, bool]]) -> None:
        scores = np.array([[score] for score, _ in found], np.float32)
        labels = np.array([int(label) for _, label in found])
        judge = IsotonicRegression(out_of_bounds="clip").fit(scores[:, 0], labels)
        ours = fits.fit_isotonic(scores, labels).probability_map
        assert (np.diff(ours.scores) > 0).all() and (np.diff(ours.probabilities) >= 0).all()
        between, least = np.linspace(-6, 6, 97), 1 / (len(labels) + 2)
        knots = np.interp(between, ours.scores, ours.probabilities)
        kept_off = np.clip(judge.predict(ours.scores), least, 1 - least)
        exact = IsotonicRegression(out_of_bounds="clip").fit(ours.scores, kept_off)
        assert_allclose(knots, exact.predict(between), atol=1e-6)

    def test_states_no_certainty(self) -> None:
        found = fits.fit_isotonic(*rows(1000)).probability_map.probabilities
        assert (found[0], found[-1]) == (1 / 1002, 1 - 1 / 1002)


class TestTemperature:
    def some_rows(self, number: int = 3000) -> tuple[np.ndarray, np.ndarray]:
        """Logits that are three times as large as they should be."""
        random = np.random.default_rng(3)
        scores = random.normal(size=(number, 5)).astype(np.float32)
        noise = random.gumbel(size=scores.shape)
        return 3 * scores, np.argmax(scores + noise, axis=1)

    def test_finds_what_the_scores_were_multiplied_by(self) -> None:
        found = fits.fit_temperature(*self.some_rows(30_000))
        assert found is not None and 1 / found.scale == pytest.approx(3, rel=0.02)

    def test_has_the_least_cross_entropy(self) -> None:
        scores, labels = self.some_rows()
        target = np.full(scores.shape, 1 / (len(labels) + 2) / 4)
        target[np.arange(len(labels)), labels] = 1 - 1 / (len(labels) + 2)
        judge = minimize_scalar(
            lambda scale: -np.sum(target * log_softmax(scale * scores.astype(float), axis=1)),
            bounds=(0.01, 10), method="bounded", options={"xatol": 1e-9},
        )  # fmt: skip
        found = fits.fit_temperature(scores, labels)
        assert found is not None and found.scale == pytest.approx(judge.x, rel=1e-6)

    def test_many_classes_are_gone_through_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = fits.fit_temperature(*self.some_rows())
        monkeypatch.setattr(fits, "_BLOCK", 64)
        part = fits.fit_temperature(*self.some_rows())
        assert whole is not None and part is not None and part.scale == pytest.approx(whole.scale, rel=1e-7)

    def test_is_none_where_scores_speak_against_the_labels(self) -> None:
        scores, labels = self.some_rows()
        assert fits.fit_temperature(-scores, labels) is None

    def test_classes_told_apart_get_no_certainty(self) -> None:
        labels = np.arange(30) % 3
        found = fits.fit_temperature(np.eye(3, dtype=np.float32)[labels], labels)
        assert found is not None
        assert np.exp(log_softmax([found.scale, 0, 0]))[0] == pytest.approx(1 - 1 / 32, rel=1e-3)


class TestLogLoss:
    def test_of_binary_ways(self) -> None:
        scores, labels = rows(300)
        for way, p in [
            (Unchanged("logistic"), expit(scores[:, 0])),
            (Sigmoid(0.5, -1.0), expit(0.5 * scores[:, 0] - 1)),
            (found := fits.fit_isotonic(scores, labels), found.probability_map(scores[:, 0])),
        ]:
            assert way.log_loss(scores, labels) == pytest.approx(metrics.log_loss(labels, p.astype(float)), rel=1e-5)

    def test_of_multiclass_ways(self) -> None:
        scores, labels = TestTemperature().some_rows(200)
        for way, scale in [(Unchanged("softmax"), 1.0), (Temperature(0.25), 0.25)]:
            expected = metrics.log_loss(labels, np.exp(log_softmax(scale * scores.astype(float), axis=1)))
            assert way.log_loss(scores, labels) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_folds_share_out_each_label(labels: list[int], number: int, seed: int) -> None:
    fold = fits.folds(np.array(labels), number, seed)
    for label in set(labels):
        counts = np.bincount(fold[np.array(labels) == label], minlength=number)
        assert counts.max() - counts.min() <= 1


def test_what_is_fitted_is_told() -> None:
    assert Sigmoid(2.0, 1.0).facts() == {"scale": 2.0, "shift": 1.0}
    assert Temperature(0.5).facts() == {"temperature": 2.0}
    found = fits.fit_isotonic(*rows(100))
    assert isinstance(found, Isotonic) and found.facts() == {"knots": len(found.probability_map.scores)}
