"""Jobs as automatic model tuning starts them, read as the platform reads them: the last value that its regular
expression finds in the log is what the tuner compares."""

from __future__ import annotations

import re

import pytest
from finished_job import FinishedJob, MakeJob
from job_folder import Outcome

QUALITY = r"#quality_metric: host=\S+, "
EPOCH = QUALITY + r"epoch=\S+, "
REGEXES = {
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    "train:objective_loss": EPOCH + r"train \S+_objective <loss>=(\S+)",
    "train:objective_loss:final": QUALITY + r"train \S+_objective <loss>=(\S+)",
    "validation:objective_loss": EPOCH + r"validation \S+_objective <loss>=(\S+)",
    "validation:objective_loss:final": QUALITY + r"validation \S+_objective <loss>=(\S+)",
    "test:objective_loss": QUALITY + r"test \S+_objective <loss>=(\S+)",
    **{
        f"{channel}:{metric}": QUALITY + rf"{channel} {name} <{tag}>=(\S+)"
        for channel in ("train", "validation", "test")
        for metric, name, tag in (
            ("binary_classification_accuracy", "binary_classification_accuracy", "score"),
            ("binary_f_beta", r"binary_f_\S+", "score"),
            ("precision", "precision", "score"),
            ("recall", "recall", "score"),
            ("mse", "mse", "loss"),
            ("absolute_loss", "absolute_loss", "loss"),
        )
    },
    **{
        f"{channel}:{metric}": QUALITY + rf"{channel} {name} <{tag}>=(\S+)"
        for channel in ("validation", "test")
        for metric, name, tag in (
            ("multiclass_accuracy", "multiclass_accuracy", "score"),
            ("multiclass_top_k_accuracy", r"multiclass_top_k_accuracy_\S+", "score"),
            ("dcg", "dcg", "score"),
            ("macro_precision", "macro_precision", "score"),
            ("macro_recall", "macro_recall", "score"),
            ("macro_f_beta", r"macro_f_\S+", "score"),
            ("roc_auc_score", "roc_auc_score", "score"),
            ("rmse", "rmse", "loss"),
        )
    },
}
"""The platform's definitions, as a tuning job's description lists them."""

OF_TYPE = {
    "binary_classifier": {"binary_classification_accuracy", "binary_f_beta", "precision", "recall", "roc_auc_score"},
    "multiclass_classifier": {
        *("multiclass_accuracy", "multiclass_top_k_accuracy", "dcg"),
        *("macro_precision", "macro_recall", "macro_f_beta"),
    },
    "regressor": {"mse", "absolute_loss", "rmse"},
}
LOGGED_NAMES = {
    "binary_f_beta": "binary_f_1.000",
    "multiclass_top_k_accuracy": "multiclass_top_k_accuracy_3",
    "macro_f_beta": "macro_f_1.000",
}


def last(outcome: Outcome, metric: str) -> float:
    return float(outcome.found(REGEXES[metric])[-1])


def tune(finished: FinishedJob, make_job: MakeJob, metric: str, channels: set[str], **settings: object) -> Outcome:
    job = make_job()
    classes = {"num_classes": 10} if finished.predictor_type == "multiclass_classifier" else {}
    settings = {"epochs": 3, "_tuning_objective_metric": metric, **classes, **settings}
    job.hyperparameters(finished.predictor_type, **settings)
    for channel in channels:
        job.channel(channel, *finished.rows[channel])
    return job.run()


def test_the_tuner_finds_every_metric_of_the_job(finished: FinishedJob, make_job: MakeJob) -> None:
    """Of the one model that was trained and saved."""
    names = OF_TYPE[finished.predictor_type]
    channels = {"train", "validation", "test"}
    outcome = tune(finished, make_job, "validation:objective_loss", channels)
    assert outcome.code == 0, outcome.failure
    assert outcome.facts["selection"]["candidates"] == 1
    for metric in REGEXES:
        channel, _, name = metric.partition(":")
        if name in names and channel != "train":
            expected = outcome.facts["metrics"][channel][LOGGED_NAMES.get(name, name)]
            assert last(outcome, metric) == pytest.approx(expected, rel=1e-12), metric
    saved = outcome.facts["metrics"]["validation"][finished.objective]
    assert last(outcome, "validation:objective_loss:final") == saved
    assert last(outcome, "validation:objective_loss") == pytest.approx(saved, rel=1e-5)
    assert last(outcome, "test:objective_loss") == outcome.facts["metrics"]["test"][finished.objective]
    assert last(outcome, "train:progress") == 100
    assert last(outcome, "train:throughput") > 0


def test_without_validation_it_finds_those_of_the_train_channel(finished: FinishedJob, make_job: MakeJob) -> None:
    names = OF_TYPE[finished.predictor_type]
    outcome = tune(finished, make_job, "train:objective_loss:final", {"train"})
    assert outcome.code == 0, outcome.failure
    for metric in REGEXES:
        channel, _, name = metric.partition(":")
        if channel == "train" and name in names:
            expected = outcome.facts["metrics"]["train"][LOGGED_NAMES.get(name, name)]
            assert last(outcome, metric) == pytest.approx(expected, rel=1e-12), metric
    expected = outcome.facts["metrics"]["train"][finished.objective]
    assert last(outcome, "train:objective_loss:final") == expected


OVERSHOOTING = {"learning_rate": 0.5, "use_lr_scheduler": "false", "mini_batch_size": 3, "epochs": 12}
"""Settings of a job whose best epoch is not its last."""


@pytest.mark.parametrize("models", [{}, {"num_models": 6, "tuning_keeps_num_models": "true"}])
def test_the_last_value_of_the_epochs_is_that_of_the_saved_model(
    models: dict[str, object], binary: FinishedJob, make_job: MakeJob
) -> None:
    channels = {"train", "validation"}
    outcome = tune(binary, make_job, "validation:objective_loss", channels, **OVERSHOOTING, **models)
    selection = outcome.facts["selection"]
    assert selection["candidates"] == models.get("num_models", 1)
    assert selection["epoch"] < selection["epochs"] - 1
    found = [float(text) for text in outcome.found(REGEXES["validation:objective_loss"])]
    assert len(found) == selection["epochs"] + 1
    saved = outcome.facts["metrics"]["validation"][binary.objective]
    assert found[-1] == pytest.approx(saved, rel=1e-5)
    assert found[-2] > found[-1]
    assert f"epoch={selection['epoch']}, validation" in re.findall(r"#quality_metric: .*epoch=.*", outcome.log)[-1]


def test_nothing_is_repeated_where_the_tuner_reads_a_final_metric(binary: FinishedJob, make_job: MakeJob) -> None:
    outcome = tune(binary, make_job, "validation:recall", {"train", "validation"})
    assert len(outcome.found(REGEXES["validation:objective_loss"])) == 3


@pytest.mark.parametrize(
    ("metric", "channels", "problem"),
    [
        ("validation:recall", {"train"}, "The tuning job watches 'validation:recall', and the job has no channel"),
        ("train:recall", {"train", "validation"}, "so the job would never log it"),
        ("validation:mse", {"train", "validation"}, "of which a job never logs it"),
    ],
)
def test_a_metric_that_would_never_be_logged_is_refused_before_anything_is_read(
    metric: str, channels: set[str], problem: str, binary: FinishedJob, make_job: MakeJob
) -> None:
    outcome = tune(binary, make_job, metric, channels)
    assert outcome.code == 2
    assert problem in (outcome.failure or "")
    assert "Channel 'train'" not in outcome.log
