"""The kinds of value: their edges, and words of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.hyperparameters.fields import (
    AUTO,
    LARGEST_NUMBER,
    Boolean,
    Choice,
    Integer,
    Number,
    OutOfRangeError,
    Row,
    WrongTypeError,
    as_text,
    integer,
    number,
)


def test_integer_includes_both_ends() -> None:
    kind = Integer(at_least=3, at_most=10)
    assert [kind.parse(text) for text in ("3", "10")] == [3, 10]
    for text in ("2", "11"):
        with pytest.raises(OutOfRangeError):
            kind.parse(text)


@pytest.mark.parametrize("text", ["10.0", "1e3", "ten", "", "0x10", "true"])
def test_integer_is_what_int_parses(text: str) -> None:
    with pytest.raises(WrongTypeError):
        Integer(at_least=0).parse(text)


def test_integer_fits_64_bits() -> None:
    assert Integer(at_least=0).parse(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(OutOfRangeError, match="64 bits"):
        Integer(at_least=0).parse(str(2**63))


def test_number_leaves_out_the_end_that_it_is_above_or_below() -> None:
    kind = Number(above=0, below=1)
    assert kind.parse(repr(math.nextafter(0, 1))) > 0
    assert kind.parse(repr(math.nextafter(1, 0))) < 1
    for text in ("0", "-0.0", "1", "1e-400"):
        with pytest.raises(OutOfRangeError):
            kind.parse(text)


def test_number_includes_the_end_that_it_is_at_least() -> None:
    kind = Number(at_least=0)
    assert kind.parse("0") == 0
    with pytest.raises(OutOfRangeError):
        kind.parse(repr(math.nextafter(0, -1)))


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "inf", "-Infinity", "1e999"])
def test_number_is_finite(text: str) -> None:
    with pytest.raises(OutOfRangeError, match="finite"):
        Number().parse(text)


def test_number_fits_float32() -> None:
    largest = float(np.finfo(np.float32).max)
    assert Number().parse(repr(-largest)) == -largest
    for text in (repr(math.nextafter(largest, math.inf)), "-1e39"):
        with pytest.raises(OutOfRangeError, match="float32"):
            Number().parse(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("FALSE", False), ("false", False)])
def test_boolean_takes_any_case(text: str, value: bool) -> None:
    assert Boolean().parse(text) is value


@pytest.mark.parametrize("text", ["1", "0", "yes", "", "t"])
def test_boolean_is_no_number(text: str) -> None:
    with pytest.raises(WrongTypeError):
        Boolean().parse(text)


@pytest.mark.parametrize(
    ("kind", "legal"),
    [
        (Integer(1), "an integer of at least 1"),
        (Integer(1, 5), "an integer from 1 to 5"),
        (Number(), "a finite number"),
        (Number(above=0), "a number greater than 0"),
        (Number(at_least=0, below=1), "a number of at least 0 and less than 1"),
        (Boolean(), "true or false"),
        (Choice(("a", "b")), "a, b"),
    ],
)
def test_a_kind_says_what_is_legal(kind: Integer | Number | Boolean | Choice, legal: str) -> None:
    assert kind.legal == legal


def test_words_are_legal_beside_the_values() -> None:
    row = Row(Number(above=0), default=1.0, text="", words=("balanced",))
    assert row.parse("balanced") == "balanced"
    assert row.parse("2") == 2
    with pytest.raises(WrongTypeError):
        row.parse("auto")


def test_a_default_of_auto_makes_auto_legal() -> None:
    assert integer(at_least=1, default=AUTO, text="").metadata["row"].words == (AUTO,)
    assert number(default=1.0, text="").metadata["row"].words == ()


@given(st.floats(-LARGEST_NUMBER, LARGEST_NUMBER))
def test_a_number_as_text_parses_to_itself(value: float) -> None:
    assert Number().parse(as_text(value)) == value
