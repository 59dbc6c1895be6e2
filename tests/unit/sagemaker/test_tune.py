"""``linear-learner sagemaker tune`` against a server that answers as AWS does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from moto.sagemaker import models

from linear_learner.cli import main

PLACE = ["--image", "an-image", "--role", "arn:aws:iam::123456789012:role/SageMaker", "--output", "s3://a-bucket/jobs"]
ROWS = ["--train", "s3://a-bucket/train.csv", "--validation", "s3://a-bucket/validation.csv"]
BINARY = ["--predictor-type", "binary_classifier"]
ALL_GIVEN = ["--wd=0", "--l1=0", "--learning-rate=0.1", "--mini-batch-size=100", "--positive-example-weight-mult=1"]
"""All that Amazon documents as tunable, but for use_bias."""


def tune(*options: str, files: list[str] = ROWS, type_of: list[str] = BINARY) -> int:
    return main(["sagemaker", "tune", *PLACE, *files, *type_of, "--name", "hunt", *options])


def request_of(capsys: pytest.CaptureFixture[str], *options: str, **changes: Any) -> dict[str, Any]:
    assert tune(*options, "--dry-run", **changes) == 0
    request: dict[str, Any] = json.loads(capsys.readouterr().out)["CreateHyperParameterTuningJob"]
    return request


def ranges(request: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """By hyperparameter: kind and bounds, or kind and values."""
    found = {}
    for kind, entries in request["HyperParameterTuningJobConfig"]["ParameterRanges"].items():
        for entry in entries:
            bounds = entry.get("Values") or [entry["MinValue"], entry["MaxValue"], entry["ScalingType"]]
            found[entry["Name"]] = (kind.removesuffix("ParameterRanges"), *bounds)
    return found


def test_by_default_what_amazon_documents_is_tuned(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of(capsys)
    assert request["HyperParameterTuningJobConfig"] | {"ParameterRanges": None} == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:objective_loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": None,
        "TrainingJobEarlyStoppingType": "Auto",
    }
    assert ranges(request) == {
        "wd": ("Continuous", "1e-7", "1", "Logarithmic"),
        "l1": ("Continuous", "1e-7", "1", "Logarithmic"),
        "learning_rate": ("Continuous", "1e-5", "1", "Logarithmic"),
        "positive_example_weight_mult": ("Continuous", "1e-5", "1e5", "Logarithmic"),
        "mini_batch_size": ("Integer", "100", "5000", "Logarithmic"),
        "use_bias": ("Categorical", "True", "False"),
    }
    definition = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"predictor_type": "binary_classifier"}
    assert "validation:objective_loss" in [m["Name"] for m in definition["AlgorithmSpecification"]["MetricDefinitions"]]
    assert [c["ChannelName"] for c in definition["InputDataConfig"]] == ["train", "validation"]
    assert service.sent == []


def test_what_is_given_a_value_keeps_it_and_own_ranges_are_taken(
    service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--range", "wd=0:0.5", "--range", "optimizer=adam,sgd", "--range", "epochs=5:50", "--use-bias", "true"]
    request = request_of(capsys, *own, "--objective", "validation:roc_auc_score", "--learning-rate", "0.1")
    found = ranges(request)
    assert found["wd"] == ("Continuous", "0", "0.5", "Linear")
    assert found["optimizer"] == ("Categorical", "adam", "sgd")
    assert found["epochs"] == ("Integer", "5", "50", "Logarithmic")
    assert not {"learning_rate", "use_bias"} & found.keys()
    assert request["TrainingJobDefinition"]["StaticHyperParameters"]["learning_rate"] == "0.1"
    config = request["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
    assert config["TrainingJobEarlyStoppingType"] == "Off"


def test_as_many_jobs_as_there_are_combinations_and_no_more_at_a_time_than_in_all(
    service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_of(capsys, *ALL_GIVEN, "--range", "epochs=1:10")
    assert ranges(request) == {
        "use_bias": ("Categorical", "True", "False"),
        "epochs": ("Integer", "1", "10", "Logarithmic"),
    }
    limits = request_of(capsys, "--max-jobs", "1")["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}


def test_jobs_on_spare_machines_share_no_checkpoints(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    definition = request_of(capsys, "--spot")["TrainingJobDefinition"]
    assert definition["EnableManagedSpotTraining"] is True and "CheckpointConfig" not in definition


def test_a_regressor_has_no_positive_examples(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of(capsys, type_of=["--predictor-type", "regressor"])
    assert "positive_example_weight_mult" not in ranges(request)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--objective", "validation:roc_auc"], "is no metric of this algorithm (--objective). Did you mean"),
        (["--objective", "validation:mse"], "a job never logs it"),
        (["--objective", "test:recall"], "no channel 'test', so it would never log it"),
        (["--tuning-objective-metric", "train:recall"], "told to be tuned by 'train:recall', and the tuning job by"),
        (["--range", "wd"], "'wd' is no range"),
        (["--range", "bias-lr-mult=1:2", "--range", "bias_lr_mult=1:3"], "bias_lr_mult has two ranges"),
        (["--range", "wd=1:0.1"], "'wd=1:0.1' is no range"),
        (["--range", "wd=0.1:x"], "'wd=0.1:x' is no range"),
        (["--range", "learning-rat=0.1:1"], "('learning_rat' was unexpected). Did you mean 'learning_rate'? (--range)"),
        (["--range", "optimiser=adam,sgd"], "('optimiser' was unexpected). Did you mean 'optimizer'?"),
        (["--range", "wd=0.1:1", "--wd", "0.5"], "'wd' has a range and a value as well"),
        (["--range", "learning_rate=0:1"], "The value '0' is not valid for the 'learning_rate'"),
        (["--range", "optimizer=adam,adm"], "'adm' is not valid for the 'optimizer'"),
        (["--name", "a" * 33], "use up to 32 letters"),
        (["--max-jobs", "10", "--parallel", "20"], "20 training jobs at a time are more than the 10 that there are"),
        ([*ALL_GIVEN, "--use-bias", "true"], "Nothing is left to tune: every hyperparameter is given a value"),
        (ALL_GIVEN, "The ranges have 2 combinations of values, and 20 training jobs"),
        ([*ALL_GIVEN, "--range", "epochs=1:9"], "The ranges have 18 combinations of values, and 20 training jobs"),
        (["--range", "optimizer=adam,adam"], "'optimizer=adam,adam' has a value twice"),
        (["--categorical-columns", ",".join(f"column-{i}" for i in range(300))], "SageMaker takes 2500. Shorten it"),
    ],
)
def test_what_could_not_be_tuned_is_told_before_anything_is_sent(
    service: Any, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(*options) == 2
    assert sentence.lower() in capsys.readouterr().err.lower()
    assert service.sent == []


@pytest.fixture
def slow_tuning(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tuning jobs are in progress, and have no best job, until a step ends them."""
    end = models.HyperParameterTuningJob.describe
    ended: dict[str, Any] = {}

    def describe(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = end(self)
        counters = {"Completed": 0, "InProgress": 2, "Stopped": 0, "RetryableError": 0, "NonRetryableError": 0}
        running = {"HyperParameterTuningJobStatus": "InProgress", "TrainingJobStatusCounters": counters}
        return {**answer, "BestTrainingJob": None, **(ended or running)}

    monkeypatch.setattr(models.HyperParameterTuningJob, "describe", describe)
    service.ends = lambda **changes: ended.update(changes)
    return service


BEST = {
    "TrainingJobName": "one",
    "TrainingJobArn": "arn",
    "TrainingJobStatus": "Completed",
    "CreationTime": 0,
    "TunedHyperParameters": {"wd": "0.01", "l1": "1e-05"},
    "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "validation:objective_loss", "Value": 0.25},
}
COUNTERS = {"Completed": 19, "InProgress": 0, "Stopped": 0, "RetryableError": 0, "NonRetryableError": 1}


def test_the_best_job_is_told(slow_tuning: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    train = ["sagemaker", "train", *PLACE, *ROWS, *BINARY, "--name", "one", "--no-wait"]
    assert main(train) == 0
    done = {"HyperParameterTuningJobStatus": "Completed", "TrainingJobStatusCounters": COUNTERS}
    slow_tuning.steps = [lambda: slow_tuning.ends(**done, BestTrainingJob=BEST)]
    assert tune() == 0
    out, err = capsys.readouterr()
    assert "Training jobs: 2 running" in err
    assert out.splitlines() == [
        "Tuning job hunt is done. Training jobs: 19 done, 1 failed; best validation:objective_loss 0.25",
        "best   one, validation:objective_loss 0.25",
        "  l1                             1e-05",
        "  wd                             0.01",
        "model  s3://a-bucket/jobs/one/output/model.tar.gz",
        "next   linear-learner sagemaker deploy one",
    ]
    (sent,) = slow_tuning.requests("CreateHyperParameterTuningJob")
    assert sent == request_of(capsys)


def test_a_tuning_job_without_a_good_job_fails(slow_tuning: Any, capsys: pytest.CaptureFixture[str]) -> None:
    slow_tuning.steps = [lambda: slow_tuning.ends(HyperParameterTuningJobStatus="Failed", FailureReason="all failed")]
    assert tune() == 3
    assert "The tuning job failed: all failed (hunt)" in capsys.readouterr().err


def test_ctrl_c_leaves_the_tuning_job_alone(slow_tuning: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    slow_tuning.steps = [interrupt]
    assert tune() == 130
    error = capsys.readouterr().err
    assert "The tuning job hunt goes on" in error
    assert "aws sagemaker stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name hunt" in error
