"""Calibrated, corrected and promised probabilities and thresholds, from whole jobs."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from finished_job import MakeJob, Rows
from job_folder import JobFolder, Outcome
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit, logit, softmax
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

from linear_learner.cli import main
from linear_learner.hyperparameters.tuning import METRIC_DEFINITIONS
from linear_learner.model import artifact
from linear_learner.model.mxnet_import import mx
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

# The scripts that load a model with MXNet alone meet these.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Cannot decide type for the following arguments:UserWarning",
    "ignore:Parameter .* is already initialized:UserWarning",
)

CRITERION = "binary_classifier_model_selection_criteria"
OURS = {
    "probability_map",
    "probability_calibration",
    "corrected_class_weights",
    "threshold_before_calibration",
    "target_confidence",
    "intervals",
}
FAST = {"num_models": 2, "epochs": 4}


def some_rows(number: int, classes: int, seed: int) -> Rows:
    """Classes that overlap, the first the most frequent, whose log odds follow a curve and no line."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, number, p=np.array([4, *[1] * (classes - 1)]) / (3 + classes))
    centers = 1.2 * np.eye(classes, 4)
    return (centers[labels] + random.normal(size=(number, 4))) ** 3, labels.astype(float)


@pytest.fixture(scope="module")
def binary_rows() -> dict[str, Rows]:
    return {name: some_rows(1200, 2, seed) for seed, name in enumerate(("train", "validation", "test"))}


@pytest.fixture(scope="module")
def multiclass_rows() -> dict[str, Rows]:
    return {name: some_rows(1200, 3, seed) for seed, name in enumerate(("train", "validation", "test"))}


def trained(job: JobFolder, rows: dict[str, Rows], **settings: object) -> Outcome:
    classes = int(max(labels.max() for _, labels in rows.values())) + 1
    kind = {"num_classes": classes} if classes > 2 else {}
    name = "multiclass_classifier" if classes > 2 else "binary_classifier"
    job.hyperparameters(name, **kind, **{**FAST, **settings})
    for channel, of_channel in rows.items():
        job.channel(channel, *of_channel)
    outcome = job.run()
    assert outcome.code == 0, outcome.failure
    assert "The report could not be written" not in outcome.log
    return outcome


def by_mxnet(outcome: Outcome, features: np.ndarray) -> np.ndarray:
    """What a script of MXNet alone gets of the saved graph: (n, C)."""
    net = mx.gluon.nn.SymbolBlock(
        outputs=mx.sym.load(str(outcome.model_dir / "mx-mod-symbol.json")), inputs=mx.sym.var("data")
    )
    net.load_parameters(str(outcome.model_dir / "mx-mod-0000.params"), allow_missing=True)
    net.collect_params().initialize()
    return net(mx.nd.array(features)).asnumpy()


def raw_scores(outcome: Outcome, features: np.ndarray) -> np.ndarray:
    arrays = mx.nd.load(str(outcome.model_dir / "mx-mod-0000.params"))
    weights, bias = (arrays[f"arg:fc0_{name}"].asnumpy().astype(float) for name in ("weight", "bias"))
    return features.astype(np.float32).astype(float) @ weights + bias


def answers(outcome: Outcome, features: np.ndarray, accept: str, **headers: str) -> Any:
    client = create_app(artifact.load(outcome.model_dir), Settings()).test_client()
    body = "".join(",".join(map(repr, row)) + "\n" for row in features.tolist())
    answer = client.post("/invocations", data=body, headers={"Content-Type": "text/csv", "Accept": accept, **headers})
    assert answer.status_code == 200, answer.data
    return answer.data


def test_without_any_of_it_nothing_of_it_is_in_model_or_log(binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    plain = trained(make_job(), binary_rows)
    assert not OURS & plain.facts.keys()
    off = {"probability_calibration": "none", "target_confidence": "none", "bootstrap_samples": 0}
    named = trained(make_job(), binary_rows, correct_weighted_probabilities="false", **off)
    for file in ("mx-mod-0000.params", "mx-mod-symbol.json", "additional-params.json"):
        assert (named.model_dir / file).read_bytes() == (plain.model_dir / file).read_bytes()
    assert not re.search("interval|confidence [0-9]|alibration:", plain.log)


@pytest.mark.parametrize("loss", ["logistic", "hinge_loss"])
def test_platts_sigmoid_is_in_the_graph(loss: str, binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    plain = trained(make_job(), binary_rows, loss=loss)
    outcome = trained(make_job(), binary_rows, loss=loss, probability_calibration="platt")
    features, labels = binary_rows["test"]
    scores = by_mxnet(outcome, features)[:, 0]
    scale, shift = (outcome.facts["probability_calibration"][name] for name in ("scale", "shift"))
    assert_allclose(scores, expit(scale * raw_scores(plain, features)[:, 0] + shift), atol=1e-5)
    assert (outcome.facts["loss_type"], outcome.facts["link"]) == (loss, "logistic")
    # Labels are those of the served scores at the saved threshold.
    found = metrics.accuracy_score(labels, scores >= outcome.facts["threshold"])
    assert outcome.final("test", "binary_classification_accuracy") == pytest.approx(found, abs=1e-9)
    assert outcome.final("test", "binary_log_loss") == pytest.approx(
        metrics.log_loss(labels, scores.astype(float)), rel=1e-5
    )
    # The objective is that of training, whatever became of the scores.
    assert outcome.objective("test") == plain.objective("test")
    assert outcome.final("test", "roc_auc_score") == pytest.approx(plain.final("test", "roc_auc_score"), abs=1e-6)


@pytest.mark.parametrize("loss", ["logistic", "hinge_loss"])
def test_isotonic_steps_are_served_and_stand_beside_the_graph(
    loss: str, binary_rows: dict[str, Rows], make_job: MakeJob
) -> None:
    plain = trained(make_job(), binary_rows, loss=loss)
    outcome = trained(make_job(), binary_rows, loss=loss, probability_calibration="isotonic")
    assert (outcome.model_dir / "mx-mod-0000.params").read_bytes() == (
        plain.model_dir / "mx-mod-0000.params"
    ).read_bytes()
    features, labels = binary_rows["validation"]
    raw = raw_scores(outcome, features)[:, 0]
    least = 1 / (len(labels) + 2)
    judge = np.clip(IsotonicRegression(out_of_bounds="clip").fit(raw, labels).predict(raw), least, 1 - least)
    rows = json.loads(answers(outcome, features, "application/json"))["predictions"]
    scores = np.array([row["score"] for row in rows])
    assert_allclose(scores, judge, atol=2e-3)  # where steps are steep, the rounding of scores shows
    predicted = np.array([row["predicted_label"] for row in rows])
    assert (predicted == (scores >= outcome.facts["threshold"])).all()
    # What MXNet alone needs to give the same labels is written down.
    graph = by_mxnet(outcome, features)[:, 0]
    assert np.mean((graph >= outcome.facts["threshold_before_calibration"]) == predicted) > 0.999
    knots = outcome.facts["probability_map"]
    assert_allclose(np.interp(raw, knots["scores"], knots["probabilities"]), judge, atol=2e-3)
    held_out = outcome.facts["probability_calibration"]["held_out_log_loss"]
    assert list(held_out) == (["none", "isotonic"] if loss == "logistic" else ["isotonic"])


@pytest.mark.parametrize(
    ("loss", "method"), [("hinge_loss", "platt"), ("hinge_loss", "isotonic"), ("logistic", "isotonic")]
)
def test_a_calibrated_model_answers_the_same_in_all_formats(
    loss: str, method: str, binary_rows: dict[str, Rows], job: JobFolder
) -> None:
    outcome = trained(job, binary_rows, loss=loss, probability_calibration=method)
    features = binary_rows["test"][0][:20]
    rows = json.loads(answers(outcome, features, "application/json"))["predictions"]
    lines = [json.loads(line) for line in answers(outcome, features, "application/jsonlines").splitlines()]
    assert lines == rows
    scores = [row["score"] for row in rows]
    table = np.array([line.split(",") for line in answers(outcome, features, "text/csv").decode().split()], float)
    assert_allclose(table[:, 0], scores, rtol=1e-7)
    asked = {"X-Amzn-SageMaker-Custom-Attributes": "inference_output=probabilities,raw_score"}
    more = json.loads(answers(outcome, features, "application/json", **asked))["predictions"]
    assert_allclose([row["probabilities"][1] for row in more], scores, atol=1e-6)
    assert_allclose([row["raw_score"] for row in more], raw_scores(outcome, features)[:, 0], rtol=1e-4, atol=1e-5)
    loose = [json.loads(answers(outcome, row[None], "application/json"))["predictions"][0] for row in features[:3]]
    assert loose == rows[:3]


def test_the_command_line_knows_that_calibrated_margins_are_probabilities(
    binary_rows: dict[str, Rows], job: JobFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = trained(job, binary_rows, loss="hinge_loss", probability_calibration="isotonic")
    file = job.base / "input/data/test/part-0"
    assert (
        main(["predict", "--model", str(outcome.model_dir), "--has-label", "--content-type", "text/csv", str(file)])
        == 0
    )
    told = capsys.readouterr()
    assert f"{outcome.final('test', 'binary_log_loss'):.4f}"[:5] in told.err + told.out


@pytest.mark.parametrize("loss", ["softmax_loss", "hinge_loss"])
def test_a_temperature_is_in_the_graph(loss: str, multiclass_rows: dict[str, Rows], make_job: MakeJob) -> None:
    plain = trained(make_job(), multiclass_rows, loss=loss)
    outcome = trained(make_job(), multiclass_rows, loss=loss, probability_calibration="temperature")
    features, labels = multiclass_rows["test"]
    temperature = outcome.facts["probability_calibration"]["temperature"]
    expected = softmax(raw_scores(plain, features) / temperature, axis=1)
    assert_allclose(by_mxnet(outcome, features), expected, atol=1e-5)
    assert outcome.final("test", "multiclass_accuracy") == plain.final("test", "multiclass_accuracy")
    assert outcome.final("test", "multiclass_log_loss") == pytest.approx(metrics.log_loss(labels, expected), rel=1e-4)


def test_weights_are_taken_out_of_the_probabilities(binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    weight = 6.0
    plain = trained(make_job(), binary_rows, positive_example_weight_mult=weight)
    outcome = trained(
        make_job(), binary_rows, positive_example_weight_mult=weight, correct_weighted_probabilities="true"
    )
    assert outcome.facts["corrected_class_weights"] == [1.0, weight]
    features, labels = binary_rows["test"]
    before, after = by_mxnet(plain, features)[:, 0], by_mxnet(outcome, features)[:, 0]
    assert_allclose(after, expit(logit(before.astype(float)) - np.log(weight)), atol=1e-5)
    # The mean probability is the share of positive rows. Labels are as good as they were, and the same but for a few
    # rows: several thresholds may be the best.
    assert abs(after.mean() - labels.mean()) < 0.05 < before.mean() - labels.mean()
    accuracy = "binary_classification_accuracy"
    assert outcome.final("validation", accuracy) == plain.final("validation", accuracy)
    assert outcome.final("test", "recall") == pytest.approx(plain.final("test", "recall"), abs=0.02)
    assert outcome.objective("validation") == plain.objective("validation")


def test_class_weights_are_taken_out_of_the_probabilities(multiclass_rows: dict[str, Rows], job: JobFolder) -> None:
    outcome = trained(
        job, multiclass_rows, balance_multiclass_weights="true", correct_weighted_probabilities="true", epochs=15
    )
    features, labels = multiclass_rows["test"]
    shares = np.bincount(labels.astype(int)) / len(labels)
    assert_allclose(by_mxnet(outcome, features).mean(axis=0), shares, atol=0.04)
    counts = np.bincount(multiclass_rows["train"][1].astype(int))
    assert_allclose(outcome.facts["corrected_class_weights"], len(labels) / 3 / counts, rtol=1e-6)


@pytest.mark.parametrize("method", ["none", "isotonic"])
def test_a_recall_is_held_with_confidence(method: str, binary_rows: dict[str, Rows], job: JobFolder) -> None:
    settings = {CRITERION: "precision_at_target_recall", "target_recall": 0.8, "target_confidence": 0.9}
    outcome = trained(job, binary_rows, probability_calibration=method, **settings)
    told = outcome.facts["target_confidence"]
    positives = int(binary_rows["validation"][1].sum())
    right = round(outcome.final("validation", "recall") * positives)
    assert (told["of"], told["rows"], told["right"]) == ("recall", positives, right)
    # The best of two models over four epochs shares an error of 0.1 with the others.
    bound = stats.beta.ppf(0.1 / 8, right, positives - right + 1)
    assert told["lower_bound"] == pytest.approx(bound, abs=1e-9)
    assert bound >= 0.8
    assert outcome.found(r"With confidence 0.9, recall is at least (\S+):") == [repr(told["lower_bound"])]


def test_a_precision_is_held_with_confidence(binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    settings = {CRITERION: "recall_at_target_precision", "target_precision": 0.5, "target_confidence": 0.9}
    outcome = trained(make_job(), binary_rows, **settings)
    assert outcome.facts["target_confidence"]["lower_bound"] >= 0.5
    assert outcome.final("validation", "precision") > 0.55
    hard = trained(make_job(), binary_rows, **{**settings, "target_precision": 0.95})
    assert hard.facts["target_confidence"]["lower_bound"] is None
    assert "No threshold keeps target_precision=0.95" in hard.log
    assert hard.final("validation", "recall") == 0


def test_what_cannot_be_promised_ends_the_job_before_it_trains(binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    settings = {CRITERION: "precision_at_target_recall", "target_recall": 0.99, "target_confidence": 0.99}
    job = make_job().hyperparameters("binary_classifier", **settings)
    for channel in ("train", "validation"):
        job.channel(channel, *binary_rows[channel])
    outcome = job.run()
    assert (outcome.code, "epoch=0" in outcome.log) == (2, False)
    assert outcome.failure is not None and "that takes at least" in outcome.failure
    outcome = (
        make_job()
        .hyperparameters("binary_classifier", probability_calibration="auto")
        .channel("train", *binary_rows["train"])
        .run()
    )
    assert outcome.code == 2
    assert outcome.failure is not None and "there is no channel 'validation'" in outcome.failure


@pytest.mark.parametrize("classes", [2, 3])
def test_intervals_are_told_and_no_tuner_takes_them_for_metrics(
    classes: int, binary_rows: dict[str, Rows], multiclass_rows: dict[str, Rows], make_job: MakeJob
) -> None:
    rows = binary_rows if classes == 2 else multiclass_rows
    plain, outcome = trained(make_job(), rows), trained(make_job(), rows, bootstrap_samples=200)
    told = outcome.facts["intervals"]
    assert json.loads(next(outcome.base.glob("output/data/**/metrics.json")).read_text())["intervals"] == told
    assert (told["level"], told["samples"]) == (0.95, 200)
    assert (told["threshold"] is None) == (classes == 3)
    if classes == 2:
        low, high = told["threshold"]
        assert low <= outcome.facts["threshold"] <= high
    for channel in ("validation", "test"):
        values = outcome.facts["metrics"][channel]
        assert list(told["metrics"][channel]) == [name for name in values if not name.endswith("objective")]
        for name, (low, high) in told["metrics"][channel].items():
            assert low <= values[name] <= high
            shown = rf"95% interval of 200 bootstrap samples: {channel} {re.escape(name)} from (\S+) to"
            assert outcome.found(shown) == [repr(low)]
    for metric in METRIC_DEFINITIONS.values():
        for channel in metric.channels:
            regex = metric.regex.format(channel=channel)
            if "throughput" not in regex:
                assert outcome.found(regex) == plain.found(regex)


def test_a_regressor_has_intervals_and_nothing_to_calibrate(job: JobFolder) -> None:
    features, labels = some_rows(300, 2, 3)
    settings = {"bootstrap_samples": 100, "probability_calibration": "auto", "correct_weighted_probabilities": "true"}
    outcome = job.train("regressor", (features, labels + features[:, 0]), **FAST, **settings)
    assert list(outcome.facts["intervals"]["metrics"]["train"]) == ["mse", "absolute_loss", "rmse", "r2", "mae"]
    assert OURS & outcome.facts.keys() == {"intervals"}
    assert "Hyperparameter 'probability_calibration' is ignored" in outcome.log


def test_a_calibrated_hinge_model_can_be_gone_on_from(binary_rows: dict[str, Rows], make_job: MakeJob) -> None:
    first = trained(make_job(), binary_rows, loss="hinge_loss", probability_calibration="platt")
    job = make_job()
    for file in first.model_dir.iterdir():
        job.file(f"input/data/model/{file.name}", file.read_bytes())
    again = trained(job, binary_rows, loss="logistic")
    assert again.final("test", "roc_auc_score") > 0.7
