"""The code by which Amazon's documentation reads a trained model, run as its readers run it: plain MXNet in a folder of
its own, on nothing but model.tar.gz. Its scores are those of the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from finished_job import FinishedJob
from job_folder import JobFolder

from linear_learner.model import artifact
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

EXAMPLE = """
import tarfile

import numpy

numpy.bool = bool  # MXNet 1.9.1 needs it, or a NumPy before 1.24

import mxnet as mx

tarfile.open("model.tar.gz").extractall()
mod = mx.module.Module.load("mx-mod", 0)

weights = mod._arg_params["fc0_weight"].asnumpy().flatten()
bias = mod._arg_params["fc0_bias"].asnumpy().flatten()

data_iter = mx.io.NDArrayIter(numpy.load("features.npy"), batch_size=16)
mod.bind(data_shapes=data_iter.provide_data)
result = mod.predict(data_iter)

numpy.savez("result.npz", weights=weights, bias=bias, result=result.asnumpy())
"""


def run_example(archive: Path, features: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    """The arrays that the example comes to. Nothing of ours is on its path."""
    (folder / "model.tar.gz").write_bytes(archive.read_bytes())
    np.save(folder / "features.npy", features)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-W", "ignore", "-c", EXAMPLE]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "result.npz") as arrays:
        return dict(arrays)


def served_scores(model_dir: Path, features: np.ndarray) -> np.ndarray:
    """(n, C), by POST /invocations."""
    client = create_app(artifact.load(model_dir), Settings()).test_client()
    body = "\n".join(",".join(map(repr, row)) for row in features.tolist())
    answer = client.post("/invocations", data=body, content_type="text/csv")
    assert answer.status_code == 200
    return np.array([row["score"] for row in json.loads(answer.data)["predictions"]]).reshape(len(features), -1)


def test_the_example_gives_the_scores_of_the_server(finished: FinishedJob, tmp_path: Path) -> None:
    # 50 rows make three batches and a padded one.
    features = finished.rows["test"][0][:50].astype(np.float32)
    found = run_example(finished.outcome.model_dir / "model.tar.gz", features, tmp_path)
    served = served_scores(finished.outcome.model_dir, features)
    np.testing.assert_allclose(found["result"], served, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        found["result"], finished.model.scores(features).reshape(len(features), -1), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(found["weights"].astype(float), finished.model.weights.flatten())
    np.testing.assert_array_equal(found["bias"].astype(float), finished.model.bias)


@pytest.mark.parametrize("name", ["model.tar.gz", "model_algo-1"])
def test_the_server_takes_the_archives_of_a_job(name: str, binary: FinishedJob, tmp_path: Path) -> None:
    """As it takes the loose files; the service unpacks model.tar.gz, local mode leaves it where it is."""
    features = binary.rows["test"][0]
    expected = served_scores(binary.outcome.model_dir, features)
    (tmp_path / name).write_bytes((binary.outcome.model_dir / name).read_bytes())
    np.testing.assert_array_equal(served_scores(tmp_path, features), expected)


@pytest.mark.parametrize(
    ("name", "accuracy"), [("binary", "binary_classification_accuracy"), ("multiclass", "multiclass_accuracy")]
)
def test_the_server_labels_rows_as_the_job_did(name: str, accuracy: str, request: pytest.FixtureRequest) -> None:
    finished: FinishedJob = request.getfixturevalue(name)
    features, labels = finished.rows["test"]
    client = create_app(artifact.load(finished.outcome.model_dir), Settings()).test_client()
    body = {"instances": [{"features": row} for row in features.astype(np.float32).tolist()]}
    predictions = client.post("/invocations", json=body).get_json()["predictions"]
    right = np.mean([row["predicted_label"] for row in predictions] == labels)
    assert right == finished.outcome.final("test", accuracy)


def test_on_the_platform_nobody_else_packs_the_model(regression: FinishedJob, job: JobFolder) -> None:
    job.hyperparameters("regressor", num_models=1, epochs=1).channel("train", *regression.rows["train"])
    outcome = job.run(job_name="linear-learner-2026-11-24")
    assert {file.name for file in outcome.model_dir.iterdir()} == {
        "additional-params.json", "manifest.json", "mx-mod-symbol.json", "mx-mod-0000.params", "model_algo-1"
    }  # fmt: skip
    features = regression.rows["test"][0]
    np.testing.assert_allclose(
        served_scores(outcome.model_dir, features)[:, 0],
        artifact.load(outcome.model_dir).predict(features.astype(np.float32)).score,
        rtol=1e-6,
    )


AMAZONS = Path(__file__).parents[3] / "shared/amazon-artifacts"
SIBLINGS = {"binary": "binary-20-features", "regression": "regressor-513-features"}


def members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize("name", SIBLINGS)
def test_the_files_are_those_of_amazons_container(name: str, request: pytest.FixtureRequest) -> None:
    sibling = AMAZONS / SIBLINGS[name] / "model_algo-1"
    if not sibling.exists():
        pytest.skip("Amazon's models do not lie beside this checkout")
    theirs = members(sibling)
    ours = members(request.getfixturevalue(name).outcome.model_dir / "model_algo-1")
    assert set(ours) == set(theirs)
    assert json.loads(ours["manifest.json"]) == json.loads(theirs["manifest.json"])
    facts, their_facts = (json.loads(files["additional-params.json"]) for files in (ours, theirs))
    assert their_facts.keys() <= facts.keys()
    assert facts["metrics_params"].keys() == their_facts["metrics_params"].keys()
    assert facts["predictor_type"] == their_facts["predictor_type"]
    assert facts["loss_type"] == their_facts["loss_type"]
    assert facts["metrics_params"]["threshold"] == facts["threshold"]
    graph, their_graph = (json.loads(files["mx-mod-symbol.json"])["nodes"] for files in (ours, theirs))
    assert [(node["op"], node["inputs"]) for node in graph] == [(node["op"], node["inputs"]) for node in their_graph]
    # Names of operators carry a count of all that the process had made.
    inputs, their_inputs = ([node["name"] for node in nodes if node["op"] == "null"] for nodes in (graph, their_graph))
    assert inputs == their_inputs


def test_the_parameters_tell_how_the_model_came_about(finished: FinishedJob) -> None:
    facts = finished.outcome.facts
    assert facts["predictor_type"] == finished.predictor_type
    assert facts["feature_dim"] == finished.rows["train"][0].shape[1]
    assert facts["metrics"] == {channel: finished.outcome.finals(channel) for channel in ("validation", "test")}
    assert facts["hyperparameters"]["seed"] == 0
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["selection"]["channel"] == "validation"
