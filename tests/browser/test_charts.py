"""Drawings of curves: what charts.js makes of an axis and of shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import Browser

EPOCHS = {"name": "epoch", "low": 0, "high": 2, "ticks": 2}


@pytest.fixture(scope="module", autouse=True)
def page(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["regressor"])


def loss(low: float, high: float) -> dict[str, Any]:
    return {"name": "loss", "low": low, "high": high}


def draw(chromium: Browser, y: dict[str, Any], shape: str, x: dict[str, Any] = EPOCHS, title: str = "") -> ET.Element:
    """``shape``: in JavaScript."""
    return ET.fromstring(
        chromium.run(f"return put(draw(arguments[0], arguments[1], arguments[2], [{shape}]))", title, x, y)
    )


def ticks(drawing: ET.Element, side: str) -> dict[str | None, float]:
    """Where the ticks of an axis are, by label."""
    found = drawing.findall(f".//g[@class='axis {side}']/g[@class='tick']")
    places = [tick.get("transform", "").removeprefix("translate(").removesuffix(")").split(",") for tick in found]
    return {tick.findtext("text"): float(place[side == "left"]) for tick, place in zip(found, places, strict=True)}


def points(line: ET.Element) -> list[list[float]]:
    return [list(map(float, point.split(","))) for point in line.get("points", "").split()]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (0.33, 0.52, "0.30 0.35 0.40 0.45 0.50 0.55"),
        (326, 18_823, "0 5,000 10,000 15,000 20,000"),
        (-5234, 7231, "−6,000 −4,000 −2,000 0 2,000 4,000 6,000 8,000"),
        (0, 0.5861, "0.0 0.1 0.2 0.3 0.4 0.5 0.6"),
        (-700_000, 800_000, "−1,000,000 −500,000 0 500,000 1,000,000"),
        (0, 2.4e-6, "0 5e-7 1e-6 1.5e-6 2e-6 2.5e-6"),
    ],
)
def test_ticks_are_round_and_enclose_the_numbers(low: float, high: float, labels: str, chromium: Browser) -> None:
    found = ticks(draw(chromium, loss(low, high), f"line([[0, {low}], [2, {high}]], '')"), "left")
    assert sorted(found, key=lambda label: -found[label]) == labels.split()


def test_labels_stand_beside_the_frame(chromium: Browser) -> None:
    ends = """
        const boxes = (side) => [...document.querySelectorAll(`.${side} .tick text`)].map((text) => text.getBBox());
        return [boxes("left").map((box) => box.x + box.width), boxes("bottom").map((box) => box.x + box.width / 2)];
    """
    left, bottom = chromium.run(ends)
    np.testing.assert_allclose(left, -3, atol=0.1)
    np.testing.assert_allclose(bottom, 0, atol=0.1)


def test_what_is_written_is_escaped(chromium: Browser) -> None:
    y = {**loss(0, 1), "name": "rows < 1 & more"}
    drawing = draw(chromium, y, "line([[0, 0], [2, 1]], 'judge', '<b> & <c>')", title='"<a>"')
    assert drawing.get("aria-label") == '"<a>"'
    texts = [element.text for element in drawing.iter()]
    assert "rows < 1 & more" in texts and "<b> & <c>" in texts


def test_shapes_stand_where_the_ticks_say(chromium: Browser) -> None:
    drawing = draw(chromium, loss(0.1, 0.9), "line([[1, 0.4], [2, 0]], '')")
    x, y = ticks(drawing, "bottom"), ticks(drawing, "left")
    (line,) = drawing.findall(".//polyline")
    np.testing.assert_allclose(points(line), [[x["1"], y["0.4"]], [x["2"], y["0.0"]]], atol=0.06)


def test_a_line_is_cut_off_above_the_frame(chromium: Browser, pages: dict[str, Path]) -> None:
    """Candidates that are wild leave it."""
    line = chromium.find("#candidates polyline.candidate")
    chromium.run("arguments[0].setAttribute('points', '0,-200 100,100')", line)
    for y, expected in ((-50, False), (-10, False), (50, True)):
        x = (y + 200) / 3
        hit = """
            const [line, x, y] = arguments;
            line.scrollIntoView({block: "center"});
            line.parentNode.append(line);
            const {a, d, e, f} = line.getScreenCTM();
            return document.elementFromPoint(a * x + e, d * y + f) === line;
        """
        assert chromium.run(hit, line, x, y) is expected


def test_columns_stand_on_the_ground(chromium: Browser) -> None:
    shape, x = "columns([0, 1, 2], [3, 0])", {"name": "error", "low": 0, "high": 2}
    drawing = draw(chromium, {"name": "rows", "low": 0, "high": 3}, shape, x)
    first, second = ({k: float(v) for k, v in r.attrib.items()} for r in drawing.findall(".//rect"))
    ground = ticks(drawing, "left")["0.0"]
    assert first["y"] == 0 and first["height"] == ground and second["height"] == 0
    assert second["x"] - first["x"] == pytest.approx(first["width"] + 1, abs=0.11)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.1, 0.7),
        (0.0, 1e300),
        (1e30, 1e200),
        (1.0, 1.0 + 1e-12),
        (1e6, 1e6),
        (0.0, 0.0),
        (-3.0, 1e25),
        (1e-300, 2e-300),
    ],
)
def test_any_finite_losses_make_a_drawing(low: float, high: float, chromium: Browser) -> None:
    drawing = draw(chromium, loss(low, high), f"line([[0, {high}], [2, {low}]], 'candidate')", title="losses")
    assert drawing.get("aria-label") == "losses"
    assert 2 <= len(ticks(drawing, "left")) <= 12
    (line,) = drawing.findall(".//polyline")
    assert all(0 <= place <= 396 for point in points(line) for place in point)
