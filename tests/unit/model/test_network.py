from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.model import network
from linear_learner.model.graph import read_graph
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.mxnet_import import mx
from linear_learner.model.network import SymbolModel

MakeModel = Callable[..., LinearModel]

FACTS: dict[str, Any] = {
    "predictor_type": "multiclass_classifier",
    "loss": "softmax_loss",
    "threshold": None,
    "metadata": {"metrics": {}},
    "where": "model_algo-1",
}


def fully_connected(outputs: int = 4) -> mx.sym.Symbol:
    data = mx.sym.var("data")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(data, num_hidden=outputs, name="fc"), name="out")


def symbol_model(symbol: mx.sym.Symbol, params: dict[str, np.ndarray], **facts: Any) -> SymbolModel:
    return SymbolModel(read_graph(symbol.tojson().encode()), params, **{**FACTS, **facts})


def params_of(model: LinearModel) -> dict[str, np.ndarray]:
    return {"arg:fc_weight": np.ascontiguousarray(model.weights.T), "arg:fc_bias": model.bias}


@pytest.mark.filterwarnings("ignore:Cannot decide")
class TestSymbolModel:
    def test_answers_like_the_linear_model_that_it_is(self, make_model: MakeModel, features: np.ndarray) -> None:
        linear = make_model("softmax")
        model = symbol_model(fully_connected(), params_of(linear))
        assert (model.feature_dim, model.num_classes) == (5, 4)
        found, expected = model.predict(features), linear.predict(features)
        assert found.score.dtype == np.float32
        assert_allclose(found.score, expected.score, atol=1e-6)
        assert_array_equal(np.asarray(found.predicted_label), np.asarray(expected.predicted_label))

    def test_scores_are_of_the_kind_that_the_loss_has(self, make_model: MakeModel) -> None:
        params = params_of(make_model("softmax"))
        assert symbol_model(fully_connected(), params).score_link == "softmax"
        assert symbol_model(fully_connected(), params, loss="unheard_of").score_link == "identity"

    def test_blocks_change_nothing(
        self, make_model: MakeModel, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = symbol_model(fully_connected(), params_of(make_model("softmax")))
        whole = model.predict(features).score
        monkeypatch.setattr(network, "BLOCK_VALUES", 3 * model.row_size)
        assert_allclose(model.predict(features).score, whole, rtol=1e-6)

    def test_a_binary_classifier_of_another_shape(self, features: np.ndarray) -> None:
        data = mx.sym.var("data")
        hidden = mx.sym.Activation(mx.sym.FullyConnected(data, num_hidden=3, name="a"), act_type="tanh")
        symbol = mx.sym.sigmoid(mx.sym.FullyConnected(hidden, num_hidden=1, name="b", no_bias=True))
        random = np.random.default_rng(0)
        a, c, b = (random.normal(size=size).astype(np.float32) for size in ((3, 5), (3,), (1, 3)))
        model = symbol_model(
            symbol,
            {"arg:a_weight": a, "arg:a_bias": c, "arg:b_weight": b},
            predictor_type="binary_classifier",
            threshold=0.5,
        )
        expected = 1 / (1 + np.exp(-np.tanh(features @ a.T + c) @ b.T))[:, 0]
        predictions = model.predict(features)
        assert_allclose(predictions.score, expected, rtol=1e-5)
        assert_array_equal(np.asarray(predictions.predicted_label), expected >= 0.5)

    def test_arrays_of_states_are_used(self, features: np.ndarray) -> None:
        data = mx.sym.var("data")
        symbol = mx.sym.BatchNorm(data, name="n", fix_gamma=False, eps=1e-3, use_global_stats=True)
        symbol = mx.sym.sum(symbol, axis=1, keepdims=True)
        ones = np.ones(5, np.float32)
        params = {
            "arg:n_gamma": ones * 2,
            "arg:n_beta": ones,
            "aux:n_moving_mean": ones * 3,
            "aux:n_moving_var": ones * 4,
        }
        model = symbol_model(symbol, params, predictor_type="regressor")
        expected = (2 * (features - 3) / np.sqrt(4 + 1e-3) + 1).sum(axis=1)
        assert_allclose(model.predict(features).score, expected, rtol=1e-5)

    def test_shapes_that_follow_from_nothing_but_the_arrays(self, features: np.ndarray) -> None:
        centred = mx.sym.broadcast_sub(mx.sym.var("data"), mx.sym.var("means"))
        symbol = mx.sym.LinearRegressionOutput(mx.sym.dot(centred, mx.sym.var("w")), mx.sym.var("out_label"))
        random = np.random.default_rng(0)
        means, weights = (random.normal(size=size).astype(np.float32) for size in ((1, 5), (5, 1)))
        model = symbol_model(symbol, {"arg:means": means, "arg:w": weights}, predictor_type="regressor")
        assert_allclose(model.predict(features).score, ((features - means) @ weights)[:, 0], rtol=1e-5)

    def test_a_score_that_is_not_finite_is_told(self, make_model: MakeModel, features: np.ndarray) -> None:
        model = symbol_model(fully_connected(), params_of(make_model("softmax")))
        features[3] = 3e38
        with pytest.raises(ClientError, match=r"The model has no finite score for the row \(row 4\)\. Send values of"):
            model.predict(features)

    def test_another_width_is_told(self, make_model: MakeModel) -> None:
        model = symbol_model(fully_connected(), params_of(make_model("softmax")))
        with pytest.raises(ClientError, match=r"dimension of the input: 4 does not match .* of the model: 5"):
            model.predict(np.zeros((1, 4), np.float32))

    @pytest.mark.parametrize(
        ("symbol", "changes", "facts", "message"),
        [
            (fully_connected(), {"arg:fc_bias": None}, {}, "the params file lacks arg:fc_bias"),
            (fully_connected(), {"arg:fc_bias": np.zeros(3, np.float32)}, {}, "no number of features fits"),
            (fully_connected(7), {}, {}, "no number of features fits"),
            (fully_connected(), {}, {"predictor_type": "regressor"}, "a regressor has 4 outputs"),
            (mx.sym.var("x") * 2, {}, {}, "it has no input 'data'"),
            (mx.sym.sum(fully_connected(), axis=0), {}, {}, "no number of features fits"),
            (mx.sym.broadcast_mul(fully_connected(), mx.sym.var("label")), {}, {}, "no number of features fits"),
            (mx.sym.zeros((3,)) + mx.sym.var("data"), {}, {}, "symbol are not supported: _zeros"),
            (
                mx.sym.broadcast_to(mx.sym.sum(fully_connected(), axis=1, keepdims=True), shape=(0, 2**27)),
                {},
                {},
                r"one row needs 1342177\d\d values",
            ),
        ],
    )
    def test_what_does_not_fit_is_named(
        self,
        make_model: MakeModel,
        symbol: mx.sym.Symbol,
        changes: dict[str, Any],
        facts: dict[str, Any],
        message: str,
    ) -> None:
        params = {**params_of(make_model("softmax")), **changes}
        with pytest.raises(ClientError, match=message) as error:
            symbol_model(symbol, {name: array for name, array in params.items() if array is not None}, **facts)
        assert error.value.where == "model_algo-1"

    def test_a_graph_that_mxnet_refuses_is_told(self, make_model: MakeModel) -> None:
        broken = fully_connected().tojson().replace('"num_hidden": "4"', '"num_hidden": "many"')
        with pytest.raises(ClientError, match="The symbol and the params cannot be used"):
            SymbolModel(read_graph(broken.encode()), params_of(make_model("softmax")), **FACTS)
