"""A model as ONNX: ``features`` float32 (n, d) -> ``score`` and, of a classifier, ``predicted_label``, as the server
has them. It sums in float64, where the server sums in float32, and gives float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from linear_learner.conversion.parts import Parts
from linear_learner.errors import ClientError
from linear_learner.model.losses import BINARY, MULTICLASS

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8
"""Of 2022: runtimes since then read them."""
LARGEST = 2_000_000_000
"""Bytes of weights: a file of protobuf ends at 2 GiB."""
ROWS = "rows"
"""The name of the dimension whose size is open."""


def to_onnx(parts: Parts) -> bytes:
    """ClientError where the package is missing, or the model too large."""
    if parts.weights.nbytes > LARGEST:
        raise ClientError(f"A model in ONNX has {LARGEST} bytes of weights at the most, and this one more")
    return bytes(to_proto(parts).SerializeToString())


def to_proto(parts: Parts) -> onnx.ModelProto:
    try:
        from onnx import TensorProto, checker, helper
    except ModuleNotFoundError:
        raise ClientError("The package onnx is not installed", fix="install it: pip install 'onnx>=1.17,<2'") from None
    graph = _Graph()
    rows = "features"
    if parts.fills is not None:
        missing = graph.node("IsNaN", [rows])
        rows = graph.node("Where", [missing, graph.constant("fills", parts.fills), rows])

    def exact(name: str) -> str:
        return graph.node("Cast", [name], to=TensorProto.DOUBLE)

    product = graph.node("MatMul", [exact(rows), exact(graph.constant("weights", parts.weights))])
    scores = graph.node("Add", [product, exact(graph.constant("bias", parts.bias))])
    if parts.link == "logistic":
        scores = graph.node("Sigmoid", [scores])
    elif parts.link == "softmax":
        scores = graph.node("Softmax", [scores], axis=1)
    scores = graph.node("Cast", [scores], to=TensorProto.FLOAT)
    shape: list[str | int] = [ROWS, parts.outputs]
    if parts.predictor_type == MULTICLASS:
        graph.node("Identity", [scores], "score")
        number = graph.node("ArgMax", [scores], axis=1, keepdims=0)
    else:
        shape = [ROWS]
        graph.node("Squeeze", [scores, graph.constant("column", np.array([1], np.int64))], "score")
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, shape)]
    if parts.predictor_type == BINARY:
        # In float64: a threshold between two neighbouring float32 scores must stay between them.
        score = graph.node("Cast", ["score"], to=TensorProto.DOUBLE)
        threshold = graph.constant("threshold", np.array(parts.threshold, np.float64))
        number = graph.node("Cast", [graph.node("GreaterOrEqual", [score, threshold])], to=TensorProto.INT64)
    if parts.class_count and parts.classes:
        graph.node("Gather", [graph.texts("classes", parts.classes), number], "predicted_label")
        outputs.append(helper.make_tensor_value_info("predicted_label", TensorProto.STRING, [ROWS]))
    elif parts.class_count:
        graph.node("Cast", [number], "predicted_label", to=TensorProto.FLOAT)
        outputs.append(helper.make_tensor_value_info("predicted_label", TensorProto.FLOAT, [ROWS]))
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [ROWS, parts.feature_dim])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "linear-learner", inputs, outputs, graph.constants),
        producer_name="linear-learner",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    facts = {"predictor_type": parts.predictor_type, "loss": parts.loss}
    if parts.names:
        facts["feature_names"] = "\n".join(name.replace("\n", " ") for name in parts.names)
    helper.set_model_props(model, facts)
    checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and constants, in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        from onnx import helper

        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def texts(self, name: str, texts: tuple[str, ...]) -> str:
        from onnx import TensorProto, helper

        encoded: Any = [text.encode("utf-8", "replace") for text in texts]
        self.constants.append(helper.make_tensor(name, TensorProto.STRING, [len(texts)], encoded))
        return name
