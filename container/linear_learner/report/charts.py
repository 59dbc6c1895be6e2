"""Drawings as SVG: two axes, and shapes between them.

Colours and fonts are left to the page's style sheet, by class, so that one drawing serves a light page, a dark one and
paper. It stretches them; the legend is the page's too, in words that wrap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Protocol

WIDTH, HEIGHT = 408, 264
TOP, RIGHT, BOTTOM = 8, 12, 42
TITLE_WIDTH, DIGIT_WIDTH = 24, 7.5
"""What the left margin is made of: the name of the axis, and the longest label."""

INTERVALS, STEPS = 5, (1, 2, 2.5, 5, 10)
"""About so many intervals between ticks, and their lengths, but for a power of ten."""

MOST, LEAST_LENGTH = 1e20, 1e-6
"""Of an axis: its ends, and its length over the larger of them."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """``name``: with its unit. Without ``ticks`` they are found, and the axis ends at one on either side."""

    name: str
    low: float
    high: float
    ticks: Sequence[float] = ()


def share(name: str) -> Axis:
    """An axis from 0 to 1."""
    return Axis(name, 0, 1)


class Frame:
    """Between the axes: from numbers to places on the drawing, whose origin is the upper left corner."""

    def __init__(self, x: Axis, y: Axis, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._left, self._across = x.low, width / (x.high - x.low)
        self._base, self._up = y.low, height / (y.high - y.low)

    def across(self, x: float) -> float:
        return (x - self._left) * self._across

    def down(self, y: float) -> float:
        return self.height - (y - self._base) * self._up

    def places(self, points: Points) -> list[tuple[float, float]]:
        return [(self.across(x), self.down(y)) for x, y in points]


class Shape(Protocol):
    """Something drawn in a class of the style sheet."""

    def svg(self, frame: Frame) -> str:
        """Its element."""


@dataclass(frozen=True)
class Line:
    """What is above the frame is left out. ``candidate``: whose curve it is, for the page's script."""

    points: Points
    style: str
    title: str = ""
    candidate: int | None = None

    def svg(self, frame: Frame) -> str:
        data = "" if self.candidate is None else f' data-candidate="{self.candidate}"'
        return "".join(
            f'<polyline class="{self.style}"{data} points="{" ".join(map(_pair, run))}">{_title(self.title)}</polyline>'
            for run in _inside(frame.places(self.points))
        )


@dataclass(frozen=True)
class Dots:
    points: Points
    style: str
    title: str = ""

    def svg(self, frame: Frame) -> str:
        dots = "".join(f'<circle cx="{_short(x)}" cy="{_short(y)}" r="2.5"/>' for x, y in frame.places(self.points))
        return f'<g class="{self.style}">{_title(self.title)}{dots}</g>'


@dataclass(frozen=True)
class Marker:
    """The point number ``at``, which stands out. The script moves it: ``data-places`` holds where it may stand."""

    points: Points
    at: int
    style: str

    def svg(self, frame: Frame) -> str:
        places = frame.places(self.points)
        x, y = places[self.at]
        every = ";".join(map(_pair, places))
        return f'<circle class="{self.style}" cx="{_short(x)}" cy="{_short(y)}" r="5" data-places="{every}"/>'


@dataclass(frozen=True)
class Columns:
    """A histogram: ``heights`` (k,) between ``edges`` (k + 1,), ascending."""

    edges: Sequence[float]
    heights: Sequence[float]
    style: str

    def svg(self, frame: Frame) -> str:
        sides = list(map(frame.across, self.edges))
        rects = []
        for left, right, height in zip(sides, sides[1:], self.heights, strict=False):
            top = frame.down(height)
            size = f'width="{_short(max(right - left - 1, 0.5))}" height="{_short(frame.down(0) - top)}"'
            rects.append(f'<rect x="{_short(left)}" y="{_short(top)}" {size}/>')
        return f'<g class="{self.style}">{"".join(rects)}</g>'


def draw(title: str, x: Axis, y: Axis, shapes: Sequence[Shape]) -> str:
    """An SVG element that says ``title`` to a reader who does not see it."""
    (x, x_labels), (y, y_labels) = _labelled(x), _labelled(y)
    left = TITLE_WIDTH + DIGIT_WIDTH * max(map(len, y_labels))
    frame = Frame(x, y, WIDTH - left - RIGHT, HEIGHT - TOP - BOTTOM)
    width, height = _short(frame.width), _short(frame.height)
    lines = []
    for at, label in zip(map(_short, map(frame.across, x.ticks)), x_labels, strict=True):
        lines.append(f'<line x1="{at}" x2="{at}" y1="0" y2="{height}"/>')
        lines.append(f'<text class="below" x="{at}" y="{height}" dy="1.4em">{label}</text>')
    for at, label in zip(map(_short, map(frame.down, y.ticks)), y_labels, strict=True):
        lines.append(f'<line x1="0" x2="{width}" y1="{at}" y2="{at}"/>')
        lines.append(f'<text class="beside" x="-6" y="{at}" dy="0.35em">{label}</text>')
    middle = _short(frame.width / 2), _short(-frame.height / 2)
    lines.append(f'<text class="below" x="{middle[0]}" y="{height}" dy="2.9em">{escape(x.name)}</text>')
    side = f'transform="rotate(-90)" x="{middle[1]}" y="{_short(13 - left)}"'
    lines.append(f'<text class="below" {side}>{escape(y.name)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<g transform="translate({_short(left)} {TOP})">'
        f"{''.join(lines)}{''.join(shape.svg(frame) for shape in shapes)}</g></svg>"
    )


def _labelled(axis: Axis) -> tuple[Axis, list[str]]:
    """The axis with its ticks, and what they are called; cut off where losses are astronomic, and longer where they
    are all but the same."""
    if axis.ticks:
        return axis, [f"{tick:g}" for tick in axis.ticks]
    low, high = (min(max(end, -MOST), MOST) for end in (axis.low, axis.high))
    margin = LEAST_LENGTH * max(abs(low), abs(high), LEAST_LENGTH)
    if high - low <= margin:
        low, high = low - margin, high + margin
    power = 10.0 ** math.floor(math.log10((high - low) / INTERVALS))
    step = min((step * power for step in STEPS), key=lambda step: abs((high - low) / step - INTERVALS))
    ticks = [number * step for number in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]
    largest = max(map(abs, ticks))
    if 1e-4 <= largest < 1e7:
        decimals = next(places for places in range(20) if math.isclose(round(step, places), step))
        labels = [f"{tick:,.{decimals}f}" for tick in ticks]
    else:
        labels = [f"{tick:.{math.ceil(math.log10(largest / step)) + 2}g}" for tick in ticks]
    return replace(axis, low=ticks[0], high=ticks[-1], ticks=ticks), labels


def _inside(places: Points) -> Iterator[list[tuple[float, float]]]:
    """The stretches of a line that are not above the frame, where y is 0."""
    run: list[tuple[float, float]] = []
    before = None
    for x, y in places:
        is_above = y < -0.05
        if before is not None and is_above != (before[1] < -0.05):
            share = before[1] / (before[1] - y)
            run.append((before[0] + share * (x - before[0]), 0.0))
        if not is_above:
            run.append((x, y))
        elif run:
            yield run
            run = []
        before = (x, y)
    if run:
        yield run


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def _pair(place: tuple[float, float]) -> str:
    return f"{_short(place[0])},{_short(place[1])}"


def _short(number: float) -> str:
    """A coordinate: one decimal is finer than a screen."""
    return f"{number:.1f}".removesuffix(".0")
