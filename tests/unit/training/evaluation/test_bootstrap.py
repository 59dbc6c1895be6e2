"""Intervals against a bootstrap that draws rows, and against how far metrics of new rows are spread."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, softmax

from linear_learner.training.evaluation import bootstrap
from linear_learner.training.evaluation.bootstrap import Interval, intervals, threshold_interval
from linear_learner.training.evaluation.metrics import METRICS, Terms, evaluate, metric_names, rows_to_judge
from linear_learner.training.evaluation.threshold import Criterion, calibrate

SETTINGS = {"f_beta": 1.0, "accuracy_top_k": 2}
ALL_ROWS = 10_000_000


def binary_rows(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=number) * 2 - 1
    return expit(logits).astype(np.float32), (random.random(number) < expit(logits)).astype(np.float32)


def found(scores: np.ndarray, labels: np.ndarray, kind: str, samples: int = 400, seed: int = 0) -> dict[str, Interval]:
    threshold = 0.4 if kind == "binary_classifier" else None
    link = {"binary_classifier": "logistic", "multiclass_classifier": "softmax", "regressor": "identity"}[kind]
    terms = Terms(kind, link, threshold, **SETTINGS)
    rows = rows_to_judge(scores, labels, terms)
    named = zip(metric_names(terms), intervals(rows, threshold, samples, seed), strict=True)
    return {name: interval for name, interval in named if interval is not None}


def drawn(scores: np.ndarray, labels: np.ndarray, kind: str, samples: int = 400) -> dict[str, Interval]:
    """The same with ``evaluate``, which test_metrics.py holds against scikit-learn, on rows that are drawn."""
    random = np.random.default_rng(99)
    threshold = 0.4 if kind == "binary_classifier" else None
    values: dict[str, list[float]] = {}
    for _ in range(samples):
        index = random.integers(0, len(labels), len(labels))
        link = "identity" if kind == "regressor" else "logistic"
        for metric in evaluate(scores[index], labels[index], Terms(kind, link, threshold, **SETTINGS)):
            values.setdefault(metric.name, []).append(metric.value)
    return {name: tuple(np.quantile(each, [0.025, 0.975])) for name, each in values.items()}


def assert_alike(ours: dict[str, Interval], theirs: dict[str, Interval]) -> None:
    """Two bootstraps of 400 samples: their ends differ by a part of the interval."""
    assert list(theirs) == list(ours)
    for name, (low, high) in theirs.items():
        assert_allclose(ours[name], (low, high), atol=0.15 * (high - low), err_msg=name)


def test_a_binary_model_has_the_intervals_of_drawn_rows() -> None:
    rows = binary_rows(600)
    ours = found(*rows, "binary_classifier")
    assert_alike(ours, drawn(*rows, "binary_classifier"))
    assert list(ours) == metric_names(Terms("binary_classifier", "logistic", 0.4, **SETTINGS))


def test_neighbouring_scores_in_one_cell_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = binary_rows(3000)
    exact = found(*rows, "binary_classifier")
    monkeypatch.setattr(bootstrap, "CELLS", 100)
    assert_alike(found(*rows, "binary_classifier"), exact)


def test_multiclass_and_regression_models_have_the_intervals_of_drawn_rows() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 500)
    scores = softmax(random.normal(size=(500, 4)) + 1.5 * np.eye(4)[labels], axis=1).astype(np.float32)
    rows = scores, labels.astype(np.float32)
    assert_alike(found(*rows, "multiclass_classifier"), drawn(*rows, "multiclass_classifier"))
    values = random.normal(size=400).astype(np.float32)
    rows = values + random.standard_t(4, size=400).astype(np.float32), values
    assert_alike(found(*rows, "regressor"), drawn(*rows, "regressor"))


def test_unit_weights_give_the_metrics_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function of samples is that of its metric: with each row drawn once, both are the same number."""
    scores, labels = binary_rows(500)
    assert bootstrap.OF_SAMPLES.keys() == {row.value for row in METRICS["binary_classifier"]}

    def once(cells: bootstrap._Cells, samples: int, seed: int) -> list[bootstrap._Counts]:
        return [bootstrap._Counts(cells.positives[None], cells.negatives[None])]

    monkeypatch.setattr(bootstrap._Cells, "draws", once)
    ours = found(scores, labels, "binary_classifier")
    exact = evaluate(scores, labels, Terms("binary_classifier", "logistic", 0.4, **SETTINGS))
    assert {name: low for name, (low, _) in ours.items()} == {
        metric.name: pytest.approx(metric.value, rel=1e-12) for metric in exact
    }


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """The true accuracy at 0.4 is known from many rows; of 200 sets of 300 rows about one in twenty misses it."""
    scores, labels = binary_rows(2_000_000, seed=50)
    truth = np.mean((scores >= 0.4) == labels)
    hits = 0
    for seed in range(200):
        low, high = found(*binary_rows(300, seed + 100), "binary_classifier", 200)["binary_classification_accuracy"]
        hits += low <= truth <= high
    assert 0.89 <= hits / 200 <= 0.99


def test_the_same_seed_gives_the_same_intervals_and_another_others() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=100).astype(np.float32)
    for rows, kind in [(binary_rows(200), "binary_classifier"), ((values, values + 1), "regressor")]:
        assert found(*rows, kind, 50) == found(*rows, kind, 50)
    assert found(*binary_rows(200), "binary_classifier", 50) != found(
        *binary_rows(200), "binary_classifier", 50, seed=1
    )


def test_blocks_of_samples_are_one_stream_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(*binary_rows(200), "binary_classifier", 50)
    monkeypatch.setattr(bootstrap, "_COUNTS_AT_ONCE", 1000)
    in_blocks = found(*binary_rows(200), "binary_classifier", 50)
    assert in_blocks.keys() == whole.keys()
    for name, interval in whole.items():  # a product of other shapes may round its last bit otherwise
        assert in_blocks[name] == pytest.approx(interval, rel=1e-12), name


def test_what_has_no_meaning_has_no_interval() -> None:
    scores = binary_rows(50)[0]
    ours = found(scores, np.ones(50, np.float32), "binary_classifier", 50)
    assert "roc_auc_score" not in ours
    rows = rows_to_judge(scores, np.ones(50), Terms("binary_classifier", "identity", 0.4, **SETTINGS))
    assert intervals(rows, 0.4, 50, 0)[-1] is None, "the log loss of margins"


def criterion(name: str, **change: float) -> Criterion:
    return Criterion(name, **{"f_beta": 1.0, "target_recall": 0.8, "target_precision": 0.8, **change})


def interval_of(rows: tuple[np.ndarray, np.ndarray], chosen: Criterion, samples: int = 400) -> Interval | None:
    return threshold_interval(*rows, chosen, neutral=0.5, at_most=ALL_ROWS, samples=samples, seed=0)


@pytest.mark.parametrize("name", ["accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision"])
def test_the_threshold_has_the_interval_of_thresholds_of_drawn_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Thresholds come in clusters, and between two of them lies much that few samples tell apart.
    monkeypatch.setattr(bootstrap, "LEVEL", 0.8)
    scores, labels = binary_rows(500)
    random = np.random.default_rng(7)
    thresholds = []
    for _ in range(400):
        index = random.integers(0, 500, 500)
        thresholds.append(
            calibrate(scores[index], labels[index], criterion(name), neutral=0.5, at_most=ALL_ROWS).threshold
        )
    low, high = np.quantile(thresholds, [0.1, 0.9])
    ours = interval_of((scores, labels), criterion(name))
    assert ours is not None
    assert_allclose(ours, (low, high), atol=0.25 * (high - low))


def test_a_threshold_that_is_not_searched_or_is_a_bound_has_none() -> None:
    assert interval_of(binary_rows(100), criterion("loss_function")) is None
    assert interval_of(binary_rows(100), criterion("precision_at_target_recall", error=0.05)) is None
