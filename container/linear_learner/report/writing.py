"""The files of a report."""

from __future__ import annotations

import json
from pathlib import Path

from linear_learner.report import coefficients, content, page
from linear_learner.report.subject import Subject


def write(folder: Path, subject: Subject) -> Path:
    """metrics.json, coefficients.csv and report.html in ``folder``, which is made if need be. Returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    deviation = coefficients.deviations(subject)
    found = content.describe(subject, deviation)
    (folder / "metrics.json").write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
    coefficients.write(folder / "coefficients.csv", subject, deviation)
    file = folder / "report.html"
    file.write_text(page.render(found), encoding="utf-8")
    return file
