"""Drawings as SVG, by leather: it scales, marks and labels the axes; the shapes inside them are those below.

Colours and fonts are left to the page's style sheet, by class, so that one drawing serves a light page, a dark one and
paper.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import leather
from leather.shapes import Shape

WIDTH, HEIGHT = 440, 300
FRAME = (20, 26, 408, 264)
"""Of leather's drawing, and what is shown of it: left, top, width and height. The rest is margin, and room for a legend
that there is none of. The page stretches it."""
PLACES = 1
"""Decimals of a coordinate."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """``name``: with its unit. Without ``ticks`` leather finds them."""

    name: str
    low: float
    high: float
    ticks: tuple[float, ...] | None = None


MOST, LEAST_LENGTH = 1e20, 1e-6
"""Of an axis on which leather finds ticks: its ends, and its length over the larger of them."""

SHARE_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def share(name: str) -> Axis:
    """An axis from 0 to 1."""
    return Axis(name, 0, 1, SHARE_TICKS)


class _Shape(Shape):
    """A shape of ``points`` in the class ``name`` of the style sheet, with ``data`` for the page's script."""

    def __init__(self, points: Points, name: str, title: str = "", **data: object) -> None:
        self.points, self.name, self.title = points, name, title
        self.data = {f"data-{key}": str(value) for key, value in data.items()}

    def validate_series(self, series: leather.Series) -> None:
        """Any will do."""

    def legend_to_svg(self, series: leather.Series, palette: Any) -> list[Any]:
        """None: the page has the legend, in words that wrap."""
        return []

    def to_svg(self, width: float, height: float, x_scale: Any, y_scale: Any, series: Any, palette: Any) -> ET.Element:
        """leather's hook. Both scales are linear, so their ends say all."""
        x0, x1 = (float(x_scale.project(at, 0, width)) for at in (0, 1))
        y0, y1 = (float(y_scale.project(at, height, 0)) for at in (0, 1))
        places = [(x0 + x * (x1 - x0), y0 + y * (y1 - y0)) for x, y in self.points]
        element = self.element(places, y0)
        element.attrib |= {"class": self.name, **self.data}
        if self.title:
            ET.SubElement(element, "title").text = self.title
        return element

    def element(self, places: Points, ground: float) -> ET.Element:
        """``places``: the points on the drawing. ``ground``: where y is 0."""
        raise NotImplementedError


class Line(_Shape):
    def element(self, places: Points, ground: float) -> ET.Element:
        return ET.Element("polyline", points=" ".join(f"{_short(x)},{_short(y)}" for x, y in places))


class Dots(_Shape):
    def element(self, places: Points, ground: float) -> ET.Element:
        group = ET.Element("g")
        for x, y in places:
            ET.SubElement(group, "circle", cx=_short(x), cy=_short(y), r="2.5")
        return group


class Marker(_Shape):
    """One point that stands out. The script moves it: ``data-places`` holds where it may stand."""

    def __init__(self, points: Points, at: int, name: str, title: str = "") -> None:
        super().__init__(points, name, title)
        self.at = at

    def element(self, places: Points, ground: float) -> ET.Element:
        x, y = places[self.at]
        every = ";".join(f"{_short(x)},{_short(y)}" for x, y in places)
        return ET.Element("circle", {"cx": _short(x), "cy": _short(y), "r": "5", "data-places": every})


class Columns(_Shape):
    """A histogram: columns from the ground, whose points are their upper corners, left and right in turn."""

    def element(self, places: Points, ground: float) -> ET.Element:
        group = ET.Element("g")
        for (x, y), (end, _) in zip(places[::2], places[1::2], strict=True):
            size = {"width": _short(max(end - x - 1, 0.5)), "height": _short(max(ground - y, 0))}
            ET.SubElement(group, "rect", {"x": _short(x), "y": _short(y), **size})
        return group


def draw(title: str, x: Axis, y: Axis, shapes: Sequence[_Shape]) -> str:
    """An SVG element that says ``title`` to a reader who does not see it."""
    x, y = _drawable(x), _drawable(y)
    chart = leather.Chart()
    chart.set_x_scale(leather.Linear(x.low, x.high))
    chart.set_y_scale(leather.Linear(y.low, y.high))
    chart.add_x_axis(x.ticks, _tick, x.name)
    chart.add_y_axis(y.ticks, _tick, y.name)
    corners = leather.Series([(x.low, y.low), (x.high, y.high)])
    for shape in shapes:
        chart.add_series(corners, shape)
    root = ET.Element("svg", viewBox=" ".join(map(str, FRAME)), role="img")
    root.set("aria-label", title)
    root.append(_plain(chart.to_svg_group(WIDTH, HEIGHT)))
    return ET.tostring(root, encoding="unicode")


def _drawable(axis: Axis) -> Axis:
    """The axis, cut off where losses are astronomic, and longer where they are all but the same."""
    low, high = (min(max(end, -MOST), MOST) for end in (axis.low, axis.high))
    margin = LEAST_LENGTH * max(abs(low), abs(high), LEAST_LENGTH)
    return (
        replace(axis, low=low, high=high) if high - low > margin else replace(axis, low=low - margin, high=low + margin)
    )


def _plain(group: ET.Element) -> ET.Element:
    """leather's drawing without its own colours and fonts, and with short numbers."""
    group.remove(group[0])  # the background
    for element in group.iter():
        for name in ("fill", "stroke", "stroke-width", "font-family", "font-size"):
            element.attrib.pop(name, None)
        for name in ("x", "y", "x1", "x2", "y1", "y2"):
            if name in element.attrib:
                element.set(name, _short(float(element.get(name, ""))))
    return group


def _tick(value: Any, number: int, count: int) -> str:
    return f"{float(value):.5g}"


def _short(number: float) -> str:
    return f"{number:.{PLACES}f}".removesuffix(".0")
