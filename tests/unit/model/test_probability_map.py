from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.probability_map import ProbabilityMap

knots = st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(0, 1)), min_size=1, unique_by=lambda knot: knot[0])


def made(points: list[tuple[float, float]]) -> ProbabilityMap:
    return ProbabilityMap(np.array(sorted(x for x, _ in points)), np.array(sorted(p for _, p in points)))


RISING = made([(-1, 0.2), (0, 0.2), (2, 0.6)])


def test_is_linear_between_knots_and_constant_beyond() -> None:
    found = RISING(np.array([[-9], [-1], [-0.5], [0], [1], [2], [9]], np.float32))
    assert (found.dtype, found.shape) == (np.float32, (7, 1))
    assert_allclose(found[:, 0], [0.2, 0.2, 0.2, 0.2, 0.4, 0.6, 0.6], rtol=1e-6)


@given(knots, st.lists(st.floats(-1e7, 1e7, width=32), min_size=1))
def test_never_falls_and_stays_in_range(points: list[tuple[float, float]], scores: list[float]) -> None:
    found = made(points)(np.sort(np.array(scores, np.float32)))
    assert (np.diff(found) >= -1e-7).all()
    assert found.min() >= 0 and found.max() <= 1


@given(knots)
def test_json_gives_every_bit_back(points: list[tuple[float, float]]) -> None:
    rising = made(points)
    again = ProbabilityMap.of_json(json.loads(json.dumps(rising.as_json())), "")
    assert_array_equal(again.scores, rising.scores)
    assert_array_equal(again.probabilities, rising.probabilities)


def test_least_score_is_where_a_probability_is_reached() -> None:
    assert RISING.least_score(0.4) == pytest.approx(1)
    assert RISING.least_score(0.6) == pytest.approx(2)
    assert RISING.least_score(0.2) == -math.inf
    assert RISING.least_score(0.61) == math.inf


@given(knots, st.floats(0, 1))
def test_least_score_parts_scores_as_the_probability_does(points: list[tuple[float, float]], p: float) -> None:
    rising = made(points)
    found = rising.least_score(p)
    for score in (found - 1e-3 * (1 + abs(found)), *rising.scores[rising.scores < found - 1e-3 * (1 + abs(found))]):
        if math.isfinite(score):
            assert np.interp(score, rising.scores, rising.probabilities) <= p + 1e-9
    if math.isfinite(found):
        assert np.interp(found, rising.scores, rising.probabilities) >= p - 1e-9


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "it is no JSON object"),
        ({"scores": [1]}, "its probabilities are no list of numbers"),
        ({"scores": [True], "probabilities": [0.5]}, "its scores are no list of numbers"),
        ({"scores": [1, "2"], "probabilities": [0.5, 0.6]}, "its scores are no list of numbers"),
        ({"scores": [], "probabilities": []}, "it has 0 scores and 0 probabilities"),
        ({"scores": [1], "probabilities": [0.5, 0.6]}, "it has 1 scores and 2 probabilities"),
        ({"scores": [1, 1], "probabilities": [0.5, 0.6]}, "its scores do not rise"),
        ({"scores": [1, 2], "probabilities": [0.6, 0.5]}, "its probabilities do not rise from 0 to 1"),
        ({"scores": [1], "probabilities": [1.5]}, "its probabilities do not rise from 0 to 1"),
        ({"scores": [1], "probabilities": [-0.5]}, "its probabilities do not rise from 0 to 1"),
        ({"scores": [math.nan], "probabilities": [0.5]}, "its scores are not all finite"),
        ({"scores": [10**400], "probabilities": [0.5]}, "its scores are not all finite"),
    ],
)
def test_what_anyone_may_have_written_is_checked(document: Any, problem: str) -> None:
    with pytest.raises(ClientError, match=f"probability_map cannot be used: {problem}") as error:
        ProbabilityMap.of_json(document, "additional-params.json")
    assert error.value.where == "additional-params.json"


@pytest.mark.parametrize(("link", "score_link"), [("logistic", "logistic"), ("identity", "logistic")])
def test_takes_the_place_of_a_models_link(link: str, score_link: str) -> None:
    model = LinearModel(
        np.array([[1.0]], np.float32), np.array([0.0], np.float32), "binary_classifier", "hinge_loss", link,
        threshold=0.4, probability_map=RISING,
    )  # fmt: skip
    found = model.predict(np.array([[0.9], [1.1]], np.float32))
    assert_allclose(found.score, [0.38, 0.42], rtol=1e-6)
    assert found.predicted_label is not None and found.predicted_label.tolist() == [0, 1]
    assert model.score_link == score_link
    assert model.raw_scores(np.array([[0.9]], np.float32)).tolist() == [[np.float32(0.9)]]
