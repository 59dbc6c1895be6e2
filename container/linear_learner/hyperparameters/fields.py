"""What a row of the schema is made of: the kinds of value, and the functions that declare a hyperparameter.

A row says what is legal, what stands where nothing is given, where the value is used, and what the documentation says.
It rides in the metadata of a dataclass field, so a hyperparameter is declared once and has a type.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

AUTO: Any = "auto"
"""Stands in a field until ``resolve`` puts a value in its place."""

REQUIRED: Any = dataclasses.MISSING
"""The default of a hyperparameter that the user must give."""

LARGEST_INTEGER = 2**63 - 1
"""Counts and steps are 64-bit integers wherever they are used."""

LARGEST_NUMBER = (2 - 2**-23) * 2.0**127
"""The largest number in float32, in which models are trained."""


class WrongTypeError(ValueError):
    """The text is not a value of the kind at all."""


class OutOfRangeError(ValueError):
    """The text is a value of the kind, but not a legal one. The message may add why."""


class Kind(Protocol):
    """A kind of value. ``type_name`` and ``legal`` are the words of error messages and of the documentation."""

    @property
    def type_name(self) -> str: ...

    @property
    def legal(self) -> str: ...

    def parse(self, text: str) -> Any:
        """The value that ``text`` spells. Raises WrongTypeError or OutOfRangeError."""


@dataclass(frozen=True)
class Integer:
    """A whole number, both ends included. What int() does not parse is none: "10.0" is refused."""

    at_least: int
    at_most: int | None = None
    type_name = "integer"

    @property
    def legal(self) -> str:
        if self.at_most is None:
            return f"an integer of at least {self.at_least}"
        return f"an integer from {self.at_least} to {self.at_most}"

    def parse(self, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise WrongTypeError from None
        if value > LARGEST_INTEGER:
            raise OutOfRangeError("It does not fit 64 bits")
        if value < self.at_least or (self.at_most is not None and value > self.at_most):
            raise OutOfRangeError
        return value


@dataclass(frozen=True)
class Number:
    """A number that is finite in float32. ``at_least`` includes its end, ``above`` and ``below`` do not."""

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    type_name = "float"

    @property
    def legal(self) -> str:
        ends = [
            f"{words} {end:g}"
            for words, end in (("greater than", self.above), ("of at least", self.at_least), ("less than", self.below))
            if end is not None
        ]
        return f"a number {' and '.join(ends)}" if ends else "a finite number"

    def parse(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise WrongTypeError from None
        if not math.isfinite(value):
            raise OutOfRangeError("It must be finite")
        if abs(value) > LARGEST_NUMBER:
            raise OutOfRangeError("It does not fit float32")
        low = (self.above is None or value > self.above) and (self.at_least is None or value >= self.at_least)
        if not low or (self.below is not None and value >= self.below):
            raise OutOfRangeError
        return value


@dataclass(frozen=True)
class Boolean:
    """true or false in any case: the SageMaker SDK sends str(bool), "True"."""

    type_name = "boolean"
    legal = "true or false"

    def parse(self, text: str) -> bool:
        try:
            return {"true": True, "false": False}[text.lower()]
        except KeyError:
            raise WrongTypeError from None


@dataclass(frozen=True)
class Choice:
    """One of a few words. ``hint`` is what to tell a user whose word is none of them."""

    values: tuple[str, ...]
    hint: str = ""
    type_name = "string"

    @property
    def legal(self) -> str:
        return ", ".join(self.values)

    def parse(self, text: str) -> str:
        if text not in self.values:
            raise OutOfRangeError(self.hint)
        return text


@dataclass(frozen=True)
class Text:
    """Any text, the empty one included."""

    type_name = "string"
    legal = "any text"

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Row:
    """One hyperparameter.

    ``words`` are legal beside what the kind accepts (``auto``, ``balanced``). ``used_if`` maps another hyperparameter
    to the values under which this one has an effect; all must hold. ``ignored`` says why the container does nothing
    with it, ``ignored_alone`` why a job on one host does nothing with it. ``retired``: only Amazon's builds of 2018
    knew it, so it is accepted but not among the defaults that a job prints. ``ours``: Amazon's container does not know
    it.
    """

    kind: Kind
    default: Any
    text: str
    words: tuple[str, ...] = ()
    used_if: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ignored: str = ""
    ignored_alone: str = ""
    retired: bool = False
    ours: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """All legal texts where there are only a few, else nothing."""
        if isinstance(self.kind, Choice):
            return (*self.words, *self.kind.values)
        return (*self.words, "true", "false") if isinstance(self.kind, Boolean) else ()

    def parse(self, text: str) -> Any:
        """The value that ``text`` spells, words included. Raises WrongTypeError or OutOfRangeError."""
        return text if text in self.words else self.kind.parse(text)


def integer(*, at_least: int, at_most: int | None = None, **row: Any) -> Any:
    return declare(Integer(at_least, at_most), **row)


def number(*, above: float | None = None, at_least: float | None = None, below: float | None = None, **row: Any) -> Any:
    return declare(Number(above, at_least, below), **row)


def boolean(**row: Any) -> Any:
    return declare(Boolean(), **row)


def choice(*values: str, hint: str = "", **row: Any) -> Any:
    return declare(Choice(values, hint), **row)


def text_value(**row: Any) -> Any:
    return declare(Text(), **row)


def declare(kind: Kind, **row: Any) -> Any:
    """The dataclass field of a hyperparameter; ``row`` are the other columns of its Row. A default of AUTO is legal."""
    described = Row(kind, **row)
    if described.default == AUTO:
        described = dataclasses.replace(described, words=(AUTO, *described.words))
    return field(default=described.default, metadata={"row": described})


def as_text(value: Any) -> str:
    """A value as hyperparameters.json spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
