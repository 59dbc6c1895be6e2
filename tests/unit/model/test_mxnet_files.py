"""The symbol and the params file of a model, beside Amazon's and beside what Python's mxnet writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from linear_learner.model import archive
from linear_learner.model.graph import OUTPUT_OF_LINK
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.mxnet_files import linear_symbol, write_params
from linear_learner.model.mxnet_import import mx
from linear_learner.native import mxnet_arrays

MakeModel = Callable[..., LinearModel]


def structure(symbol: str) -> list[tuple[str, str, dict[str, str], list[list[int]]]]:
    """(operator, name without its running number, attributes, inputs) of each node."""
    nodes = json.loads(symbol)["nodes"]
    return [(n["op"], n["name"].rstrip("0123456789"), n.get("attrs", {}), n["inputs"]) for n in nodes]


class TestLinearSymbol:
    @pytest.mark.parametrize(
        ("artifact", "link", "feature_dim"),
        [("binary-20-features", "logistic", 20), ("regressor-513-features", "identity", 513)],
    )
    def test_is_amazons_node_for_node(self, amazon_artifacts: Path, artifact: str, link: str, feature_dim: int) -> None:
        theirs = archive.read_files(amazon_artifacts / artifact)[0][archive.SYMBOL]
        ours = linear_symbol(link, feature_dim, 1, 10)
        assert structure(ours) == structure(theirs.decode())
        for key in ("arg_nodes", "node_row_ptr", "heads"):
            assert json.loads(ours)[key] == json.loads(theirs)[key]

    def test_says_its_shapes_and_the_rate_of_the_bias(self) -> None:
        text = linear_symbol("softmax", 4, 3, 2.5)
        symbol = mx.sym.load_json(text)
        assert symbol.list_arguments() == ["data", "fc0_weight", "fc0_bias", "out_label"]
        nodes = {node["name"]: node for node in json.loads(text)["nodes"]}
        assert nodes["fc0_weight"]["attrs"] == {"__shape__": "(4, 3)"}
        assert nodes["fc0_bias"]["attrs"] == {"__shape__": "(1, 3)", "__lr_mult__": "2.5"}
        assert nodes["softmaxoutput0"]["op"] == "SoftmaxOutput"

    @pytest.mark.parametrize("link", OUTPUT_OF_LINK)
    def test_is_the_text_of_the_same_symbol_made_with_python_s_mxnet(self, link: str) -> None:
        weight = mx.sym.var("fc0_weight", shape=(4, 3))
        product = mx.sym.dot(mx.sym.var("data"), weight, name="dot0")
        bias = mx.sym.var("fc0_bias", shape=(1, 3), lr_mult=10.0)
        score = mx.sym.broadcast_add(product, bias, name="broadcast_plus0")
        output = OUTPUT_OF_LINK[link]
        expected = getattr(mx.sym, output)(score, mx.sym.var("out_label"), name=f"{output.lower()}0")
        for _ in range(2):
            assert linear_symbol(link, 4, 3, 10) == expected.tojson()


class TestWriteParams:
    def test_mxnet_reads_the_arrays(self, tmp_path: Path, make_model: MakeModel) -> None:
        model = make_model("softmax")
        write_params(tmp_path / "params", model.weights, model.bias)
        found = mx.nd.load(str(tmp_path / "params"))
        assert list(found) == ["arg:fc0_weight", "arg:fc0_bias"]
        assert_array_equal(found["arg:fc0_weight"].asnumpy(), model.weights)
        assert_array_equal(found["arg:fc0_bias"].asnumpy(), model.bias.reshape(1, 4))

    def test_the_file_is_that_of_python_s_mxnet(self, tmp_path: Path, make_model: MakeModel) -> None:
        model = make_model("softmax")
        arrays = {"arg:fc0_weight": mx.nd.array(model.weights), "arg:fc0_bias": mx.nd.array(model.bias.reshape(1, -1))}
        mx.nd.save(str(tmp_path / "expected"), arrays)
        # As float64 and by columns, too.
        for weights in (model.weights, np.asfortranarray(model.weights, np.float64)):
            write_params(tmp_path / "params", weights, model.bias)
            assert (tmp_path / "params").read_bytes() == (tmp_path / "expected").read_bytes()

    def test_a_file_that_a_full_disk_cut_short_is_noticed(
        self, tmp_path: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = make_model("softmax")
        save = mxnet_arrays.save

        def cut(path: Path, arrays: Any) -> None:
            save(path, arrays)
            path.write_bytes(path.read_bytes()[:-5])

        monkeypatch.setattr(mxnet_arrays, "save", cut)
        with pytest.raises(OSError, match="MXNet could not write params"):
            write_params(tmp_path / "params", model.weights, model.bias)

    def test_a_folder_that_is_not_there_is_an_os_error(self, tmp_path: Path, make_model: MakeModel) -> None:
        model = make_model("softmax")
        with pytest.raises(OSError, match="MXNet could not write params"):
            write_params(tmp_path / "nowhere" / "params", model.weights, model.bias)
