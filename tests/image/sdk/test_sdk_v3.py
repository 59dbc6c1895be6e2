"""What a user of SageMaker SDK v3 sees in local mode. The code that the script runs is that of docs/sdk.md."""

from __future__ import annotations

import re
import tarfile

import numpy as np
import pytest
from environments import V3
from local_mode import MODEL_FILES, Aws, Run, ScriptRunner, share_right

from linear_learner.model import artifact

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def run(run_script: ScriptRunner) -> Run:
    return run_script(V3, "v3_model_trainer.py")


def test_the_image_trains_without_being_given_a_command(run: Run) -> None:
    assert "Docker entrypoint called with argument(s): train" in run.log
    assert re.search(r"#quality_metric: host=algo-1, validation", run.log)


def test_hyperparameters_arrive_as_the_sdk_writes_them(run: Run) -> None:
    """Booleans in small letters."""
    assert "'normalize_data': 'true'" in run.log
    assert "'normalize_data': True" in run.log


def test_the_packed_model_opens(run: Run) -> None:
    model = artifact.load(run.folder / "job" / "compressed_artifacts" / "model.tar.gz")
    features = np.loadtxt(run.folder / "test" / "test.csv", np.float32, delimiter=",")[:, 1:]
    served = [row["score"] for row in run.report["answer"]["predictions"]]
    assert model.predict(features).score == pytest.approx(served, abs=1e-6)


def test_predictions_are_right(run: Run) -> None:
    predicted = np.array([row["predicted_label"] for row in run.report["answer"]["predictions"]])
    assert np.mean(predicted == run.report["labels"]) > 0.95


def test_two_hosts_train_one_model(run: Run) -> None:
    """Although the SDK names a network interface that no container has."""
    path = run.folder / "job-of-two" / "compressed_artifacts" / "model.tar.gz"
    with tarfile.open(path) as archive:
        assert {name.removeprefix("./") for name in archive.getnames()} == MODEL_FILES
    assert share_right(path, run.folder / "test" / "test.csv") > 0.95
    rows = dict(re.findall(r"algo-(\d)_1 +\|.* Channel 'train': (\d+) rows", run.log.partition("algo-2_1")[2]))
    assert sum(map(int, rows.values())) == 343 and len(rows) == 2


def test_sagemaker_is_asked_for_the_same(run: Run, aws: Aws) -> None:
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=run.report["remote_job"])
    assert job["AlgorithmSpecification"]["TrainingImage"].endswith("/linear-learner:1")
    assert "ContainerEntrypoint" not in job["AlgorithmSpecification"]
    assert [channel["ContentType"] for channel in job["InputDataConfig"]] == ["text/csv", "text/csv"]
