"""Every metric against scikit-learn, ties and missing classes included."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as judge
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.errors import AlgorithmError
from linear_learner.training.evaluation import metrics
from linear_learner.training.evaluation.metrics import Metric, Terms, evaluate

BINARY = {"predictor_type": "binary_classifier", "link": "logistic", "threshold": 0.5}
MULTICLASS = {"predictor_type": "multiclass_classifier", "link": "softmax", "threshold": None}
REGRESSOR = {"predictor_type": "regressor", "link": "identity", "threshold": None}
BINARY_SCORES = np.array([0.1, 0.8, 0.4, 0.9], np.float32)
BINARY_LABELS = np.array([0, 1, 1, 0], np.float32)


def run(scores: np.ndarray, labels: np.ndarray, **settings: object) -> list[Metric]:
    return evaluate(scores, labels, Terms(**{"f_beta": 1.0, "accuracy_top_k": 3, **settings}))


def by_name(scores: np.ndarray, labels: np.ndarray, **settings: object) -> dict[str, float]:
    return {metric.name: metric.value for metric in run(scores, labels, **settings)}


def softmax(margins: np.ndarray) -> np.ndarray:
    e = np.exp(margins - margins.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


# A coarse grid of scores makes ties common; the threshold is often one of them.
grid = st.integers(0, 8).map(lambda eighths: eighths / 8)
binary_rows = st.lists(st.tuples(grid, st.integers(0, 1)), min_size=1, max_size=40)


@settings(max_examples=60)
@given(binary_rows, grid, st.sampled_from([0.5, 1.0, 2.5]))
def test_binary_metrics_agree_with_scikit_learn(rows: list[tuple[float, int]], threshold: float, beta: float) -> None:
    scores = np.array([score for score, _ in rows], np.float32)
    labels = np.array([label for _, label in rows], np.float32)
    called = (scores >= threshold).astype(int)
    ours = by_name(scores, labels, **{**BINARY, "threshold": threshold, "f_beta": beta})
    expected = {
        "binary_classification_accuracy": judge.accuracy_score(labels, called),
        f"binary_f_{beta:.3f}": judge.fbeta_score(labels, called, beta=beta, zero_division=0),
        "precision": judge.precision_score(labels, called, zero_division=0),
        "recall": judge.recall_score(labels, called, zero_division=0),
        "binary_log_loss": judge.log_loss(labels, scores, labels=[0, 1]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that no label has
        expected["binary_balanced_accuracy"] = judge.balanced_accuracy_score(labels, called)
    if len(set(labels)) == 2:
        expected["roc_auc_score"] = judge.roc_auc_score(labels, scores)
    assert ours == pytest.approx(expected, rel=1e-6)


def test_binary_metrics_come_in_the_order_of_the_log() -> None:
    assert [(m.name, m.tag) for m in run(BINARY_SCORES, BINARY_LABELS, **BINARY)] == [
        ("binary_classification_accuracy", "score"),
        ("binary_f_1.000", "score"),
        ("precision", "score"),
        ("recall", "score"),
        ("roc_auc_score", "score"),
        ("binary_balanced_accuracy", "score"),
        ("binary_log_loss", "score"),
    ]


def test_beta_stands_in_the_name_with_three_decimals() -> None:
    assert "binary_f_0.250" in by_name(BINARY_SCORES, BINARY_LABELS, **BINARY, f_beta=0.25)


def test_one_class_of_labels_has_no_roc() -> None:
    ours = by_name(BINARY_SCORES, np.zeros(4, np.float32), **BINARY)
    assert "roc_auc_score" not in ours
    assert (ours["recall"], ours["binary_f_1.000"]) == (0, 0)


def test_a_score_of_nan_makes_the_roc_nan() -> None:
    scores = np.array([0.1, np.nan, 0.4, 0.9], np.float32)
    assert math.isnan(by_name(scores, BINARY_LABELS, **BINARY)["roc_auc_score"])


def test_roc_of_many_rows_does_not_overflow() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(300_000) < 0.5).astype(np.float32)
    scores = np.round(rng.normal(labels), 3).astype(np.float32)
    ours = by_name(scores, labels, **{**BINARY, "link": "identity"})["roc_auc_score"]
    assert ours == pytest.approx(judge.roc_auc_score(labels, scores), rel=1e-12)


def test_hinge_scores_have_no_log_loss() -> None:
    names = by_name(BINARY_SCORES, BINARY_LABELS, **{**BINARY, "link": "identity"})
    assert "binary_log_loss" not in names
    assert "roc_auc_score" in names


def test_a_certain_and_wrong_probability_costs_a_finite_log_loss() -> None:
    value = by_name(np.array([1.0, 0.0], np.float32), np.array([0, 1], np.float32), **BINARY)["binary_log_loss"]
    assert value == pytest.approx(-math.log(np.finfo(np.float32).eps), rel=1e-6)


def test_a_binary_model_needs_a_threshold() -> None:
    with pytest.raises(AlgorithmError, match="without a threshold"):
        run(BINARY_SCORES, BINARY_LABELS, **{**BINARY, "threshold": None})


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(3, 6), st.integers(1, 3))
def test_multiclass_metrics_agree_with_scikit_learn(seed: int, rows: int, classes: int, top_k: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    scores = softmax(rng.normal(size=(rows, classes)) * 3)
    called = scores.argmax(axis=1)
    ours = by_name(scores, labels.astype(np.float32), **MULTICLASS, accuracy_top_k=top_k, f_beta=2.0)
    average = {"average": "macro", "zero_division": 0}
    one_hot = np.eye(classes)[labels]
    hits = judge.top_k_accuracy_score(labels, scores, k=top_k, labels=np.arange(classes)) if top_k < classes else 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that no label has
        balanced = judge.balanced_accuracy_score(labels, called)
    assert ours == pytest.approx(
        {
            "multiclass_accuracy": judge.accuracy_score(labels, called),
            f"multiclass_top_k_accuracy_{top_k}": hits,
            "dcg": judge.dcg_score(one_hot, scores),
            "macro_recall": judge.recall_score(labels, called, **average),
            "macro_precision": judge.precision_score(labels, called, **average),
            "macro_f_2.000": judge.fbeta_score(labels, called, beta=2.0, **average),
            "multiclass_balanced_accuracy": balanced,
            "multiclass_log_loss": judge.log_loss(labels, scores, labels=np.arange(classes)),
        },
        rel=1e-5,
    )


def test_multiclass_metrics_come_in_the_order_of_the_log() -> None:
    scores, labels = softmax(np.eye(4)), np.arange(4, dtype=np.float32)
    assert [(m.name, m.tag) for m in run(scores, labels, **MULTICLASS)] == [
        ("multiclass_accuracy", "score"),
        ("multiclass_top_k_accuracy_3", "score"),
        ("dcg", "score"),
        ("macro_recall", "score"),
        ("macro_precision", "score"),
        ("macro_f_1.000", "score"),
        ("multiclass_balanced_accuracy", "score"),
        ("multiclass_log_loss", "score"),
    ]


def test_of_equal_class_scores_the_lower_class_ranks_first_like_the_prediction() -> None:
    scores = np.full((3, 3), 1 / 3, np.float32)
    ours = by_name(scores, np.array([0, 1, 2], np.float32), **MULTICLASS, accuracy_top_k=2)
    assert ours["multiclass_accuracy"] == pytest.approx(1 / 3)
    assert ours["multiclass_top_k_accuracy_2"] == pytest.approx(2 / 3)
    assert ours["dcg"] == pytest.approx((1 + 1 / math.log2(3) + 1 / 2) / 3)


def test_more_places_than_classes_are_always_a_hit() -> None:
    scores = softmax(np.random.default_rng(0).normal(size=(5, 3)))
    ours = by_name(scores, np.zeros(5, np.float32), **MULTICLASS, accuracy_top_k=10)
    assert ours["multiclass_top_k_accuracy_10"] == 1


def test_nan_scores_are_never_a_hit() -> None:
    scores = np.full((2, 3), np.nan, np.float32)
    ours = by_name(scores, np.zeros(2, np.float32), **MULTICLASS)
    assert (ours["multiclass_accuracy"], ours["multiclass_top_k_accuracy_3"]) == (0, 0)


def test_log_loss_is_the_cross_entropy_and_not_a_second_softmax() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    ours = by_name(scores, np.array([0, 1], np.float32), **MULTICLASS)["multiclass_log_loss"]
    assert ours == pytest.approx(-(math.log(0.7) + math.log(0.1)) / 2, rel=1e-6)


def test_multiclass_hinge_scores_have_no_log_loss() -> None:
    scores = np.array([[2.0, -1.0, 0.5]], np.float32)
    assert "multiclass_log_loss" not in by_name(scores, np.zeros(1, np.float32), **{**MULTICLASS, "link": "identity"})


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    scores, labels = softmax(rng.normal(size=(50, 4))), rng.integers(0, 4, 50).astype(np.float32)
    whole = run(scores, labels, **MULTICLASS)
    monkeypatch.setattr(metrics, "_BLOCK", 28)  # 7 rows, and a last block of 1
    assert run(scores, labels, **MULTICLASS) == whole


@settings(max_examples=60)
@given(
    st.lists(st.tuples(*[st.floats(-100, 100, width=32, allow_subnormal=False)] * 2), min_size=2, max_size=30).filter(
        lambda rows: np.var([label for _, label in rows]) > 1e-3
    )
)
def test_regression_metrics_agree_with_scikit_learn(rows: list[tuple[float, float]]) -> None:
    scores, labels = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    exact = {"y_true": labels.astype(float), "y_pred": scores.astype(float)}
    assert by_name(scores, labels, **REGRESSOR) == pytest.approx(
        {
            "mse": judge.mean_squared_error(**exact),
            "absolute_loss": judge.mean_absolute_error(**exact),
            "rmse": judge.root_mean_squared_error(**exact),
            "r2": judge.r2_score(**exact),
            "mae": judge.mean_absolute_error(**exact),
        },
        rel=1e-9,
        abs=1e-12,
    )


def test_regression_metrics_come_in_the_order_of_the_log() -> None:
    values = np.array([1.0, 2.0], np.float32)
    assert [(m.name, m.tag) for m in run(values, values, **REGRESSOR)] == [
        ("mse", "loss"),
        ("absolute_loss", "loss"),
        ("rmse", "loss"),
        ("r2", "score"),
        ("mae", "loss"),
    ]


@pytest.mark.parametrize(("score", "expected"), [(3.0, 1.0), (2.5, 0.0)])
def test_r2_of_constant_labels_is_one_for_a_hit_and_else_zero(score: float, expected: float) -> None:
    labels = np.full(3, 3.0, np.float32)
    assert by_name(np.full(3, score, np.float32), labels, **REGRESSOR)["r2"] == expected
    assert judge.r2_score(labels, np.full(3, score)) == expected


def test_errors_of_large_labels_are_taken_in_float64() -> None:
    labels = np.full(1000, 16_777_216.0, np.float32)
    assert by_name(labels - 2, labels, **REGRESSOR)["mse"] == 4
