"""Jobs that are cut off and started again: they end with the model that they would have ended with."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_job import MakeJob, Rows
from job_folder import CSV, JobFolder, csv

from linear_learner.data.dataset import Dataset
from linear_learner.model.linear_model import LinearModel
from linear_learner.training.ending import fewer_rows
from linear_learner.training.ending import outcome as outcomes
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation import model_selection
from linear_learner.training.evaluation.metrics import Metric
from linear_learner.training.evaluation.model_selection import Choice
from linear_learner.training.preparation.task import Task

EPOCHS = 60
CHOOSE, SCORE = model_selection.choose, outcomes.score


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


def test_a_checkpoint_of_other_labels_or_another_judge_is_refused(rows: Rows, job: JobFolder) -> None:
    """Its losses and its best epochs are those of other rows."""
    features, labels = rows
    with_checkpoints(job, rows).hyperparameters("binary_classifier", epochs=2)
    assert job.run().code == 0
    mended = labels.copy()
    mended[np.flatnonzero(labels == 0)[:5]] = 1
    job.channel("train", features, mended)
    assert "of another job: rows by class was [" in (job.run().failure or "")
    job.channel("train", features, labels).channel("validation", features, labels)
    assert "of another job: judging channel was train there and is validation here" in (job.run().failure or "")


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


class Pipes:
    """Inside the ``with``, a job gets the same rows through ``train_0``, ``train_1`` and so on."""

    def __init__(self, job: JobFolder, content: bytes) -> None:
        self._folder, self._content = job.base / "input/data", content
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        """Until the writer has ended: its next pipe would stand in the way of those for the next start of the job."""
        while self._thread.is_alive():
            for path in self._folder.glob("train_*"):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(0.01)
        for path in self._folder.glob("train_*"):
            path.unlink()

    def _write(self) -> None:
        for number in itertools.count():
            path = self._folder / f"train_{number}"
            os.mkfifo(path)
            try:
                with path.open("wb") as pipe:
                    pipe.write(self._content)
            except BrokenPipeError:
                return


@pytest.mark.parametrize("lines", [1, 4])
def test_a_job_in_pipe_mode_ends_with_the_same_bits(lines: int, make_job: MakeJob) -> None:
    """Stopped in its first epochs or later, of which the first has windows of its own."""
    random = np.random.default_rng(7)
    features = random.normal(size=(40_000, 10)).astype(np.float32)
    content = csv(features, features[:, 0] + random.normal(size=40_000) > 0)
    whole, cut = make_job(), make_job()
    for job in (whole, cut):
        job.hyperparameters("binary_classifier", epochs=7, memory_mb=1, num_models=4, early_stopping_patience=9)
        job.config("inputdataconfig", {"train": {"ContentType": CSV, "TrainingInputMode": "Pipe"}})
        (job.base / "checkpoints").mkdir()
    with Pipes(whole, content):
        expected = whole.run_process()
    assert expected.code == 0, expected.log
    for number, after in ((signal.SIGTERM, lines), (signal.SIGKILL, 1)):
        with Pipes(cut, content):
            assert run_until(cut, after, number)
    # The second of these finds that training has ended.
    for _ in range(2):
        with Pipes(cut, content):
            outcome = cut.run_process()
        assert outcome.code == 0, outcome.log
        assert "Going on from" in outcome.log
        for name in ("mx-mod-0000.params", "additional-params.json"):
            assert (outcome.model_dir / name).read_bytes() == (expected.model_dir / name).read_bytes()


def test_a_stop_while_the_threshold_is_chosen_changes_nothing(
    rows: Rows, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []
    for stops in (False, True):
        job = make_job().hyperparameters("binary_classifier", epochs=2).channel("train", *rows)

        def choose(*given: Any, stops: bool = stops) -> Choice:
            if stops:
                os.kill(os.getpid(), signal.SIGTERM)
            return CHOOSE(*given)

        monkeypatch.setattr(model_selection, "choose", choose)
        outcome = job.run()
        assert outcome.code == 0, outcome.failure
        models.append((outcome.model_dir / "model.tar.gz").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize("stops_in", ["choose", "score"])
def test_a_stop_while_many_rows_are_looked_at_ends_with_fewer_of_them(
    stops_in: str, rows: Rows, job: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that takes does not grow with the rows then."""
    monkeypatch.setattr(fewer_rows, "MOST_ROWS", 500)
    job.hyperparameters("binary_classifier", epochs=2, bootstrap_samples=100).channel("train", *rows)
    for name in ("validation", "test"):
        job.channel(name, *rows)
    judged: list[tuple[str, int]] = []

    def choose(trained: Trained, task: Task, *given: Any) -> Choice:
        judged.append(("choose", len(task.judge().rows.order)))
        if stops_in == "choose":
            os.kill(os.getpid(), signal.SIGTERM)
        return CHOOSE(trained, task, *given)

    def score(model: LinearModel, data: Dataset, *given: Any, **named: Any) -> list[Metric]:
        judged.append((data.name, len(data)))
        if stops_in == "score":
            os.kill(os.getpid(), signal.SIGTERM)
        return SCORE(model, data, *given, **named)

    monkeypatch.setattr(model_selection, "choose", choose)
    monkeypatch.setattr(outcomes, "score", score)
    ended = job.run()
    assert ended.code == 0, ended.failure
    before = {"choose": [("choose", 6000)], "score": [("choose", 6000), ("validation", 6000)]}
    assert judged == [*before[stops_in], ("choose", 500), ("validation", 500), ("test", 500)]
    for name in ("validation", "test"):
        assert f"the model is chosen and scored by 500 of the 6000 rows of channel '{name}'" in ended.log
        assert len(ended.found(f"#quality_metric: host=\\S+, ({name} roc_auc_score) ")) == 1
    assert "intervals" not in ended.facts


def test_a_stop_while_files_are_read_leaves_checkpoints_and_no_model(rows: Rows, job: JobFolder) -> None:
    with_checkpoints(job, rows)
    assert run_until(job, 2, signal.SIGKILL)
    kept = {path.name: path.read_bytes() for path in (job.base / "checkpoints").glob("*.npz")}
    outcome = job.run(should_stop=lambda: True)
    assert outcome.code == 143
    assert "Stopped by SIGTERM before training began: there is nothing to save, so no model is written." in outcome.log
    assert "The exit code is 143" in outcome.log
    assert {path.name: path.read_bytes() for path in (job.base / "checkpoints").glob("*.npz")} == kept
    assert not outcome.model_dir.exists()
