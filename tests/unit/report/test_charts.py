"""Drawings of curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from linear_learner.report.charts import Axis, Line, draw

EPOCHS = Axis("epoch", 0, 2, (0, 1, 2))


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.1, 0.7), (0.0, 1e300), (1e30, 1e200), (1.0, 1.0 + 1e-12), (1e6, 1e6), (-3.0, 1e25), (1e-300, 2e-300)],
)
def test_any_finite_losses_make_a_drawing(low: float, high: float) -> None:
    drawing = ET.fromstring(draw("losses", EPOCHS, Axis("loss", low, high), [Line([(0, high), (2, low)], "candidate")]))
    assert drawing.get("aria-label") == "losses"
    assert drawing.find(".//polyline") is not None
    assert "nan" not in ET.tostring(drawing, encoding="unicode")
