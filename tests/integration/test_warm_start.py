"""Jobs that go on from a model: ours, or one of Amazon's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_job import MakeJob
from job_folder import CSV, JobFolder, Outcome

from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel

AMAZONS = Path(__file__).parents[3] / "shared/amazon-artifacts"
STILL = {"optimizer": "sgd", "learning_rate": 1e-12, "epochs": 1, "wd": 0, "l1": 0, "num_models": 3}
"""Settings with which nothing moves: the outcome is the start."""


def some_rows(classes: int | None, seed: int, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Columns far from zero and of differing scale, so that the scaler of each job differs."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(800, d)) * np.geomspace(0.1, 50, d) + np.linspace(-20, 30, d) * (1 + seed)
    scores = ((features - features.mean(axis=0)) / features.std(axis=0)) @ np.linspace(1, -1, d)
    if classes is None:
        return features, 100 + 7 * scores + random.normal(size=800)
    return features, np.digitize(scores + random.normal(size=800), np.linspace(-1, 1, classes + 1)[1:-1]).astype(float)


def with_model(job: JobFolder, source: Path) -> JobFolder:
    folder = job.base / "input/data/model"
    folder.mkdir(parents=True)
    shutil.copy(source / "model.tar.gz", folder)
    return job


TASKS = [("binary_classifier", 2, {}), ("multiclass_classifier", 3, {"num_classes": 3}), ("regressor", None, {})]


@pytest.mark.parametrize(("predictor_type", "classes", "settings"), TASKS)
def test_every_model_starts_with_the_answers_of_the_one_given(
    predictor_type: str, classes: int | None, settings: dict[str, int], make_job: MakeJob
) -> None:
    first = make_job().train(predictor_type, some_rows(classes, 0), epochs=5, num_models=4, **settings)
    features, labels = some_rows(classes, 1)
    second = with_model(make_job(), first.model_dir).train(predictor_type, (features, labels), **STILL, **settings)
    assert second.found("(All models start from the one in channel 'model')")
    before, after = (artifact.load(outcome.model_dir) for outcome in (first, second))
    scores = [model.predict(features.astype(np.float32)).score for model in (before, after)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=2e-4, atol=2e-4)


def test_checkpoints_are_those_of_the_model_that_was_given(make_job: MakeJob, job: JobFolder) -> None:
    """Weights alone do not tell models apart: corrected probabilities are in the bias."""
    rows = some_rows(2, 0)
    first = make_job().train("binary_classifier", rows, epochs=1, num_models=1)
    (job.base / "checkpoints").mkdir(parents=True)
    assert with_model(job, first.model_dir).train("binary_classifier", rows, **STILL).code == 0
    model = artifact.load(first.model_dir)
    assert isinstance(model, LinearModel)
    artifact.save(replace(model, bias=model.bias + 1), job.base / "input/data/model", pack=True)
    outcome = job.run()
    assert outcome.code == 2 and "checkpoint is of another job: model channel was" in (outcome.failure or "")


def test_going_on_begins_where_the_first_job_ended(make_job: MakeJob) -> None:
    rows = some_rows(2, 0)
    settings = {"epochs": 1, "num_models": 1, "learning_rate": 0.003, "mini_batch_size": 100, "init_scale": 0.07}
    first = make_job().train("binary_classifier", rows, **settings)
    on, anew = with_model(make_job(), first.model_dir), make_job()
    assert losses(on.train("binary_classifier", rows, **settings))[0] < losses(first)[0]
    assert losses(anew.train("binary_classifier", rows, **settings)) == losses(first)


def losses(outcome: Outcome) -> list[float]:
    return [float(loss) for loss in outcome.found(r"epoch=\d+, train \S+_objective <loss>=(\S+)")]


@pytest.mark.parametrize(
    ("settings", "d", "reason"),
    [
        ({"predictor_type": "regressor"}, 6, "it is a binary_classifier, and predictor_type is regressor"),
        ({"predictor_type": "binary_classifier"}, 5, "it has 6 features, and the train channel 5"),
    ],
)
def test_a_model_of_another_task_is_refused(settings: dict[str, str], d: int, reason: str, make_job: MakeJob) -> None:
    first = make_job().train("binary_classifier", some_rows(2, 0), epochs=1, num_models=1)
    job = with_model(make_job(), first.model_dir).hyperparameters(**settings).channel("train", *some_rows(2, 1, d))
    outcome = job.run()
    assert outcome.code == 2
    assert f"cannot be the start of this job: {reason}" in (outcome.failure or "")


def test_a_model_that_comes_through_pipes_is_refused(job: JobFolder) -> None:
    """As it does where the input mode is that of the whole job."""
    job.hyperparameters("binary_classifier").channel("train", *some_rows(2, 0))
    job.config("inputdataconfig", {"train": {"ContentType": CSV}, "model": {"TrainingInputMode": "Pipe"}})
    outcome = job.run()
    assert outcome.code == 2
    assert "Channel 'model' comes through pipes, and a model is files" in (outcome.failure or "")
    assert "Give the channel 'model' the input mode File" in (outcome.failure or "")


def test_a_channel_without_a_model_is_refused(job: JobFolder) -> None:
    job.file("input/data/model/notes.txt", b"nothing").hyperparameters("binary_classifier")
    outcome = job.channel("train", *some_rows(2, 0)).run()
    assert outcome.code == 2
    assert "model" in (outcome.failure or "")


@pytest.mark.skipif(not AMAZONS.is_dir(), reason="Amazon's artifacts are not here")
def test_amazons_model_is_a_start(make_job: MakeJob) -> None:
    for source in sorted(path for path in AMAZONS.iterdir() if path.is_dir()):
        model = artifact.load(source)
        random = np.random.default_rng(0)
        features = random.normal(size=(300, model.feature_dim))
        labels = random.normal(size=300) if model.predictor_type == "regressor" else random.integers(0, 2, 300)
        job = make_job()
        shutil.copytree(source, job.base / "input/data/model")
        after = job.train(model.predictor_type, (features, labels.astype(float)), **STILL)
        scores = [one.predict(features.astype(np.float32)).score for one in (model, artifact.load(after.model_dir))]
        np.testing.assert_allclose(scores[1], scores[0], rtol=2e-4, atol=2e-4)
