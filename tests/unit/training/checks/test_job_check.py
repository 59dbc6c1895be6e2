"""What ``linear-learner validate`` finds in the folder of a job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.stream import Stream
from linear_learner.environment import Environment
from linear_learner.hyperparameters import validate
from linear_learner.training.checks import job_check
from linear_learner.training.checks.job_check import JobCheck, check_job
from linear_learner.training.checks.job_check_report import as_json, as_text
from linear_learner.training.checks.memory import ModelSize
from linear_learner.training.preparation.channels import read_channels

BINARY = {"predictor_type": "binary_classifier"}
TRAIN = "label,age,flat,income\n" + "0,1,5,2\n1,2,5,3\n" * 50


@pytest.fixture
def base(tmp_path: Path) -> Path:
    hyperparameters(tmp_path, **BINARY)
    channel(tmp_path, "train", TRAIN)
    return tmp_path


def hyperparameters(base: Path, **values: object) -> None:
    (base / "input/config").mkdir(parents=True, exist_ok=True)
    (base / "input/config/hyperparameters.json").write_text(json.dumps(values))


def channel(base: Path, name: str, *texts: str) -> None:
    folder = base / "input/data" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"part-{number}").write_text(text)


def found_in(base: Path) -> JobCheck:
    return check_job(Environment(base))


def test_a_good_job_has_no_problems(base: Path) -> None:
    found = found_in(base)
    assert (found.problems, found.warnings) == ([], [])
    train = found.channels["train"]
    assert (train.profile.rows, train.features, train.is_sparse) == (100, 3, False)
    assert found.estimate is not None and found.estimate.models == 32 and not found.estimate.is_streamed
    text = as_text(found, "Job")
    assert "train: 100 rows x 3 features, dense" in text
    assert "labels            0: 50 (50.0%), 1: 50 (50.0%)" in text
    assert "constant columns  1: flat" in text
    assert text.endswith("No problems: the job can run.")


@pytest.mark.parametrize(("weight", "models"), [("auto", 3), ("balanced", 1), ("2", 1)])
def test_weights_of_positives_that_are_tried_count_as_models(base: Path, weight: str, models: int) -> None:
    all_else = {"learning_rate": "0.1", "lr_scheduler_factor": "0.9", "wd": "0", "l1": "0"}
    hyperparameters(base, **BINARY, **all_else, positive_example_weight_mult=weight)
    channel(base, "train", TRAIN + "0,1,5,2\n" * 50)
    estimate = found_in(base).estimate
    assert estimate is not None and estimate.models == models
    channel(base, "train", TRAIN.replace("\n1,", "\n0,"))
    assert len(found_in(base).problems) == 1


def test_sparse_rows_are_as_wide_as_the_widest_of_all_files(base: Path) -> None:
    channel(base, "train", "1 1:0.5\n0 2:1\n", "0 7:2\n1 3:1\n")
    found = found_in(base)
    assert found.problems == []
    assert (found.channels["train"].features, found.channels["train"].first.feature_dim) == (7, 7)


def test_a_store_that_does_not_join_the_hosts_is_told(base: Path) -> None:
    hyperparameters(base, **BINARY, _kvstore="local")
    (base / "input/config/resourceconfig.json").write_text('{"current_host": "a", "hosts": ["a", "b"]}')
    (problem,) = found_in(base).problems
    assert "'local' does not join the 2 hosts" in problem


def test_columns_that_float32_holds_little_of_are_told(base: Path) -> None:
    times = [f"{second % 2},{second},{1_700_000_000 + second}\n" for second in range(3600)]
    channel(base, "train", "label,age,time\n" + "".join(times))
    (warning,) = found_in(base).warnings
    assert warning.endswith(
        "time (1.7e+09 to 1.70000358e+09 in steps of 128). Subtract a constant from each, here and in the rows to "
        "predict."
    )


def test_all_problems_are_told_at_once(base: Path) -> None:
    hyperparameters(base, predictor_type="binary_classifier", feature_dim="7", _log_level="info")
    (base / "input/config/resourceconfig.json").write_text('{"current_host": "a", "hosts": ["b", "c"]}')
    channel(base, "train", "0,1,x\n", "0,1,2\n7,1,2\n", "1,2\n1,\n")
    channel(base, "validation", "")
    channel(base, "test", "\x00\x01")
    channel(base, "trian", "0,1\n")
    found = found_in(base)
    problems = "\n".join(found.problems)
    for expected in (
        "current_host 'a' is not one of hosts",
        "value 'x'",
        "feature_dim hyperparameter '7'",
        "Channel 'validation' has no rows",
        "'test'",
    ):
        assert expected in problems
    assert found.warnings == ["The channel 'trian' is ignored: only train, validation, test and model are read."]
    assert f"{len(found.problems)} problems." in as_text(found, "Job")


@pytest.mark.parametrize(("hosts", "warnings"), [(["a"], 1), (["a", "b"], 0)])
def test_what_has_an_effect_on_several_hosts_alone_is_told_of_one(base: Path, hosts: list[str], warnings: int) -> None:
    hyperparameters(base, **BINARY, _num_kv_servers="3")
    (base / "input/config/resourceconfig.json").write_text(json.dumps({"current_host": "a", "hosts": hosts}))
    found = found_in(base)
    assert found.problems == []
    assert len(found.warnings) == warnings


def test_a_metric_that_a_tuning_job_would_never_log_is_a_problem(base: Path) -> None:
    hyperparameters(base, **BINARY, _tuning_objective_metric="validation:recall")
    (problem,) = found_in(base).problems
    assert "watches 'validation:recall', and the job has no channel 'validation'" in problem


def test_wrong_hyperparameters_do_not_keep_the_data_from_being_read(base: Path) -> None:
    hyperparameters(base, predictor_type="binary", epochs="0")
    channel(base, "train", "label,age,flat,income\n0,1,5,x\n", TRAIN)
    found = found_in(base)
    assert len(found.problems) == 2
    assert "2 hyperparameters are wrong" in found.problems[0]
    assert "value 'x'" in found.problems[1]
    assert found.channels["train"].profile.rows == 100
    assert found.estimate is None


@pytest.mark.parametrize(
    ("train", "validation", "problem"),
    [
        (TRAIN.replace("0,1", "3,1"), "", "Label 3 of channel 'train' is neither 0 nor 1"),
        (TRAIN.replace("0,1", "1,1"), "", "Every label of channel 'train' is 1; there is nothing to tell apart"),
        (TRAIN, "0,1,2\n1,2,3\n", "The validation data dimensionality '2' doesn't match train"),
        (TRAIN, TRAIN.replace("age", "size"), "Its header differs from that of the train dataset"),
        (TRAIN.replace("0,1,5", "0,,5"), "", "Channel 'train' has 50 missing values (the first: "),
        ("", "", "Channel 'train' has no rows"),
    ],
)
def test_what_a_job_would_stumble_over(base: Path, train: str, validation: str, problem: str) -> None:
    channel(base, "train", train)
    if validation:
        channel(base, "validation", validation)
    (told,) = found_in(base).problems
    assert problem in told


def test_missing_values_are_counted_by_column(base: Path) -> None:
    hyperparameters(base, **BINARY, missing_values="mean")
    channel(base, "train", TRAIN.replace("0,1,5", "0,,5"))
    found = found_in(base)
    assert found.problems == []
    assert "missing values    50 in 1 column: age 50" in as_text(found, "Job")
    assert json.loads(as_json(found))["channels"]["train"]["missing"] == {"age": 50}


def test_a_missing_train_channel_is_told(tmp_path: Path) -> None:
    found = found_in(tmp_path)
    assert len(found.problems) == 2
    assert "File not found" in found.problems[0]
    assert "The channel 'train' is missing" in found.problems[1]


def test_a_validation_channel_of_one_class_is_worth_a_warning(base: Path) -> None:
    channel(base, "validation", "1,1,5,2\n" * 3)
    (warning,) = found_in(base).warnings
    assert warning.startswith("Every label of channel 'validation' is 1: ")


def test_a_validation_channel_that_goes_much_further_is_worth_a_warning(base: Path) -> None:
    channel(base, "validation", "0,1,5,2\n1,999999,5,3\n")
    (warning,) = found_in(base).warnings
    assert "channel 'validation' go more than 100 times as far" in warning and ": age (1 to 999999, " in warning


def test_sparse_rows_and_absent_classes(base: Path) -> None:
    hyperparameters(base, predictor_type="multiclass_classifier", num_classes="4")
    channel(base, "train", "0 1:2 5:1\n2 3:nan\n")
    channel(base, "validation", "1 6:1\n")
    found = found_in(base)
    assert "beyond the last feature" in "\n".join(found.problems)
    assert found.warnings == [
        "No row of channel 'train' is of class 1, 3. Check num_classes, or give rows of every class."
    ]
    assert "2 rows x 5 features, sparse, 3 values" in as_text(found, "Job")
    assert "part-0, row 2, feature 3" in "\n".join(found.problems)


def test_a_channel_that_does_not_fit_is_streamed(base: Path) -> None:
    hyperparameters(base, **BINARY, memory_mb="1")
    channel(base, "train", "0,1,2,3\n1,2,3,4\n" * 60_000)
    estimate = found_in(base).estimate
    assert estimate is not None and estimate.is_streamed


def test_a_channel_that_fits_in_the_budget_and_not_in_its_share_is_streamed(base: Path) -> None:
    """As in the job: 60,000 rows of 28 bytes are more than five eighths of 2 MiB, and fewer than 2 MiB."""
    hyperparameters(base, **BINARY, memory_mb="2")
    channel(base, "train", "0,1.000000000,2.000000000,3\n1,2.000000000,3.000000000,4\n" * 30_000)
    channel(base, "validation", "0,1,2,3\n1,2,3,4\n")
    found = found_in(base)
    assert found.estimate is not None and found.estimate.is_streamed and not found.estimate.sampled
    assert "2.1 MB are for rows, and the train channel is streamed" in as_text(found, "Job")
    assert isinstance(read_channels(Environment(base), validate({**BINARY, "memory_mb": "2"}))["train"], Stream)


def test_a_held_out_channel_that_does_not_fit_is_sampled(base: Path) -> None:
    hyperparameters(base, **BINARY, memory_mb="2")
    channel(base, "test", "0,1,2,3\n1,2,3,4\n" * 10_000)
    found = found_in(base)
    assert found.estimate is not None and (found.estimate.is_streamed, found.estimate.sampled) == (False, ["test"])
    assert "for rows, and a sample of channel 'test' stands for all of it" in as_text(found, "Job")


@pytest.mark.parametrize("rows", ["0,1.5,2\n1,2,3\n", "0 1:1.5 9:2\n1 9:3\n"])
def test_rows_take_what_they_take_in_the_job(base: Path, rows: str) -> None:
    channel(base, "train", rows * 50)
    train = read_channels(Environment(base), validate({**BINARY}))["train"]
    assert isinstance(train, Dataset)
    end_of_the_last_row = 8
    assert found_in(base).channels["train"].held_bytes == pytest.approx(
        bytes_of(train.features), abs=end_of_the_last_row
    )


def test_labels_of_a_regressor_that_are_all_the_same_are_a_warning(base: Path) -> None:
    hyperparameters(base, predictor_type="regressor")
    channel(base, "train", "3,1\n3,2\n")
    channel(base, "validation", "4,1\n4,2\n")
    found = found_in(base)
    (warning,) = found.warnings
    assert warning.startswith("Every label of channel 'train' is 3: there is nothing to learn")
    assert not found.problems


PEOPLE = "income,age,work\n" + "high,39,nurse\nlow,20,clerk\n" * 20
TEXT = {**BINARY, "categorical_columns": "auto", "text_labels": "true"}


def test_categories_and_the_texts_of_labels_are_told(base: Path) -> None:
    hyperparameters(base, **TEXT)
    channel(base, "train", PEOPLE)
    channel(base, "validation", "high,39,nurse\nlow,20,pilot\n")
    found = found_in(base)
    assert found.problems == []
    assert "1 in 'work'" in " ".join(found.warnings)
    text = as_text(found, "Job")
    assert "train: 40 rows x 3 features, dense" in text
    assert "labels            high: 20 (50.0%), low: 20 (50.0%)" in text
    assert "categories        work 2" in text
    facts = json.loads(as_json(found))["channels"]["train"]
    assert facts["labels"] == {"high": 20, "low": 20}
    assert facts["categories"] == {"work": 2}


def test_columns_that_are_hardly_categories_are_told(base: Path) -> None:
    hyperparameters(base, **TEXT)
    channel(base, "train", "income,age,work\n" + "".join(f"{'hl'[i % 2]},{i or '-'},{i % 3}\n" for i in range(40)))
    (warning,) = found_in(base).warnings
    assert "'age' with 39 numbers and '-'" in warning and "work" not in warning


def test_texts_that_do_not_fit_are_told_once(base: Path) -> None:
    hyperparameters(base, **TEXT)
    channel(base, "train", PEOPLE + "middle,30,nurse\n")
    assert ["3 different texts" in problem for problem in found_in(base).problems] == [True]
    channel(base, "train", PEOPLE + "high,30,\n")
    (problem,) = found_in(base).problems
    assert "Found missing (NaN) values" in problem and "row 42, column 3" in problem


def test_classes_are_counted_where_num_classes_is_left_out(base: Path) -> None:
    hyperparameters(base, predictor_type="multiclass_classifier", text_labels="true")
    channel(base, "train", "a,1\nb,2\nc,3\nd,4\n" * 5)
    found = found_in(base)
    assert found.problems == []
    assert found.estimate is not None


def test_what_is_wrong_with_the_columns_of_text_is_told_of_the_train_channel_alone(base: Path) -> None:
    hyperparameters(base, **BINARY, categorical_columns="job")
    channel(base, "train", PEOPLE)
    channel(base, "validation", PEOPLE)
    (problem,) = found_in(base).problems
    assert "'job', which categorical_columns names" in problem


CONFIDENT = {
    **BINARY,
    "binary_classifier_model_selection_criteria": "precision_at_target_recall",
    "target_recall": "0.9",
    "target_confidence": "0.95",
}


@pytest.mark.parametrize(("positives", "problems"), [(40, 1), (100, 0)])
def test_a_target_that_cannot_be_promised_is_a_problem(base: Path, positives: int, problems: int) -> None:
    hyperparameters(base, **CONFIDENT)
    channel(base, "validation", "label,age,flat,income\n" + "0,1,5,2\n" * 9 + "1,2,5,3\n" * positives)
    found = found_in(base).problems
    assert len(found) == problems
    assert all("takes at least 88 rows of label 1, and there are 40" in problem for problem in found)


def test_what_needs_held_out_rows_and_has_none_is_a_problem(base: Path) -> None:
    hyperparameters(base, **BINARY, probability_calibration="platt")
    (problem,) = found_in(base).problems
    assert "there is no channel 'validation'" in problem


def test_of_many_texts_of_labels_the_most_frequent_are_told(base: Path) -> None:
    hyperparameters(base, predictor_type="multiclass_classifier", text_labels="true")
    channel(base, "train", "".join(f"kind {i},{i}\n" * (i + 1) for i in range(15)))
    assert "labels            15 different ones: kind 14: 15, kind 13: 14, " in as_text(found_in(base), "Job")


def test_models_that_memory_does_not_hold_are_a_problem_as_in_the_job(base: Path) -> None:
    hyperparameters(base, **BINARY, num_models=2**62)
    found = found_in(base)
    (problem,) = found.problems
    assert "models of 3 features and 1 outputs take" in problem and "Set num_models to" in problem
    assert found.estimate is None


def test_fewer_models_where_the_number_is_left_to_the_job_are_a_warning(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel(base, "train", TRAIN + "0,1,5,2\n1,2,5,3\n" * 950)
    size, held = ModelSize(outputs=1, trained_columns=3, feature_dim=3), 2 * 2000 * (3 * 4 + 16)
    memory = (size.bytes_of(16) + size.bytes_of_the_model) / 0.9 + held
    monkeypatch.setattr(job_check, "available_memory", lambda: int(memory) + 8)
    found = found_in(base)
    assert found.problems == []
    (warning,) = found.warnings
    assert warning.startswith("Training 16 models and not 32, which would take")
    assert found.estimate is not None and found.estimate.models == 16
    assert found.estimate.megabytes == round((size.bytes_of(16) + size.bytes_of_the_model + held) / 1e6, 1)


def test_of_sparse_rows_the_columns_that_hold_something_are_trained(base: Path) -> None:
    channel(base, "train", "1 1000000:2\n0 5:3\n" * 10)
    (base / "input/config/inputdataconfig.json").write_text('{"train": {"ContentType": "text/libsvm"}}')
    estimate = found_in(base).estimate
    size = ModelSize(outputs=1, trained_columns=2, feature_dim=1_000_000)
    assert estimate is not None
    assert abs(estimate.megabytes - (size.bytes_of(32) + size.bytes_of_the_model) / 1e6) < 0.1


def test_columns_that_memory_does_not_hold_are_a_problem(base: Path) -> None:
    (base / "input/data/train/part-0").unlink()
    channel(base, "train", "1 2000000000:1\n0 5:3\n" * 10)
    hyperparameters(base, **BINARY)
    (base / "input/config/inputdataconfig.json").write_text('{"train": {"ContentType": "text/libsvm"}}')
    (problem,) = found_in(base).problems
    assert "features in use, of 2000000000, and 1 outputs take" in problem and "larger instance" in problem
