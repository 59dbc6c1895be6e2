"""What a user of SageMaker SDK v2 sees in local mode. The code that the scripts run is that of docs/sdk.md."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from environments import V2
from local_mode import MODEL_FILES, Aws, Run, ScriptRunner

from linear_learner.model import artifact

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def run(run_script: ScriptRunner) -> Run:
    return run_script(V2, "v2_estimator.py")


def test_the_log_of_the_job_is_shown(run: Run) -> None:
    assert re.search(r"\|\S* \[\S+ \S+ INFO \d+\] #quality_metric: host=algo-1-\w+, validation", run.log)


def test_hyperparameters_arrive_as_the_sdk_writes_them(run: Run) -> None:
    """Numbers and booleans become strings, True with a capital letter."""
    provided = re.search(r"Merging with provided configuration \S+ \S+ (\{.*?\})", run.log)
    assert provided is not None
    assert "'epochs': '5'" in provided[1] and "'normalize_data': 'True'" in provided[1]
    resolved = re.search(r"Resolved hyperparameters: (\{.*?\})", run.log)
    assert resolved is not None
    assert "'epochs': 5" in resolved[1] and "'normalize_data': True" in resolved[1]


def test_model_data_is_the_model(run: Run) -> None:
    path = Path(run.report["model_data"].removeprefix("file://"))
    with tarfile.open(path) as archive:
        assert {name.removeprefix("./") for name in archive.getnames() if name != "."} == MODEL_FILES
    model = artifact.load(path)
    features = np.loadtxt(run.folder / "test" / "test.csv", np.float32, delimiter=",")[:, 1:]
    assert model.predict(features).score == pytest.approx(scores(run), abs=1e-6)


def test_predictions_are_right(run: Run) -> None:
    predicted = np.array([row["predicted_label"] for row in run.report["answer"]["predictions"]])
    assert np.mean(predicted == run.report["labels"]) > 0.95


def test_all_formats_give_the_same_scores(run: Run) -> None:
    report = run.report
    assert report["from_json"] == report["answer"]
    assert report["from_records"] == pytest.approx(scores(run), rel=1e-6)
    assert [float(score) for score, _ in report["from_csv"]] == scores(run)


def test_a_wrong_request_is_told_in_the_answer(run: Run) -> None:
    """The SDK hides the status, and takes the sentence for a line of CSV."""
    ((sentence,),) = run.report["wrong_width"]
    assert sentence.startswith("Customer Error: The feature dimension of the input: 3 does not match")


def test_deleting_an_endpoint_does_not_wait_for_a_kill(run: Run) -> None:
    assert run.seconds("Delete") < 8  # docker-compose kills after 10


def test_batch_transform_writes_one_line_for_each_row(run: Run) -> None:
    lines = run.report["transformed"].splitlines()
    assert [json.loads(line) for line in lines] == run.report["answer"]["predictions"]


def test_batch_transform_of_records_takes_each_without_its_frame(run: Run) -> None:
    """Which the SDK takes off, and leaves the content type."""
    lines = run.report["transformed_records"].splitlines()
    assert [float(line.split(",")[0]) for line in lines] == pytest.approx(scores(run)[:5], rel=1e-4)


def test_the_report_is_in_the_output(run: Run) -> None:
    with tarfile.open(run.folder / "output" / "output.tar.gz") as archive:
        assert "data/report.html" in {name.removeprefix("./") for name in archive.getnames()}


def test_why_a_job_failed_is_in_the_log_and_in_the_output(run: Run) -> None:
    sentence = "Customer Error: The value 'hinge' is not valid for the 'loss' hyperparameter"
    log = run.log.partition("== When a job fails")[2]
    assert sentence in log and "Did you mean 'hinge_loss'?" in log
    with tarfile.open(run.folder / "failed" / "output.tar.gz") as archive:
        failure = archive.extractfile("failure")
        assert failure is not None and failure.read().decode().startswith(sentence)


def test_sagemaker_is_asked_for_the_same(run: Run, aws: Aws) -> None:
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=run.report["remote_job"])
    assert job["AlgorithmSpecification"]["TrainingImage"].endswith("/linear-learner:1")
    train, validation = job["InputDataConfig"]
    assert train["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "ShardedByS3Key"
    assert train["ContentType"] == validation["ContentType"] == "text/csv"


def test_the_metric_that_sagemaker_would_read_is_in_the_log(run: Run) -> None:
    losses = [float(loss) for loss in re.findall(run.report["metric"], run.log.partition("== Serve")[0])]
    assert len(losses) == 5  # epochs
    assert losses[-1] < losses[0]


def scores(run: Run) -> list[float]:
    return [row["score"] for row in run.report["answer"]["predictions"]]
