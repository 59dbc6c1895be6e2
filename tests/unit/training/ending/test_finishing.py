"""The model that is served: made of the rows of all hosts, by the hyperparameters that ask for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training.cluster.interface import ALONE, Cluster, Combine
from linear_learner.training.cluster.scores import gather_scores
from linear_learner.training.ending.finishing import Finished, finish_model, intervals
from linear_learner.training.engines.candidates import make_candidates
from linear_learner.training.preparation.task import FeatureRanges, Judge, Task

CRITERION = "binary_classifier_model_selection_criteria"
RECALL = {CRITERION: "precision_at_target_recall", "target_recall": "0.7", "target_confidence": "0.9"}
PRECISION = {CRITERION: "recall_at_target_precision", "target_precision": "0.5", "target_confidence": "0.9"}


class Threads(Cluster):
    """The hosts of a job as threads of this process."""

    def __init__(self, rank: int, messages: list[bytes], barrier: threading.Barrier, answers: list[bytes]) -> None:
        super().__init__([str(host) for host in range(len(messages))], rank)
        self.messages, self.barrier, self.answers = messages, barrier, answers

    def exchange(self, message: bytes, combine: Combine) -> bytes:
        self.messages[self.rank] = message
        self.barrier.wait(10)
        if self.is_first:
            self.answers[:] = [combine(list(self.messages))]
        self.barrier.wait(10)
        answer = self.answers[0]
        self.barrier.wait(10)
        return answer

    def add(self, numbers: np.ndarray) -> None:
        raise NotImplementedError


def on_hosts(number: int, work: Callable[[int, Cluster], object]) -> list[object]:
    """What ``work(rank, cluster)`` gives on each of so many hosts."""
    messages, barrier, answers = [b""] * number, threading.Barrier(number), [b""]
    clusters = [Threads(rank, messages, barrier, answers) for rank in range(number)]
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda cluster: work(cluster.rank, cluster), clusters))


def setting(**given: str) -> tuple[LinearModel, HyperParameters]:
    """A binary model of one feature whose raw score is twice the feature."""
    hp = resolve(validate({"predictor_type": "binary_classifier", "epochs": "3", **given}), feature_dim=1, rows=100)
    link = LOSSES[hp.predictor_type, hp.loss].link
    weights, bias = np.array([[2.0]], np.float32), np.zeros(1, np.float32)
    return LinearModel(weights, bias, hp.predictor_type, hp.loss, link, threshold=0.25, num_classes=1), hp


def task_of(hp: HyperParameters, features: np.ndarray, labels: np.ndarray) -> Task:
    scaler = Scaler(np.zeros(1, np.float32), np.ones(1, np.float32))
    judge = Judge(Dataset("validation", features, labels, ()), Chunk(features, labels, np.arange(len(labels))))
    return Task(
        LOSSES[hp.predictor_type, hp.loss], scaler, None, Epochs(features, labels, None, seed=0), "validation",
        lambda: judge, lambda: FeatureRanges.of(features), work=1,
    )  # fmt: skip


def rows(number: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    features = random.normal(size=(number, 1)).astype(np.float32) * 2
    return features, (random.random(number) < expit(features[:, 0] - 1)).astype(np.float32)


def finished(
    features: np.ndarray, labels: np.ndarray, cluster: Cluster = ALONE, positive_weight: float = 1.0, **given: str
) -> Finished:
    model, hp = setting(**given)
    chosen = replace(make_candidates(hp, hp, rows=100)[0], positive_weight=positive_weight)
    return finish_model(model, chosen, 8, task_of(hp, features, labels), hp, cluster)


def test_where_nothing_is_asked_for_the_model_is_left_as_it_is() -> None:
    found = finished(*rows())
    assert found.facts == {}
    assert (found.model.weights.tolist(), found.model.bias.tolist()) == ([[2]], [0])


def test_a_precision_that_no_threshold_reaches_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    features = np.array([[1.0], [2.0], [3.0]], np.float32)
    given = {CRITERION: "recall_at_target_precision", "target_precision": "0.9"}
    assert finished(features, np.array([1, 1, 0], np.float32), **given).model.threshold is not None
    (record,) = caplog.records
    assert record.message.startswith("No threshold reaches target_precision=0.9: nothing is called positive.")
    caplog.clear()
    finished(features, np.array([0, 1, 1], np.float32), **given)
    assert not caplog.records


def test_what_is_promised_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        told = finished(*rows(), **RECALL).facts["target_confidence"]
    (record,) = caplog.records
    assert record.levelname == "INFO" and 0.7 <= told["lower_bound"] < told["right"] / told["rows"]
    assert record.message == (
        f"With confidence 0.9, recall is at least {told['lower_bound']!r}: {told['right']} of {told['rows']} rows, the "
        "best of 8 models over 3 epochs."
    )


def test_a_promise_that_no_threshold_keeps_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    features, labels = rows()
    told = finished(-features, labels, **PRECISION | {"target_precision": "0.9"}).facts["target_confidence"]
    assert (told["lower_bound"], told["rows"]) == (None, 0)
    (record,) = caplog.records
    assert record.message.startswith("No threshold keeps target_precision=0.9 with target_confidence=0.9: nothing is")


class TestThreshold:
    """Of a model whose raw score is twice the feature."""

    features = np.array([[-3], [-2], [-1], [1], [2], [3], [4], [5]], np.float32) / 2
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32)

    def model(self, labels: np.ndarray = labels, **given: str) -> LinearModel:
        return finished(self.features, labels, **given).model

    def test_parts_the_scores_as_they_are_served(self) -> None:
        model = self.model()
        predictions = model.predict(self.features)
        assert predictions.predicted_label is not None
        assert predictions.predicted_label.tolist() == self.labels.tolist()
        # Between the raw scores 1 and 2, which are probabilities of 0.73 and 0.88.
        assert model.threshold == pytest.approx((expit(1) + expit(2)) / 2)

    def test_is_neutral_where_the_loss_decides(self) -> None:
        assert self.model(**{CRITERION: "loss_function"}).threshold == 0.5

    def test_is_found_on_as_many_rows_as_are_asked_for(self) -> None:
        """Of every second row, of raw scores -3, -1, 2 and 4, those from 2 on are positive; between them is no row of
        score 1."""
        assert self.model(num_calibration_samples="4").threshold == pytest.approx((expit(-1) + expit(2)) / 2)

    def test_parts_hinge_scores_as_they_are(self) -> None:
        assert self.model(loss="hinge_loss").threshold == 1.5

    @pytest.mark.parametrize(
        ("given", "recall", "precision"),
        [
            ({CRITERION: "precision_at_target_recall", "target_recall": "0.9"}, 1.0, 2 / 3),
            ({CRITERION: "precision_at_target_recall", "target_recall": "0.5"}, 0.5, 1.0),
            ({CRITERION: "recall_at_target_precision", "target_precision": "0.9"}, 0.5, 1.0),
            ({CRITERION: "recall_at_target_precision", "target_precision": "0.6"}, 1.0, 2 / 3),
            ({CRITERION: "f_beta", "f_beta": "3"}, 1.0, 2 / 3),
            ({CRITERION: "f_beta", "f_beta": "0.2"}, 0.5, 1.0),
        ],
    )
    def test_meets_the_criterion(self, given: dict[str, str], recall: float, precision: float) -> None:
        labels = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.float32)
        predicted = self.model(labels, **given).predict(self.features).predicted_label
        assert predicted is not None
        right = np.sum(predicted * labels)
        assert (right / labels.sum(), right / predicted.sum()) == (recall, pytest.approx(precision))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"probability_calibration": "auto"},
        {"probability_calibration": "isotonic", **RECALL},
        {"probability_calibration": "platt", "loss": "hinge_loss"},
        {"correct_weighted_probabilities": "true"},
        PRECISION,
    ],
)
def test_several_hosts_come_to_what_one_does_with_all_rows(given: dict[str, str]) -> None:
    features, labels = rows()
    alone = finished(features, labels, positive_weight=3.0, **given)
    parts = [slice(0, 500), slice(500, 700), slice(700, None)]

    def work(rank: int, cluster: Cluster) -> Finished:
        return finished(features[parts[rank]], labels[parts[rank]], cluster, 3.0, **given)

    assert bool(alone.facts) == bool(given)
    for found in on_hosts(3, work):
        assert isinstance(found, Finished)
        assert found.facts == alone.facts
        assert found.model.threshold == alone.model.threshold
        assert found.model.weights.tolist() == alone.model.weights.tolist()
        assert found.model.bias.tolist() == alone.model.bias.tolist()


def test_rows_of_all_hosts_meet_in_the_order_of_ranks() -> None:
    def work(rank: int, cluster: Cluster) -> tuple[np.ndarray, np.ndarray]:
        return gather_scores(
            cluster, np.full((rank + 1, 2), rank, np.float32), np.full(rank + 1, 10 * rank, np.float32)
        )

    for scores, labels in on_hosts(2, work):  # type: ignore[misc]
        assert scores.tolist() == [[0, 0], [1, 1], [1, 1]]
        assert labels.tolist() == [0, 10, 10]


def test_no_more_rows_are_taken_than_asked_for() -> None:
    found = finished(*rows(), probability_calibration="platt", num_calibration_samples="100")
    assert found.facts["probability_calibration"]["rows"] == 100


def test_intervals_of_several_hosts_are_those_of_all_rows() -> None:
    features, labels = rows(600)
    model, hp = setting(bootstrap_samples="50")

    def of(part: slice, cluster: Cluster) -> dict[str, object]:
        data = Dataset("validation", features[part], labels[part], ())
        return intervals(model, {"validation": data}, 8, task_of(hp, features[part], labels[part]), hp, cluster)

    alone = of(slice(None), ALONE)
    assert alone["intervals"]["metrics"]["validation"].keys() >= {"precision", "recall"}  # type: ignore[index]
    halves = [slice(0, 300), slice(300, None)]
    assert on_hosts(2, lambda rank, cluster: of(halves[rank], cluster)) == [alone, alone]


def test_no_intervals_are_made_unless_asked_for() -> None:
    model, hp = setting()
    assert intervals(model, {}, 8, task_of(hp, *rows(10)), hp) == {}


@pytest.mark.parametrize("kind", ["binary_classifier", "regressor"])
@pytest.mark.parametrize("calls", [0, 3])
def test_a_stop_while_intervals_are_taken_ends_that_on_all_hosts(
    kind: str, calls: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes on one of them: at once, or after some samples."""
    binary, hp = setting(bootstrap_samples="100000")
    model = binary
    if kind == "regressor":
        hp = resolve(validate({"predictor_type": kind, "bootstrap_samples": "100000"}), feature_dim=1, rows=100)
        model = LinearModel(binary.weights, binary.bias, kind, hp.loss, "identity", threshold=None, num_classes=1)
    features, labels = rows(400)

    def work(rank: int, cluster: Cluster) -> object:
        asked = 0

        def should_stop() -> bool:
            nonlocal asked
            asked += 1
            return rank == 1 and asked > calls

        part = slice(rank * 200, (rank + 1) * 200)
        data = Dataset("validation", features[part], labels[part], ())
        task = task_of(hp, features[part], labels[part])
        return intervals(model, {"validation": data}, 8, task, hp, cluster, should_stop)

    assert on_hosts(2, work) == [{}, {}]
    assert "no intervals are given" in caplog.text
