"""`docker run IMAGE serve` on a trained model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import Container, Job, docker, post

pytestmark = pytest.mark.image

Server = Callable[..., tuple[Container, str]]
PAYLOADS = Path(__file__).resolve().parents[2] / "local_test" / "payloads"
LABELS_OF_PAYLOADS = [0.0, 1.0, 0.0]

# The loading code of AWS's documentation, run in the folder where model.tar.gz lies; the scores end up in a file.
# MXNet comes through our module only because that documentation is older than the image's NumPy.
DOCUMENTED_LOADING = """
import json, os, tarfile, zipfile
import numpy as np
from linear_learner.model.mxnet_import import mx

os.chdir("/folder")
tarfile.open("model.tar.gz").extract("model_algo-1")
zipfile.ZipFile("model_algo-1").extractall()
features = np.loadtxt("payload.csv", delimiter=",", dtype=np.float32)
mod = mx.module.Module.load("mx-mod", 0)
iterator = mx.io.NDArrayIter(features, batch_size=len(features))
mod.bind(data_shapes=iterator.provide_data)
json.dump(mod.predict(iterator).asnumpy().flatten().tolist(), open("scores.json", "w"))
"""


@pytest.fixture(scope="module")
def address(trained: Job, serve: Server) -> str:
    """Address of a server on the trained model."""
    return serve(trained.base)[1]


def predictions(address: str, payload: str, content_type: str) -> list[dict[str, float]]:
    answer = json.loads(post(f"{address}/invocations", (PAYLOADS / payload).read_bytes(), content_type))
    found: list[dict[str, float]] = answer["predictions"]
    return found


@pytest.mark.parametrize(
    ("payload", "content_type"), [("payload.csv", "text/csv"), ("payload.json", "application/json")]
)
def test_rows_get_their_labels(address: str, payload: str, content_type: str) -> None:
    found = predictions(address, payload, content_type)
    assert [row["predicted_label"] for row in found] == LABELS_OF_PAYLOADS
    assert all(0 <= row["score"] <= 1 for row in found)


def test_the_documented_way_to_load_the_model_gives_the_same_scores(
    image: str, trained: Job, address: str, tmp_path: Path
) -> None:
    shutil.copy(trained.base / "model" / "model.tar.gz", tmp_path)
    shutil.copy(PAYLOADS / "payload.csv", tmp_path)
    done = docker(
        "run", "--rm", "-v", f"{tmp_path}:/folder", "--entrypoint", "python3", image, "-c", DOCUMENTED_LOADING
    )
    assert done.returncode == 0, done.stdout
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == pytest.approx([row["score"] for row in predictions(address, "payload.csv", "text/csv")], abs=1e-5)


def test_the_port_can_be_chosen(trained: Job, serve: Server) -> None:
    """serve returns once /ping says 200 there."""
    serve(trained.base, port=8123, options=("-e", "SAGEMAKER_BIND_TO_PORT=8123"))


def test_python_is_process_1_and_a_stop_takes_seconds(trained: Job, serve: Server) -> None:
    server, _ = serve(trained.base)
    assert server.execute("cat", "/proc/1/cmdline").startswith("python3")
    assert server.stop() < 10
    assert server.state()["ExitCode"] == 0, server.log()
