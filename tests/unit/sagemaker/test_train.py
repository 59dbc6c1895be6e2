"""``linear-learner sagemaker train`` against a server that answers as AWS does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from linear_learner.aws import Account
from linear_learner.cli import main
from linear_learner.errors import PlatformError
from linear_learner.sagemaker import watch
from linear_learner.sagemaker.train import LOG_GROUP

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/linear-learner:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMaker"
PLACE = ["--image", IMAGE, "--role", ROLE, "--output", "s3://a-bucket/jobs", "--name", "one"]
BINARY = ["--predictor-type", "binary_classifier"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text("0,1\n1,2\n")
    return file


def train(rows: Path, *options: str) -> int:
    return main(["sagemaker", "train", *PLACE, "--train", str(rows), *BINARY, *options])


def ends(service: Any, status: str, **changes: Any) -> Any:
    return lambda: service.training_job(training_job_status=status, **changes)


def test_a_job_runs_to_its_end_with_its_log(
    service: Any, account: Any, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.steps = [
        lambda: service.log(LOG_GROUP, "one/algo-1-1700", "first", "second"),
        lambda: service.log(LOG_GROUP, "one/algo-1-1700", "third"),
        ends(service, "Completed", secondary_status="Completed"),
        lambda: service.log(LOG_GROUP, "one/algo-1-1700", "the last line is late"),
    ]
    assert train(rows, "--validation", str(rows), "--epochs", "3") == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[:4] == ["first", "second", "third", "the last line is late"]
    assert lines[4:] == [
        "Training job one is done.",
        "  train:progress                                100",
        "model  s3://a-bucket/jobs/one/output/model.tar.gz",
        "next   linear-learner sagemaker deploy one",
    ]
    for channel in ("train", "validation"):
        stored = account.get_object(Bucket="a-bucket", Key=f"jobs/one/input/{channel}/rows.csv")
        assert stored["Body"].read() == rows.read_bytes()


def test_the_files_of_a_job_whose_name_is_taken_stay_as_they_are(
    service: Any, account: Any, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(rows, "--no-wait") == 0
    before = rows.read_bytes()
    rows.write_text("1,5\n0,6\n")
    assert train(rows, "--no-wait") == 2
    error = capsys.readouterr().err
    assert "There is a TrainingJob of this name, and nothing is uploaded (one). Give another --name" in error
    stored = account.get_object(Bucket="a-bucket", Key="jobs/one/input/train/rows.csv")
    assert stored["Body"].read() == before


def test_a_dry_run_prints_what_is_sent_and_sends_nothing(
    service: Any, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--test", "s3://a-bucket/held-out.csv", "--spot", "--hours", "2", "--input-mode", "FastFile"]
    options += [
        "--instance-count",
        "2",
        "--instance-type",
        "ml.c5.xlarge",
        "--shard",
        "--start-from",
        "s3://a-bucket/m.tar.gz",
    ]
    assert train(rows, *options, "--dry-run") == 0
    printed = json.loads(capsys.readouterr().out)
    assert service.sent == []
    assert train(rows, *options, "--no-wait") == 0
    assert [printed["CreateTrainingJob"]] == service.requests("CreateTrainingJob")
    assert service.training_job().hyper_parameters == {"predictor_type": "binary_classifier"}


def test_the_request(service: Any, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--test", "s3://a-bucket/held-out.csv", "--spot", "--hours", "2", "--input-mode", "FastFile"]
    options += [
        "--instance-count",
        "2",
        "--instance-type",
        "ml.c5.xlarge",
        "--shard",
        "--start-from",
        "s3://a-bucket/m.tar.gz",
    ]
    assert train(rows, *options, "--dry-run") == 0
    request = json.loads(capsys.readouterr().out)["CreateTrainingJob"]
    algorithm = request.pop("AlgorithmSpecification")
    assert (algorithm["TrainingImage"], algorithm["TrainingInputMode"]) == (IMAGE, "FastFile")

    def channel(name: str, place: str, distribution: str = "FullyReplicated", **more: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": place, "S3DataDistributionType": distribution}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}

    assert request.pop("InputDataConfig") == [
        channel("train", "s3://a-bucket/jobs/one/input/train/", "ShardedByS3Key", ContentType="text/csv"),
        channel("test", "s3://a-bucket/held-out.csv", ContentType="text/csv"),
        channel("model", "s3://a-bucket/m.tar.gz", ContentType="application/x-sagemaker-model", InputMode="File"),
    ]
    (tag,) = request.pop("Tags")
    assert tag["Key"] == "linear-learner"
    assert request == {
        "TrainingJobName": "one",
        "HyperParameters": {"predictor_type": "binary_classifier"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://a-bucket/jobs"},
        "ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 14400},
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "s3://a-bucket/jobs/one/checkpoints/", "LocalPath": "/opt/ml/checkpoints"},
    }


def test_the_folder_of_a_job_is_run_as_it_is(service: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {
        "config/hyperparameters.json": '{"predictor_type": "regressor", "epochs": 3, "use_bias": true}',
        "config/inputdataconfig.json": '{"train": {"ContentType": "text/csv;label_size=1"}, "test": {}}',
        "data/train/a/part-0": "1,2\n",
        "data/train/.hidden": "",
        "data/test/part-0": "1,2\n",
    }.items():
        file = tmp_path / "input" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert main(["sagemaker", "train", *PLACE, "--base", str(tmp_path), "--dry-run"]) == 0
    output = capsys.readouterr()
    request = json.loads(output.out)["CreateTrainingJob"]
    assert request["HyperParameters"] == {"predictor_type": "regressor", "epochs": "3", "use_bias": "True"}
    types = {channel["ChannelName"]: channel.get("ContentType") for channel in request["InputDataConfig"]}
    assert types == {"train": "text/csv;label_size=1", "test": None}
    assert "part-0 -> s3://a-bucket/jobs/one/input/train/a/part-0" in output.err and ".hidden" not in output.err


@pytest.mark.parametrize(
    ("options", "modes", "wrappers"),
    [
        ([], ("Pipe", None, "FastFile"), ("RecordIO", None, None)),
        (["--input-mode", "File"], ("File", None, None), (None, None, None)),
    ],
)
def test_channels_reach_the_machines_as_the_folder_of_a_job_says_unless_told_otherwise(
    service: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    modes: tuple[str | None, ...],
    wrappers: tuple[str | None, ...],
) -> None:
    sharded = {"S3DistributionType": "ShardedByS3Key"}
    config = {
        "train": {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO", **sharded},
        "validation": {"TrainingInputMode": "Pipe", "RecordWrapperType": "None"},
        "test": {"TrainingInputMode": "FastFile", **sharded},
    }
    for name, content in {
        "config/hyperparameters.json": {"predictor_type": "regressor"},
        "config/inputdataconfig.json": config,
        **{f"data/{channel}/part-0": 1 for channel in config},
    }.items():
        file = tmp_path / "input" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    assert main(["sagemaker", "train", *PLACE, "--base", str(tmp_path), *options, "--dry-run"]) == 0
    request = json.loads(capsys.readouterr().out)["CreateTrainingJob"]
    _, *others = request["InputDataConfig"]
    job_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    assert (job_mode, *(channel.get("InputMode") for channel in others)) == modes
    sources = [channel["DataSource"]["S3DataSource"] for channel in request["InputDataConfig"]]
    assert [source["S3DataDistributionType"] for source in sources] == [
        "ShardedByS3Key",
        "FullyReplicated",
        "ShardedByS3Key",
    ]
    assert tuple(channel.get("RecordWrapperType") for channel in request["InputDataConfig"]) == wrappers


@pytest.mark.parametrize(
    ("reason", "code", "kind"),
    [
        ("AlgorithmError: Customer Error: label 3 is wrong, exit code: 2", 2, "Customer Error"),
        ("AlgorithmError: Algorithm Error: a bug, exit code: 1", 1, "Algorithm Error"),
        ("AlgorithmError: Platform Error: the disk is full, exit code: 3", 3, "Platform Error"),
        ("ClientError: Data download failed", 2, "Customer Error"),
        ("CapacityError: Unable to provision requested ML compute capacity", 3, "Platform Error"),
    ],
)
def test_a_job_that_fails_is_told_with_its_reason(
    service: Any, rows: Path, capsys: pytest.CaptureFixture[str], reason: str, code: int, kind: str
) -> None:
    service.steps = [ends(service, "Failed", failure_reason=reason), lambda: None]
    assert train(rows) == code
    error = capsys.readouterr().err
    assert f"{kind}: The training job failed: {reason}" in error and "(one)" in error


def test_a_job_that_took_too_long_is_told(service: Any, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.steps = [ends(service, "Stopped", secondary_status="MaxRuntimeExceeded"), lambda: None]
    assert train(rows) == 2
    error = capsys.readouterr().err
    assert "The training job was stopped: MaxRuntimeExceeded (one)" in error and "Give it more --hours" in error


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_look_and_stop(
    service: Any, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    service.steps = [interrupt]
    assert train(rows) == 130
    error = capsys.readouterr().err
    assert "The training job one goes on" in error
    assert "aws sagemaker describe-training-job --training-job-name one --region eu-west-1" in error
    assert "aws sagemaker stop-training-job --training-job-name one --region eu-west-1" in error
    assert {name for name, _ in service.sent} & {"StopTrainingJob", "DeleteTrainingJob"} == set()


def test_lines_of_several_machines_are_told_apart(service: Any, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.steps = [
        lambda: [service.log(LOG_GROUP, f"one/algo-{host}-1700", f"from {host}") for host in (1, 2)],
        ends(service, "Completed"),
        lambda: None,
    ]
    assert train(rows) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["algo-1 | from 1", "algo-2 | from 2"]


def test_wrong_hyperparameters_are_told_before_anything_is_sent(
    service: Any, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(rows, "--epochs", "0", "--loss", "squared_loss") == 2
    error = capsys.readouterr().err
    assert "2 hyperparameters are wrong" in error and "'epochs'" in error and "'loss'" in error
    assert service.sent == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--name", "a_b"], "The name 'a_b' cannot be used"),
        (["--name", "a" * 64], "cannot be used"),
        (["--role", "SageMaker"], "'SageMaker' is not the ARN of a role"),
        (["--region", "us-east-1"], "The image is in region eu-west-1, and the job is to run in us-east-1"),
        (["--image", IMAGE.replace("eu-west-1", "eu-north-1")], "and the job is to run in eu-west-1 (--image"),
        (["--output", "out"], "This must be in S3"),
        (["--validation", "none.csv"], "There is no such file or folder"),
        (["--probability-calibration", "platt"], "there is no channel 'validation'"),
        (["--kvstore", "local", "--instance-count", "2"], "'local' does not join the 2 hosts"),
        (["--tuning-objective-metric", "test:recall"], "no channel 'test'"),
    ],
)
def test_what_sagemaker_would_refuse_is_told_before_anything_is_sent(
    service: Any, rows: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(rows, *options) == 2
    assert sentence in capsys.readouterr().err
    assert service.sent == []


def test_a_job_without_files_is_told(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sagemaker", "train", *PLACE]) == 2
    assert "Nothing says what to train on. Give --train FILE, or --base" in capsys.readouterr().err


def test_addresses_are_sent_as_they_are_written(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """To SageMaker s3://a-bucket/train is all that begins so, train-old/ too."""
    options = ["--train", "s3://a-bucket/train/", "--validation", "s3://a-bucket/validation"]
    options += ["--checkpoints", "s3://a-bucket/state/", "--dry-run"]
    assert main(["sagemaker", "train", *PLACE, *BINARY, *options]) == 0
    request = json.loads(capsys.readouterr().out)["CreateTrainingJob"]
    places = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request["InputDataConfig"]]
    assert places == ["s3://a-bucket/train/", "s3://a-bucket/validation"]
    assert request["CheckpointConfig"]["S3Uri"] == "s3://a-bucket/state/"


def test_the_folder_of_a_job_may_be_in_s3(service: Any, account: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("config/hyperparameters.json", "data/train/part-0"):
        account.put_object(Bucket="a-bucket", Key=f"job/input/{key}", Body=b'{"predictor_type": "regressor"}')
    assert main(["sagemaker", "train", *PLACE, "--base", "s3://a-bucket/job", "--dry-run"]) == 0
    (channel,) = json.loads(capsys.readouterr().out)["CreateTrainingJob"]["InputDataConfig"]
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://a-bucket/job/input/data/train/"


def test_a_time_without_a_network_is_waited_out(
    service: Any, rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Account.call
    broken = []

    def unreliable(self: Account, service: str, operation: str, **request: Any) -> Any:
        if broken:
            raise PlatformError("AWS cannot be reached.")
        return call(self, service, operation, **request)

    monkeypatch.setattr(Account, "call", unreliable)
    service.steps = [
        lambda: broken.append(1),
        lambda: None,
        broken.clear,
        ends(service, "Completed"),
        lambda: None,
    ]
    assert train(rows) == 0
    assert "AWS cannot be reached. Asking again." in capsys.readouterr().err
    service.training_job()
    service.backend().training_jobs.clear()
    service.steps = [lambda: broken.append(1), *[lambda: None] * watch.MOST_FAILURES]
    assert train(rows) == 3
    assert "What was started goes on." in capsys.readouterr().err


def test_a_machine_that_is_none_of_sagemakers_is_told_before_anything_is_sent(
    service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["sagemaker", "train", *PLACE, "--train", "s3://a-bucket/train.csv", "--instance-type", "m5.large"])
    assert (
        "--instance-type: SageMaker's machines begin with 'ml.'; did you mean ml.m5.large?" in capsys.readouterr().err
    )
    assert service.sent == []
