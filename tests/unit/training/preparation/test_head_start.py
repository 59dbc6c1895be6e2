from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from in_threads import together
from scipy.special import huber
from sklearn.linear_model import HuberRegressor, LogisticRegression

from linear_learner.data.dataset import Dataset
from linear_learner.environment import Environment
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.training import job
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.logs.log_lines import Reporter, Timers
from linear_learner.training.preparation.head_start import head_start
from linear_learner.training.preparation.task import make_objective, prepare
from linear_learner.training.training_job import TrainingJob

Found = tuple[np.ndarray, np.ndarray] | None

RANDOM = np.random.default_rng(0)
SHARED, APART, OTHER, NOISE = RANDOM.normal(size=(4, 2000))
FEATURES = np.stack([SHARED, SHARED + 0.01 * APART, OTHER], axis=1).astype(np.float32)
"""What the first two columns tell apart is a hundredth of what they hold."""
TARGETS = (5 + APART - OTHER + 0.3 * NOISE).astype(np.float32)
CLASSES = np.digitize(TARGETS, [4, 6]).astype(np.float32)


def start_of(
    labels: np.ndarray, predictor_type: str, *, features: np.ndarray = FEATURES, cluster: Cluster = ALONE, **given: str
) -> Found:
    rows = slice(cluster.rank, None, cluster.size)
    train = Dataset("train", features[rows], labels[rows], ())
    hp: HyperParameters = validate({"predictor_type": predictor_type, **given})
    hp = resolve(hp, feature_dim=features.shape[1], rows=len(labels))
    task = prepare(hp, {"train": train}, cluster)
    return head_start(hp, task, make_objective(hp, task), cluster)


def normalised(features: np.ndarray) -> np.ndarray:
    exact = features.astype(np.float64)
    return (exact - exact.mean(axis=0)) / exact.std(axis=0)


def losses(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross entropy of ``scores`` (n, C), before the softmax."""
    scores = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels.astype(int)]))


@pytest.mark.parametrize("loss", ["squared_loss", "huber_loss"])
def test_a_regression_starts_at_least_squares_however_much_columns_go_together(loss: str) -> None:
    start = start_of(TARGETS, "regressor", loss=loss)
    assert start is not None
    predicted = normalised(FEATURES) @ start[0] + start[1]
    residuals = normalised(TARGETS[:, np.newaxis]) - predicted
    inputs = np.column_stack([FEATURES, np.ones(2000)]).astype(np.float64)
    least = np.linalg.lstsq(inputs, TARGETS, rcond=None)[1][0] / 2000 / TARGETS.var()
    assert np.mean(residuals**2) < 1.002 * least


def test_a_huber_loss_that_bends_sooner_than_at_1_starts_lower_too() -> None:
    start = start_of(TARGETS, "regressor", loss="huber_loss", huber_delta="0.3")
    assert start is not None
    errors = TARGETS.std() * (normalised(FEATURES) @ start[0] + start[1]) + TARGETS.mean() - TARGETS[:, np.newaxis]
    judge = HuberRegressor(epsilon=1, alpha=0, max_iter=1000)  # of errors in units of a scale that it estimates
    least = TARGETS - judge.fit(normalised(FEATURES), TARGETS).predict(normalised(FEATURES))
    assert huber(0.3, errors).mean() < 1.01 * huber(0.3, least).mean()


@pytest.mark.parametrize(("predictor_type", "classes"), [("binary_classifier", 2), ("multiclass_classifier", 3)])
def test_a_classifier_starts_at_the_minimum_without_penalties(predictor_type: str, classes: int) -> None:
    labels = CLASSES if classes == 3 else (CLASSES > 0).astype(np.float32)
    given = {"num_classes": "3"} if classes == 3 else {}
    start = start_of(labels, predictor_type, **given)
    assert start is not None
    inputs = normalised(FEATURES)
    scores = inputs @ start[0] + start[1]
    if classes == 2:
        scores = np.hstack([np.zeros_like(scores), scores])
    least = LogisticRegression(C=1e6, solver="newton-cg", max_iter=1000).fit(inputs, labels)
    assert losses(scores, labels) < 1.01 * losses(np.log(least.predict_proba(inputs)), labels)


def test_columns_that_are_the_same_share_what_they_tell() -> None:
    """In a direction that holds nothing there is nothing to learn: no weights that float32 would drown in."""
    twice = np.column_stack([FEATURES, FEATURES[:, 2]])
    start = start_of(TARGETS, "regressor", features=twice)
    assert start is not None
    once = start_of(TARGETS, "regressor")
    assert once is not None
    np.testing.assert_allclose(start[0][2:, 0], np.repeat(once[0][2] / 2, 2), rtol=1e-3)


def test_without_a_bias_there_is_none_to_begin_with() -> None:
    start = start_of(TARGETS, "regressor", use_bias="false")
    assert start is not None
    assert not start[1].any()


def test_hosts_start_alike_where_one_with_all_rows_would() -> None:
    alone = start_of(TARGETS, "regressor")
    found = together(3, lambda host: start_of(TARGETS, "regressor", cluster=host))
    assert alone is not None
    for start in found:
        assert start is not None and found[0] is not None
        np.testing.assert_array_equal(start[0], found[0][0])
        np.testing.assert_allclose(start[0], alone[0], rtol=1e-3)
        np.testing.assert_allclose(start[1], alone[1], atol=1e-4)


def test_few_rows_sparse_ones_and_losses_with_kinks_have_no_head_start() -> None:
    assert start_of(TARGETS[:59], "regressor", features=FEATURES[:59]) is None
    assert start_of(TARGETS[:60], "regressor", features=FEATURES[:60]) is not None
    assert start_of(CLASSES[:179], "multiclass_classifier", features=FEATURES[:179], num_classes="3") is None
    assert start_of(TARGETS, "regressor", loss="absolute_loss") is None
    sparse = replace(Dataset("train", FEATURES, TARGETS, ()), features=CsrMatrix.from_dense(FEATURES))
    hp = resolve(validate({"predictor_type": "regressor"}), feature_dim=3, rows=2000)
    task = prepare(hp, {"train": sparse})
    assert head_start(hp, task, make_objective(hp, task)) is None


@pytest.mark.parametrize("given", [{"init_method": "uniform"}, {"init_scale": "0.07"}, {"init_bias": "0"}])
def test_who_says_how_to_begin_gets_no_head_start(given: dict[str, str]) -> None:
    assert start_of(TARGETS, "regressor", **given) is None


def test_a_job_begins_there() -> None:
    requested = validate({"predictor_type": "regressor", "epochs": "1"})
    hp = resolve(requested, feature_dim=3, rows=2000)
    channels = {"train": Dataset("train", FEATURES, TARGETS, ())}
    task = prepare(hp, channels)
    candidates = job.make_candidates(requested, hp, rows=2000)
    log = Reporter("algo-1")
    training = TrainingJob(Environment(Path("/nowhere")), hp, channels, task, candidates, log, lambda: False, ALONE)
    assert job.train_candidates(training, Timers()).loss.min() < 0.12 * TARGETS.var()
