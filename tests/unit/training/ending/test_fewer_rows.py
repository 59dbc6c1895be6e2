"""A job that was stopped is finished by no more rows than take seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from in_threads import together

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.environment import Environment
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.ending import fewer_rows
from linear_learner.training.ending.fewer_rows import on_fewer_rows
from linear_learner.training.engines.candidates import make_candidates
from linear_learner.training.epochs.strides import WORK_AT_ONCE
from linear_learner.training.logs.log_lines import Reporter
from linear_learner.training.preparation.task import Judge, Task
from linear_learner.training.training_job import TrainingJob


def hyperparameters(**given: str) -> HyperParameters:
    return resolve(validate({"predictor_type": "binary_classifier", **given}), feature_dim=1, rows=10)


def data_of(name: str, rows: int, *, sparse: bool = False) -> Dataset:
    """Whose features and labels are the numbers of the rows."""
    numbers = np.arange(rows, dtype=np.float32)
    features = numbers.reshape(-1, 1)
    return Dataset(name, CsrMatrix.from_dense(features) if sparse else features, numbers, ())


def task_of(hp: HyperParameters, raw: Dataset, work: float = 1) -> Task:
    """The engine sees the negatives of the raw numbers."""
    features = -np.arange(len(raw), dtype=np.float32).reshape(-1, 1)
    judge = Judge(raw, Chunk(features, raw.labels, np.arange(len(raw)), raw.labels))
    scaler = Scaler(np.zeros(1, np.float32), np.ones(1, np.float32))
    epochs = Epochs(features, raw.labels, None, seed=0)
    loss = LOSSES[hp.predictor_type, hp.loss]
    return Task(loss, scaler, None, epochs, "validation", lambda: judge, lambda: None, work)


def job_of(
    hp: HyperParameters, task: Task, channels: Mapping[str, Dataset], models: int = 1, cluster: Cluster = ALONE
) -> TrainingJob:
    candidates = make_candidates(hp, hp, rows=100)[:1] * models
    env, log = Environment(Path("/nowhere")), Reporter("algo-1")
    return TrainingJob(env, hp, channels, task, candidates, log, lambda: True, cluster)


def test_held_out_rows_are_evenly_spaced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(fewer_rows, "MOST_ROWS", 5)
    hp = hyperparameters()
    channels = {name: data_of(name, rows) for name, rows in (("train", 100), ("validation", 20), ("test", 10))}
    job = on_fewer_rows(job_of(hp, task_of(hp, channels["validation"]), channels))
    task, fewer = job.task, job.channels
    judge, numbers = task.judge(), [0, 4, 8, 12, 16]
    assert judge.raw.features[:, 0].tolist() == judge.raw.labels.tolist() == numbers
    assert judge.rows.features[:, 0].tolist() == [-number for number in numbers]
    assert judge.rows.weights is not None
    assert judge.rows.labels.tolist() == judge.rows.weights.tolist() == numbers
    assert judge.rows.order.tolist() == list(range(5))
    assert len(fewer["test"]) == 5  # type: ignore[arg-type]
    assert fewer["train"] is channels["train"]
    for text in ("5 of the 20 rows of channel 'validation'", "5 of the 10 rows of channel 'test'"):
        assert f"The job is to end: the model is chosen and scored by {text}" in caplog.text


def test_few_rows_are_left_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    hp = hyperparameters()
    channels = {"test": data_of("test", 10)}
    before = task_of(hp, data_of("validation", 20))
    job = on_fewer_rows(job_of(hp, before, channels))
    task, fewer = job.task, job.channels
    assert task.judge().raw is before.judge().raw
    assert task.judge().rows is before.judge().rows
    assert fewer == channels
    assert not caplog.text


def test_wide_rows_and_many_models_are_fewer_rows() -> None:
    """As many as one call of the engine takes, 1000 of these, at 4 models."""
    hp = hyperparameters(mini_batch_size="100")
    task = task_of(hp, data_of("validation", 5000), work=0.999 * WORK_AT_ONCE / 4000 / (1 + 4 / hp.mini_batch_size))
    for models, rows in ((4, 1000), (8, 500)):
        assert len(on_fewer_rows(job_of(hp, task, {}, models)).task.judge().raw) == rows


def test_sparse_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewer_rows, "MOST_ROWS", 2)
    hp = hyperparameters()
    channels = {"test": data_of("test", 10, sparse=True)}
    test = on_fewer_rows(job_of(hp, task_of(hp, data_of("validation", 2)), channels)).channels["test"]
    assert isinstance(test, Dataset)
    assert isinstance(test.features, CsrMatrix)
    assert test.labels.tolist() == (test.features @ np.ones((1, 1), np.float32))[:, 0].tolist() == [0, 5]


def test_each_host_takes_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which one has no rows."""
    monkeypatch.setattr(fewer_rows, "MOST_ROWS", 8)
    hp = hyperparameters()

    def rows(cluster: Cluster) -> int:
        own = data_of("validation", [30, 10, 0][cluster.rank])
        return len(on_fewer_rows(job_of(hp, task_of(hp, own), {}, 1, cluster)).task.judge().raw)

    assert together(3, rows) == [6, 2, 0]
