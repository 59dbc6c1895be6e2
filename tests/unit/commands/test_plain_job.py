"""A training job on plain files, as the command line describes it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from linear_learner.cli import _arguments
from linear_learner.commands import plain_job
from linear_learner.commands.plain_job import PlainJob
from linear_learner.environment import ChannelConfig, Split
from linear_learner.errors import ClientError
from linear_learner.hyperparameters.schema import ROWS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text("0,1\n1,2\n")
    return tmp_path


def parsed(*arguments: Any) -> argparse.Namespace:
    return _arguments(["train", *map(str, arguments)])


def job(data: Path, *arguments: Any) -> PlainJob:
    return plain_job.job_of(parsed("--train", data / "data.csv", *arguments), data / "out")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.retired])
def test_every_hyperparameter_is_a_flag_with_dashes_or_underscores(data: Path, name: str) -> None:
    dashes = name.replace("_", "-").lstrip("-")
    for flag in (f"--{name}", f"--{dashes}"):
        assert job(data, flag, "a value").hyperparameters() == {name: "a value"}


def test_a_job_has_the_channels_that_are_named(data: Path) -> None:
    (data / "folder").mkdir()
    model = data / "model.tar.gz"
    model.touch()
    found = job(data, "--validation", data / "folder", "--test", data / "data.csv", "--start-from", model).channels()
    assert found == {
        "train": ChannelConfig("train", data / "data.csv", "text/csv"),
        "validation": ChannelConfig("validation", data / "folder"),
        "test": ChannelConfig("test", data / "data.csv", "text/csv"),
        "model": ChannelConfig("model", model),
    }


def test_a_content_type_is_that_of_all_files(data: Path) -> None:
    found = job(data, "--test", data / "data.csv", "--content-type", "text/libsvm; index_base=0").channels()
    assert {channel.content_type for channel in found.values()} == {"text/libsvm; index_base=0"}


@pytest.mark.parametrize("seed", [7, "+7", " 7"])
def test_a_split_makes_two_channels_of_the_train_file(data: Path, seed: object) -> None:
    found = job(data, "--split", 0.25, f"--seed={seed}").channels()
    assert found["train"].path == found["validation"].path == data / "data.csv"
    assert found["train"].split == Split(0.25, 7, is_held_out=False)
    assert found["validation"].split == Split(0.25, 7, is_held_out=True)
    assert found["validation"].name == "validation"


def test_everything_is_written_below_the_output_folder(data: Path) -> None:
    found = job(data, "--checkpoints", data / "kept")
    out = data / "out"
    assert (found.model_dir, found.output_data_dir, found.failure_file) == (out, out, out / "failure")
    assert found.checkpoint_dir() == data / "kept"
    assert found.job_name is None


def test_no_option_means_the_folder_of_a_job() -> None:
    assert not plain_job.is_asked_for(parsed())
    assert not plain_job.is_asked_for(parsed("--base", "/somewhere"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--epochs", "3"], r"--epochs is given without --train\. Name the file to train on"),
        (["--output", "out"], r"--output is given without --train"),
        (["--base", ".", "--train", "x"], r"--base names the folder of a job, where a file says what --train would"),
        (["--base", ".", "--learning-rate", "1"], r"--base names .* what --learning_rate would"),
    ],
)
def test_half_a_job_or_two_are_refused(arguments: list[str], sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        plain_job.is_asked_for(parsed(*arguments), "output")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--test", "absent.csv"], r"There is no such file or folder \(--test absent\.csv\)"),
        (
            ["--test", "/dev/null"],
            r"This is neither a file nor a folder \(--test /dev/null\)\. Write the rows to a file",
        ),
        (["--split", "0.2", "--validation", "."], r"--split would hold out rows of --train, and --validation names"),
    ],
)
def test_files_that_are_not_there_or_too_many_are_refused(data: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence):
        job(data, *arguments)


def test_output_inside_the_data_is_refused(data: Path) -> None:
    with pytest.raises(ClientError, match=r"What is written to --output .* would be read as data \(--train "):
        plain_job.job_of(parsed("--train", data), data / "out")


@pytest.mark.parametrize("text", ["0", "1", "-0.1", "a fifth", "nan", ""])
def test_a_share_is_between_0_and_1(text: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        job(data, f"--split={text}")
    assert f"'{text}' is not a share: give a number between 0 and 1" in capsys.readouterr().err
