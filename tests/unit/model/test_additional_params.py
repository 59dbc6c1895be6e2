from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from linear_learner.errors import ClientError
from linear_learner.model.additional_params import read, to_json
from linear_learner.model.linear_model import LinearModel

MakeModel = Callable[..., LinearModel]

AMAZONS = {
    "threshold": 0.4375,
    "loss_type": "logistic",
    "predictor_type": "binary_classifier",
    "metrics_params": {
        "quantile": None,
        "huber_delta": None,
        "margin": None,
        "loss_insensitivity": None,
        "eps_insensitive_loss_type": None,
        "accuracy_top_k": 3,
        "f_beta": 1.0,
        "positive_example_weight_mult": 1.0,
        "class_weights": None,
        "threshold": 0.4375,
    },
}
"""The form of a binary classifier's file that Amazon's container wrote."""

CHOSEN = {
    "f_beta": 2.0,
    "accuracy_top_k": 5,
    "positive_example_weight_mult": 3.0,
    "quantile": 0.9,
    "huber_delta": 1.5,
    "margin": 1.25,
    "loss_insensitivity": 0.01,
}


def written(model: LinearModel) -> dict[str, Any]:
    return json.loads(to_json(model))


def metrics_params(model: LinearModel) -> dict[str, Any]:
    return written(model)["metrics_params"]


class TestToJson:
    def test_amazons_keys_are_as_its_container_writes_them(self, make_model: MakeModel) -> None:
        content = written(make_model("logistic", threshold=0.4375))
        assert {name: content.pop(name) for name in AMAZONS} == AMAZONS
        assert content == {"link": "logistic", "num_classes": 1, "feature_dim": 5}

    def test_a_regressor_has_amazons_threshold_and_no_f_beta(self, make_model: MakeModel) -> None:
        content = written(make_model("squared", metadata={"hyperparameters": CHOSEN}))
        assert content["threshold"] == content["metrics_params"]["threshold"] == 0.5
        assert content["metrics_params"]["f_beta"] is None
        assert content["loss_type"] == "squared_loss"

    @pytest.mark.parametrize(
        ("kind", "loss", "expected"),
        [
            ("squared", "squared_loss", {}),
            ("squared", "quantile_loss", {"quantile": 0.9}),
            ("squared", "huber_loss", {"huber_delta": 1.5}),
            ("hinge", "hinge_loss", {"margin": 1.25}),
            ("multiclass_hinge", "hinge_loss", {"margin": 1.25}),
            (
                "squared",
                "eps_insensitive_absolute_loss",
                {"loss_insensitivity": 0.01, "eps_insensitive_loss_type": "eps_insensitive_absolute_loss"},
            ),
        ],
    )
    def test_the_constants_of_the_loss_are_there_and_no_others(
        self, make_model: MakeModel, kind: str, loss: str, expected: dict[str, Any]
    ) -> None:
        found = metrics_params(make_model(kind, loss=loss, metadata={"hyperparameters": CHOSEN}))
        names = ("quantile", "huber_delta", "margin", "loss_insensitivity", "eps_insensitive_loss_type")
        assert {name: found[name] for name in names if found[name] is not None} == expected

    def test_what_was_chosen_shows(self, make_model: MakeModel) -> None:
        metadata = {"hyperparameters": CHOSEN, "class_weights": np.array([0.5, 1, 1, 2])}
        found = metrics_params(make_model("softmax", metadata=metadata))
        assert found["f_beta"] == 2.0
        assert found["accuracy_top_k"] == 5
        assert found["positive_example_weight_mult"] == 3.0
        assert found["class_weights"] == [0.5, 1, 1, 2]

    def test_metadata_stands_beside_and_cannot_replace_a_key(self, make_model: MakeModel) -> None:
        content = written(make_model("logistic", metadata={"metrics": {"auc": 0.75}, "threshold": "mine"}))
        assert content["metrics"] == {"auc": 0.75}
        assert content["threshold"] == 0.25

    def test_numpy_numbers_become_json_and_what_json_lacks_null(self, make_model: MakeModel) -> None:
        metrics = {"auc": np.float32(0.5), "rows": np.int64(3), "loss": float("nan"), 7: (np.inf, np.bool_(True))}
        content = written(make_model("logistic", metadata={"metrics": metrics}))
        assert content["metrics"] == {"auc": 0.5, "rows": 3, "loss": None, "7": [None, True]}

    @pytest.mark.parametrize(("threshold", "stands_for"), [(np.inf, 1.0), (-np.inf, -1.0)])
    def test_an_infinite_threshold_becomes_the_largest_number(
        self, make_model: MakeModel, threshold: float, stands_for: float
    ) -> None:
        assert written(make_model("logistic", threshold=threshold))["threshold"] == stands_for * sys.float_info.max


class TestRead:
    def test_amazons_file(self) -> None:
        found = read(json.dumps(AMAZONS).encode())
        assert (found.predictor_type, found.loss, found.threshold) == ("binary_classifier", "logistic", 0.4375)
        assert (found.link, found.num_classes, found.feature_dim, found.metadata) == (None, None, None, {})

    def test_ours(self, make_model: MakeModel, kind: str) -> None:
        model = make_model(kind, metadata={"metrics": {"a": [1, None]}, "versions": {"mxnet": "1.9.1"}})
        found = read(to_json(model).encode())
        for name in ("predictor_type", "loss", "threshold", "link", "num_classes", "feature_dim", "metadata"):
            assert getattr(found, name) == getattr(model, name)

    @pytest.mark.parametrize(
        ("left_out", "loss", "threshold"),
        [
            ({"loss_type"}, "logistic", 0.4375),
            ({"threshold"}, "logistic", 0.4375),
            ({"metrics_params"}, "logistic", 0.4375),
            ({"loss_type", "threshold", "metrics_params"}, "logistic", 0.5),
        ],
    )
    def test_what_is_not_told_is_as_usual(self, left_out: set[str], loss: str, threshold: float) -> None:
        nulls = {name: None if name in left_out else value for name, value in AMAZONS.items()}
        for document in (nulls, {name: value for name, value in nulls.items() if name not in left_out}):
            found = read(json.dumps(document).encode())
            assert (found.loss, found.threshold) == (loss, threshold)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"predictor_type": "ranker"}, "predictor_type 'ranker' is none of binary_classifier"),
            ({"predictor_type": ["regressor"]}, "predictor_type .* is none of"),
            ({"loss_type": 3}, "loss_type 3 is not the name of a loss"),
            ({"threshold": "0.5"}, "threshold '0.5' is not a number"),
            ({"threshold": True}, "threshold True is not a number"),
            ({"threshold": 10**400}, "threshold 10+ is not a number"),
            ({"threshold": float("nan")}, "threshold nan is not a number"),
            ({"link": "probit"}, "link 'probit' is none of logistic, softmax, identity"),
            ({"link": {}}, "link {} is none of"),
            ({"num_classes": 0}, "num_classes 0 is not a whole number from 1 on"),
            ({"feature_dim": 2.5}, "feature_dim 2.5 is not a whole number from 1 on"),
            ({"feature_dim": True}, "feature_dim True is not a whole number from 1 on"),
            ({"probability_map": []}, "probability_map cannot be used: it is no JSON object"),
            (
                {"predictor_type": "regressor", "probability_map": {"scores": [0], "probabilities": [0.5]}},
                "a regressor has no probability_map",
            ),
        ],
    )
    def test_a_wrong_value_is_named(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ClientError, match=message) as error:
            read(json.dumps({**AMAZONS, **changes}).encode(), where="model_algo-1: additional-params.json")
        assert error.value.where == "model_algo-1: additional-params.json"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "no JSON document"),
            (b"\xff\xff", "no JSON document"),
            (b"{", "no JSON document"),
            (b"[]", "no JSON object"),
            (b"[" * 100_000, "nested too deeply"),
            (b"9" * 10_000, "no JSON document"),
        ],
    )
    def test_what_is_no_json_object_is_refused(self, content: bytes, message: str) -> None:
        with pytest.raises(ClientError, match=message):
            read(content)
