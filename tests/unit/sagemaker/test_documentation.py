"""docs/sagemaker.md, held against what the commands do."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest

from linear_learner.cli import _parser, main
from linear_learner.hyperparameters.schema import ROWS
from linear_learner.sagemaker.requests import RANGES, metric_definitions

TEXT = (Path(__file__).parents[3] / "docs/sagemaker.md").read_text()
FLAG = re.compile(r"(?<![\w/-])--[a-z][a-z_-]*")
ELSEWHERE = {f"--{name.replace('_', '-').lstrip('-')}" for name in ROWS} | {"--help"}
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


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(group.choices)


def options() -> set[str]:
    """The long ones that the help shows, but for hyperparameters, which docs/hyperparameters.md tells."""
    parsers = subcommands(subcommands(_parser())["sagemaker"]).values()
    shown = [action for parser in parsers for action in parser._actions if action.help != argparse.SUPPRESS]
    return {flag for action in shown for flag in action.option_strings if flag.startswith("--")} - ELSEWHERE


def test_every_option_is_told() -> None:
    assert options() - set(FLAG.findall(TEXT)) == set()


def test_every_option_that_is_told_exists() -> None:
    of_others = re.compile(r"aws \S.*|linear-learner (train|predict|convert|validate|serve) .*|docker \S.*")
    told = set(FLAG.findall(of_others.sub("", TEXT)))
    assert told - options() - ELSEWHERE == set()
