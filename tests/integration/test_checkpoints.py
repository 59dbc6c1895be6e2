"""Jobs that are cut off and started again: they end with the model that they would have ended with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from finished_job import MakeJob, Rows
from job_folder import JobFolder

EPOCHS = 60


@pytest.fixture(scope="module")
def rows() -> Rows:
    random = np.random.default_rng(3)
    features = random.normal(size=(6000, 40))
    return features, (features @ random.normal(size=40) + random.normal(size=6000) > 0).astype(float)


def with_checkpoints(job: JobFolder, rows: Rows) -> JobFolder:
    job.hyperparameters("binary_classifier", epochs=EPOCHS, early_stopping_patience=EPOCHS)
    (job.base / "checkpoints").mkdir()
    return job.channel("train", *rows)


def run_until(job: JobFolder, progress_lines: int, number: int) -> bool:
    """Start the job and send it the signal once it has logged so many epochs. Returns whether it was still running."""
    with job.start() as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += "#progress_metric" in line
            if seen == progress_lines:
                process.send_signal(number)
                break
        process.stdout.read()
        return process.wait() != 0 or number == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_is_cut_off_goes_on_to_the_same_model(number: int, rows: Rows, make_job: MakeJob) -> None:
    whole, cut = with_checkpoints(make_job(), rows), with_checkpoints(make_job(), rows)
    expected = whole.run_process()
    assert expected.code == 0, expected.log
    for _ in range(3):
        run_until(cut, 7, number)
    outcome = cut.run_process()
    assert outcome.code == 0, outcome.log
    assert len(outcome.found("Going on from (.*): epoch ")) == 1
    assert len(outcome.found("(#progress_metric)")) < EPOCHS
    for name in ("mx-mod-0000.params", "additional-params.json"):
        assert (outcome.model_dir / name).read_bytes() == (expected.model_dir / name).read_bytes()
    kept = sorted(path.name for path in (cut.base / "checkpoints").iterdir())
    assert len(kept) == 2
    assert all(name.endswith(".npz") for name in kept)


def test_a_checkpoint_of_other_hyperparameters_or_data_is_refused(rows: Rows, job: JobFolder) -> None:
    with_checkpoints(job, rows).hyperparameters("binary_classifier", epochs=2)
    assert job.run().code == 0
    job.hyperparameters("binary_classifier", epochs=3)
    refused = job.run()
    assert refused.code == 2
    assert refused.failure is not None
    assert "of another job: epochs was 2 there and is 3 here" in refused.failure
    job.hyperparameters("binary_classifier", epochs=2).channel("train", rows[0] * 2, rows[1])
    assert "scaler was" in (job.run().failure or "")


def test_a_job_that_had_ended_only_writes_its_model(rows: Rows, job: JobFolder) -> None:
    with_checkpoints(job, rows).hyperparameters("binary_classifier", epochs=2)
    first = job.run()
    weights = (first.model_dir / "mx-mod-0000.params").read_bytes()
    again = job.run()
    assert again.code == 0
    assert again.found("(#progress_metric)") == []
    assert (again.model_dir / "mx-mod-0000.params").read_bytes() == weights


def test_the_folder_is_where_the_config_says(rows: Rows, job: JobFolder, tmp_path: Path) -> None:
    job.hyperparameters("binary_classifier", epochs=1).channel("train", *rows)
    config = job.base / "input/config/checkpointconfig.json"
    config.write_text(json.dumps({"LocalPath": str(tmp_path / "kept"), "S3Uri": "s3://bucket/prefix"}))
    assert job.run().code == 0
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 1


def test_without_a_folder_nothing_is_written(rows: Rows, job: JobFolder) -> None:
    outcome = job.hyperparameters("binary_classifier", epochs=1).channel("train", *rows).run()
    assert "Checkpoint loading and saving are disabled." in outcome.log
    assert not (outcome.base / "checkpoints").exists()
