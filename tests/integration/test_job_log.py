"""The log of real jobs, read as a tuner and as people's scripts read it, and held against the saved model."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_job import FinishedJob
from job_folder import JobFolder, Outcome
from saved_model import SavedModel

from linear_learner.sagemaker.requests import metric_definitions

HOST = r"#quality_metric: host=\S+, "
TUNING_REGEXES = {
    "binary_classifier": {
        "binary_classification_accuracy": r"{c} binary_classification_accuracy <score>=(\S+)",
        "binary_f_1.000": r"{c} binary_f_\S+ <score>=(\S+)",
        "precision": r"{c} precision <score>=(\S+)",
        "recall": r"{c} recall <score>=(\S+)",
        "roc_auc_score": r"{c} roc_auc_score <score>=(\S+)",
    },
    "multiclass_classifier": {
        "multiclass_accuracy": r"{c} multiclass_accuracy <score>=(\S+)",
        "multiclass_top_k_accuracy_3": r"{c} multiclass_top_k_accuracy_\S+ <score>=(\S+)",
        "dcg": r"{c} dcg <score>=(\S+)",
        "macro_precision": r"{c} macro_precision <score>=(\S+)",
        "macro_recall": r"{c} macro_recall <score>=(\S+)",
        "macro_f_1.000": r"{c} macro_f_\S+ <score>=(\S+)",
    },
    "regressor": {
        "mse": r"{c} mse <loss>=(\S+)",
        "absolute_loss": r"{c} absolute_loss <loss>=(\S+)",
        "rmse": r"{c} rmse <loss>=(\S+)",
    },
}
"""The platform's regular expressions for final metrics, by the metric that they find; {c} is the channel."""
FINAL_OBJECTIVE = HOST + r"{c} \S+_objective <loss>=(\S+)"
EPOCH_OBJECTIVE = HOST + r"epoch=\S+, {c} \S+_objective <loss>=(\S+)"

PREFIX = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d (INFO|WARNING|ERROR) \d+\] \S"
NUMBER = r"-?\d+(\.\d+)?(e-?\d+)?"


def the_number(outcome: Outcome, regex: str) -> float:
    (found,) = outcome.found(regex)
    return float(found)


@pytest.mark.parametrize("channel", ["validation", "test"])
def test_final_metrics_are_those_of_the_saved_model(finished: FinishedJob, channel: str) -> None:
    rows = finished.rows[channel]
    logged = finished.outcome.finals(channel)
    assert next(iter(logged)) == finished.objective
    expected = finished.model.metrics(*rows) | {finished.objective: finished.model.objective(*rows)}
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("channel", ["validation", "test"])
def test_the_tuners_expressions_find_the_final_metrics(finished: FinishedJob, channel: str) -> None:
    rows = finished.rows[channel]
    expected = finished.model.metrics(*rows)
    for metric, regex in TUNING_REGEXES[finished.predictor_type].items():
        found = the_number(finished.outcome, HOST + regex.format(c=channel))
        assert found == pytest.approx(expected[metric], rel=1e-6, abs=1e-6), metric
    objective = the_number(finished.outcome, FINAL_OBJECTIVE.format(c=channel))
    assert objective == pytest.approx(finished.model.objective(*rows), rel=1e-6, abs=1e-6)


def test_every_metric_that_sagemaker_is_told_of_is_in_the_log(finished: FinishedJob) -> None:
    """Final metrics of the train channel are logged by jobs without a validation channel alone."""
    definitions = {d["Name"]: d["Regex"] for d in metric_definitions(finished.predictor_type)}
    assert len(definitions) <= 40  # which is all that SageMaker takes
    found = {name: len(finished.outcome.found(regex)) for name, regex in definitions.items()}
    epochs = finished.outcome.facts["selection"]["epochs"]
    per_epoch = ("train:progress", "train:throughput", "train:objective_loss", "validation:objective_loss")
    assert {name: found.pop(name) for name in per_epoch} == dict.fromkeys(per_epoch, epochs)
    assert found == {name: int(not name.startswith("train:")) for name in found}


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_a_job_without_validation_scores_its_train_channel(
    name: str, request: pytest.FixtureRequest, job: JobFolder
) -> None:
    finished: FinishedJob = request.getfixturevalue(name)
    rows = finished.rows["train"]
    settings = {"num_classes": 10} if name == "multiclass" else {}
    job.hyperparameters(finished.predictor_type, num_models=2, epochs=3, **settings).channel("train", *rows)
    outcome = job.run()
    assert outcome.code == 0
    model = SavedModel.of(outcome.model_dir)
    for metric, expected in model.metrics(*rows).items():
        regex = TUNING_REGEXES[finished.predictor_type].get(metric)
        found = outcome.final("train", metric) if regex is None else the_number(outcome, HOST + regex.format(c="train"))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), metric
    assert the_number(outcome, FINAL_OBJECTIVE.format(c="train")) == pytest.approx(model.objective(*rows), rel=1e-6)
    assert len(outcome.found(EPOCH_OBJECTIVE.format(c="train"))) == 3
    assert "validation " not in outcome.log
    assert "Test data is not provided." in outcome.log


def test_scores_are_told_in_full_and_twice(finished: FinishedJob) -> None:
    """As a tuple for people, and then for the tuner."""
    for channel in ("validation", "test"):
        pattern = rf"#{channel}_score \(\S+\) : \('(\S+)', (\S+)\)"
        tuples = {match[1]: float(match[2]) for match in re.finditer(pattern, finished.outcome.log)}
        assert list(tuples.items()) == list(finished.outcome.finals(channel).items())


def epoch_losses(outcome: Outcome, channel: str, objective: str) -> dict[int, dict[int, float]]:
    """From the #metrics lines: epoch -> model -> loss."""
    losses: dict[int, dict[int, float]] = {}
    for line in outcome.metrics_lines():
        spread = line["Metrics"].get(f"{channel}_{objective}")
        if spread is not None:
            dimensions = line["Dimensions"]
            assert spread["count"] == 1 and spread["sum"] == spread["min"] == spread["max"]
            losses.setdefault(dimensions["epoch"], {})[dimensions["model"]] = spread["sum"]
    return losses


def test_every_model_and_epoch_has_its_losses(finished: FinishedJob) -> None:
    selection = finished.outcome.facts["selection"]
    for channel in ("train", "validation"):
        losses = epoch_losses(finished.outcome, channel, finished.objective)
        assert list(losses) == list(range(selection["epochs"]))
        assert all(list(of_models) == list(range(selection["candidates"])) for of_models in losses.values())


def test_the_epochs_objective_is_that_of_the_best_model(finished: FinishedJob) -> None:
    outcome = finished.outcome
    train = epoch_losses(outcome, "train", finished.objective)
    validation = epoch_losses(outcome, "validation", finished.objective)
    best = [min(losses, key=losses.__getitem__) for losses in validation.values()]
    told = [[float(text) for text in outcome.found(EPOCH_OBJECTIVE.format(c=c))] for c in ("train", "validation")]
    assert told[0] == [train[epoch][model] for epoch, model in enumerate(best)]
    assert told[1] == [validation[epoch][model] for epoch, model in enumerate(best)]


def test_the_chosen_models_best_epoch_is_the_saved_model(finished: FinishedJob) -> None:
    """The epoch's loss comes from the engine, in float32 and on normalised rows; the final one from the saved model."""
    selection = finished.outcome.facts["selection"]
    losses = epoch_losses(finished.outcome, "validation", finished.objective)
    of_chosen = [losses[epoch][selection["candidate"]] for epoch in losses]
    assert int(np.argmin(of_chosen)) == selection["epoch"]
    saved = finished.model.objective(*finished.rows["validation"])
    assert of_chosen[selection["epoch"]] == pytest.approx(saved, rel=1e-5)


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_the_train_objective_of_an_epoch_is_the_mean_loss_over_its_rows(
    name: str, request: pytest.FixtureRequest, job: JobFolder
) -> None:
    """With a learning rate that changes nothing it is the loss of the saved model; in normalised units of the label."""
    finished: FinishedJob = request.getfixturevalue(name)
    features, labels = finished.rows["train"]
    settings = {"num_classes": 10} if name == "multiclass" else {}
    settings |= {"epochs": 1, "num_models": 1, "learning_rate": 1e-12, "mini_batch_size": 7}
    job.hyperparameters(finished.predictor_type, **settings)
    outcome = job.channel("train", features, labels).run()
    units = np.var(labels) if name == "regression" else 1
    expected = SavedModel.of(outcome.model_dir).objective(features, labels) / units
    assert the_number(outcome, EPOCH_OBJECTIVE.format(c="train")) == pytest.approx(expected, rel=1e-6)


def test_early_stopping_lines(finished: FinishedJob) -> None:
    outcome = finished.outcome
    regex = rf"#early_stopping_criteria_metric: host=\S+, epoch=\d+, criteria=(\S+), value={NUMBER}$"
    criterion = "sampled_accuracy" if finished.predictor_type == "binary_classifier" else finished.objective
    assert set(outcome.found(regex)) == {criterion}
    values = [float(value) for value in outcome.found(r"criteria=\S+, value=(\S+)")]
    if criterion == finished.objective:
        assert values == [float(text) for text in outcome.found(EPOCH_OBJECTIVE.format(c="validation"))]
    else:
        assert outcome.final("validation", "binary_classification_accuracy") <= max(values) <= 1
    improved = [int(epoch) for epoch in outcome.found(r"Epoch (\d+): Loss improved\. Updating best model$")]
    assert improved[0] == 0
    epochs = outcome.facts["selection"]["epochs"]
    if epochs < 15:
        # Patience 3: the fourth idle epoch in a row is the last.
        assert improved[-1] == epochs - 5
        assert outcome.found(r"(Epoch \d+: Loss has not improved for \d+ epochs\.)") == [
            f"Epoch {epochs - 1}: Loss has not improved for 4 epochs."
        ]


def test_progress_and_throughput(finished: FinishedJob) -> None:
    outcome = finished.outcome
    epochs = outcome.facts["selection"]["epochs"]
    percents = [int(text) for text in outcome.found(r"#progress_metric: host=\S+, completed (\S+) %")]
    assert percents == [math.floor(100 * (epoch + 1) / 15) for epoch in range(epochs)]
    rates = [float(t) for t in outcome.found(r"#throughput_metric: host=\S+, train throughput=(\S+) records/second")]
    assert len(rates) == epochs and min(rates) > 0


def test_the_best_model_line(finished: FinishedJob) -> None:
    (text,) = finished.outcome.found(r"Best model found for hyperparameters: (\{.*\})$")
    best = json.loads(text)
    assert list(best) == [
        "lr_scheduler_step", "wd", "optimizer", "lr_scheduler_factor", "l1", "learning_rate", "lr_scheduler_minimum_lr"
    ]  # fmt: skip
    chosen = finished.outcome.facts["hyperparameters"]
    assert best == {name: chosen[name] for name in best}


def test_configuration_comes_first(finished: FinishedJob) -> None:
    lines = finished.outcome.log.splitlines()
    assert lines[:2] == [
        "Docker entrypoint called with argument(s): train",
        "Running default environment configuration script",
    ]
    said = [re.sub(r"^\[[^]]*\] ", "", line) for line in lines]
    starts = [
        "Reading default configuration from ",
        "Merging with provided configuration from ",
        "Final configuration: {",
        "Checkpoint loading and saving are disabled.",
        "Create Store: local",
        "Number of GPUs being used: 0",
        "Resolved hyperparameters: {",
        "Scaling model computed with parameters: {'stdev_weight': [",
        "#quality_metric",
    ]
    places = [next(i for i, line in enumerate(said) if line.startswith(start)) for start in starts]
    assert places == sorted(places)


def test_every_line_has_the_prefix_or_is_bare_by_design(finished: FinishedJob) -> None:
    for line in finished.outcome.log.splitlines()[2:]:
        assert line.startswith("#metrics {") or re.match(PREFIX, line), line


def test_metrics_lines_have_amazons_shape(finished: FinishedJob) -> None:
    lines = finished.outcome.metrics_lines()
    host = "algo-1-x7" if finished.predictor_type == "multiclass_classifier" else "algo-1"
    for line in lines:
        assert list(line) == ["StartTime", "EndTime", "Dimensions", "Metrics"]
        assert line["StartTime"] <= line["EndTime"]
        usual = {"Algorithm": "Linear Learner", "Host": host, "Operation": "training"}
        assert usual.items() <= line["Dimensions"].items()
        assert set(line["Dimensions"]) - set(usual) in (
            {"epoch", "model"}, {"epoch", "Meta"}, {"Meta"}, set()
        )  # fmt: skip
        assert all(set(spread) == {"sum", "count", "min", "max"} for spread in line["Metrics"].values())
    assert finished.outcome.log.splitlines()[-1].startswith("#metrics ")
    totals = lines[-1]["Metrics"]
    assert set(totals) == {
        "totaltime", "finalize.time", "initialize.time", "check_early_stopping.time", "setuptime", "update.time",
        "epochs",
    }  # fmt: skip
    epochs = finished.outcome.facts["selection"]["epochs"]
    assert totals["update.time"]["count"] == epochs
    assert totals["epochs"]["sum"] == 15
    parts = [spread["sum"] for name, spread in totals.items() if name not in ("totaltime", "epochs")]
    assert sum(parts) <= totals["totaltime"]["sum"]


def test_counters_count_rows_and_mini_batches(finished: FinishedJob) -> None:
    first, *epochs, last = (line for line in finished.outcome.metrics_lines() if "Meta" in line["Dimensions"])
    given = finished.outcome.facts["hyperparameters"]
    size, rows = given["mini_batch_size"], len(finished.rows["train"][1])
    assert len(epochs) == finished.outcome.facts["selection"]["epochs"]

    # Amazon's counts one mini-batch and what the scaler reads before the first epoch.
    assert first["Dimensions"]["Meta"] == "init_train_data_iter"
    scaled = min(rows, given["num_point_for_scaler"])
    begin = min(size, scaled) + scaled
    assert counts(first) == {
        "Total Records Seen": begin,
        "Total Batches Seen": 1 + math.ceil(scaled / size),
        "Max Records Seen Between Resets": scaled,
        "Max Batches Seen Between Resets": math.ceil(scaled / size),
        "Reset Count": 2,
        "Number of Records Since Last Reset": 0,
        "Number of Batches Since Last Reset": 0,
    }
    batches = math.ceil(rows / size)
    for epoch, line in enumerate(epochs):
        assert line["Dimensions"]["Meta"] == "training_data_iter" and line["Dimensions"]["epoch"] == epoch
        counted = counts(line)
        assert counted["Number of Records Since Last Reset"] == rows
        assert counted["Number of Batches Since Last Reset"] == batches
        assert counted["Total Records Seen"] == begin + rows * (epoch + 1)
        assert counted["Total Batches Seen"] == 1 + math.ceil(scaled / size) + batches * (epoch + 1)
        assert counted["Reset Count"] == 2 + epoch
    assert last["Dimensions"]["Meta"] == "test_data_iter"
    tested = len(finished.rows["test"][1])
    assert counts(last)["Total Records Seen"] == tested
    assert counts(last)["Total Batches Seen"] == math.ceil(tested / size)


def counts(line: dict[str, Any]) -> dict[str, float]:
    return {name: spread["sum"] for name, spread in line["Metrics"].items()}


def test_the_host_is_named(multiclass: FinishedJob) -> None:
    assert set(multiclass.outcome.found(r"host=([^,\s]+)")) == {"algo-1-x7"}
    assert (multiclass.outcome.model_dir / "model_algo-1-x7").exists()


def test_a_tuning_job_logs_its_metric_and_trains_one_model(regression: FinishedJob, job: JobFolder) -> None:
    job.hyperparameters("regressor", _tuning_objective_metric="validation:mse", _log_level="error", epochs=2)
    for name, rows in regression.rows.items():
        job.channel(name, *rows)
    outcome = job.run()
    assert outcome.facts["selection"]["candidates"] == 1
    # What the tuner reads is written whatever the log level is.
    regex = HOST + TUNING_REGEXES["regressor"]["mse"].format(c="validation")
    assert the_number(outcome, regex) == outcome.facts["metrics"]["validation"]["mse"]
    assert "Best model found" not in outcome.log


def test_a_profile_is_written_where_it_is_kept(regression: FinishedJob, job: JobFolder) -> None:
    job.hyperparameters("regressor", _enable_profiler="true", epochs=1).channel("train", *regression.rows["train"])
    outcome = job.run()
    profile = outcome.base / Path("output/data/profile.txt")
    assert outcome.code == 0 and "train_candidates" in profile.read_text()


def test_of_many_models_the_best_are_logged(regression: FinishedJob, job: JobFolder) -> None:
    job.hyperparameters("regressor", num_models=70, epochs=2).channel("train", *regression.rows["train"])
    outcome = job.run()
    assert outcome.facts["selection"]["candidates"] == 70
    losses = epoch_losses(outcome, "train", "mse_objective")
    assert [len(of_models) for of_models in losses.values()] == [8, 8]
    assert outcome.found(r"Epoch (\d+): mse_objective of 70 models: best \S+, median \S+, worst \S+") == ["0", "1"]
    assert outcome.facts["selection"]["candidate"] in losses[outcome.facts["selection"]["epoch"]]
