"""JSON for scikit-learn, and back, judged by scikit-learn's own estimators."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_model import expected, parts, rows
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from linear_learner.conversion import scikit_learn
from linear_learner.conversion.parts import Parts
from linear_learner.conversion.scikit_learn import of_json, to_json
from linear_learner.errors import ClientError
from linear_learner.model.served_model import ServedModel


def rebuilt(estimator: Any, content: dict[str, Any]) -> Any:
    """The estimator with the attributes of the file."""
    for name in ("coef_", "intercept_", "classes_"):
        if name in content:
            setattr(estimator, name, np.array(content[name]))
    return estimator


@pytest.mark.parametrize("words", [False, True])
def test_logistic_regression_has_the_scores_of_the_model(words: bool) -> None:
    X = rows()
    for kind in ("binary", "multiclass"):
        model = parts(kind, words=words)
        content = json.loads(to_json(model))
        estimator = rebuilt(LogisticRegression(), content)
        scores, labels = expected(model, X)
        assert_allclose(estimator.predict_proba(X)[:, -scores.shape[1] :], scores, rtol=1e-6, atol=1e-9)
        if kind == "multiclass":
            assert estimator.predict(X).tolist() == labels
        else:
            chosen = estimator.predict_proba(X)[:, 1] >= content["threshold"]
            assert [content["classes_"][int(i)] for i in chosen] == labels


def test_linear_regression_and_linear_svc_have_the_scores_of_the_model() -> None:
    X = rows()
    model = parts("regressor")
    estimator = rebuilt(LinearRegression(), json.loads(to_json(model)))
    assert_allclose(estimator.predict(X), expected(model, X)[0][:, 0], rtol=1e-5, atol=1e-6)
    model = parts("margin")
    margins = rebuilt(LinearSVC(), json.loads(to_json(model))).decision_function(X)
    assert_allclose(margins, expected(model, X)[0][:, 0], rtol=1e-5, atol=1e-6)


def test_what_was_written_is_read_again_to_the_bit(case: tuple[Parts, np.ndarray]) -> None:
    model, _ = case
    again = Parts.of(of_json(to_json(model), "model.json"))
    for name, value in vars(model).items():
        assert_array_equal(getattr(again, name), value)


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], [-1, 1], [0, 1, 2], [3, 5, 9], [0.0, 1.0], [-1.0, 1, 2]])
def test_an_estimator_of_ones_own_becomes_a_model(classes: list[Any]) -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = np.array(classes)[random.integers(len(classes), size=200)]
    estimator = LogisticRegression().fit(X, y)
    content = {name: getattr(estimator, name).tolist() for name in ("coef_", "intercept_", "classes_")}
    model = of_json(json.dumps(content).encode(), "estimator.json")
    predictions = model.predict(X.astype(np.float32))
    chances = estimator.predict_proba(X)
    assert_allclose(predictions.score, chances if len(classes) > 2 else chances[:, 1], atol=1e-6)
    texts = ServedModel.of(model).classes or [str(i) for i in range(len(classes))]
    assert predictions.predicted_label is not None
    found = [texts[int(i)] for i in predictions.predicted_label]
    assert found == [f"{name:g}" if isinstance(name, float) else str(name) for name in estimator.predict(X)]


def test_labels_that_are_booleans_are_those_of_numbers() -> None:
    model = of_json(json.dumps({**GOOD, "classes_": [False, True]}).encode(), "model.json")
    assert model.metadata == {}


def test_a_regressor_of_ones_own_may_come_as_it_is() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(50, 3)), random.normal(size=50)
    estimator = LinearRegression().fit(X, y)
    content = {"coef_": estimator.coef_.tolist(), "intercept_": estimator.intercept_}
    model = of_json(json.dumps(content).encode(), "estimator.json")
    assert_allclose(model.predict(X.astype(np.float32)).score, estimator.predict(X), atol=1e-6)


GOOD = {"coef_": [[1, 2]], "intercept_": [0], "classes_": [0, 1]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"coef_": None}, "coef_ is no table of numbers|coef_ has values that are not finite"),
        ({"coef_": [[1, 2], [3]]}, "coef_ is no table of numbers"),
        ({"coef_": [["a"]]}, "coef_ is no table of numbers"),
        ({"coef_": [[1e39, 2]]}, "coef_ has values that are not finite float32"),
        ({"coef_": [[]]}, r"coef_ has the shape \(1, 0\) and not \(1, features\)"),
        ({"coef_": [[[1]]]}, r"coef_ has the shape \(1, 1, 1\)"),
        ({"coef_": [[1], [2]]}, r"coef_ has the shape \(2, 1\) and not \(1, features\)"),
        ({"classes_": [0, 1, 2]}, r"coef_ has the shape \(1, 2\) and not \(3, features\)"),
        ({"classes_": [0]}, "classes_ has one class"),
        ({"classes_": [0.5, 1.5]}, "classes_ is no list of different texts, or of different whole numbers"),
        ({"classes_": [1, 1.0]}, "classes_ is no list of different texts"),
        ({"classes_": [0, "a"]}, "classes_ is no list of different texts"),
        ({"classes_": ["a", "a"]}, "classes_ is no list of different texts"),
        ({"classes_": "ab"}, "classes_ is no list of different texts"),
        ({"intercept_": [1, 2]}, r"intercept_ has the shape \(2,\) and not \(1,\)"),
        ({"threshold": "low"}, "threshold 'low' is not a number"),
        ({"threshold": 10**400}, "threshold 10+ is not a number"),
        ({"predictor_type": "regressor"}, "predictor_type is 'regressor', and classes_ are those of a binary_classif"),
        ({"loss": "squared_loss"}, "loss 'squared_loss' is none of a binary_classifier"),
        ({"link": "softmax"}, "link 'softmax' is none of logistic, identity"),
        ({"link": ["logistic"]}, r"link \['logistic'\] is none of"),
        ({"feature_names_in_": ["a"]}, "feature_names_in_ is no list of 2 texts"),
        ({"fills_": [1]}, r"fills_ has the shape \(1,\) and not \(2,\)"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClientError, match=sentence) as caught:
        of_json(json.dumps({**GOOD, **change}).encode(), "model.json")
    assert caught.value.where == "model.json"


def test_a_file_without_what_is_needed_is_refused() -> None:
    with pytest.raises(
        ClientError, match=r"coef_ is missing \(.*\)\. See docs/command_line\.md for what the file holds$"
    ):
        of_json(b"{}", "model.json")
    with pytest.raises(ClientError, match="This is no JSON document"):
        of_json(b"{", "model.json")


def test_a_file_beyond_all_bounds_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(GOOD))
    monkeypatch.setattr(scikit_learn, "LARGEST_FILE", 10)
    with pytest.raises(ClientError, match="larger than 10 bytes"):
        scikit_learn.read(path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "threshold", "loss", "link", "fills_", "predictor_type"]), JSON_VALUES))
def test_whatever_a_file_holds_the_outcome_is_a_model_or_a_client_error(change: dict[str, Any]) -> None:
    with contextlib.suppress(ClientError):
        Parts.of(of_json(json.dumps({**GOOD, **change}).encode(), "model.json"))
