"""``mx-mod-symbol.json``: MXNet's graph, read without MXNet, and whether it is the linear model that we know.

A symbol comes from an archive that anyone may have written, so its structure is checked here before anything follows
its indices, and only operators that do plain arithmetic ever reach MXNet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linear_learner.errors import ClientError

MOST_NODES = 1000
VARIABLE = "null"
"""What MXNet writes as the operator of an input."""

LINK_OF_OUTPUT = {
    "LogisticRegressionOutput": "logistic",
    "SoftmaxOutput": "softmax",
    "LinearRegressionOutput": "identity",
}
OUTPUT_OF_LINK = {link: output for output, link in LINK_OF_OUTPUT.items()}

_TRAINING_ONLY = frozenset({"grad_scale", "normalization", "use_ignore", "ignore_label", "smooth_alpha"})
"""Attributes of the output operators that change gradients and leave the scores alone."""

SAFE_OPERATORS = frozenset(
    f"""
    {VARIABLE} {" ".join(LINK_OF_OUTPUT)} MAERegressionOutput SVMOutput MakeLoss BlockGrad identity _copy Cast
    dot batch_dot FullyConnected Activation LeakyReLU BatchNorm LayerNorm L2Normalization Dropout Embedding
    SoftmaxActivation softmax log_softmax sigmoid hard_sigmoid softsign relu tanh erf
    exp expm1 log log1p abs sign square sqrt rsqrt reciprocal negative clip sum mean max min prod norm
    broadcast_add broadcast_plus broadcast_sub broadcast_minus broadcast_mul broadcast_div broadcast_maximum
    broadcast_minimum broadcast_power elemwise_add elemwise_sub elemwise_mul elemwise_div add_n
    _plus_scalar _minus_scalar _rminus_scalar _mul_scalar _div_scalar _rdiv_scalar _power_scalar _rpower_scalar
    _maximum_scalar _minimum_scalar _greater_scalar _greater_equal_scalar _lesser_scalar _lesser_equal_scalar
    broadcast_greater broadcast_greater_equal broadcast_lesser broadcast_lesser_equal where
    Reshape reshape Flatten flatten transpose expand_dims squeeze Concat concat slice slice_axis SliceChannel stack
    broadcast_axis broadcast_to broadcast_like zeros_like ones_like argmax argmin one_hot pick
    """.split()
)
"""Operators that a graph we do not know may consist of. MXNet has others that read files, call Python or follow
addresses in their attributes; a model that is served has no business with them."""


@dataclass(frozen=True)
class Node:
    """An operator or a variable. ``inputs`` are (node, output of that node), earlier nodes only."""

    op: str
    name: str
    attrs: Mapping[str, str]
    inputs: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape declared for a variable."""
        declared = self.attrs.get("__shape__")
        return None if declared is None else tuple(int(size) for size in re.findall(r"\d{1,18}", declared))


@dataclass(frozen=True)
class Graph:
    """A symbol, its nodes in the order of evaluation. ``heads`` are its outputs: (node, output of that node)."""

    nodes: tuple[Node, ...]
    heads: tuple[tuple[int, int], ...]
    mxnet_version: int | None

    def variables(self) -> list[str]:
        return [node.name for node in self.nodes if node.op == VARIABLE]

    def unsafe_operators(self) -> list[str]:
        return sorted({node.op for node in self.nodes} - SAFE_OPERATORS)

    def to_json(self) -> str:
        """MXNet's form, of what was checked and nothing else."""
        nodes = [
            {"op": n.op, "name": n.name, "attrs": dict(n.attrs), "inputs": [[i, output, 0] for i, output in n.inputs]}
            for n in self.nodes
        ]
        variables = [i for i, node in enumerate(self.nodes) if node.op == VARIABLE]
        content: dict[str, Any] = {
            "nodes": nodes,
            "arg_nodes": variables,
            "heads": [[i, output, 0] for i, output in self.heads],
        }
        if self.mxnet_version is not None:
            content["attrs"] = {"mxnet_version": ["int", self.mxnet_version]}
        return json.dumps(content)


@dataclass(frozen=True)
class LinearGraph:
    """link(dot(data, weight) + bias): the variables of the weights (d, C) and of the bias (1, C), or None, and the link
    that the output operator applies."""

    weight: Node
    bias: Node | None
    link: str


def linear_graph(graph: Graph) -> LinearGraph | None:
    """The linear model that ``graph`` is, or None when it is anything else."""
    output = _operator(graph, graph.heads[0], tuple(LINK_OF_OUTPUT), harmless=_TRAINING_ONLY)
    if output is None or len(graph.heads) > 1:
        return None
    total = _operator(graph, output.inputs[0], ("broadcast_add", "broadcast_plus"))
    product = _operator(graph, total.inputs[0] if total else output.inputs[0], ("dot",))
    if product is None:
        return None
    places = [*product.inputs, output.inputs[1], *([total.inputs[1]] if total else [])]
    _, weight, _, *bias = variables = [graph.nodes[node] for node, _ in places]
    plain = all(node.op == VARIABLE for node in variables) and len({node.name for node in variables}) == len(places)
    return LinearGraph(weight, bias[0] if bias else None, LINK_OF_OUTPUT[output.op]) if plain else None


def _operator(
    graph: Graph, place: tuple[int, int], ops: tuple[str, ...], harmless: frozenset[str] = frozenset()
) -> Node | None:
    """The node at ``place`` if it is one of ``ops``, of two inputs, and no attribute makes it do something else."""
    node = graph.nodes[place[0]]
    changes = {
        name
        for name, value in node.attrs.items()
        if not name.startswith("__") and name not in harmless and value.lower() not in ("false", "0")
    }
    return node if node.op in ops and len(node.inputs) == 2 and not changes else None


def read_graph(content: bytes, *, where: str = "mx-mod-symbol.json") -> Graph:
    """The graph in MXNet's JSON. A ClientError, naming the file ``where``, tells what is wrong with it."""
    try:
        document = json.loads(content)
        if not isinstance(document, dict):
            raise TypeError("it is not a JSON object")
        if len(document["nodes"]) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES} nodes")
        nodes = tuple(_node(entry, position) for position, entry in enumerate(document["nodes"]))
        heads = tuple(_place(entry, len(nodes)) for entry in document["heads"])
        if not heads:
            raise ValueError("it has no output")
        return Graph(nodes, heads, _version(document))
    except KeyError as error:
        problem = f"{error} is missing"
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        problem = str(error)
    except RecursionError:
        problem = "it is nested too deeply"
    raise ClientError(f"This is no MXNet symbol: {problem}", where=where, fix="train or copy the model again")


def _node(entry: dict[str, Any], position: int) -> Node:
    attrs: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):  # the names that MXNet has given it over time
        attrs.update(entry.get(key) or {})
    try:
        "".join([entry["op"], entry["name"], *attrs, *attrs.values()]).encode()
    except (TypeError, UnicodeEncodeError):
        raise TypeError(f"node {position} has an operator, name or attribute that is no text") from None
    inputs = tuple(_place(place, position) for place in entry["inputs"])
    return Node(entry["op"], entry["name"], attrs, inputs)


def _place(entry: list[Any], nodes: int) -> tuple[int, int]:
    """(node, output), written as [node, output] or [node, output, version]; the node is one of the first ``nodes``."""
    node, output = entry[:2]
    if not (type(node) is int and type(output) is int and 0 <= node < nodes and 0 <= output < MOST_NODES):
        raise ValueError(f"{entry} refers to no earlier node")
    return node, output


def _version(document: dict[str, Any]) -> int | None:
    version = document.get("attrs", {}).get("mxnet_version", [None, None])[1]
    if version is not None and type(version) is not int:
        raise TypeError("the version of MXNet is no number")
    return version
