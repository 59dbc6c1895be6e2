"""What a request or the environment may ask of an answer, against closed forms of small models."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats.encoders import Answer
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.served_model import ServedModel
from linear_learner.serving import answers
from linear_learner.serving.answers import OUTPUTS, Wish, answer, parse_outputs, parse_wish


def ask(
    model: LinearModel, rows: list[list[float]], *outputs: str, threshold: float | None = None, **metadata
) -> Answer:
    served = ServedModel.of(dataclasses.replace(model, metadata=metadata))
    X = np.array(rows, np.float32)
    return answer(served, X, served.model.predict(X), Wish(outputs, threshold))


def test_by_default_a_classifier_answers_two_columns_and_a_regressor_one(
    binary: LinearModel, multiclass: LinearModel, regressor: LinearModel
) -> None:
    assert [*ask(binary, [[0, 0, 0]])] == ["score", "predicted_label"]
    assert [*ask(multiclass, [[0, 0, 0]])] == ["score", "predicted_label"]
    assert [*ask(regressor, [[0, 0, 0]])] == ["score"]


def test_outputs_come_in_the_order_asked_for(binary: LinearModel) -> None:
    assert [*ask(binary, [[0, 0, 0]], "labels", "predicted_label", "score")] == ["labels", "predicted_label", "score"]


def test_probabilities_of_a_binary_classifier(binary: LinearModel) -> None:
    p = 1 / (1 + math.exp(-2))
    assert_allclose(
        ask(binary, [[0, 0, 0], [2, 0, 9]], "probabilities")["probabilities"], [[0.5, 0.5], [1 - p, p]], 1e-6
    )


def test_outputs_of_a_multiclass_classifier(multiclass: LinearModel) -> None:
    row = [0, 1, -1]
    answered = ask(multiclass, [row], "probabilities", "raw_score", "labels")
    e = np.exp(row)
    assert_allclose(answered["probabilities"], [e / e.sum()], rtol=1e-6)
    assert_array_equal(answered["raw_score"], [row])
    assert answered["labels"].tolist() == [[0, 1, 2]]


def test_raw_scores_come_before_the_link(binary: LinearModel, regressor: LinearModel) -> None:
    assert ask(binary, [[5, 2, 0]], "raw_score")["raw_score"].tolist() == [3]
    assert ask(regressor, [[1, 1, 1]], "raw_score", "score") == {"raw_score": [7.5], "score": [7.5]}


@pytest.mark.parametrize(("threshold", "label"), [(None, 1), (0.5, 1), (0.51, 0), (0, 1), (-1, 1), (1, 0)])
def test_a_threshold_decides_the_label_and_not_the_score(
    binary: LinearModel, threshold: float | None, label: float
) -> None:
    answered = ask(binary, [[0, 0, 0]], threshold=threshold)
    assert (answered["score"], answered["predicted_label"]) == ([0.5], [label])


def test_only_a_binary_classifier_has_a_threshold(multiclass: LinearModel, regressor: LinearModel) -> None:
    for model in (multiclass, regressor):
        with pytest.raises(ClientError, match=f"A {model.predictor_type} has no threshold. Leave the threshold out"):
            ask(model, [[0, 0, 0]], threshold=0.5)


def contributions(answered: Answer) -> object:
    return answered["contributions"]


def test_contributions_are_sorted_by_size_and_named(regressor: LinearModel) -> None:
    answered = ask(regressor, [[1, 5, 1]], "contributions", feature_names=["a", "b", "c"], feature_means=[3, 4, 1])
    assert contributions(answered) == [
        {
            "baseline": 3 + 2 * 4 + 4 + 0.5,
            "features": [
                {"feature": "a", "contribution": -2.0},
                {"feature": "b", "contribution": 2.0},
                {"feature": "c", "contribution": 0.0},
            ],
        }
    ]


def test_contributions_without_names_and_means_count_from_0(binary: LinearModel) -> None:
    assert contributions(ask(binary, [[1, 2, 3]], "contributions")) == [
        {
            "baseline": 0.0,
            "features": [
                {"feature": 1, "contribution": -2.0},
                {"feature": 0, "contribution": 1.0},
                {"feature": 2, "contribution": 0.0},
            ],
        }
    ]


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), st.lists(st.floats(-9, 9), min_size=3, max_size=3)
)
def test_contributions_and_baseline_add_up_to_the_raw_score(row: list[float], means: list[float]) -> None:
    weights = np.array([[1.5, -2, 0.25], [0, 3, 1], [-1, 0.5, 2]], np.float32)
    model = LinearModel(
        weights, np.array([1, 2, 3], np.float32), "multiclass_classifier", "softmax_loss", "softmax", num_classes=3
    )
    answered = ask(model, [row], "contributions", "raw_score", feature_means=means)
    for c in range(3):
        explained = contributions(answered)[0][c]
        sizes = [abs(term["contribution"]) for term in explained["features"]]
        assert sizes == sorted(sizes, reverse=True)
        total = explained["baseline"] + sum(term["contribution"] for term in explained["features"])
        assert_allclose(total, answered["raw_score"][0, c], rtol=1e-4, atol=1e-2)


def test_contributions_of_too_many_rows_are_refused(binary: LinearModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_CONTRIBUTIONS", 6)
    assert len(contributions(ask(binary, [[0, 0, 0]] * 2, "contributions"))) == 2
    with pytest.raises(ClientError, match="3 rows have 9 contributions, more than 6"):
        ask(binary, [[0, 0, 0]] * 3, "contributions")


@pytest.mark.parametrize("name", ["predicted_label", "probabilities", "labels"])
def test_what_a_regressor_has_not_is_refused(regressor: LinearModel, name: str) -> None:
    with pytest.raises(ClientError, match=f"A regressor with squared_loss has no {name}. Ask for other outputs"):
        ask(regressor, [[0, 0, 0]], name)


def test_a_hinge_loss_has_no_probabilities(binary: LinearModel) -> None:
    margin = dataclasses.replace(binary, loss="hinge_loss", link="identity", threshold=0.0)
    assert ask(margin, [[3, 1, 0]], "score", "labels")["score"].tolist() == [2]
    with pytest.raises(ClientError, match="A binary_classifier with hinge_loss has no probabilities"):
        ask(margin, [[0, 0, 0]], "probabilities")


class Opaque:
    """A model whose graph is not the linear one."""

    predictor_type, loss, threshold, num_classes, feature_dim = "regressor", "squared_loss", None, 1, 3
    metadata: dict[str, object] = {}  # noqa: RUF012

    def predict(self, features: np.ndarray) -> object:
        return answers.Predictions(features[:, 0], None)


@pytest.mark.parametrize("name", ["raw_score", "contributions"])
def test_a_model_that_is_not_linear_has_no_linear_terms(name: str) -> None:
    with pytest.raises(ClientError, match=f"has no {name}"):
        X = np.zeros((1, 3), np.float32)
        answer(ServedModel.of(Opaque()), X, Opaque().predict(X), Wish((name,)))


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (None, Wish()),
        ("", Wish()),
        ("inference_output=score", Wish(("score",))),
        (" Inference_Output = score , labels,score,; THRESHOLD = 1e-1", Wish(("score", "labels"), 0.1)),
        ("threshold=0.7", Wish((), 0.7)),
        ("c000b4f9-df62-4c85-a0bf-7c525f9104a4", Wish()),
        ("trace=1;threshold;x=y=z; =", Wish()),
        ("inference_output=", Wish()),
    ],
)
def test_custom_attributes(header: str | None, wish: Wish) -> None:
    assert parse_wish(header, ()) == wish


def test_custom_attributes_stand_before_the_environment() -> None:
    assert parse_wish("threshold=0.5", ("labels",)) == Wish(("labels",), 0.5)
    assert parse_wish("inference_output=score", ("labels",)) == Wish(("score",))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("inference_output=scores", r"There is no output 'scores' \(inference_output\). Ask for some of: score, "),
        ("threshold=high", r"threshold 'high' is not a number \(X-Amzn-SageMaker-Custom-Attributes\)"),
        ("threshold=", "threshold '' is not a number"),
        ("threshold=nan", "threshold 'nan' is not a number"),
        ("threshold=1e999", "threshold '1e999' is not a number"),
    ],
)
def test_bad_custom_attributes(header: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        parse_wish(header, ())


@given(st.text(max_size=60) | st.text("inferc_outp=;,thslabd.0", max_size=60))
def test_any_custom_attributes_are_a_wish_or_a_client_error(header: str) -> None:
    try:
        assert set(parse_wish(header, ()).outputs) <= set(OUTPUTS)
    except ClientError as error:
        assert str(error)


def test_names_of_the_environment() -> None:
    assert parse_outputs("score, labels", "SAGEMAKER_INFERENCE_OUTPUT") == ("score", "labels")
    with pytest.raises(ClientError, match=r"no output 'x' \(SAGEMAKER_INFERENCE_OUTPUT\)"):
        parse_outputs("x", "SAGEMAKER_INFERENCE_OUTPUT")
