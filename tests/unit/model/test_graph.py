from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.model.graph import SAFE_OPERATORS, linear_graph, read_graph
from linear_learner.model.mxnet_files import linear_symbol
from linear_learner.model.mxnet_import import mx

Document = dict[str, Any]


def document() -> Document:
    """The graph of a binary classifier with three features, as Amazon's container writes it."""
    return {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "null", "name": "fc0_weight", "attrs": {"__shape__": "(3, 1)"}, "inputs": []},
            {"op": "dot", "name": "dot38", "inputs": [[0, 0, 0], [1, 0, 0]]},
            {"op": "null", "name": "fc0_bias", "attrs": {"__lr_mult__": "10.0", "__shape__": "(1, 1)"}, "inputs": []},
            {"op": "broadcast_add", "name": "broadcast_plus38", "inputs": [[2, 0, 0], [3, 0, 0]]},
            {"op": "null", "name": "out_label", "inputs": []},
            {"op": "LogisticRegressionOutput", "name": "out38", "inputs": [[4, 0, 0], [5, 0, 0]]},
        ],
        "arg_nodes": [0, 1, 3, 5],
        "node_row_ptr": [0, 1, 2, 3, 4, 5, 6, 7],
        "heads": [[6, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10301]},
    }


def read(content: Any) -> Any:
    return read_graph(json.dumps(content).encode(), where="model_algo-1: mx-mod-symbol.json")


class TestLinearGraph:
    @pytest.mark.parametrize(
        ("operator", "link"),
        [
            ("LogisticRegressionOutput", "logistic"),
            ("SoftmaxOutput", "softmax"),
            ("LinearRegressionOutput", "identity"),
        ],
    )
    def test_amazons_graph_is_known(self, operator: str, link: str) -> None:
        content = document()
        content["nodes"][6]["op"] = operator
        found = linear_graph(read(content))
        assert found is not None
        assert (found.weight.name, found.link) == ("fc0_weight", link)
        assert found.weight.shape == (3, 1)
        assert found.bias is not None
        assert (found.bias.name, found.bias.shape) == ("fc0_bias", (1, 1))

    def test_without_a_bias_too(self) -> None:
        content = document()
        content["nodes"][6]["inputs"][0] = [2, 0, 0]
        found = linear_graph(read(content))
        assert found is not None
        assert found.bias is None

    @pytest.mark.parametrize("link", ["logistic", "softmax", "identity"])
    def test_ours_is_known(self, link: str) -> None:
        found = linear_graph(read_graph(linear_symbol(link, 4, 3, 10).encode()))
        assert found is not None
        assert found.link == link

    @pytest.mark.parametrize("key", ["attr", "param"])
    def test_attributes_have_had_other_names(self, key: str) -> None:
        content = document()
        content["nodes"][1][key] = content["nodes"][1].pop("attrs")
        content["nodes"][2][key] = {"transpose_a": "False"}
        content["nodes"][6][key] = {"grad_scale": "2"}
        found = linear_graph(read(content))
        assert found is not None
        assert found.weight.shape == (3, 1)

    @pytest.mark.parametrize("shape", ["(20L, 1L)", "[20,1]", "(20, 1)"])
    def test_shapes_of_python_2_are_read(self, shape: str) -> None:
        content = document()
        content["nodes"][1]["attrs"]["__shape__"] = shape
        assert read(content).nodes[1].shape == (20, 1)


def change(content: Document, node: int, **changes: Any) -> None:
    content["nodes"][node].update(changes)


UNKNOWN: dict[str, Callable[[Document], None]] = {
    "another output": lambda c: change(c, 6, op="MAERegressionOutput"),
    "another product": lambda c: change(c, 2, op="batch_dot"),
    "another sum": lambda c: change(c, 4, op="broadcast_sub"),
    "transposed weights": lambda c: change(c, 2, attrs={"transpose_b": "True"}),
    "a softmax over other axes": lambda c: change(c, 6, op="SoftmaxOutput", attrs={"multi_output": "1"}),
    "two outputs": lambda c: c["heads"].append([4, 0, 0]),
    "the output is no operator": lambda c: c.update(heads=[[5, 0, 0]]),
    "something between": lambda c: change(c, 4, inputs=[[1, 0, 0], [3, 0, 0]]),
    "a bias that is computed": lambda c: change(c, 4, inputs=[[2, 0, 0], [2, 0, 0]]),
    "data times itself": lambda c: change(c, 2, inputs=[[0, 0, 0], [0, 0, 0]]),
    "weights twice": lambda c: change(c, 3, name="fc0_weight"),
    "one input": lambda c: change(c, 2, inputs=[[0, 0, 0]]),
}


@pytest.mark.parametrize("alter", UNKNOWN.values(), ids=UNKNOWN)
def test_anything_else_is_not_taken_for_a_linear_model(alter: Callable[[Document], None]) -> None:
    content = document()
    alter(content)
    assert linear_graph(read(content)) is None


MALFORMED: dict[str, tuple[Callable[[Document], None], str]] = {
    "no nodes": (lambda c: c.pop("nodes"), "'nodes' is missing"),
    "no heads": (lambda c: c.pop("heads"), "'heads' is missing"),
    "no output": (lambda c: c.update(heads=[]), "it has no output"),
    "nodes of another kind": (lambda c: c.update(nodes={"a": 1}), "no MXNet symbol"),
    "a node without a name": (lambda c: c["nodes"][0].pop("name"), "'name' is missing"),
    "a name that is no text": (lambda c: change(c, 0, name=5), "node 0 has an operator, name or attribute"),
    "a name that is half a character": (lambda c: change(c, 0, name="\ud800"), "node 0 has an operator, name or"),
    "an attribute that is no text": (lambda c: change(c, 1, attrs={"a": {}}), "node 1 has an operator, name or"),
    "an input that comes later": (lambda c: change(c, 2, inputs=[[0, 0, 0], [3, 0, 0]]), "refers to no earlier node"),
    "an input of itself": (lambda c: change(c, 2, inputs=[[2, 0, 0], [1, 0, 0]]), "refers to no earlier node"),
    "a negative input": (lambda c: change(c, 2, inputs=[[-1, 0, 0], [1, 0, 0]]), "refers to no earlier node"),
    "an input that is true": (lambda c: change(c, 2, inputs=[[True, 0, 0], [1, 0, 0]]), "refers to no earlier node"),
    "a head that is not there": (lambda c: c.update(heads=[[7, 0, 0]]), "refers to no earlier node"),
    "too many nodes": (lambda c: c.update(nodes=c["nodes"] * 200), "more than 1000 nodes"),
    "a version that is no number": (lambda c: c.update(attrs={"mxnet_version": ["int", "x"]}), "no number"),
    "a version of nothing": (lambda c: c.update(attrs={"mxnet_version": []}), "no MXNet symbol"),
}


@pytest.mark.parametrize(("alter", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_symbol_is_refused(alter: Callable[[Document], None], message: str) -> None:
    content = document()
    alter(content)
    with pytest.raises(ClientError, match=message) as error:
        read(content)
    assert error.value.where == "model_algo-1: mx-mod-symbol.json"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ClientError, match="no MXNet symbol"):
        read_graph(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["op", "name", "inputs"]), inner),
    max_leaves=5,
)


@given(st.data())
def test_any_json_is_read_or_refused(data: st.DataObject) -> None:
    content = document()
    place: Any = content
    while isinstance(place, (dict, list)) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            break
        place = place[key]
    with contextlib.suppress(ClientError):
        linear_graph(read(content))


def test_written_again_it_is_the_same_graph_to_mxnet() -> None:
    symbol = mx.sym.load_json(read(document()).to_json())
    assert symbol.list_arguments() == ["data", "fc0_weight", "fc0_bias", "out_label"]
    assert symbol.list_outputs() == ["out38_output"]
    assert symbol.attr_dict()["fc0_bias"]["__lr_mult__"] == "10.0"


@pytest.mark.parametrize("operator", ["Custom", "_NDArray", "_Native", "_cvimread", "_zeros", "_foreach"])
def test_operators_that_do_more_than_arithmetic_are_found(operator: str) -> None:
    content = document()
    change(content, 4, op=operator)
    assert read(content).unsafe_operators() == [operator]


def test_safe_operators_exist() -> None:
    known = set(mx.operator.get_all_registered_operators())
    assert SAFE_OPERATORS - known - {"null"} == set()
