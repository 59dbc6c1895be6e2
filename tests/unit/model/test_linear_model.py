from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.model import linear_model
from linear_learner.model.linear_model import LINKS, LinearModel, Predictions

MakeModel = Callable[..., LinearModel]
SCIPY_LINKS = {
    "logistic": scipy.special.expit,
    "softmax": lambda scores: scipy.special.softmax(scores, axis=1),
    "identity": lambda scores: scores,
}


def one_feature(make_model: MakeModel, kind: str, *weights: float, **changes: object) -> LinearModel:
    """A model without bias whose raw scores are the one feature times ``weights``."""
    return make_model(kind, weights=np.array([weights], np.float32), bias=np.zeros(len(weights), np.float32), **changes)


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1)


class TestScores:
    def test_are_the_link_of_the_linear_sum(self, make_model: MakeModel, kind: str, features: np.ndarray) -> None:
        model = make_model(kind)
        raw = features.astype(np.float64) @ model.weights.astype(np.float64) + model.bias
        expected = SCIPY_LINKS[model.link](raw)
        predictions = model.predict(features)
        assert predictions.score.dtype == np.float32
        assert_allclose(predictions.score, expected if model.outputs > 1 else expected[:, 0], rtol=2e-6, atol=1e-7)
        assert len(predictions) == 7

    @pytest.mark.parametrize("link", LINKS)
    @pytest.mark.parametrize("size", [1e2, 1e4, 3e38])
    def test_links_saturate_without_a_warning(self, link: str, size: float) -> None:
        scores = np.array([[size, -size], [-size, size], [0, 0]], np.float32)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            found = LINKS[link](scores)
        assert found.dtype == np.float32
        if link != "identity":
            assert_allclose(found, [[1, 0], [0, 1], [0.5, 0.5]], atol=1e-30)

    def test_a_certain_row_scores_exactly_1(self, make_model: MakeModel) -> None:
        model = one_feature(make_model, "logistic", 1.0)
        assert model.predict(column(200, -200)).score.tolist()[0] == 1.0

    def test_a_hinge_loss_scores_its_margin(self, make_model: MakeModel) -> None:
        model = one_feature(make_model, "hinge", 2.0)
        assert model.predict(column(-3, 0.25)).score.tolist() == [-6, 0.5]

    def test_float64_rows_are_taken_too(self, make_model: MakeModel, features: np.ndarray) -> None:
        model = make_model("logistic")
        assert_array_equal(model.predict(features.astype(np.float64)).score, model.predict(features).score)

    def test_no_rows_give_no_predictions(self, make_model: MakeModel, kind: str) -> None:
        predictions = make_model(kind).predict(np.empty((0, 5), np.float32))
        assert len(predictions.score) == 0
        assert predictions.predicted_label is None or predictions.predicted_label.shape == (0,)


class TestLabels:
    def test_a_score_at_the_threshold_is_positive(self, make_model: MakeModel) -> None:
        model = one_feature(make_model, "hinge", 1.0, threshold=0.5)
        labels = model.predict(column(0.49, 0.5, 0.51)).predicted_label
        assert labels is not None
        assert labels.dtype == np.float32
        assert labels.tolist() == [0.0, 1.0, 1.0]

    def test_a_threshold_between_two_neighbouring_scores_stays_between_them(self, make_model: MakeModel) -> None:
        below, above = np.float32(0.3), np.nextafter(np.float32(0.3), np.float32(1))
        threshold = float(below) + 0.25 * (float(above) - float(below))  # float32 would round it to the lower score
        model = one_feature(make_model, "hinge", 1.0, threshold=threshold)
        assert list(model.predict(column(below, above)).predicted_label) == [0.0, 1.0]

    @pytest.mark.parametrize(("threshold", "label"), [(np.inf, 0.0), (-np.inf, 1.0)])
    def test_an_infinite_threshold_calls_all_rows_alike(
        self, make_model: MakeModel, threshold: float, label: float
    ) -> None:
        model = one_feature(make_model, "logistic", 1.0, threshold=threshold)
        assert set(model.predict(column(-1e4, 0, 1e4)).predicted_label) == {label}

    def test_multiclass_takes_the_highest_score_and_the_first_of_equals(self, make_model: MakeModel) -> None:
        model = one_feature(make_model, "multiclass_hinge", 1.0, 0.0, 1.0)
        labels = model.predict(column(-1, 0, 2)).predicted_label
        assert labels is not None
        assert labels.dtype == np.float32
        assert labels.tolist() == [1.0, 0.0, 0.0]

    def test_a_regressor_has_none(self, make_model: MakeModel, features: np.ndarray) -> None:
        assert make_model("squared").predict(features).predicted_label is None


class TestInput:
    def test_another_width_is_told_in_the_words_of_amazons_container(self, make_model: MakeModel) -> None:
        with pytest.raises(ClientError) as error:
            make_model("logistic", feature_dim=30).predict(np.zeros((2, 4), np.float32))
        assert str(error.value) == (
            "The feature dimension of the input: 4 does not match the feature dimension of the model: 30. "
            "Please fix the input and try again."
        )

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_feature_that_is_not_finite_is_named(
        self, make_model: MakeModel, features: np.ndarray, value: float
    ) -> None:
        features[3, 2] = value
        with pytest.raises(ClientError, match=r"not a finite number \(row 4, column 3\)"):
            make_model("logistic").predict(features)

    def test_huge_features_end_at_the_edge_of_float32_and_not_in_nan(self, make_model: MakeModel) -> None:
        weights = np.array([[100], [-100]], np.float32)
        model = make_model("squared", weights=weights, bias=np.zeros(1, np.float32))
        rows = np.array([[3e38, 3e38], [3e38, 0], [0, 3e38], [1, 0]], np.float32)
        largest = float(np.finfo(np.float32).max)
        assert model.predict(rows).score.tolist() == [0, largest, -largest, 100]

    def test_a_huge_bias_too_ends_at_the_edge_of_float32(self, make_model: MakeModel) -> None:
        largest = np.finfo(np.float32).max
        model = one_feature(make_model, "squared", 1.0)
        found = replace(model, bias=np.array([largest])).predict(column(9e18, 3e38, -3e38, -9e18)).score
        assert found.tolist() == [largest, largest, largest - np.float32(3e38), largest]


class TestBlocks:
    def test_the_size_of_a_block_changes_nothing(
        self, make_model: MakeModel, kind: str, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answers() -> Predictions:
            return make_model(kind).predict(features)

        whole = answers()
        monkeypatch.setattr(linear_model, "BLOCK_VALUES", 10)
        parts = answers()
        assert_allclose(parts.score, whole.score, rtol=1e-6)
        assert_array_equal(np.asarray(parts.predicted_label), np.asarray(whole.predicted_label))

    def test_memory_does_not_follow_the_rows(self, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(linear_model, "BLOCK_VALUES", 1 << 12)
        rows = np.zeros((20_000, 50))  # float64: each block is converted
        model = make_model("softmax", feature_dim=50)
        tracemalloc.start()
        try:
            model.predict(rows)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < rows.nbytes / 8


def test_raw_scores_are_before_the_link(make_model: MakeModel, features: np.ndarray) -> None:
    model = make_model("softmax")
    raw = model.raw_scores(features)
    assert raw.shape == (7, 4)
    assert_allclose(raw, features @ model.weights + model.bias, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1, 10, 80])
def test_a_probability_keeps_its_digits_at_both_ends(size: float) -> None:
    raw = np.linspace(-size, size, 101, dtype=np.float32).reshape(-1, 1)
    expected = scipy.special.expit(raw.astype(np.float64))
    assert_allclose(LINKS["logistic"](raw), expected, rtol=1e-6)
