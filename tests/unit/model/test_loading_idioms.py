"""What users of Amazon's container have in their scripts to load its model, on a model that ``save`` wrote.

Each is the code of a document or of several public repositories, and gives what ``LinearModel.predict`` does.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.mxnet_import import mx

gluon, nd = mx.gluon, mx.nd

# Their scripts meet these too: names of labels that are not given, a net that is initialised again.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*You created Module with Module.*:UserWarning",
    "ignore:.*Data provided by label_shapes:UserWarning",
    "ignore:Cannot decide type for the following arguments:UserWarning",
    "ignore:Parameter .* is already initialized:UserWarning",
    # The old scripts unpack what they trust.
    "ignore:.*:DeprecationWarning",
)


@pytest.fixture
def model(kind: str, make_model: Callable[..., LinearModel]) -> LinearModel:
    return make_model(kind)


@pytest.fixture
def folder(model: LinearModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a script: model.tar.gz is there."""
    artifact.save(model, tmp_path / "job", pack=True)
    (tmp_path / "script").mkdir()
    (tmp_path / "job" / "model.tar.gz").rename(tmp_path / "script" / "model.tar.gz")
    monkeypatch.chdir(tmp_path / "script")
    return tmp_path / "script"


@pytest.fixture
def unpacked(folder: Path) -> Path:
    """The usual two steps: untar, then unzip what was in it."""
    with tarfile.open("model.tar.gz") as packed:
        packed.extract("model_algo-1")
    with zipfile.ZipFile("model_algo-1") as packed:
        packed.extractall()
    return folder


@pytest.fixture
def scores(model: LinearModel, features: np.ndarray) -> np.ndarray:
    """(n, C), what the model answers."""
    return model.predict(features).score.reshape(len(features), -1)


def test_the_documentations_example(folder: Path, model: LinearModel, features: np.ndarray, scores: np.ndarray) -> None:
    tarfile.open("model.tar.gz").extractall()  # noqa: SIM115
    mod = mx.module.Module.load("mx-mod", 0)

    it = mx.io.NDArrayIter(features, batch_size=2)
    mod.bind(data_shapes=it.provide_data)
    assert_allclose(mod.predict(it).asnumpy(), scores, atol=1e-6)
    assert_array_equal(mod._arg_params["fc0_weight"].asnumpy().flatten(), model.weights.flatten())
    assert_array_equal(mod._arg_params["fc0_bias"].asnumpy().flatten(), model.bias)


@pytest.mark.parametrize("label_names", [["out_label"], None, []])
def test_module_with_named_labels(
    unpacked: Path, features: np.ndarray, scores: np.ndarray, label_names: list[str] | None
) -> None:
    mod = mx.mod.Module.load("mx-mod", 0, label_names=label_names)
    it = mx.io.NDArrayIter(data=features, batch_size=1)
    mod.bind(data_shapes=it.provide_data, for_training=False)
    results = mod.predict(it)
    assert results.asnumpy().tolist()[0][0] == pytest.approx(float(scores[0, 0]), abs=1e-6)
    assert_allclose(results.asnumpy(), scores, atol=1e-6)


def symbol_block(initialize: Callable[[Any], None]) -> Any:
    symbol = mx.sym.load_json(Path("mx-mod-symbol.json").read_text())
    net = gluon.nn.SymbolBlock(outputs=symbol, inputs=mx.sym.var("data"))
    net.load_parameters("mx-mod-0000.params", allow_missing=True)
    initialize(net)
    return net


INITIALIZERS = {
    "collect_params": lambda net: net.collect_params().initialize(),
    "initialize": lambda net: net.initialize(),
}


@pytest.mark.parametrize("initialize", INITIALIZERS.values(), ids=INITIALIZERS)
def test_symbol_block_on_one_row(
    unpacked: Path, features: np.ndarray, scores: np.ndarray, initialize: Callable[[Any], None]
) -> None:
    net = symbol_block(initialize)
    assert_allclose(net(nd.array(features[0])).asnumpy(), scores[:1], atol=1e-6)


def test_symbol_block_on_many_rows(unpacked: Path, features: np.ndarray, scores: np.ndarray) -> None:
    net = symbol_block(INITIALIZERS["initialize"])
    assert_allclose(net(nd.array(features)).asnumpy(), scores, atol=1e-6)


@pytest.mark.parametrize("kind", ["squared"], indirect=True)
def test_symbol_block_of_one_feature(
    make_model: Callable[..., LinearModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    model = make_model(kind, feature_dim=1)
    artifact.save(model, tmp_path, pack=False)
    monkeypatch.chdir(tmp_path)
    net = symbol_block(INITIALIZERS["collect_params"])
    expected = model.predict(np.array([[3.5]], np.float32)).score[0]
    assert net(nd.array([3.5]))[0].asscalar() == pytest.approx(float(expected), abs=1e-6)


def test_the_network_can_be_drawn(unpacked: Path) -> None:
    pytest.importorskip("graphviz", reason="MXNet draws with graphviz")
    net = symbol_block(INITIALIZERS["collect_params"])
    drawing = mx.viz.plot_network(net(mx.sym.var("data"))[0])
    assert "dot0 -> data" in drawing.source


def test_the_arrays_are_found_by_the_name_of_their_file(unpacked: Path, model: LinearModel) -> None:
    found = [re.fullmatch(r"(.*)-(\d{4})\.params", path.name) for path in unpacked.iterdir()]
    (match,) = [each for each in found if each]
    _, arg_params, aux_params = mx.model.load_checkpoint(match[1], int(match[2]))
    assert_array_equal(arg_params["fc0_weight"].asnumpy(), model.weights)
    assert_array_equal(arg_params["fc0_bias"].asnumpy()[0], model.bias)
    assert aux_params == {}


def test_loose_files_load_where_the_job_left_them(folder: Path, features: np.ndarray, scores: np.ndarray) -> None:
    mod = mx.mod.Module.load(str(folder.parent / "job" / "mx-mod"), 0, label_names=["out_label"])
    it = mx.io.NDArrayIter(features, batch_size=7)
    mod.bind(data_shapes=it.provide_data, for_training=False)
    assert_allclose(mod.predict(it).asnumpy(), scores, atol=1e-6)
