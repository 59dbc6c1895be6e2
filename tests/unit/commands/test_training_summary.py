"""What a training job on plain files says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.commands.plain_job import PlainJob
from linear_learner.commands.training_summary import TOLD, score_table, settings_of, summary
from linear_learner.environment import ChannelConfig
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel

FACTS: dict[str, Any] = {
    "hyperparameters": dict.fromkeys(TOLD, 0.125) | {"optimizer": "adam"},
    "selection": {"candidate": 4, "candidates": 32, "epoch": 8, "epochs": 15, "channel": "train"},
    "metrics": {"train": {"mse": 1.25}},
}


@pytest.fixture
def job(tmp_path: Path) -> PlainJob:
    """A job whose model is written."""
    weights, bias = np.ones((2, 1), np.float32), np.zeros(1, np.float32)
    model = LinearModel(weights, bias, "regressor", "squared_loss", "identity", metadata=FACTS)
    artifact.save(model, tmp_path, pack=True)
    return PlainJob(tmp_path, given={"train": ChannelConfig("train", Path("my data.csv"))})


def with_channels(job: PlainJob, *names: str, **provided: str) -> PlainJob:
    given = {name: ChannelConfig(name, Path(f"{name}.csv")) for name in ("train", *names)}
    return PlainJob(job.base, provided=provided, given=given)


def test_it_counts_models_and_epochs_as_the_log_and_the_report_do(job: PlainJob) -> None:
    assert (
        "Of 32 models the best by the train rows is model 4 (from 0), as it was after epoch 8 (from 0) of 15"
        in summary(job)
    )
    assert "optimizer adam, learning_rate 0.125" in summary(job)


@pytest.mark.parametrize(("raw_penalty", "told"), [(True, True), (False, False), ("yes", False)])
def test_a_raw_penalty_is_told_since_its_numbers_do_not_show_it(raw_penalty: Any, told: bool) -> None:
    found = settings_of({"wd": 0.125, "l1": 0.0}, ("wd", "l1", "epochs"), {"raw_penalty": raw_penalty})
    assert found == "wd 0.125, l1 0" + ", wd and l1 on the weights of raw columns" * told


def test_it_says_that_scores_of_training_rows_are_such(job: PlainJob) -> None:
    assert "trained on: --split 0.2 holds some out" in summary(job)
    assert "trained on" not in summary(with_channels(job, "validation"))


@pytest.mark.parametrize(("channels", "file"), [((), "train.csv"), (("validation",), "validation.csv"),
                                                (("validation", "test"), "test.csv")])  # fmt: skip
def test_the_next_command_predicts_the_rows_furthest_from_training(
    job: PlainJob, channels: tuple[str, ...], file: str
) -> None:
    command = f"linear-learner predict --model {job.base}/model.tar.gz --has-label {file}"
    assert summary(with_channels(job, *channels)).endswith(command)


def test_the_next_command_can_be_typed_as_it_stands(job: PlainJob) -> None:
    assert summary(job).endswith("--has-label 'my data.csv'")
    assert summary(with_channels(job, label_column="a b")).endswith("--label-column 'a b' train.csv")


@pytest.mark.parametrize(
    ("content_type", "told"),
    [("text/csv", "--has-label rows.csv"), ("text/libsvm; index_base=0", "'text/libsvm; index_base=0' rows.csv")],
)
def test_the_next_command_says_the_content_type_that_the_name_does_not(
    job: PlainJob, content_type: str, told: str
) -> None:
    given = {"train": ChannelConfig("train", Path("rows.csv"), content_type)}
    assert summary(PlainJob(job.base, given=given)).endswith(told)


def test_a_report_is_named_where_there_is_one(job: PlainJob) -> None:
    assert "report   " not in summary(job)
    (job.base / "report.html").touch()
    assert f"report   {job.base}/report.html" in summary(job)


def test_a_table_has_a_gap_where_a_channel_lacks_a_score() -> None:
    lines = list(score_table({"validation": {"mse": 0.5, "log_loss": 1.0}, "test": {"mse": 0.25}}))
    assert [line.split() for line in lines] == [
        ["scores", "validation", "test"], ["mse", "0.5", "0.25"], ["log_loss", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(("more", "label"), [({}, "1"), ({"schema": {"classes": ["ham", "spam"]}}, "spam")])
def test_it_says_which_label_is_positive(tmp_path: Path, more: dict[str, Any], label: str) -> None:
    weights, bias = np.ones((2, 1), np.float32), np.zeros(1, np.float32)
    model = LinearModel(weights, bias, "binary_classifier", "logistic", "logistic", 0.25, metadata=FACTS | more)
    artifact.save(model, tmp_path, pack=True)
    job = PlainJob(tmp_path, given={"train": ChannelConfig("train", Path("data.csv"))})
    assert f"positive label {label}, from a score of 0.25 on" in summary(job)


def test_of_a_number_it_says_no_positive_label(job: PlainJob) -> None:
    assert "positive" not in summary(job)
