"""Weights taken out of a bias, and the choice of a calibration."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import LOSSES
from linear_learner.training.evaluation import probability_calibration

RANDOM = np.random.default_rng(0)
KINDS = {"binary_classifier": 1, "multiclass_classifier": 3}


def hyperparameters(predictor_type: str, **given: str) -> HyperParameters:
    classes = {"num_classes": "3"} if predictor_type == "multiclass_classifier" else {}
    return resolve(validate({"predictor_type": predictor_type, **classes, **given}), feature_dim=1, rows=100)


def model_of(hp: HyperParameters, scale: float = 1.0) -> LinearModel:
    """Of one feature for each output: the raw score is ``scale`` times it."""
    outputs = KINDS[hp.predictor_type]
    return LinearModel(
        scale * np.eye(outputs, dtype=np.float32), np.zeros(outputs, np.float32), hp.predictor_type, hp.loss,
        LOSSES[hp.predictor_type, hp.loss].link, threshold=0.5 if outputs == 1 else None, num_classes=hp.num_classes,
    )  # fmt: skip


def rows(number: int, p) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 1), and labels of which a share p(feature) is 1."""
    features = RANDOM.normal(size=(number, 1)) * 2
    return features, RANDOM.random(number) < p(features[:, 0])


class TestWithoutWeights:
    def test_binary_odds_are_divided_by_the_weight(self) -> None:
        model = model_of(hyperparameters("binary_classifier"))
        found = probability_calibration.without_weights(model, np.array([1.0, 4.0])).predict(
            np.array([[0.0], [1]], np.float32)
        )
        assert_allclose(found.score / (1 - found.score), np.exp([0, 1]) / 4, rtol=1e-6)

    def test_a_weighted_logistic_regression_becomes_an_unweighted_one(self) -> None:
        """On rows that are as the model says, both have the same minimum; scikit-learn's fits are the judge."""
        features, labels = rows(200_000, lambda x: expit(x - 2))
        weighted = LogisticRegression(C=1e6).fit(features, labels, sample_weight=np.where(labels, 5, 1))
        plain = LogisticRegression(C=1e6).fit(features, labels)
        model = LinearModel(
            weighted.coef_.T.astype(np.float32), weighted.intercept_.astype(np.float32),
            "binary_classifier", "logistic", "logistic", threshold=0.5,
        )  # fmt: skip
        found = probability_calibration.without_weights(model, np.array([1.0, 5.0]))
        assert_allclose(
            found.predict(features[:1000].astype(np.float32)).score,
            plain.predict_proba(features[:1000])[:, 1],
            atol=0.01,
        )

    def test_multiclass_odds_are_divided_by_the_weights(self) -> None:
        hp = hyperparameters("multiclass_classifier")
        features, weights = RANDOM.normal(size=(5, 3)).astype(np.float32), np.array([0.5, 2.0, 3.0])
        found = probability_calibration.without_weights(model_of(hp), weights).predict(features).score
        expected = softmax(features.astype(float), axis=1) / weights
        assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)

    def test_a_class_without_rows_has_nothing_to_take_out(self) -> None:
        model = model_of(hyperparameters("multiclass_classifier"))
        found = probability_calibration.without_weights(model, np.array([0.0, 1.0, 2.0]))
        assert_allclose(found.bias, [0, 0, -np.log(2)], rtol=1e-6)


class TestCalibrated:
    def calibrated(self, hp: HyperParameters, features: np.ndarray, labels: np.ndarray, scale: float = 1.0):
        model = model_of(hp, scale)
        scores = model.raw_scores(features.astype(np.float32))
        return probability_calibration.calibrated(model, scores, labels.astype(np.int64), hp)

    @pytest.mark.parametrize(("method", "loss"), [("platt", "logistic"), ("platt", "hinge_loss"), ("isotonic", "auto")])
    def test_probabilities_become_those_of_the_rows(self, method: str, loss: str) -> None:
        hp = hyperparameters("binary_classifier", probability_calibration=method, loss=loss)
        model, facts = self.calibrated(hp, *rows(20_000, lambda x: expit(x / 2 - 1)), scale=3)
        assert facts["method"] == method
        features = np.linspace(-3, 3, 7)[:, None].astype(np.float32)
        assert_allclose(model.predict(features).score, expit(features[:, 0] / 2 - 1), atol=0.03)
        # MXNet alone answers the same, but for isotonic calibration.
        assert (model.link, model.probability_map is None) == ("logistic", method == "platt")

    @pytest.mark.parametrize("loss", ["softmax_loss", "hinge_loss"])
    def test_temperature(self, loss: str) -> None:
        hp = hyperparameters("multiclass_classifier", probability_calibration="temperature", loss=loss)
        features = RANDOM.normal(size=(20_000, 3))
        labels = np.argmax(features + RANDOM.gumbel(size=features.shape), axis=1)
        model, facts = self.calibrated(hp, features, labels, scale=4)
        assert facts["temperature"] == pytest.approx(4, rel=0.05)
        assert_allclose(model.weights, np.eye(3), atol=0.05)
        assert model.link == "softmax"

    @pytest.mark.parametrize(
        ("p", "best"),
        [
            (lambda x: expit(x / 3 - 1), "platt"),
            (lambda x: np.where(x > 0, 0.6, np.where(x > -2, 0.5, 0.1)), "isotonic"),
        ],
    )
    def test_auto_takes_what_is_best_on_rows_held_out(self, p, best: str) -> None:
        hp = hyperparameters("binary_classifier", probability_calibration="auto")
        _, facts = self.calibrated(hp, *rows(5000, p))
        losses = facts["held_out_log_loss"]
        assert list(losses) == ["none", "platt", "isotonic"]
        assert facts["method"] == best == min(losses, key=losses.get)

    def test_auto_leaves_good_probabilities_as_they_are(self) -> None:
        hp = hyperparameters("multiclass_classifier", probability_calibration="auto")
        features = RANDOM.normal(size=(200, 3))
        labels = np.argmax(features + RANDOM.gumbel(size=features.shape), axis=1)
        model, facts = self.calibrated(hp, features, labels)
        if facts["method"] == "none":
            assert_allclose(model.weights, np.eye(3))
        assert facts["held_out_log_loss"]["none"] <= 1.01 * facts["held_out_log_loss"]["temperature"]

    def test_isotonic_steps_overfit_few_rows_and_are_not_taken(self) -> None:
        """Held against the rows that they were fitted to, they would always win."""
        hp = hyperparameters("binary_classifier", probability_calibration="auto")
        features, labels = rows(60, lambda x: expit(x))
        _, facts = self.calibrated(hp, features, labels)
        assert facts["method"] != "isotonic"

    def test_margins_are_no_probabilities_that_could_be_left(self) -> None:
        hp = hyperparameters("binary_classifier", probability_calibration="auto", loss="hinge_loss")
        _, facts = self.calibrated(hp, *rows(300, expit))
        assert list(facts["held_out_log_loss"]) == ["platt", "isotonic"]

    @pytest.mark.parametrize(
        ("labels", "method"),
        [
            (np.zeros(50), "platt"),
            (np.zeros(50), "auto"),
            (np.arange(50) == 7, "platt"),  # no part of the rows could be held out
            (np.arange(50) == 7, "isotonic"),
            (np.arange(50) < 25, "platt"),  # they fall where scores rise
        ],
    )
    def test_what_cannot_be_calibrated_is_left_with_a_warning(
        self, labels: np.ndarray, method: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        hp = hyperparameters("binary_classifier", probability_calibration=method, loss="hinge_loss")
        with caplog.at_level(logging.WARNING):
            model, facts = self.calibrated(hp, np.linspace(-1, 1, 50)[:, None], labels)
        assert "Probabilities are not calibrated" in caplog.text
        assert (facts["method"], model.link, model.probability_map) == ("none", "identity", None)

    def test_a_promised_precision_leaves_isotonic_out(self) -> None:
        hp = hyperparameters(
            "binary_classifier",
            probability_calibration="auto",
            target_confidence="0.9",
            binary_classifier_model_selection_criteria="recall_at_target_precision",
        )
        _, facts = self.calibrated(hp, *rows(300, expit))
        assert list(facts["held_out_log_loss"]) == ["none", "platt"]


@pytest.mark.parametrize("number", [8, 11, 14])
def test_rows_held_out_count_alike_whatever_the_sizes_of_the_parts(number: int) -> None:
    scores, labels = RANDOM.normal(size=(number, 1)).astype(np.float32), np.arange(number) % 2
    found = probability_calibration.held_out_losses("logistic", scores, labels, [], seed=0)
    assert found == {"none": pytest.approx(log_loss(labels, expit(scores[:, 0])))}
