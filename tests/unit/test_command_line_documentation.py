"""docs/command_line.md and the help: every option that they show exists, and every option is told of."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from linear_learner.cli import COMMANDS, _parser
from linear_learner.conversion.scikit_learn import of_json
from linear_learner.hyperparameters.schema import ROWS

DOCUMENT = (Path(__file__).parents[2] / "docs/command_line.md").read_text(encoding="utf-8")
FLAG = re.compile(r"(?<![\w/-])--[a-z][a-z_-]*")
OTHERS = {"sagemaker"}
"""Commands that have a page of their own."""


def commands() -> dict[str, argparse.ArgumentParser]:
    (group,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {name: parser for name, parser in group.choices.items() if name not in OTHERS}


def section(command: str) -> str:
    found = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/command_line.md has no section '{command}'"
    return found[1]


def examples(text: str) -> list[list[str]]:
    """The arguments of every command line in ``text``."""
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"^(?: {4}| {2}|.*\| )?linear-learner (\w+ .*)$", joined, re.MULTILINE)
    return [shlex.split(re.split(r" (?:\||&&) ", line)[0]) for line in lines]


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The long ones that the help shows, but for hyperparameters, which docs/hyperparameters.md tells."""
    tables = {f"--{name.replace('_', '-')}" for name in ROWS}
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    return {flag for action in shown for flag in action.option_strings if flag.startswith("--")} - tables - {"--help"}


@pytest.mark.parametrize("name", commands())
def test_every_option_of_the_document_exists(name: str) -> None:
    known = set(commands()[name]._option_string_actions)
    of_others = re.compile(r"^ +curl .*$", re.MULTILINE)
    assert set(FLAG.findall(of_others.sub("", section(name)))) - known == set()


@pytest.mark.parametrize("name", commands())
def test_every_option_is_in_the_document(name: str) -> None:
    assert options(commands()[name]) - set(FLAG.findall(DOCUMENT)) == set()


def test_every_command_is_in_the_document_and_the_other_way_round() -> None:
    named = re.findall(r"^\| \[?`(\w+)`", DOCUMENT.partition("## train")[0], re.MULTILINE)
    assert named == [command.__name__.rpartition(".")[2] for command in COMMANDS]


@pytest.mark.parametrize("name", commands())
def test_the_help_of_a_command_has_examples_that_parse(name: str) -> None:
    parser = commands()[name]
    found = examples(parser.epilog or "")
    assert found and found[0][0] == name
    for arguments in [*found, *examples(section(name))]:
        _parser().parse_args(arguments)


def test_every_form_is_in_the_document() -> None:
    (to,) = (action for action in commands()["convert"]._actions if action.dest == "to")
    assert to.choices is not None
    assert re.findall(r"^\| `(\w[\w-]*)` \|", section("convert"), re.MULTILINE) == list(to.choices)


def test_the_lines_for_scikit_learn_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's own lines: an estimator to a file, to a model, and back."""
    to_estimator, to_file = re.findall(r"```python\n(.*?)```", section("convert"), re.DOTALL)
    X = np.random.default_rng(0).normal(size=(100, 3))
    fitted = LogisticRegression().fit(X, (X[:, 0] > 0.3).astype(int))
    monkeypatch.chdir(tmp_path)
    exec(to_file, {"estimator": fitted, "json": json, "pathlib": pathlib})
    Path("estimator.json").rename("model.json")
    names: dict[str, Any] = {}
    exec(to_estimator, names)
    np.testing.assert_array_equal(names["estimator"].predict_proba(X), fitted.predict_proba(X))
    model = of_json(Path("model.json").read_bytes(), "model.json")
    np.testing.assert_allclose(model.predict(X.astype(np.float32)).score, fitted.predict_proba(X)[:, 1], atol=1e-6)
