"""`docker run IMAGE train` on a mounted /opt/ml."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import Container, Job

pytestmark = pytest.mark.image

MODEL_FILES = {"additional-params.json", "manifest.json", "mx-mod-0000.params", "mx-mod-symbol.json"}
PACKED = {"model_algo-1", "model.tar.gz"}

# What SageMaker's tuning jobs and its console look for in the log of a binary job with all three channels.
METRIC_REGEXES = {
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    "train:objective_loss": r"#quality_metric: host=\S+, epoch=\S+, train \S+_objective <loss>=(\S+)",
    "validation:objective_loss": r"#quality_metric: host=\S+, epoch=\S+, validation \S+_objective <loss>=(\S+)",
    "validation:objective_loss:final": r"#quality_metric: host=\S+, validation \S+_objective <loss>=(\S+)",
    "test:objective_loss": r"#quality_metric: host=\S+, test \S+_objective <loss>=(\S+)",
} | {
    f"{channel}:{name}": rf"#quality_metric: host=\S+, {channel} {printed} <score>=(\S+)"
    for channel in ("validation", "test")
    for name, printed in {
        "binary_classification_accuracy": "binary_classification_accuracy",
        "binary_f_beta": r"binary_f_\S+",
        "precision": "precision",
        "recall": "recall",
        "roc_auc_score": "roc_auc_score",
    }.items()
}


def test_the_model_folder_holds_the_model_loose_and_packed(trained: Job) -> None:
    model = trained.base / "model"
    assert {path.name for path in model.iterdir()} == MODEL_FILES | PACKED
    with zipfile.ZipFile(model / "model_algo-1") as archive:
        assert set(archive.namelist()) == MODEL_FILES
    with tarfile.open(model / "model.tar.gz") as archive:
        assert {name.removeprefix("./") for name in archive.getnames()} == MODEL_FILES | {"model_algo-1"}


@pytest.mark.parametrize("name", METRIC_REGEXES)
def test_the_log_has_what_tuning_jobs_look_for(trained: Job, name: str) -> None:
    values = re.findall(METRIC_REGEXES[name], trained.log)
    assert values, trained.log
    assert all(float(value) >= 0 for value in values)


def test_the_model_is_good(trained: Job) -> None:
    """scikit-learn's LogisticRegression as it comes, on standardised features, reaches 0.99 on the same split."""
    accuracy = re.search(METRIC_REGEXES["test:binary_classification_accuracy"], trained.log)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.95


def test_no_command_trains_and_a_platform_packs_the_model_itself(
    new_base: Callable[..., Path], run: Callable[..., Job]
) -> None:
    job = run(new_base(epochs="1"), options=("-e", "TRAINING_JOB_NAME=a-job"))
    assert job.exit_code == 0, job.log
    assert {path.name for path in (job.base / "model").iterdir()} == MODEL_FILES | {"model_algo-1"}


def test_a_wrong_hyperparameter_fails_the_job_and_says_why(
    new_base: Callable[..., Path], run: Callable[..., Job]
) -> None:
    job = run(new_base(loss="hinge"), "train")
    failure = (job.base / "output" / "failure").read_text()
    assert job.exit_code == 2
    assert failure.startswith("Customer Error: ")
    assert "loss" in failure and "hinge_loss" in failure
    assert failure.splitlines()[0] in job.log
    assert list((job.base / "model").iterdir()) == []


def test_a_job_without_a_train_channel_fails_and_says_so(
    new_base: Callable[..., Path], run: Callable[..., Job]
) -> None:
    base = new_base()
    shutil.rmtree(base / "input" / "data" / "train")
    channels = base / "input" / "config" / "inputdataconfig.json"
    channels.write_text(
        json.dumps({name: value for name, value in json.loads(channels.read_text()).items() if name != "train"})
    )
    job = run(base, "train")
    assert job.exit_code == 2
    assert re.match(r"Customer Error: .*train", (base / "output" / "failure").read_text())


def test_a_stopped_job_ends_at_once(new_base: Callable[..., Path], start: Callable[..., Container]) -> None:
    """SIGTERM, which process 1 ignores unless it handles it, is all a stop gives before SIGKILL."""
    base = new_base(epochs="1000000", early_stopping_patience="1000001")
    job = start("train", options=("-v", f"{base}:/opt/ml"))
    job.wait_until(lambda: "#progress_metric" in job.log(), "the job trains")
    assert job.stop() < 10
    assert job.state()["ExitCode"] != 137, "it was killed"
