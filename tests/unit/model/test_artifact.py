from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import linear_learner
from linear_learner.errors import ClientError, PlatformError
from linear_learner.model import archive, artifact
from linear_learner.model.archive import ADDITIONAL_PARAMS, MANIFEST, PARAMS, SYMBOL, TAR
from linear_learner.model.artifact import load, save
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.mxnet_files import linear_symbol
from linear_learner.model.mxnet_import import mx
from linear_learner.model.probability_map import ProbabilityMap

MakeModel = Callable[..., LinearModel]
LOOSE = {SYMBOL, PARAMS, ADDITIONAL_PARAMS, MANIFEST}
METADATA = {
    "hyperparameters": {"wd": 0.001, "bias_lr_mult": 4.0},
    "metrics": {"validation": {"auc": 0.75}},
    "versions": {"linear_learner": "1"},
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_same(found: Any, expected: LinearModel) -> None:
    """Equal to the last bit."""
    assert isinstance(found, LinearModel)
    for name in ("weights", "bias"):
        assert getattr(found, name).dtype == np.float32
        assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("predictor_type", "loss", "link", "threshold", "num_classes", "metadata"):
        assert getattr(found, name) == getattr(expected, name)
    assert (found.probability_map is None) == (expected.probability_map is None)
    if found.probability_map is not None and expected.probability_map is not None:
        assert_array_equal(found.probability_map.scores, expected.probability_map.scores)
        assert_array_equal(found.probability_map.probabilities, expected.probability_map.probabilities)


class TestSave:
    @pytest.mark.parametrize("pack", [True, False])
    def test_writes_the_files_that_users_know(self, tmp_path: Path, make_model: MakeModel, pack: bool) -> None:
        save(make_model("logistic"), tmp_path / "model", pack=pack)
        assert names(tmp_path / "model") == LOOSE | {"model_algo-1"} | ({TAR} if pack else set())

    def test_the_zip_holds_the_four_stored_and_the_tar_all_five(self, tmp_path: Path, make_model: MakeModel) -> None:
        save(make_model("logistic"), tmp_path, host="algo-2", pack=True)
        with zipfile.ZipFile(tmp_path / "model_algo-2") as packed:
            assert set(packed.namelist()) == LOOSE
            assert {member.compress_type for member in packed.infolist()} == {zipfile.ZIP_STORED}
            for name in LOOSE:
                assert packed.read(name) == (tmp_path / name).read_bytes()
        shutil.unpack_archive(tmp_path / TAR, tmp_path / "unpacked", "gztar")
        assert names(tmp_path / "unpacked") == LOOSE | {"model_algo-2"}
        for name in names(tmp_path / "unpacked"):
            assert (tmp_path / "unpacked" / name).read_bytes() == (tmp_path / name).read_bytes()

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("algo-1-7g2xq", "model_algo-1"),
            ("algo-12-abcde", "model_algo-12"),
            ("my-host-abcde", "model_my-host-abcde"),
        ],
    )
    def test_the_zip_is_called_in_local_mode_as_on_the_service(
        self, tmp_path: Path, make_model: MakeModel, host: str, name: str
    ) -> None:
        save(make_model("logistic"), tmp_path, host=host, pack=False)
        assert names(tmp_path) == LOOSE | {name}

    def test_the_manifest_is_amazons(self, tmp_path: Path, make_model: MakeModel) -> None:
        save(make_model("logistic"), tmp_path, pack=False)
        manifest = json.loads((tmp_path / MANIFEST).read_text())
        assert manifest == {"additional-params.json": "json", "mx-mod": "mxnet_module", "version": 1}

    @pytest.mark.parametrize(("metadata", "mult"), [(METADATA, "4.0"), ({}, "10.0")])
    def test_the_symbol_tells_how_fast_the_bias_learned(
        self, tmp_path: Path, make_model: MakeModel, metadata: dict[str, Any], mult: str
    ) -> None:
        save(make_model("logistic", metadata=metadata), tmp_path, pack=False)
        nodes = json.loads((tmp_path / SYMBOL).read_text())["nodes"]
        assert [node["attrs"]["__lr_mult__"] for node in nodes if node["name"] == "fc0_bias"] == [mult]

    def test_the_same_model_gives_the_same_bytes_at_any_time(
        self, tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(make_model("softmax", metadata=METADATA), tmp_path / "one", pack=True)
        monkeypatch.setattr(time, "time", lambda: 1e9)
        save(make_model("softmax", metadata=METADATA), tmp_path / "two", pack=True)
        for name in names(tmp_path / "one"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name

    def test_strangers_are_left_alone(self, tmp_path: Path, make_model: MakeModel) -> None:
        (tmp_path / "lost+found").mkdir()
        (tmp_path / "output.tar.gz").write_text("mine")
        save(make_model("logistic"), tmp_path, pack=False)
        assert names(tmp_path) == LOOSE | {"model_algo-1", "lost+found", "output.tar.gz"}
        assert (tmp_path / "output.tar.gz").read_text() == "mine"

    @pytest.mark.parametrize("field", ["weights", "bias"])
    def test_a_model_that_is_not_finite_is_not_written(self, tmp_path: Path, make_model: MakeModel, field: str) -> None:
        model = make_model("logistic")
        getattr(model, field)[0] = np.inf
        with pytest.raises(ClientError, match="a weight in raw feature units is not a finite float32"):
            save(model, tmp_path, pack=False)
        assert names(tmp_path) == set()

    def test_a_full_disk_is_the_platforms_fault(
        self, tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: Path, files: object) -> None:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(artifact, "write_tar", full)
        with pytest.raises(PlatformError, match="could not be written: No space left on device") as error:
            save(make_model("logistic"), tmp_path, pack=True)
        assert error.value.where == str(tmp_path)
        assert names(tmp_path) == set()


class Killed(BaseException):
    """Ends a job as a signal does."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """What to call before each change that ``save`` makes in the folder."""
    hooks: list[Callable[[], None]] = []
    for name in ("replace", "unlink", "write_text", "open"):
        original = getattr(Path, name)

        def hooked(self: Path, *args: Any, original: Any = original, **keywords: Any) -> Any:
            for hook in hooks:
                hook()
            return original(self, *args, **keywords)

        monkeypatch.setattr(Path, name, hooked)
    yield hooks
    hooks.clear()


class TestKilledJob:
    @pytest.mark.parametrize("earlier", [False, True])
    def test_leaves_an_earlier_model_or_the_new_one_or_none_at_any_moment(
        self, tmp_path: Path, make_model: MakeModel, steps: list[Callable[[], None]], earlier: bool
    ) -> None:
        old, new = make_model("logistic", seed=1, threshold=0.75), make_model("logistic", seed=2)
        folder, snapshots = tmp_path / "model", tmp_path / "snapshots"
        folder.mkdir()
        if earlier:
            save(old, folder, pack=True)
        # A copy of the folder as SIGKILL would leave it.
        numbers = itertools.count()
        steps.append(lambda: subprocess.run(["cp", "-r", folder, snapshots / str(next(numbers))], check=True))
        snapshots.mkdir()
        save(new, folder, pack=True)
        steps.clear()
        assert len(names(snapshots)) > 20
        states = []
        for number in range(len(names(snapshots))):
            try:
                found = load(snapshots / str(number))
            except ClientError as error:
                assert not earlier
                assert "No model was found" in str(error)
                states.append("none")
                continue
            states.append("old" if found.threshold == 0.75 else "new")
            assert_same(found, old if states[-1] == "old" else new)
        first = "old" if earlier else "none"
        assert states == [first] * states.count(first) + ["new"] * states.count("new")
        assert states.count("new") > 4

    def test_tidies_up_when_it_still_can(
        self, tmp_path: Path, make_model: MakeModel, steps: list[Callable[[], None]]
    ) -> None:
        model = make_model("logistic")
        for moment in range(1, 25):
            calls = iter(range(moment))

            def kill(calls: Iterator[int] = calls) -> None:
                if next(calls, None) is None:
                    steps.clear()
                    raise Killed

            folder = tmp_path / str(moment)
            folder.mkdir()
            steps.append(kill)
            with pytest.raises(Killed):
                save(model, folder, pack=True)
            assert not any(name.startswith(".") for name in names(folder))

    def test_leftovers_of_a_killed_job_do_not_hinder_the_next(self, tmp_path: Path, make_model: MakeModel) -> None:
        model = make_model("logistic")
        for name in (*LOOSE, "model_algo-1", TAR):
            (tmp_path / f".{name}.algo-1.partial").write_bytes(b"half of it")
        save(model, tmp_path, pack=True)
        assert names(tmp_path) == LOOSE | {"model_algo-1", TAR}
        assert_same(load(tmp_path), model)


class TestLoad:
    @pytest.mark.parametrize("form", ["loose", "zip", "tar", "tar of the zip", "the zip itself"])
    def test_gives_back_what_was_saved_from_every_form(
        self, tmp_path: Path, make_model: MakeModel, kind: str, form: str
    ) -> None:
        model = make_model(kind, metadata=METADATA)
        save(model, tmp_path / "all", pack=True)
        place = tmp_path / "model"
        place.mkdir()
        if form == "loose":
            for name in LOOSE:
                shutil.copy(tmp_path / "all" / name, place)
        elif form == "zip":
            shutil.copy(tmp_path / "all" / "model_algo-1", place)
        elif form == "tar":
            shutil.copy(tmp_path / "all" / TAR, place)
        elif form == "tar of the zip":
            with tarfile.open(place / TAR, "w:gz") as packed:
                packed.add(tmp_path / "all" / "model_algo-1", "model_algo-1")
        else:
            place = tmp_path / "all" / "model_algo-1"
        assert_same(load(place), model)

    @pytest.mark.parametrize("kind", ["logistic", "hinge"])
    def test_a_probability_map_is_part_of_the_model(self, tmp_path: Path, make_model: MakeModel, kind: str) -> None:
        rising = ProbabilityMap(np.array([-1.1, 0.3, 1e30]), np.array([0.1, 0.1 + 1e-15, 0.7]))
        model = make_model(kind, metadata=METADATA, probability_map=rising)
        save(model, tmp_path, pack=False)
        assert_same(load(tmp_path), model)

    def test_a_probability_map_needs_a_linear_graph(self, tmp_path: Path, make_model: MakeModel) -> None:
        rising = ProbabilityMap(np.array([0.0]), np.array([0.5]))
        save(make_model("logistic", probability_map=rising), tmp_path, pack=False)
        (tmp_path / "model_algo-1").unlink()
        symbol = json.loads((tmp_path / SYMBOL).read_text())
        next(node for node in symbol["nodes"] if node["op"] == "broadcast_add")["op"] = "broadcast_mul"
        (tmp_path / SYMBOL).write_text(json.dumps(symbol))
        with pytest.raises(ClientError, match="probability_map is for a linear graph"):
            load(tmp_path)

    def test_needs_no_mxnet_and_predicts_without_it(self, tmp_path: Path, make_model: MakeModel) -> None:
        save(make_model("softmax"), tmp_path, pack=False)
        code = (
            "import pathlib, sys, numpy as np\n"
            "from linear_learner.model import artifact\n"
            "artifact.load(pathlib.Path.cwd()).predict(np.zeros((1, 5), np.float32))\n"
            "sys.exit('mxnet' in sys.modules)\n"
        )
        package = Path(linear_learner.__file__).parents[1]
        subprocess.run(
            [sys.executable, "-c", code], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(package)}
        )

    @pytest.mark.parametrize("dtype", ["float64", "float16"])
    def test_arrays_of_other_widths_become_float32(self, tmp_path: Path, make_model: MakeModel, dtype: str) -> None:
        model = make_model("logistic")
        save(model, tmp_path, pack=False)
        put_params(tmp_path, weight=model.weights.astype(dtype))
        found = load(tmp_path)
        assert isinstance(found, LinearModel)
        assert found.weights.dtype == np.float32
        assert_array_equal(found.weights, model.weights.astype(dtype).astype(np.float32))

    def test_a_symbol_without_a_bias_has_none(self, tmp_path: Path, make_model: MakeModel) -> None:
        save(make_model("softmax"), tmp_path, pack=False)
        symbol = json.loads((tmp_path / SYMBOL).read_text())
        symbol["nodes"][6]["inputs"][0] = [2, 0, 0]
        (tmp_path / SYMBOL).write_text(json.dumps(symbol))
        found = load(tmp_path)
        assert isinstance(found, LinearModel)
        assert not found.bias.any()

    @pytest.mark.filterwarnings("ignore:Cannot decide")
    def test_a_graph_that_is_not_known_is_evaluated_by_mxnet(
        self, tmp_path: Path, make_model: MakeModel, features: np.ndarray
    ) -> None:
        model = make_model("softmax", metadata=METADATA)
        save(model, tmp_path, pack=False)
        data = mx.sym.var("data")
        symbol = mx.sym.FullyConnected(data, mx.sym.var("fc0_weight"), mx.sym.var("fc0_bias"), num_hidden=4)
        mx.sym.softmax(symbol).save(str(tmp_path / SYMBOL))
        put_params(tmp_path, weight=model.weights.T, bias=model.bias)
        found = load(tmp_path)
        assert not isinstance(found, LinearModel)
        assert (found.feature_dim, found.num_classes, found.loss) == (5, 4, "softmax_loss")
        assert found.metadata == METADATA
        assert_allclose(found.predict(features).score, model.predict(features).score, atol=1e-6)


def put_params(folder: Path, weight: np.ndarray | None = None, bias: np.ndarray | None = None) -> None:
    """Replace arrays of a loose model."""
    path = folder / PARAMS
    arrays = mx.nd.load(str(path))
    for name, values in (("arg:fc0_weight", weight), ("arg:fc0_bias", bias)):
        if values is not None:
            arrays[name] = mx.nd.array(values, dtype=values.dtype)
    mx.nd.save(str(path), arrays)


def edit_json(name: str, **changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, **changes}))

    return edit


def edit_bytes(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return edit


def edit_params(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: put_params(folder, **arrays)


def another_symbol(link: str, feature_dim: int, outputs: int) -> Callable[[Path], None]:
    return lambda folder: (folder / SYMBOL).write_text(linear_symbol(link, feature_dim, outputs, 10))


f32 = np.float32
# A softmax model of 5 features and 4 classes, and what is done to it.
CORRUPTIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no params": (lambda f: (f / PARAMS).unlink(), "lacks mx-mod-0000.params"),
    "no symbol": (lambda f: (f / SYMBOL).unlink(), "lacks mx-mod-symbol.json"),
    "no additional params": (lambda f: (f / ADDITIONAL_PARAMS).unlink(), "lacks additional-params.json"),
    "params cut": (edit_bytes(PARAMS, lambda b: b[:-20]), "The file ends at byte .*mx-mod-0000.params"),
    "params empty": (edit_bytes(PARAMS, lambda b: b""), "not a file of MXNet arrays .*mx-mod-0000.params"),
    "params renamed": (
        edit_bytes(PARAMS, lambda b: b.replace(b"fc0_weight", b"fc1_weight")),
        "mx-mod-0000.params has no arg:fc0_weight",
    ),
    "symbol cut": (edit_bytes(SYMBOL, lambda b: b[:-20]), "no MXNet symbol: .*mx-mod-symbol.json"),
    "additional params cut": (edit_bytes(ADDITIONAL_PARAMS, lambda b: b[:-20]), "no JSON document: .*additional-par"),
    "manifest cut": (edit_bytes(MANIFEST, lambda b: b[:-20]), "no JSON document: .*manifest.json"),
    "a later version": (edit_json(MANIFEST, version=2), "The model is of version 2; only 1 is known .*manifest.json"),
    "nan": (edit_params(weight=np.full((5, 4), np.nan, f32)), "arg:fc0_weight has values that are not finite"),
    "inf": (edit_params(bias=np.full((1, 4), -np.inf, f32)), "arg:fc0_bias has values that are not finite"),
    "beyond float32": (edit_params(weight=np.full((5, 4), 1e300)), "fc0_weight has values beyond float32"),
    "other features": (edit_params(weight=np.ones((6, 4), f32)), r"fc0_weight is \(5, 4\) in the symbol and \(6, 4\)"),
    "other outputs": (edit_params(weight=np.ones((5, 3), f32)), r"fc0_weight is \(5, 4\) in the symbol and \(5, 3\)"),
    "another bias": (edit_params(bias=np.ones((1, 3), f32)), r"fc0_bias is \(1, 4\) in the symbol and \(1, 3\)"),
    "another symbol": (another_symbol("softmax", 7, 4), r"fc0_weight is \(7, 4\) in the symbol and \(5, 4\)"),
    "a bias of no shape that adds up": (
        lambda f: (
            edit_bytes(SYMBOL, lambda b: b.replace(b'"__shape__": "(1, 4)"', b'"a": "0"'))(f),
            edit_params(bias=np.ones((4, 1), f32))(f),
        )[0],
        r"the bias has the shape \(4, 1\) and not \(1, 4\)",
    ),
    "weights of one dimension": (
        lambda f: (
            edit_bytes(SYMBOL, lambda b: b.replace(b'"attrs": {"__shape__": "(5, 4)"}, ', b""))(f),
            edit_params(weight=np.ones(5, f32))(f),
        )[0],
        r"fc0_weight has the shape \(5,\) and not \(features, outputs\)",
    ),
    "another link": (another_symbol("identity", 5, 4), "says link softmax, the model has identity"),
    "another feature_dim": (edit_json(ADDITIONAL_PARAMS, feature_dim=6), "says feature_dim 6, the model has 5"),
    "other classes": (edit_json(ADDITIONAL_PARAMS, num_classes=5), "says num_classes 5, the model has 4"),
    "another predictor": (
        edit_json(ADDITIONAL_PARAMS, predictor_type="regressor"),
        "a regressor has 4 outputs",
    ),
    "no predictor": (edit_json(ADDITIONAL_PARAMS, predictor_type=None), "predictor_type None is none of"),
    "an operator that reads files": (
        edit_bytes(SYMBOL, lambda b: b.replace(b'"broadcast_add"', b'"_cvimread"')),
        "Operators of this symbol are not supported: _cvimread",
    ),
}


class TestCorruptArtifacts:
    @pytest.mark.parametrize(("corrupt", "message"), CORRUPTIONS.values(), ids=CORRUPTIONS)
    def test_each_kind_has_its_message(
        self, tmp_path: Path, make_model: MakeModel, corrupt: Callable[[Path], None], message: str
    ) -> None:
        save(make_model("softmax"), tmp_path, pack=False)
        (tmp_path / "model_algo-1").unlink()
        load(tmp_path)
        corrupt(tmp_path)
        with pytest.raises(ClientError, match=message) as error:
            load(tmp_path)
        assert error.value.where

    def test_a_multiclass_model_of_one_output_is_none(self, tmp_path: Path, make_model: MakeModel) -> None:
        save(make_model("squared"), tmp_path, pack=False)
        edit_json(ADDITIONAL_PARAMS, predictor_type="multiclass_classifier")(tmp_path)
        with pytest.raises(ClientError, match="a multiclass_classifier has 1 outputs"):
            load(tmp_path)


class TestAmazonsArtifacts:
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        ("name", "facts"),
        [
            ("binary-20-features", ("binary_classifier", "logistic", "logistic", 0.4867939054965973, 20)),
            ("regressor-513-features", ("regressor", "squared_loss", "identity", None, 513)),
        ],
    )
    def test_load_and_answer_as_mxnet_does(
        self, amazon_artifacts: Path, tmp_path: Path, name: str, facts: tuple[Any, ...]
    ) -> None:
        model = load(amazon_artifacts / name)
        assert isinstance(model, LinearModel)
        assert (model.predictor_type, model.loss, model.link, model.threshold, model.feature_dim) == facts
        for file, content in archive.read_files(amazon_artifacts / name)[0].items():
            (tmp_path / file).write_bytes(content)
        module = mx.module.Module.load(str(tmp_path / "mx-mod"), 0, label_names=None)
        rows = np.random.default_rng(0).normal(size=(50, model.feature_dim)).astype(np.float32)
        data = mx.io.NDArrayIter(rows, batch_size=10)
        module.bind(data_shapes=data.provide_data, for_training=False)
        predictions = model.predict(rows)
        assert_allclose(predictions.score, module.predict(data).asnumpy()[:, 0], rtol=1e-5, atol=1e-6)
        if model.threshold is not None:
            expected = predictions.score.astype(np.float64) >= model.threshold
            assert_array_equal(np.asarray(predictions.predicted_label), expected)
            assert 0 < expected.sum() < 50
