"""The final scores of a model: its objective and metrics on raw rows, as it is served."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from in_threads import together
from scipy.special import log_softmax
from sklearn import metrics

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training.cluster.interface import ALONE
from linear_learner.training.ending import outcome
from linear_learner.training.engines.candidates import Candidate, make_candidates
from linear_learner.training.preparation.task import FeatureRanges, Judge, Task

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(40, 3)).astype(np.float32)


def objective(model: LinearModel, data: Dataset, task: Task, chosen: Candidate, hp: HyperParameters) -> float:
    return outcome.loss_sum(model, data, task, chosen, hp) / len(data)


def setting(
    labels: np.ndarray, predictor_type: str, *, class_weights: list[float] | None = None, **given: str
) -> tuple[LinearModel, Dataset, Task, Candidate, HyperParameters]:
    """A model of arbitrary weights, and what ``score`` wants to know beside it."""
    requested = validate({"predictor_type": predictor_type, **given})
    hp = resolve(requested, feature_dim=3, rows=40)
    loss = LOSSES[hp.predictor_type, hp.loss]
    outputs = hp.num_classes if loss.coupled else 1
    model = LinearModel(
        np.linspace(-1, 2, 3 * outputs).reshape(3, outputs).astype(np.float32),
        np.linspace(0.1, 0.5, outputs).astype(np.float32),
        predictor_type,
        hp.loss,
        loss.link,
        threshold=0.4 if predictor_type == "binary_classifier" else None,
        num_classes=hp.num_classes,
    )
    weights = None if class_weights is None else np.array(class_weights, np.float32)
    scaler = Scaler(np.zeros(3, np.float32), np.ones(3, np.float32))
    data = Dataset("test", FEATURES, labels.astype(np.float32), ())
    rows = Chunk(FEATURES, data.labels, np.arange(40))
    epochs = Epochs(FEATURES, data.labels, None, seed=0)
    task = Task(
        loss, scaler, weights, epochs, "train", lambda: Judge(data, rows), lambda: FeatureRanges.of(FEATURES), work=1
    )
    return model, data, task, make_candidates(requested, hp, rows=40)[0], hp


def sums(model: LinearModel) -> np.ndarray:
    return FEATURES.astype(float) @ model.weights.astype(float) + model.bias.astype(float)


def test_the_objective_comes_first_and_the_metrics_follow() -> None:
    labels = RANDOM.integers(0, 2, 40)
    found = outcome.score(*setting(labels, "binary_classifier"))
    assert (found[0].name, found[0].tag) == ("binary_classification_cross_entropy_objective", "loss")
    assert found[1].name == "binary_classification_accuracy"


def test_logistic_objective_and_metrics() -> None:
    labels = RANDOM.integers(0, 2, 40)
    arguments = setting(labels, "binary_classifier")
    probabilities = 1 / (1 + np.exp(-sums(arguments[0])[:, 0]))
    found = {metric.name: metric.value for metric in outcome.score(*arguments)}
    objective = found["binary_classification_cross_entropy_objective"]
    assert objective == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-6)
    # At the model's own threshold.
    accuracy = metrics.accuracy_score(labels, probabilities >= 0.4)
    assert found["binary_classification_accuracy"] == pytest.approx(accuracy)


def test_positive_rows_weigh_what_the_chosen_candidate_gave_them() -> None:
    labels = RANDOM.integers(0, 2, 40)
    model, data, task, candidate, hp = setting(labels, "binary_classifier")
    found = objective(model, data, task, replace(candidate, positive_weight=5.0), hp)
    probabilities = 1 / (1 + np.exp(-sums(model)[:, 0]))
    losses = -np.log(np.where(labels == 1, probabilities, 1 - probabilities))
    assert found == pytest.approx(np.mean(losses * np.where(labels == 1, 5, 1)), rel=1e-6)


@pytest.mark.parametrize("class_weights", [None, [0.5, 2.0, 1.0, 0.0]])
def test_softmax_objective_by_class(class_weights: list[float] | None) -> None:
    labels = RANDOM.integers(0, 4, 40)
    arguments = setting(labels, "multiclass_classifier", num_classes="4", class_weights=class_weights)
    losses = -log_softmax(sums(arguments[0]), axis=1)[np.arange(40), labels]
    expected = np.mean(losses * np.array(class_weights or [1, 1, 1, 1])[labels])
    assert objective(*arguments) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "given", "of_error"),
    [
        ("squared_loss", {}, np.square),
        ("huber_loss", {"huber_delta": "0.5"}, lambda e: np.where(abs(e) < 0.5, e * e / 2, 0.5 * (abs(e) - 0.25))),
        ("eps_insensitive_absolute_loss", {"loss_insensitivity": "0.5"}, lambda e: np.maximum(0, abs(e) - 0.5)),
        ("quantile_loss", {"quantile": "0.9"}, lambda e: np.maximum(-0.9 * e, 0.1 * e)),
    ],
)
def test_a_regressors_constants_are_in_raw_units(loss: str, given: dict[str, str], of_error: object) -> None:
    labels = RANDOM.normal(size=40).astype(np.float32)
    model, data, task, candidate, hp = setting(labels, "regressor", loss=loss, **given)
    # The units that the rows were trained in do not matter any more.
    task = replace(task, scaler=replace(task.scaler, label_std=1000.0))
    errors = sums(model)[:, 0] - labels
    assert callable(of_error)
    assert objective(model, data, task, candidate, hp) == pytest.approx(np.mean(of_error(errors)), rel=1e-5)


@pytest.mark.parametrize("values_at_once", [1, 7, 100])
def test_rows_are_taken_a_few_at_a_time(values_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = RANDOM.integers(0, 4, 40)
    arguments = setting(labels, "multiclass_classifier", num_classes="4", class_weights=[0.5, 2, 1, 3])
    whole = objective(*arguments)
    monkeypatch.setattr(outcome, "VALUES_AT_ONCE", values_at_once)
    assert objective(*arguments) == pytest.approx(whole, rel=1e-6)


def test_a_hundred_thousand_classes_take_no_square_of_memory() -> None:
    """A table of all classes by all classes would be 80 GB."""
    labels = np.arange(40) * 2000
    arguments = setting(labels, "multiclass_classifier", num_classes="100000")
    assert np.isfinite(objective(*arguments))


def test_every_number_of_a_candidate_is_known() -> None:
    """metadata() tells of a candidate by the names of the hyperparameters, with two exceptions that it knows."""
    known = set(validate({"predictor_type": "regressor"}).as_dict())
    assert {field.name for field in fields(Candidate)} - known == {"positive_weight", "raw_penalty"}


def test_metrics_take_a_sample_where_scores_of_several_hosts_would_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 rows a host; the scores of one host are there anyway."""
    monkeypatch.setattr(outcome, "MOST_GATHERED_SCORES", 60)
    model, data, *_ = setting(np.arange(40) % 3, "multiclass_classifier", num_classes="3")
    assert outcome.rows_that_meet(data, model, ALONE) == slice(None)
    shares = together(2, lambda cluster: outcome.rows_that_meet(data, model, cluster))
    assert [len(rows) for rows in shares] == [10, 10]
