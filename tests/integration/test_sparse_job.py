"""A whole job on sparse rows, from recordIO files to a model that serves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from job_folder import JobFolder
from record_judge import file_of, record
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from linear_learner.environment import Environment
from linear_learner.formats.csr import CsrMatrix
from linear_learner.model import artifact
from linear_learner.training.job import run

COLUMNS = 300


def some_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, 300) of 12 values a row in the mean, the later columns the rarer; and labels."""
    random = np.random.default_rng(seed)
    features = random.random((count, COLUMNS)) < 1 / np.arange(2, COLUMNS + 2) ** 0.6 / 2
    scores = features @ np.random.default_rng(0).normal(0, 1, COLUMNS)
    return features.astype(np.float32), (scores + random.logistic(size=count) > 0).astype(np.float32)


def sparse_file(features: np.ndarray, labels: np.ndarray) -> bytes:
    messages = []
    for row, label in zip(features, labels, strict=True):
        columns = np.flatnonzero(row)
        message = record(row[columns], label)
        message.features["values"].float32_tensor.keys.extend(columns.tolist())
        message.features["values"].float32_tensor.shape.append(len(row))
        messages.append(message)
    return file_of(*messages)


@pytest.mark.parametrize("engine", ["auto", "operators"])
def test_rows_without_any_value_train_the_bias(tmp_path: Path, engine: str) -> None:
    job = JobFolder(tmp_path).hyperparameters("regressor", num_models=2, epochs=20, _engine=engine)
    job.file("input/data/train/part-0", sparse_file(np.zeros((4, 3), np.float32), np.array([1, 2, 3, 4], np.float32)))
    outcome = job.run()
    assert outcome.code == 0, outcome.failure
    model = artifact.load(outcome.model_dir)
    np.testing.assert_allclose(model.predict(np.zeros((1, 3), np.float32)).score, 2.5, atol=0.5)


@pytest.mark.parametrize("engine", ["auto", "operators"])
def test_a_sparse_job_finds_a_model_as_good_as_scikit_learns(tmp_path: Path, engine: str) -> None:
    train, validation = some_rows(3000, 1), some_rows(1000, 2)
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    given = {"predictor_type": "binary_classifier", "num_models": "8", "_engine": engine}
    given["binary_classifier_model_selection_criteria"] = "loss_function"
    (config / "hyperparameters.json").write_text(json.dumps(given))
    content_type = {"ContentType": "application/x-recordio-protobuf"}
    (config / "inputdataconfig.json").write_text(json.dumps({"train": content_type, "validation": content_type}))
    for name, rows in {"train": train, "validation": validation}.items():
        folder = tmp_path / "input/data" / name
        folder.mkdir(parents=True)
        (folder / "part-0").write_bytes(sparse_file(*rows))
    assert run(Environment(tmp_path)) == 0
    model = artifact.load(tmp_path / "model")
    scores = model.predict(CsrMatrix.from_dense(validation[0])).score
    np.testing.assert_allclose(model.predict(validation[0]).score, scores, rtol=1e-5, atol=1e-6)
    losses = []
    for c in (0.01, 0.1, 1, 10):
        reference = LogisticRegression(C=c, max_iter=1000).fit(*train)
        losses.append(log_loss(validation[1], reference.predict_proba(validation[0])))
    assert log_loss(validation[1], scores.astype(np.float64)) < 1.02 * min(losses)
