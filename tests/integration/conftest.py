"""Folders of jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from job_folder import JobFolder


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """An empty folder."""
    return JobFolder(tmp_path / "ml")


@pytest.fixture(scope="session")
def make_job(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], JobFolder]:
    """Makes empty folders, for jobs that several tests look at."""
    return lambda name: JobFolder(tmp_path_factory.mktemp(name))
