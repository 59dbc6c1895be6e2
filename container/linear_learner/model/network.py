"""A model that is any MXNet symbol, evaluated by MXNet.

Of this folder, only this module needs MXNet's Python part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.width import check_width
from linear_learner.model.graph import VARIABLE, Graph
from linear_learner.model.linear_model import BLOCK_VALUES, Predictions, scores_and_labels
from linear_learner.model.losses import LOSSES, MULTICLASS
from linear_learner.model.mxnet_import import mx

LARGEST_ROW = 1 << 26
"""Values that evaluating one row may need; a graph that wants more is no linear model."""


class SymbolModel:
    """A model whose graph is not the linear one that we know: its first output, evaluated by MXNet, is the score.

    ``params`` are the arrays of the params file, ``arg:NAME`` and ``aux:NAME``. A ClientError says where they and the
    graph do not fit.
    """

    def __init__(
        self,
        graph: Graph,
        params: Mapping[str, np.ndarray],
        *,
        predictor_type: str,
        loss: str,
        threshold: float | None,
        metadata: dict[str, Any],
        where: str,
    ) -> None:
        unsafe = graph.unsafe_operators()
        if unsafe:
            raise ClientError(f"Operators of this symbol are not supported: {', '.join(unsafe)}", where=where)
        self.predictor_type = predictor_type
        self.loss = loss
        self.threshold = threshold
        self.metadata = metadata
        self.where = where
        try:
            self.symbol = mx.sym.load_json(_with_shapes(graph, params).to_json())[0]
        except mx.MXNetError as error:
            raise self._misfit(str(error)) from error
        self.values = self._values(params)
        self.feature_dim, outputs, self.row_size = self._sizes()
        self.num_classes = outputs
        if (predictor_type == MULTICLASS) != (outputs > 1):
            raise self._misfit(f"a {predictor_type} has {outputs} outputs")
        try:
            self._evaluate(np.zeros((1, self.feature_dim), np.float32))
        except mx.MXNetError as error:
            raise self._misfit(str(error)) from error

    @property
    def score_link(self) -> str:
        """That of the loss, which has to say: a graph that we do not know does not."""
        loss = LOSSES.get((self.predictor_type, self.loss))
        return "identity" if loss is None else loss.link

    def predict(self, features: Rows) -> Predictions:
        """Scores and labels of features (n, d). Sparse rows become dense, a block at a time. ClientError where a score
        is not finite: unlike a linear sum, it cannot be mended."""
        check_width(features.shape[1], self.feature_dim)
        scores = np.empty((len(features), self.num_classes), np.float32)
        size = max(1, BLOCK_VALUES // self.row_size)
        for start in range(0, len(features), size):
            rows = slice(start, start + size)
            block = features[rows]
            dense = block.toarray() if isinstance(block, CsrMatrix) else block.astype(np.float32, copy=False)
            scores[rows] = self._evaluate(dense)
        broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(broken):
            raise ClientError(
                "The model has no finite score for the row",
                where=f"row {broken[0] + 1}",
                fix="send values of the size of those in the training data",
            )
        return Predictions(*scores_and_labels(scores, self.predictor_type, self.threshold))

    def _evaluate(self, block: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, C)."""
        shapes, _, _ = self.symbol.infer_shape(data=block.shape)
        arguments = {
            name: self.values[name] if name in self.values else mx.nd.zeros(shape)
            for name, shape in zip(self.symbol.list_arguments(), shapes, strict=True)
        }
        arguments["data"] = mx.nd.array(block)
        states = {name: self.values[name] for name in self.symbol.list_auxiliary_states()}
        executor = self.symbol.bind(mx.cpu(), arguments, aux_states=states, grad_req="null")
        return executor.forward(is_train=False)[0].asnumpy().reshape(len(block), -1)

    def _values(self, params: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The arrays of the symbol's variables. Only ``data`` and labels have none."""
        wanted = {f"arg:{name}" for name in self.symbol.list_arguments()}
        wanted |= {f"aux:{name}" for name in self.symbol.list_auxiliary_states()}
        if "arg:data" not in wanted:
            raise self._misfit("it has no input 'data'")
        missing = sorted(n for n in wanted - set(params) if n != "arg:data" and not n.endswith("label"))
        if missing:
            raise self._misfit(f"the params file lacks {', '.join(missing)}")
        return {
            name.split(":", 1)[1]: mx.nd.array(params[name], dtype=params[name].dtype)
            for name in wanted & set(params) - {"arg:data"}
        }

    def _sizes(self) -> tuple[int, int, int]:
        """(feature_dim, outputs, values that one row needs). The width is the largest dimension of any array with which
        all shapes fit, and with which two rows have two scores."""
        internals = self.symbol.get_internals()
        for width in sorted({size for array in self.values.values() for size in array.shape}, reverse=True):
            try:
                arguments, scores, states = self.symbol.infer_shape(data=(2, width))
                _, inner, _ = internals.infer_shape(data=(2, width))
            except mx.MXNetError:
                continue
            if scores is None or inner is None:  # the shape of a label, say, that follows from nothing
                continue
            score = scores[0]
            found = dict(zip(self.symbol.list_arguments(), arguments, strict=True))
            found |= dict(zip(self.symbol.list_auxiliary_states(), states, strict=True))
            if score[:1] == (2,) and all(found[name] == array.shape for name, array in self.values.items()):
                row_size = sum(math.prod(shape) for shape in inner) // 2
                if row_size > LARGEST_ROW:
                    raise self._misfit(f"one row needs {row_size} values")
                return width, math.prod(score[1:]), row_size
        raise self._misfit("no number of features fits the shapes of its arrays")

    def _misfit(self, message: str) -> ClientError:
        return ClientError(
            f"The symbol and the params cannot be used: {message}",
            where=self.where,
            fix="train or copy the model again",
        )


def _with_shapes(graph: Graph, params: Mapping[str, np.ndarray]) -> Graph:
    """The graph, whose variables declare the shapes of their arrays: not every shape follows from that of ``data``."""
    shapes = {name: array.shape for name, array in params.items() if name != "arg:data"}
    nodes = [
        replace(node, attrs={**node.attrs, "__shape__": str(shapes[f"arg:{node.name}"])})
        if node.op == VARIABLE and f"arg:{node.name}" in shapes
        else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))
