"""A headless Chromium, and a page to look at for each kind of job."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from subjects import candidates, subject

from browser import Browser
from linear_learner.report import writing
from linear_learner.report.subject import Subject

MISSING = [command for command in ("chromium", "chromedriver") if shutil.which(command) is None]

NAMES = ("age", "hours_per_week", "a name " + "that_is_long" * 10, '<b onclick="x()">&amp;', "=1+1")
"""Of features: plain, long, and hostile ones."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = f"{' and '.join(MISSING)} not found: sudo apt-get install chromium chromium-driver"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if MISSING:
                item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def jobs() -> dict[str, Subject]:
    """By predictor type."""
    return {
        kind: subject(kind, names=NAMES, candidates=candidates(32, 15), rows=1500)
        for kind in ("binary_classifier", "multiclass_classifier", "regressor")
    }


@pytest.fixture(scope="session")
def pages(jobs: dict[str, Subject], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of ``jobs``."""
    return {kind: writing.write(tmp_path_factory.mktemp(kind), job) for kind, job in jobs.items()}
