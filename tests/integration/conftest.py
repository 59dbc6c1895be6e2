"""Folders of jobs, and a job of each predictor type on real data, run once for all tests that look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_job import FinishedJob, MakeJob, three_parts
from job_folder import RECORDIO, JobFolder
from sklearn import datasets


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """An empty folder."""
    return JobFolder(tmp_path / "ml")


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Makes empty folders."""
    made: list[JobFolder] = []

    def make() -> JobFolder:
        made.append(JobFolder(tmp_path / f"ml-{len(made)}"))
        return made[-1]

    return make


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> FinishedJob:
    """CSV, several files a channel, no inputdataconfig.json: the laptop's way."""
    job = JobFolder(tmp_path_factory.mktemp("binary"))
    rows = three_parts(*datasets.load_breast_cancer(return_X_y=True))
    job.hyperparameters("binary_classifier")
    for name, (features, labels) in rows.items():
        job.channel(name, features, labels, files=3)
    return FinishedJob(job.run(), rows, "binary_classifier", "binary_classification_cross_entropy_objective")


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> FinishedJob:
    """RecordIO-protobuf in channels without a content type, as the SDK's LinearLearner class makes them."""
    job = JobFolder(tmp_path_factory.mktemp("multiclass"))
    rows = three_parts(*datasets.load_digits(return_X_y=True))
    job.hyperparameters("multiclass_classifier", num_classes=10, feature_dim=64)
    job.config("inputdataconfig", {name: {"TrainingInputMode": "File"} for name in rows})
    job.config("resourceconfig", {"current_host": "algo-1-x7", "hosts": ["algo-1-x7"]})
    for name, (features, labels) in rows.items():
        job.channel(name, features, labels, content_type=RECORDIO, files=2)
    return FinishedJob(job.run(), rows, "multiclass_classifier", "multiclass_cross_entropy_objective")


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> FinishedJob:
    """CSV as the service describes it."""
    job = JobFolder(tmp_path_factory.mktemp("regression"))
    rows = three_parts(*datasets.load_diabetes(return_X_y=True))
    job.hyperparameters("regressor")
    described = {
        "ContentType": "text/csv;label_size=1",
        "TrainingInputMode": "FastFile",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    job.config("inputdataconfig", dict.fromkeys(rows, described))
    for name, (features, labels) in rows.items():
        job.channel(name, features, labels)
    return FinishedJob(job.run(), rows, "regressor", "mse_objective")


@pytest.fixture(params=["binary", "multiclass", "regression"])
def finished(request: pytest.FixtureRequest) -> FinishedJob:
    """Each of the three."""
    job: FinishedJob = request.getfixturevalue(request.param)
    return job
