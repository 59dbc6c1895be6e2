"""Drawings of curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from linear_learner.report.charts import MOST, Axis, Columns, Line, draw

EPOCHS = Axis("epoch", 0, 2, (0, 1, 2))


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (0.33, 0.52, "0.30 0.35 0.40 0.45 0.50 0.55"),
        (326, 18_823, "0 5,000 10,000 15,000 20,000"),
        (-5234, 7231, "-7,500 -5,000 -2,500 0 2,500 5,000 7,500"),
        (0, 2.4e-6, "0 5e-07 1e-06 1.5e-06 2e-06 2.5e-06"),
    ],
)
def test_ticks_are_round_and_enclose_the_numbers(low: float, high: float, labels: str) -> None:
    drawing = ET.fromstring(draw("", EPOCHS, Axis("loss", low, high), [Line([(0, low), (2, high)], "")]))
    assert [text.text for text in drawing.findall(".//text[@class='beside']")] == labels.split()


def test_shapes_stand_where_the_ticks_say() -> None:
    drawing = ET.fromstring(draw("", EPOCHS, Axis("loss", 0.1, 0.9), [Line([(1, 0.4), (2, 0.0)], "")]))
    places = {text.text: (text.get("x"), text.get("y")) for text in drawing.findall(".//text")}
    (line,) = drawing.findall(".//polyline")
    assert line.get("points") == " ".join(f"{places[x][0]},{places[y][1]}" for x, y in (("1", "0.4"), ("2", "0.0")))


def test_a_line_is_cut_off_at_the_upper_axis() -> None:
    line = Line([(0, 3.0), (1, 1.0), (2, 1e300)], "candidate", candidate=7)
    drawing = ET.fromstring(draw("", EPOCHS, Axis("loss", 0, 2), [line]))
    places = {text.text: (text.get("x"), text.get("y")) for text in drawing.findall(".//text")}
    width = float(places["2"][0] or "")
    (cut,) = drawing.findall(".//polyline[@data-candidate='7']")
    assert cut.get("points") == (
        f"{width / 4:.1f},0 {places['1'][0]},{places['1.0'][1]} {places['1'][0]},0".replace(".0,", ",")
    )
    assert not ET.fromstring(draw("", EPOCHS, Axis("loss", 0, 1), [Line([(0, 2), (2, 3)], "")])).findall(".//polyline")


def test_columns_stand_on_the_ground() -> None:
    shape = Columns([0, 1, 2], [3, 0], "columns")
    drawing = ET.fromstring(draw("", Axis("error", 0, 2, (0, 2)), Axis("rows", 0, 3), [shape]))
    first, second = ({k: float(v) for k, v in r.attrib.items()} for r in drawing.findall(".//rect"))
    ground = float(drawing.find(".//text[@class='beside']").get("y"))  # type: ignore[union-attr,arg-type]
    assert first["y"] == 0 and first["height"] == ground and second["height"] == 0
    assert second["x"] - first["x"] == pytest.approx(first["width"] + 1, abs=0.11)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.1, 0.7), (0.0, 1e300), (1e30, 1e200), (1.0, 1.0 + 1e-12), (1e6, 1e6), (-3.0, 1e25), (1e-300, 2e-300)],
)
def test_any_finite_losses_make_a_drawing(low: float, high: float) -> None:
    drawing = ET.fromstring(draw("losses", EPOCHS, Axis("loss", low, high), [Line([(0, high), (2, low)], "candidate")]))
    assert drawing.get("aria-label") == "losses"
    assert (drawing.find(".//polyline") is not None) == (low < MOST)
    assert "nan" not in ET.tostring(drawing, encoding="unicode")
