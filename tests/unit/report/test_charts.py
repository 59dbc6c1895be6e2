"""Drawings of curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import leather
import pytest

from linear_learner.report.charts import MOST, Axis, Columns, Line, draw

EPOCHS = Axis("epoch", 0, 2, (0, 1, 2))


def places(drawing: ET.Element, side: str, coordinate: str) -> dict[str | None, str]:
    """Where the ticks of an axis are, by label."""
    ticks = drawing.findall(f".//g[@class='axis {side}']/g[@class='tick']/text")
    return {tick.text: tick.get(coordinate, "") for tick in ticks}


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
    found = places(drawing, "left", "y")
    assert sorted(found, key=lambda label: -float(found[label])) == labels.split()


def test_the_library_does_not_look_for_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leather.scales.linear.ScoreTicker, "_find_ticks", lambda _: pytest.fail("looked"))
    assert "<polyline" in draw("", EPOCHS, Axis("loss", 0.33, 0.52), [Line([(0, 0.4), (2, 0.5)], "")])


def test_what_is_written_is_escaped() -> None:
    line = Line([(0, 0), (2, 1)], "judge", "<b> & <c>")
    drawing = ET.fromstring(draw('"<a>"', EPOCHS, Axis("rows < 1 & more", 0, 1), [line]))
    assert drawing.get("aria-label") == '"<a>"'
    texts = [element.text for element in drawing.iter()]
    assert "rows < 1 & more" in texts and "<b> & <c>" in texts


def test_shapes_stand_where_the_ticks_say() -> None:
    drawing = ET.fromstring(draw("", EPOCHS, Axis("loss", 0.1, 0.9), [Line([(1, 0.4), (2, 0.0)], "")]))
    x, y = places(drawing, "bottom", "x"), places(drawing, "left", "y")
    (line,) = drawing.findall(".//polyline")
    assert line.get("points") == f"{x['1']},{y['0.4']} {x['2']},{y['0.0']}"


def test_a_line_is_cut_off_at_the_upper_axis() -> None:
    line = Line([(0, 3.0), (1, 1.0), (2, 1e300)], "candidate", candidate=7)
    drawing = ET.fromstring(draw("", EPOCHS, Axis("loss", 0, 2), [line]))
    x, y = places(drawing, "bottom", "x"), places(drawing, "left", "y")
    width = float(x["2"])
    (cut,) = drawing.findall(".//polyline[@data-candidate='7']")
    assert cut.get("points") == f"{width / 4:.1f},0 {x['1']},{y['1.0']} {x['1']},0".replace(".0,", ",")
    assert not ET.fromstring(draw("", EPOCHS, Axis("loss", 0, 1), [Line([(0, 2), (2, 3)], "")])).findall(".//polyline")


def test_columns_stand_on_the_ground() -> None:
    shape = Columns([0, 1, 2], [3, 0], "columns")
    drawing = ET.fromstring(draw("", Axis("error", 0, 2, (0, 2)), Axis("rows", 0, 3), [shape]))
    first, second = ({k: float(v) for k, v in r.attrib.items()} for r in drawing.findall(".//rect"))
    ground = float(places(drawing, "left", "y")["0.0"])
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
