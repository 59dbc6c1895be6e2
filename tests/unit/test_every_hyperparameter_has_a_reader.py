"""No dead options: each hyperparameter that is accepted is read by code that does something with it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from linear_learner.hyperparameters.schema import ROWS
from linear_learner.model.losses import LOSSES

PACKAGE = Path(__file__).resolve().parents[2] / "container" / "linear_learner"
SOURCES = [file for file in PACKAGE.rglob("*.py") if "hyperparameters" not in file.relative_to(PACKAGE).parts]

ACTS_THROUGH = {"_tuning_objective_metric": "num_models", "tuning_keeps_num_models": "num_models"}
"""What resolve() turns into another hyperparameter, which then needs the reader."""


def is_hyperparameters(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).split(".")[-1].strip("'\"") == "HyperParameters"


def is_call_of(functions: set[str], value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in functions


def makers(trees: list[ast.Module]) -> set[str]:
    """The functions that return HyperParameters, by name."""
    functions = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {"validate", "resolve"} | {node.name for node in functions if is_hyperparameters(node.returns)}


def holders(tree: ast.Module, made_by: set[str]) -> set[str]:
    """The names of a module that hold HyperParameters: what is annotated so, or assigned from one of ``made_by``."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and is_hyperparameters(node.annotation):
            names.add(node.arg)
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and is_hyperparameters(node.annotation)
        ):
            names.add(node.target.id)
        if isinstance(node, ast.Assign) and is_call_of(made_by, node.value):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def names_read(tree: ast.Module, holding: set[str]) -> set[str]:
    """The ``name`` of every ``hp.name`` and ``x.hp.name`` that is read, where ``hp`` is one of ``holding``."""
    reads = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load))
    return {node.attr for node in reads if ast.unparse(node.value).split(".")[-1] in holding}


@pytest.fixture(scope="module")
def read_outside() -> set[str]:
    """All hyperparameters that are read outside of their own package."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES]
    made_by = makers(trees)
    holding = set().union(*(holders(tree, made_by) for tree in trees))
    # Constants of a loss are looked up under the names that the table of losses gives.
    constants = {name for row in LOSSES.values() for _, name in row.constants}
    return constants | set().union(*(names_read(tree, holding) for tree in trees))


def test_only_reads_of_hyperparameters_count() -> None:
    tree = ast.parse(
        "def make() -> HyperParameters: ...\n"
        "def use(hp: HyperParameters, rates: Rates): return hp.wd, rates.l1, hp.is_auto('momentum')\n"
        "class Job:\n    settings: HyperParameters\n"
        "made = make()\n"
        "print(made.epochs, job.settings.loss, self.made.seed)\n"
        "rates.beta_1 = 1\n"
    )
    assert makers([tree]) == {"make", "validate", "resolve"}
    assert holders(tree, makers([tree])) == {"hp", "settings", "made"}
    assert names_read(tree, {"hp", "settings", "made"}) == {"wd", "is_auto", "epochs", "loss", "seed"}


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.ignored])
def test_it_has_a_reader(name: str, read_outside: set[str]) -> None:
    assert ACTS_THROUGH.get(name, name) in read_outside, f"nothing outside hyperparameters/ reads .{name}"
