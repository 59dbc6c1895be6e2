"""docs/sagemaker.md, held against what the commands do."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest

from linear_learner.cli import main
from linear_learner.sagemaker.requests import RANGES, metric_definitions

TEXT = (Path(__file__).parents[3] / "docs/sagemaker.md").read_text()
PLACES = {  # what the variables stand for
    "$IMAGE": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/linear-learner:latest",
    "$ROLE": "arn:aws:iam::123456789012:role/SageMaker",
}


def test_the_dry_run_prints_what_it_says(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = re.findall(
        r"^    \$ linear-learner (sagemaker (?:(?!\$ linear).)*? --dry-run)\n(    \{.*?^    \}\n)", TEXT, re.S | re.M
    )
    command, printed = found
    words = shlex.split(command.replace("\\\n", " "))
    assert main([PLACES.get(word, word) for word in words]) == 0
    assert capsys.readouterr().out == textwrap.dedent(printed)
    assert json.loads(printed)


def test_it_counts_the_metric_definitions() -> None:
    counts = [len(metric_definitions(kind)) for kind in ("binary_classifier", "multiclass_classifier", "regressor")]
    assert f"between {min(counts)} and {max(counts)}" in TEXT


def test_it_lists_the_ranges() -> None:
    section = TEXT.partition("## Tuning")[2].partition("## ")[0]
    rows = {
        name: cells
        for names, cells in re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.M)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert rows.keys() == RANGES.keys()
    for name, text in RANGES.items():
        assert rows[name].startswith(text.replace(":", " to ").replace(",", ", "))
