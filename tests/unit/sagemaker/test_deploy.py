"""``linear-learner sagemaker deploy``, ``transform`` and ``delete`` against a server that answers as AWS does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from moto.sagemaker import models

from linear_learner.aws import Refused
from linear_learner.cli import main
from linear_learner.sagemaker import deploy as deployment
from linear_learner.sagemaker.transform import LOG_GROUP

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/linear-learner:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMaker"
MODEL = "s3://a-bucket/jobs/one/output/model.tar.gz"
OWN = [MODEL, "--image", IMAGE, "--role", ROLE]


def deploy(*options: str, model: list[str] = OWN) -> int:
    return main(["sagemaker", "deploy", *model, "--name", "fraud", *options])


def left(service: Any) -> tuple[list[str], list[str], list[str]]:
    """Names of the models, endpoint configurations and endpoints that there are."""
    backend = service.backend()
    names = [model.model_name for model in backend._models.values()]
    return names, list(backend.endpoint_configs), list(backend.endpoints)


@pytest.fixture
def slow(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Endpoints are being made until a step says what became of them."""

    class SlowEndpoint(models.FakeEndpoint):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self.endpoint_status = "Creating"

    def becomes(status: str, reason: str | None = None) -> Any:
        def step() -> None:
            (endpoint,) = service.backend().endpoints.values()
            endpoint.endpoint_status, endpoint.failure_reason = status, reason

        return step

    monkeypatch.setattr(models, "FakeEndpoint", SlowEndpoint)
    service.becomes = becomes
    return service


@pytest.fixture
def trained(service: Any) -> str:
    """A training job that has made a model."""
    place = ["--image", IMAGE, "--role", ROLE, "--output", "s3://a-bucket/jobs", "--name", "one"]
    rows = ["--train", "s3://a-bucket/train.csv", "--predictor-type", "regressor"]
    assert main(["sagemaker", "train", *place, *rows, "--no-wait"]) == 0
    service.training_job(training_job_status="Completed")
    return "one"


def test_an_endpoint_is_made_and_how_to_ask_it_is_told(slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
    slow.steps = [slow.becomes("InService")]
    assert deploy() == 0
    out = capsys.readouterr().out
    assert "aws sagemaker-runtime invoke-endpoint --endpoint-name fraud --region eu-west-1" in out
    assert "linear-learner sagemaker delete fraud --region eu-west-1" in out
    assert left(slow) == (["fraud"], ["fraud"], ["fraud"])


def test_a_dry_run_prints_what_is_sent(slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy("--dry-run", "--instance-count", "2") == 0
    printed = json.loads(capsys.readouterr().out)
    assert slow.sent == []
    slow.steps = [slow.becomes("InService")]
    assert deploy("--instance-count", "2") == 0
    assert printed == {name: request for name, request in slow.sent if name.startswith("Create")}
    assert printed["CreateModel"]["PrimaryContainer"] == {"Image": IMAGE, "ModelDataUrl": MODEL}
    (variant,) = printed["CreateEndpointConfig"]["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 2)
    assert all(request["Tags"][0]["Key"] == "linear-learner" for request in printed.values())


def test_a_training_job_says_what_to_deploy(slow: Any, trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    slow.steps = [slow.becomes("InService")]
    assert deploy(model=[trained]) == 0
    (request,) = slow.requests("CreateModel")
    assert request["PrimaryContainer"] == {"Image": IMAGE, "ModelDataUrl": MODEL}
    assert request["ExecutionRoleArn"] == ROLE


def test_a_training_job_without_a_model_is_told(slow: Any, trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    slow.training_job(training_job_status="InProgress")
    assert deploy(model=[trained]) == 2
    assert "has made no model: it is InProgress (one)" in capsys.readouterr().err
    assert left(slow) == ([], [], [])


def test_a_local_model_is_uploaded(slow: Any, account: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.tar.gz"
    file.write_bytes(gzip.compress(b"a model"))
    own = [str(file), "--image", IMAGE, "--role", ROLE]
    assert deploy(model=own) == 2
    assert "say where to upload it" in capsys.readouterr().err.lower()
    slow.steps = [slow.becomes("InService")]
    assert deploy("--output", "s3://a-bucket/models", model=own) == 0
    (request,) = slow.requests("CreateModel")
    assert request["PrimaryContainer"]["ModelDataUrl"] == "s3://a-bucket/models/fraud/model.tar.gz"
    stored = account.get_object(Bucket="a-bucket", Key="models/fraud/model.tar.gz")
    assert stored["Body"].read() == file.read_bytes()
    file.write_bytes(b"none")
    assert deploy("--output", "s3://a-bucket/models", model=own) == 2
    assert "This is no model.tar.gz" in capsys.readouterr().err


def test_the_model_of_an_endpoint_whose_name_is_taken_stays_as_it_is(
    slow: Any, account: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its machines load it again whenever one is replaced or added."""
    file, own = tmp_path / "model.tar.gz", ["--image", IMAGE, "--role", ROLE, "--output", "s3://a-bucket/models"]
    file.write_bytes(gzip.compress(b"the first"))
    before = file.read_bytes()
    assert deploy("--no-wait", model=[str(file), *own]) == 0
    file.write_bytes(gzip.compress(b"the second"))
    assert deploy("--no-wait", model=[str(file), *own]) == 2
    assert "There is a Model of this name, and nothing is uploaded (fraud)" in capsys.readouterr().err
    assert account.get_object(Bucket="a-bucket", Key="models/fraud/model.tar.gz")["Body"].read() == before


def test_a_serverless_endpoint(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy("--serverless", "--memory-mb", "4096", "--dry-run") == 0
    (variant,) = json.loads(capsys.readouterr().out)["CreateEndpointConfig"]["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 4096, "MaxConcurrency": 20}
    assert "InstanceType" not in variant
    assert deploy("--memory-mb", "4096") == 2
    assert "--memory-mb is given without --serverless" in capsys.readouterr().err


def test_an_endpoint_that_fails_leaves_nothing_behind(slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
    slow.steps = [slow.becomes("Failed", "The container did not pass the ping health check")]
    assert deploy() == 3
    error = capsys.readouterr().err
    assert "The endpoint failed: The container did not pass the ping" in error
    assert "/aws/sagemaker/Endpoints/fraud" in error
    assert left(slow) == ([], [], [])


@pytest.mark.parametrize("step", ["create_endpoint_config", "create_endpoint"])
def test_a_step_that_fails_undoes_those_before_it(
    slow: Any, step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from moto.sagemaker.exceptions import ResourceInUseException

    def refuse(*_: Any, **__: Any) -> None:
        raise ResourceInUseException("no more of these")

    monkeypatch.setattr(models.SageMakerModelBackend, step, refuse)
    assert deploy() == 2
    assert "no more of these" in capsys.readouterr().err
    assert left(slow) == ([], [], [])


def test_an_endpoint_that_cannot_be_waited_for_is_left_alone(
    slow: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise Refused("ExpiredToken", "The security token is expired", where="")

    monkeypatch.setattr(deployment, "wait", refuse)
    assert deploy() == 2
    assert left(slow) == (["fraud"], ["fraud"], ["fraud"])


def test_ctrl_c_leaves_the_endpoint_alone(slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    slow.steps = [interrupt]
    assert deploy() == 130
    error = capsys.readouterr().err
    assert "The making of endpoint fraud goes on" in error
    assert "linear-learner sagemaker delete fraud --region eu-west-1" in error
    assert left(slow) == (["fraud"], ["fraud"], ["fraud"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([MODEL, "--role", ROLE], "--image is not given"),
        ([MODEL, "--image", IMAGE], "--role is not given"),
        ([MODEL, "--image", IMAGE, "--role", "me"], "'me' is not the ARN of a role"),
        ([*OWN, "--serverless", "--instance-type", "ml.m5.large"], "--serverless has no machines of its own"),
        ([*OWN, "--serverless", "--instance-count", "1"], "--serverless has no machines of its own"),
        ([*OWN, "--output", "s3://a-bucket/models"], "The model is in S3 already"),
        ([*OWN, "--region", "us-east-1"], "Give --region eu-west-1, or push the image to us-east-1"),
        ([*OWN, "--name", "a_b"], "The name 'a_b' cannot be used"),
        (["no/such/file", "--image", IMAGE, "--role", ROLE], "cannot be used"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_sent(
    service: Any, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sagemaker", "deploy", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert service.sent == []


class TestDelete:
    def test_what_deploy_made_is_deleted_and_the_data_is_not(
        self, service: Any, account: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        account.put_object(Bucket="a-bucket", Key="jobs/one/output/model.tar.gz", Body=b"")
        assert deploy() == 0
        capsys.readouterr()
        assert main(["sagemaker", "delete", "fraud", "--dry-run"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert list(printed) == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]
        assert left(service) == (["fraud"], ["fraud"], ["fraud"])
        assert main(["sagemaker", "delete", "fraud"]) == 0
        assert left(service) == ([], [], [])
        assert account.list_objects_v2(Bucket="a-bucket")["KeyCount"] == 1

    def test_the_data_is_deleted_where_that_is_asked_for(self, service: Any, account: Any) -> None:
        account.put_object(Bucket="a-bucket", Key="jobs/one/output/model.tar.gz", Body=b"")
        account.put_object(Bucket="a-bucket", Key="jobs/one/input/train.csv", Body=b"")
        assert deploy() == 0
        assert main(["sagemaker", "delete", "fraud", "--with-model-data"]) == 0
        keys = [entry["Key"] for entry in account.list_objects_v2(Bucket="a-bucket")["Contents"]]
        assert keys == ["jobs/one/input/train.csv"]

    def test_what_others_made_is_left_alone(self, service: Any, capsys: pytest.CaptureFixture[str]) -> None:
        from linear_learner import aws

        container = {"Image": IMAGE, "ModelDataUrl": MODEL}
        aws.client("sagemaker").create_model(ModelName="fraud", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        assert main(["sagemaker", "delete", "fraud"]) == 2
        assert "was not made by these commands: it has no tag 'linear-learner'" in capsys.readouterr().err
        assert left(service)[0] == ["fraud"]

    def test_a_name_that_nothing_has_is_told(self, service: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sagemaker", "delete", "fraud"]) == 2
        assert "There is no endpoint, configuration or model of this name (fraud)" in capsys.readouterr().err


class TestTransform:
    ROWS = ("--input", "s3://a-bucket/rows.csv", "--output", "s3://a-bucket/out")

    def run(self, *options: str) -> int:
        return main(["sagemaker", "transform", *OWN, "--name", "batch", *options])

    @pytest.fixture
    def slow(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Transform jobs are in progress until a step ends them."""

        class SlowJob(models.FakeTransformJob):
            def __init__(self, *arguments: Any, **settings: Any) -> None:
                super().__init__(*arguments, **settings)
                self.transform_job_status = "InProgress"

        def becomes(status: str, reason: str = "") -> Any:
            def step() -> None:
                (job,) = service.backend().transform_jobs.values()
                job.transform_job_status, job.failure_reason = status, reason

            return step

        monkeypatch.setattr(models, "FakeTransformJob", SlowJob)
        service.becomes = becomes
        return service

    def test_a_job_runs_to_its_end_and_leaves_no_model(self, slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
        slow.steps = [
            lambda: slow.log(LOG_GROUP, "batch/i-1", "a line"),
            slow.becomes("Completed"),
            lambda: None,
        ]
        assert self.run(*self.ROWS) == 0
        assert capsys.readouterr().out.splitlines() == [
            "a line",
            "Transform job batch is done.",
            "output s3://a-bucket/out",
        ]
        assert left(slow)[0] == []

    def test_a_job_that_fails_leaves_no_model(self, slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
        slow.steps = [slow.becomes("Failed", "ClientError: See job logs"), lambda: None]
        assert self.run(*self.ROWS) == 2
        assert "The transform job failed: ClientError: See job logs (batch)" in capsys.readouterr().err
        assert left(slow)[0] == []

    def test_a_model_that_may_not_be_deleted_hides_nothing(
        self, slow: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from moto.sagemaker.exceptions import ResourceInUseException

        def refuse(*_: Any, **__: Any) -> None:
            raise ResourceInUseException("not now")

        monkeypatch.setattr(models.SageMakerModelBackend, "delete_model", refuse)
        slow.steps = [slow.becomes("Completed"), lambda: None]
        assert self.run(*self.ROWS) == 0
        told = capsys.readouterr()
        assert "Transform job batch is done." in told.out
        assert "DeleteModel batch failed, please delete it by hand" in told.err

    def test_ctrl_c_leaves_the_job_and_its_model_alone(self, slow: Any, capsys: pytest.CaptureFixture[str]) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        slow.steps = [interrupt]
        assert self.run(*self.ROWS) == 130
        error = capsys.readouterr().err
        assert "The transform job batch goes on" in error and "'linear-learner sagemaker delete batch'" in error
        assert left(slow)[0] == ["batch"]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--input", "s3://a-bucket/rows.csv"], ("text/csv", "Line", "None", "text/csv", "Line")),
            (["--input", "s3://a-bucket/rows.csv.gz"], ("text/csv", "Line", "Gzip", "text/csv", "Line")),
            (["--input", "s3://a-bucket/ROWS.CSV.GZ"], ("text/csv", "Line", "Gzip", "text/csv", "Line")),
            (["--input", "s3://a-bucket/rows"], ("text/csv", "Line", "None", "text/csv", "Line")),
            (
                ["--input", "s3://a-bucket/rows.jsonl", "--accept", "application/jsonlines"],
                ("application/jsonlines", "Line", "None", "application/jsonlines", "Line"),
            ),
            (
                ["--input", "s3://a-bucket/x", "--content-type", "application/json", "--accept", "application/json"],
                ("application/json", "None", "None", "application/json", "None"),
            ),
            (
                ["--input", "s3://a-bucket/rows.pbr"],
                ("application/x-recordio-protobuf", "RecordIO", "None", "text/csv", "Line"),
            ),
        ],
    )
    def test_files_are_cut_and_put_together_by_their_type(
        self, slow: Any, capsys: pytest.CaptureFixture[str], options: list[str], expected: tuple[str, ...]
    ) -> None:
        assert self.run(*options, "--output", "s3://a-bucket/out", "--dry-run") == 0
        request = json.loads(capsys.readouterr().out)["CreateTransformJob"]
        rows, out = request["TransformInput"], request["TransformOutput"]
        found = (rows["ContentType"], rows["SplitType"], rows["CompressionType"], out["Accept"], out["AssembleWith"])
        assert found == expected
        assert slow.sent == []

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (["--input", "s3://a-bucket/rows.csv.zst"], "SageMaker unpacks gzip alone (s3://a-bucket/rows.csv.zst)"),
            (["--input", "s3://a-bucket/rows.csv.ZSTD"], "SageMaker unpacks gzip alone"),
            (["--input", "s3://a-bucket/rows.csv", "--accept", "text/libsvm"], "'text/libsvm'"),
            (["--input", "s3://a-bucket/rows.parquet"], "'1.0') (--input s3://a-bucket/rows.parquet). Use one of: app"),
            (["--input", "s3://a-bucket/rows", "--content-type", "text/tsv"], "('text/tsv', '1.0') (--content-type)"),
        ],
    )
    def test_what_could_not_be_read_or_answered_is_told_before_anything_is_sent(
        self, service: Any, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
    ) -> None:
        assert self.run(*options, "--output", "s3://a-bucket/out") == 2
        assert sentence in capsys.readouterr().err
        assert service.sent == []

    def test_a_job_that_cannot_be_waited_for_is_told_to_leave_its_model(
        self, slow: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        slow.steps = [slow.backend().transform_jobs.clear]
        assert self.run(*self.ROWS) == 2
        assert "'linear-learner sagemaker delete batch'" in capsys.readouterr().err
        assert left(slow)[0] == ["batch"]
