"""The files of a report."""

from __future__ import annotations

import json
from pathlib import Path

from linear_learner.report import coefficients, content, page
from linear_learner.report.subject import Subject
from linear_learner.whole_file import whole_file


def write(folder: Path, subject: Subject) -> Path:
    """metrics.json, coefficients.csv and report.html in ``folder``, which is made if need be; each is whole, or not
    there. Returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    deviation = coefficients.deviations(subject)
    found = content.describe(subject, deviation)
    with whole_file(folder / "metrics.json") as stream:
        stream.write(json.dumps(found, allow_nan=False).encode())
    coefficients.write(folder / "coefficients.csv", subject, deviation)
    file = folder / "report.html"
    with whole_file(file) as stream:
        stream.write(page.render(found).encode())
    return file
