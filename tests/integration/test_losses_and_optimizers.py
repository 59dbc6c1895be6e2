"""Every loss reaches its optimum, as SciPy finds it, and every optimizer gets there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from finished_job import BY_LOSS, LONG, FinishedJob, MakeJob, Rows
from job_folder import JobFolder
from saved_model import SavedModel
from scipy.optimize import linprog, minimize
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def smooth_optimum(value: Any, derivative: Any, rows: Rows) -> float:
    """The least mean of value(score - label) over linear models."""
    inputs = np.column_stack([StandardScaler().fit_transform(rows[0]), np.ones(len(rows[0]))])

    def mean_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        errors = inputs @ weights - rows[1]
        return np.mean(value(errors)), inputs.T @ derivative(errors) / len(errors)

    start = np.linalg.lstsq(inputs, rows[1], rcond=None)[0]
    return float(minimize(mean_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000}).fun)


def linear_program(costs: np.ndarray, bounds: np.ndarray, right: np.ndarray, slacks: int) -> float:
    """The least of costs @ x with bounds @ x <= right, where the last ``slacks`` of x are not negative."""
    limits = [(None, None)] * (len(costs) - slacks) + [(0, None)] * slacks
    return float(linprog(costs, A_ub=bounds, b_ub=right, bounds=limits).fun)


def pinball_optimum(rows: Rows, *, below: float, above: float, free: float = 0.0) -> float:
    """The least mean of ``below`` times what a score lies below its label, plus ``above`` times what it lies above it;
    both less ``free``."""
    features, labels = rows
    n, inputs = len(labels), np.column_stack([StandardScaler().fit_transform(features), np.ones(len(labels))])
    costs = np.concatenate([np.zeros(inputs.shape[1]), np.full(n, below / n), np.full(n, above / n)])
    none, one = np.zeros((n, n)), np.eye(n)
    bounds = np.block([[-inputs, -one, none], [inputs, none, -one]])
    return linear_program(costs, bounds, np.concatenate([free - labels, free + labels]), 2 * n)


REGRESSION_LOSSES = {
    "squared_loss": ({}, {}, lambda rows: smooth_optimum(np.square, lambda e: 2 * e, rows)),
    "absolute_loss": ({}, {}, lambda rows: pinball_optimum(rows, below=1, above=1)),
    "quantile_loss": (
        {"quantile": 0.8},
        {"quantile": 0.8},
        lambda rows: pinball_optimum(rows, below=0.8, above=0.2),
    ),
    "eps_insensitive_absolute_loss": (
        {"loss_insensitivity": 20},
        {"epsilon": 20},
        lambda rows: pinball_optimum(rows, below=1, above=1, free=20),
    ),
    "eps_insensitive_squared_loss": (
        {"loss_insensitivity": 20},
        {"epsilon": 20},
        lambda rows: smooth_optimum(
            lambda e: np.maximum(np.abs(e) - 20, 0) ** 2, lambda e: 2 * np.sign(e) * np.maximum(np.abs(e) - 20, 0), rows
        ),
    ),
    "huber_loss": (
        {"huber_delta": 30},
        {"delta": 30},
        lambda rows: smooth_optimum(
            lambda e: np.where(np.abs(e) < 30, e**2 / 2, 30 * (np.abs(e) - 15)), lambda e: np.clip(e, -30, 30), rows
        ),
    ),
}
"""By name: hyperparameters, the constants by the names of the judge, and the optimum on rows."""


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_a_regression_loss_reaches_its_optimum(loss: str, job: JobFolder) -> None:
    settings, constants, optimum = REGRESSION_LOSSES[loss]
    rows: Rows = datasets.load_diabetes(return_X_y=True)
    outcome = job.train("regressor", rows, loss=loss, **settings, **LONG)
    reached = outcome.objective("train")
    assert reached == pytest.approx(SavedModel.of(outcome.model_dir).objective(*rows, **constants), rel=1e-6)
    # Nothing is below an optimum, but for rounding.
    assert 0.99999 <= reached / optimum(rows) <= 1.005


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_huber_loss_learns_labels_of_any_size(optimizer: str, job: JobFolder) -> None:
    """The default huber_delta of 1 is a millionth of them, where the loss is as good as the absolute error."""
    features, labels = datasets.load_diabetes(return_X_y=True)
    rows = features, 1e4 * labels
    outcome = job.train("regressor", rows, loss="huber_loss", optimizer=optimizer)
    optimum = pinball_optimum((features, rows[1]), below=1, above=1)
    assert outcome.final("train", "absolute_loss") <= 1.02 * optimum


def test_binary_hinge_loss_reaches_its_optimum(job: JobFolder) -> None:
    features, labels = datasets.load_breast_cancer(return_X_y=True)
    rows = features[:, 10:15], labels
    n, signs = len(labels), 2 * labels - 1
    inputs = np.column_stack([StandardScaler().fit_transform(rows[0]), np.ones(n)])
    costs = np.concatenate([np.zeros(6), np.full(n, 1 / n)])
    optimum = linear_program(costs, np.hstack([-signs[:, None] * inputs, -np.eye(n)]), -np.ones(n), n)
    outcome = job.train(
        "binary_classifier",
        rows,
        loss="hinge_loss",
        binary_classifier_model_selection_criteria="loss_function",
        **LONG,
    )
    assert 0.99999 <= outcome.objective("train") / optimum <= 1.005
    # A margin is no probability, and its neutral threshold is 0.
    model = SavedModel.of(outcome.model_dir)
    assert model.threshold == 0
    assert model.scores(rows[0]).min() < 0 and model.scores(rows[0]).max() > 1
    assert "binary_log_loss" not in outcome.finals("train")


def test_multiclass_hinge_loss_reaches_its_optimum(job: JobFolder) -> None:
    features, labels = datasets.load_wine(return_X_y=True)
    rows = features[:, :4], labels
    n, classes = len(labels), 3
    inputs = np.column_stack([StandardScaler().fit_transform(rows[0]), np.ones(n)])
    # One inequality for each row and wrong class: 1 + its score - that of the right class <= slack.
    bounds = []
    for row, wrong in ((row, wrong) for row in range(n) for wrong in range(classes) if wrong != labels[row]):
        weights, slack = np.zeros((classes, 5)), np.zeros(n)
        weights[wrong], weights[labels[row]], slack[row] = inputs[row], -inputs[row], -1
        bounds.append(np.concatenate([weights.ravel(), slack]))
    costs = np.concatenate([np.zeros(classes * 5), np.full(n, 1 / n)])
    optimum = linear_program(costs, np.array(bounds), -np.ones(len(bounds)), n)
    outcome = job.train("multiclass_classifier", rows, num_classes=3, loss="hinge_loss", **LONG)
    assert 0.99999 <= outcome.objective("train") / optimum <= 1.01
    assert outcome.final("train", "multiclass_accuracy") == np.mean(
        SavedModel.of(outcome.model_dir).labels(rows[0]) == labels
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adagrad"])
def test_every_optimizer_gets_there(optimizer: str, binary: FinishedJob, job: JobFolder) -> None:
    outcome = binary.again(job, optimizer=optimizer, **BY_LOSS)
    best = binary.best_linear_model[0]
    assert outcome.final("validation", binary.objective) <= 1.02 * best
    assert outcome.facts["hyperparameters"]["optimizer"] == optimizer


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_every_optimizer_bears_large_weights_of_positive_examples(optimizer: str, make_job: MakeJob) -> None:
    """1e5 is the largest of Amazon's range for tuning. Rows are few for their width, so that penalties count too."""
    random, weight = np.random.default_rng(0), 1e5
    features = random.normal(size=(1200, 150))
    scores = features @ random.normal(size=150) + 18 * random.logistic(size=1200)
    labels = (scores > np.quantile(scores, 0.86)).astype(float)
    train, validation = (features[:700], labels[:700]), (features[700:], labels[700:])

    def loss(scores: np.ndarray) -> float:
        losses = np.logaddexp(0, scores) - scores * validation[1]
        return float(np.mean(np.where(validation[1] == 1, weight, 1) * losses))

    balance = {0: 1 / weight, 1: 1.0}
    best = min(
        loss(LogisticRegression(C=c, class_weight=balance, max_iter=500).fit(*train).decision_function(validation[0]))
        for c in 10.0 ** np.arange(-5, 2)
    )
    job = make_job().hyperparameters(
        "binary_classifier", optimizer=optimizer, positive_example_weight_mult=weight, **BY_LOSS
    )
    outcome = job.channel("train", *train).channel("validation", *validation).run()
    assert outcome.code == 0
    assert outcome.objective("validation") <= 1.2 * best, (outcome.objective("validation"), best)


@pytest.mark.parametrize("settings", [{}, {"wd": 50}, {"wd": 50, "num_models": 1}])
def test_strong_penalties_do_not_make_sgd_diverge(settings: dict[str, object], job: JobFolder) -> None:
    random = np.random.default_rng(2)
    features = random.normal(size=(60, 4))
    labels = (features[:, 0] + random.normal(size=60) > 0).astype(float)
    outcome = job.train("binary_classifier", (features, labels), optimizer="sgd", **settings)
    assert "diverged" not in outcome.log


@pytest.mark.parametrize("quantile", [0.02, 0.9])
def test_more_epochs_do_not_make_a_quantile_worse(quantile: float, make_job: MakeJob) -> None:
    random = np.random.default_rng(2)
    features = random.normal(size=(2000, 15))
    labels = np.exp(features @ random.normal(size=15) / 2 + random.normal(size=2000))
    found = []
    for epochs in (15, 200):
        job = make_job().hyperparameters("regressor", loss="quantile_loss", quantile=quantile, epochs=epochs)
        job.channel("train", features[:1500], labels[:1500]).channel("validation", features[1500:], labels[1500:])
        found.append(job.run().objective("validation"))
    assert found[1] <= found[0]
