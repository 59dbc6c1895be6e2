"""Drawings as SVG: leather draws the chart with its axes, and this module the shapes that leather lacks.

Colours and fonts are left to the page's style sheet, by class, so that one drawing serves a light page, a dark one and
paper. It stretches them; the legend is the page's too, in words that wrap.

Axes and shapes are NamedTuples: to make the class of a frozen dataclass takes several times as long, in every job.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import leather
from markupsafe import escape

WIDTH, HEIGHT = 396, 252
TOP, RIGHT, BOTTOM = 8, 12, 4
"""Beside leather's chart, for the halves of the outer labels and for what hangs from a line of text."""

leather.theme.margin = 0.0
leather.theme.tick_size = 0
leather.theme.tick_font_char_width, leather.theme.tick_font_char_height = 7.5, 14
leather.theme.axis_title_font_char_height, leather.theme.axis_title_gap = 13, 11
LOOKS = {"fill", "stroke", "stroke-width", "font-family", "font-size"}
"""Attributes of leather's elements that are left to the style sheet, which also moves labels away from the frame."""
PLACES = {"x", "y", "x1", "x2", "y1", "y2"}

INTERVALS, STEPS = 5, (1, 2, 2.5, 5, 10)
"""About so many intervals between ticks, and their lengths, but for a power of ten."""

MOST, LEAST_LENGTH = 1e20, 1e-6
"""Of an axis: its ends, and its length over the larger of them."""

Points = Sequence[tuple[float, float]]


class Axis(NamedTuple):
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


class Line(NamedTuple):
    """What is above the frame is left out. ``candidate``: whose curve it is, for the page's script."""

    points: Points
    style: str
    title: str = ""
    candidate: int | None = None

    def svg(self, frame: Frame) -> str:
        data = "" if self.candidate is None else f' data-candidate="{self.candidate}"'
        return "".join(
            f'<polyline class="{self.style}"{data} points="{_path(run)}">{_title(self.title)}</polyline>'
            for run in _inside(frame.places(self.points))
        )


class Dots(NamedTuple):
    points: Points
    style: str
    title: str = ""

    def svg(self, frame: Frame) -> str:
        dots = "".join(f'<circle cx="{_short(x)}" cy="{_short(y)}" r="2.5"/>' for x, y in frame.places(self.points))
        return f'<g class="{self.style}">{_title(self.title)}{dots}</g>'


class Marker(NamedTuple):
    """The point number ``at``, which stands out. The script moves it: ``data-places`` holds where it may stand."""

    points: Points
    at: int
    style: str

    def svg(self, frame: Frame) -> str:
        places = frame.places(self.points)
        x, y = places[self.at]
        every = _path(places, ";")
        return f'<circle class="{self.style}" cx="{_short(x)}" cy="{_short(y)}" r="5" data-places="{every}"/>'


class Columns(NamedTuple):
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
    layer = _Layer(x, y, shapes)
    chart = leather.Chart()
    chart.set_x_scale(_Scale(x))
    chart.set_y_scale(_Scale(y))
    chart.add_x_axis(x.ticks, lambda tick, number, count: x_labels[number], x.name)
    chart.add_y_axis(y.ticks, lambda tick, number, count: y_labels[number], y.name)
    chart.add_series(leather.Series([(x.low, y.low), (x.high, y.high)]), layer)
    drawing = ET.tostring(_plain(chart.to_svg_group(WIDTH, HEIGHT)), encoding="unicode")
    return (
        f'<svg viewBox="0 {-TOP} {WIDTH + RIGHT} {TOP + HEIGHT + BOTTOM}" role="img" aria-label="{escape(title)}">'
        f"{drawing.replace(ET.tostring(layer.place, encoding='unicode'), layer.svg)}</svg>"
    )


class _Layer(leather.Shape):
    """All shapes of a drawing, as one of leather's. Elements of thousands of points take long to make and to write, so
    leather gets an empty one: the ``place`` of their ``svg``."""

    def __init__(self, x: Axis, y: Axis, shapes: Sequence[Shape]) -> None:
        self.x, self.y, self.shapes = x, y, shapes
        self.place = ET.Element("g", {"class": "shapes"})
        self.svg = ""

    def validate_series(self, series: leather.Series) -> None:
        """Any will do."""

    def to_svg(self, width: float, height: float, *_: Any) -> ET.Element:
        frame = Frame(self.x, self.y, width, height)
        self.svg = "".join(shape.svg(frame) for shape in self.shapes)
        return self.place


class _Scale(leather.Linear):
    """From one end of an axis to the other, with its ticks."""

    def __init__(self, axis: Axis) -> None:
        # leather's own begins to search for ticks here, which takes longer than the drawing, and ends the axis at them.
        self._data_min, self._data_max = Decimal(axis.low), Decimal(axis.high)
        self._ticker = SimpleNamespace(min=self._data_min, max=self._data_max, ticks=axis.ticks)


def _plain(chart: ET.Element) -> ET.Element:
    """leather's chart without its background and looks, and with short numbers."""
    chart.remove(chart[0])
    for element in chart.iter():
        element.attrib = {
            name: _short(float(value)) if name in PLACES else value
            for name, value in element.items()
            if value and name not in LOOKS
        }
    return chart


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
    return axis._replace(low=ticks[0], high=ticks[-1], ticks=ticks), labels


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


def _path(places: Points, between: str = " ") -> str:
    """As ``_short`` has each number, for thousands of them."""
    path = "".join([f"{x:.1f},{y:.1f}{between}" for x, y in places])
    return path.replace(".0,", ",").replace(f".0{between}", between).removesuffix(between)


def _short(number: float) -> str:
    """A coordinate: one decimal is finer than a screen."""
    return f"{number:.1f}".removesuffix(".0")
