"""The Accept header against the four content types there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.formats.encoders import ENCODERS
from linear_learner.serving.accept import NotAcceptable, choose

OFFERED = tuple(ENCODERS)
JSON, LINES, CSV, RECORDIO = OFFERED


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        (" , ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("application/x-recordio-protobuf", RECORDIO),
        ("application/jsonlines", LINES),
        ("application/json; charset=utf-8", JSON),
        ("text/csv; q=0.5, application/jsonlines", LINES),
        ("text/csv;q=0.5,application/json;q=0.4", CSV),
        ("application/jsonlines, text/csv", LINES),
        ("text/csv, application/jsonlines", CSV),
        ("image/png, text/csv;q=0.1", CSV),
        ("text/csv;q=0, */*", JSON),
        ("application/json;q=0, */*", LINES),
        ("application/json;q=0.1, */*;q=0.2", LINES),
        ("*/*, text/csv", JSON),
        ("text/csv;q=nonsense", CSV),
        ("text/csv;q=nan, application/json;q=0.9", CSV),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", JSON),
    ],
)
def test_the_best_liked_type_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose(accept, JSON, OFFERED) == chosen


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/*", "*/*;q=0.1"])
def test_the_default_stands_where_nothing_else_is_said(accept: str | None) -> None:
    assert choose(accept, RECORDIO, OFFERED) == RECORDIO


def test_the_default_does_not_stand_against_a_named_type() -> None:
    assert choose("application/json", CSV, OFFERED) == JSON
    assert choose("application/*", CSV, OFFERED) == JSON


@pytest.mark.parametrize("accept", ["image/png", "text/html, image/*", "application/json;q=0", "*/*;q=0", "json", "*"])
def test_a_type_that_nobody_makes_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r"accept .* not supported. Accept one of: application/json, "):
        choose(accept, JSON, OFFERED)


@given(st.text(alphabet="aplictonjsvex/*;,=q.01 -", max_size=60) | st.text(max_size=30))
def test_any_header_is_a_choice_or_a_refusal(accept: str) -> None:
    try:
        assert choose(accept, JSON, OFFERED) in OFFERED
    except ClientError as error:
        assert isinstance(error, NotAcceptable)
