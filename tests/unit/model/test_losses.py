"""Each loss against its own finite differences, against MXNet, and against a library or a picture of its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, REGRESSOR, Loss
from linear_learner.model.mxnet_import import mx

CONSTANTS = {"margin": 1.3, "epsilon": 0.2, "quantile": 0.3, "delta": 0.8}
CLASSES = 4
ALL = [pytest.param(row, id=f"{row.predictor_type}-{row.name}") for row in LOSSES.values()]
REGRESSIONS = [pytest.param(row, id=row.name) for row in LOSSES.values() if row.predictor_type == REGRESSOR]


def constants(row: Loss) -> dict[str, float]:
    return {keyword: CONSTANTS[keyword] for keyword, _ in row.constants}


def scores_and_labels(row: Loss, rows: int = 40, candidates: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Random float64, of the shapes that the module names."""
    random = np.random.default_rng(1)
    if row.coupled:
        labels = np.eye(CLASSES)[random.integers(CLASSES, size=rows)].reshape(rows, 1, CLASSES)
        return random.normal(scale=2, size=(rows, candidates, CLASSES)), labels
    scores = random.normal(scale=2, size=(rows, candidates))
    if row.predictor_type == BINARY:
        return scores, random.integers(2, size=(rows, 1)).astype(np.float64)
    return scores, random.normal(scale=2, size=(rows, 1))


def finite_difference(value: Callable[[np.ndarray], np.ndarray], score: np.ndarray, coupled: bool) -> np.ndarray:
    step = 1e-6
    if not coupled:
        return (value(score + step) - value(score - step)) / (2 * step)
    slopes = []
    for c in range(score.shape[2]):
        shift = step * np.eye(score.shape[2])[c]
        slopes.append((value(score + shift) - value(score - shift)) / (2 * step))
    return np.stack(slopes, axis=2)


@pytest.mark.parametrize("row", ALL)
def test_gradient_is_the_slope_of_the_value(row: Loss) -> None:
    score, label = scores_and_labels(row)
    gradient = row.gradient(np, score, label, **constants(row))
    slope = finite_difference(lambda s: row.value(np, s, label, **constants(row)), score, row.coupled)
    assert gradient.shape == score.shape
    assert_allclose(gradient * row.steepness(**constants(row)), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("row", ALL)
@pytest.mark.parametrize("function", ["value", "gradient"])
def test_mxnet_computes_the_same_as_numpy(row: Loss, function: str) -> None:
    score, label = scores_and_labels(row)
    evaluate = getattr(row, function)
    expected = evaluate(np, score, label, **constants(row))
    found = evaluate(mx.nd, mx.nd.array(score, dtype="float64"), mx.nd.array(label, dtype="float64"), **constants(row))
    assert found.dtype == np.float64
    assert_allclose(found.asnumpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("row", ALL)
@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_far_from_the_label_values_and_gradients_stay_finite(row: Loss, factor: float) -> None:
    score, label = scores_and_labels(row)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(row.value(np, factor * score, label, **constants(row))).all()
        assert np.isfinite(row.gradient(np, factor * score, label, **constants(row))).all()


@pytest.mark.parametrize("row", REGRESSIONS)
@given(scale=st.floats(1e-3, 1e3))
def test_degree_says_how_a_value_follows_the_unit_of_the_label(row: Loss, scale: float) -> None:
    score, label = scores_and_labels(row)
    scaled = {name: scale * c if name in row.scaled_constants else c for name, c in constants(row).items()}
    assert_allclose(
        row.value(np, scale * score, scale * label, **scaled),
        scale**row.degree * row.value(np, score, label, **constants(row)),
        rtol=1e-9,
        atol=1e-12 * scale**row.degree,
    )


def mean(predictor_type: str, name: str, score: Any, label: Any, **keywords: float) -> float:
    return float(LOSSES[predictor_type, name].value(np, score, label, **keywords).mean())


class TestClosedForms:
    score, label = scores_and_labels(LOSSES[REGRESSOR, "squared_loss"], candidates=1)
    binary_score, binary_label = scores_and_labels(LOSSES[BINARY, "logistic"], candidates=1)
    class_score, class_label = scores_and_labels(LOSSES[MULTICLASS, "softmax_loss"], candidates=1)
    classes = class_label[:, 0].argmax(axis=1)

    def test_logistic(self) -> None:
        expected = sklearn.metrics.log_loss(self.binary_label, scipy.special.expit(self.binary_score))
        assert mean(BINARY, "logistic", self.binary_score, self.binary_label) == pytest.approx(expected, rel=1e-12)

    def test_hinge(self) -> None:
        expected = sklearn.metrics.hinge_loss(self.binary_label[:, 0], self.binary_score[:, 0])
        found = mean(BINARY, "hinge_loss", self.binary_score, self.binary_label, margin=1.0)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_softmax(self) -> None:
        probabilities = scipy.special.softmax(self.class_score[:, 0], axis=1)
        expected = sklearn.metrics.log_loss(self.classes, probabilities, labels=range(CLASSES))
        assert mean(MULTICLASS, "softmax_loss", self.class_score, self.class_label) == pytest.approx(expected)

    def test_multiclass_hinge(self) -> None:
        expected = sklearn.metrics.hinge_loss(self.classes, self.class_score[:, 0], labels=range(CLASSES))
        found = mean(MULTICLASS, "hinge_loss", self.class_score, self.class_label, margin=1.0)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_squared(self) -> None:
        expected = sklearn.metrics.mean_squared_error(self.label, self.score)
        assert mean(REGRESSOR, "squared_loss", self.score, self.label) == pytest.approx(expected, rel=1e-12)

    def test_absolute(self) -> None:
        expected = sklearn.metrics.mean_absolute_error(self.label, self.score)
        assert mean(REGRESSOR, "absolute_loss", self.score, self.label) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
    def test_quantile(self, quantile: float) -> None:
        expected = sklearn.metrics.mean_pinball_loss(self.label, self.score, alpha=quantile)
        found = mean(REGRESSOR, "quantile_loss", self.score, self.label, quantile=quantile)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_huber(self) -> None:
        expected = scipy.special.huber(0.8, self.score - self.label).mean()
        assert mean(REGRESSOR, "huber_loss", self.score, self.label, delta=0.8) == pytest.approx(expected, rel=1e-12)

    def test_the_gradient_of_a_huber_loss_of_tiny_delta_is_as_steep_as_that_of_the_absolute_error(self) -> None:
        found = LOSSES[REGRESSOR, "huber_loss"].gradient(np, self.score, self.label, delta=1e-9)
        assert_allclose(found, np.sign(self.score - self.label), rtol=1e-12)

    @pytest.mark.parametrize(
        ("error", "absolute", "squared"), [(0.5, 0.0, 0.0), (-0.5, 0.0, 0.0), (0.75, 0.25, 0.0625), (-2.5, 2.0, 4.0)]
    )
    def test_epsilon_insensitive(self, error: float, absolute: float, squared: float) -> None:
        label = np.array([[3.0]])
        keywords = {"epsilon": 0.5}
        assert mean(REGRESSOR, "eps_insensitive_absolute_loss", label + error, label, **keywords) == absolute
        assert mean(REGRESSOR, "eps_insensitive_squared_loss", label + error, label, **keywords) == squared


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    labels = np.arange(101.0).reshape(-1, 1)
    candidates = np.arange(101.0).reshape(1, -1)
    values = LOSSES[REGRESSOR, "quantile_loss"].value(np, candidates, labels, quantile=0.9).mean(axis=0)
    assert values.argmin() == 90


def test_classes_that_tie_for_the_highest_wrong_score_share_the_gradient() -> None:
    score = np.array([[[1.0, 1.0, 0.5, 0.0]]])
    label = np.array([[[0.0, 0.0, 1.0, 0.0]]])
    gradient = LOSSES[MULTICLASS, "hinge_loss"].gradient(np, score, label, margin=1.0)
    assert gradient.tolist() == [[[0.5, 0.5, -1.0, 0.0]]]


def test_every_loss_of_the_documentation_is_there() -> None:
    assert set(LOSSES) == {
        *((REGRESSOR, f"{name}_loss") for name in ("squared", "absolute", "quantile", "huber")),
        *((REGRESSOR, f"eps_insensitive_{name}_loss") for name in ("squared", "absolute")),
        *((BINARY, name) for name in ("logistic", "hinge_loss")),
        *((MULTICLASS, name) for name in ("softmax_loss", "hinge_loss")),
    }


@pytest.mark.parametrize("row", ALL)
def test_what_the_logs_call_it_ends_as_the_metric_expressions_expect(row: Loss) -> None:
    assert row.objective.endswith("_objective")
    assert row.coupled == (row.predictor_type == MULTICLASS)
    assert set(row.scaled_constants) <= set(constants(row))
