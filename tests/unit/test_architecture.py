"""The rules that keep the parts apart, read from the source: which part may import which, and who may touch what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import linear_learner

PACKAGE = Path(linear_learner.__file__).parent
REPOSITORY = PACKAGE.parents[1]

# A part is a folder or a single module directly below linear_learner. Each may import what stands beside it here, and
# itself. Training and serving share formats and model, nothing else.
MAY_IMPORT = {
    "errors": set(),
    "aws": {"errors"},
    "s3": {"errors", "aws"},
    "whole_file": {"errors"},
    "openblas": set(),
    "allocator": set(),
    "environment": {"errors"},
    "native": set(),
    "hyperparameters": {"errors"},
    "formats": {"errors", "native"},
    "data": {"errors", "hyperparameters", "formats", "environment", "native", "s3"},
    "model": {"errors", "formats", "native"},
    "report": {"formats", "whole_file", "model"},
    "training": {"errors", "hyperparameters", "formats", "environment", "data", "model", "native", "report"},
    "sagemaker": {"errors", "aws", "s3", "hyperparameters", "formats", "environment", "data"},
    "serving": {"errors", "formats", "environment", "model"},
    "conversion": {"errors", "whole_file", "model"},
    "prediction": {"errors", "formats", "environment", "data", "model", "serving", "s3", "whole_file"},
}
ANYTHING_BELOW_IT = {"cli", "commands", "__main__"}

# The same of the folders and single modules of training, the largest part.
MAY_IMPORT_IN_TRAINING = {
    "sigterm": set(),
    "engines": set(),
    "cluster": {"engines", "sigterm"},
    "epochs": {"engines", "cluster"},
    "preparation": {"engines", "cluster", "epochs", "sigterm"},
    "evaluation": {"engines", "cluster", "epochs", "preparation"},
    "checks": {"engines", "cluster", "preparation", "evaluation"},
    "logs": {"cluster", "epochs", "preparation", "evaluation"},
    "training_job": {"engines", "cluster", "preparation", "logs"},
    "trainer": {"engines", "cluster", "epochs", "logs"},
    "ending": {"engines", "cluster", "epochs", "preparation", "evaluation", "logs", "training_job"},
}
ALL_OF_TRAINING = "job"
"""Its module that is all of it in order, and may import all."""

# The module that lends MXNet the NumPy name it misses; no other imports mxnet, and these alone import it. What else
# needs MXNet calls its library past Python.
MXNET_MODULE = "model.mxnet_import"
MAY_IMPORT_MXNET = {"model.network", "training.engines.operators_engine"}
MAY_IMPORT_FLASK = {"serving.app"}
IMPORTED_AS = {"xstatic_d3": "xstatic"}
"""Of distributions, where it is another name."""
MAY_READ_ENVIRONMENT_VARIABLES = {"environment", "serving.settings", "openblas"}
NAMES_THAT_SAY_NOTHING = {"util", "utils", "common", "helpers", "misc"}


@dataclass(frozen=True)
class Source:
    """One module: its dotted name below linear_learner ("" for the package itself) and its syntax tree."""

    name: str
    tree: ast.Module

    @property
    def part(self) -> str:
        return self.name.split(".")[0]

    def imports(self, *, on_import_only: bool = False) -> set[str]:
        """Dotted names of all it imports, wherever in the module; ``from a import b`` counts as a and as a.b.

        ``on_import_only`` leaves out what functions import when they run.
        """
        found: set[str] = set()
        for node in self._nodes(self.tree, on_import_only):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative import; write the whole name"
                assert node.module is not None
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return found

    def own_imports(self, *, on_import_only: bool = False) -> set[str]:
        """The imports that are below linear_learner, without that prefix."""
        prefix = "linear_learner."
        imports = self.imports(on_import_only=on_import_only)
        return {name.removeprefix(prefix) for name in imports if name.startswith(prefix)}

    def imports_package(self, package: str) -> bool:
        return any(name.split(".")[0] == package for name in self.imports())

    def reads_environment_variables(self) -> bool:
        attributes = {
            node.attr
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        }
        names = {"environ", "environb", "getenv", "putenv"}
        return bool(attributes & names or self.imports() & {f"os.{name}" for name in names})

    def _nodes(self, parent: ast.AST, on_import_only: bool) -> Iterator[ast.AST]:
        for node in ast.iter_child_nodes(parent):
            if on_import_only and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types_only(node)):
                continue
            yield node
            yield from self._nodes(node, on_import_only)


def is_for_types_only(node: ast.AST) -> bool:
    """Whether the node is ``if TYPE_CHECKING:``, which never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def sources() -> list[Source]:
    """Every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found.append(Source(".".join(parts), ast.parse(path.read_text(), filename=str(path))))
    return found


ALL = sources()
NAMES = {source.name for source in ALL}


def may(source: Source, allowed: set[str]) -> bool:
    """Whether the module or its part is named in ``allowed``."""
    return source.name in allowed or source.part in allowed


def against_the_arrows(source: Source) -> list[str]:
    """What the module imports although its part, or its folder of training, may not."""
    if source.name == "" or source.part in ANYTHING_BELOW_IT:
        return []
    wrong = []
    for name in sorted(source.own_imports()):
        if name == MXNET_MODULE or name.startswith(f"{MXNET_MODULE}."):
            allowed = may(source, MAY_IMPORT_MXNET)
        elif source.part == "training" and name.startswith("training."):
            own, other = in_training(source.name), in_training(name)
            allowed = other == own or own == ALL_OF_TRAINING or other in MAY_IMPORT_IN_TRAINING.get(own, ())
        else:
            part = name.split(".")[0]
            # `from linear_learner import __version__` is no part.
            allowed = part == source.part or part in MAY_IMPORT[source.part] or part.startswith("__")
        if not allowed:
            wrong.append(f"{source.name} imports {name}")
    return wrong


def in_training(name: str) -> str:
    """The folder or single module of training that a module is or is in; "" for training itself."""
    return name.removeprefix("training").removeprefix(".").split(".")[0]


def module(name: str, text: str) -> Source:
    return Source(name, ast.parse(text))


def names(offenders: Iterable[Source]) -> list[str]:
    return [source.name for source in offenders]


def test_each_module_belongs_to_a_part_that_has_its_place_among_the_arrows() -> None:
    assert {source.part for source in ALL} <= MAY_IMPORT.keys() | ANYTHING_BELOW_IT | {""}


def test_imports_go_along_the_arrows() -> None:
    assert [wrong for source in ALL for wrong in against_the_arrows(source)] == []


def test_each_folder_and_module_of_training_has_its_place_among_the_arrows() -> None:
    found = {in_training(source.name) for source in ALL if source.part == "training"}
    assert found == MAY_IMPORT_IN_TRAINING.keys() | {ALL_OF_TRAINING, ""}


def test_each_permission_is_used() -> None:
    used = {(source.part, name.split(".")[0]) for source in ALL for name in source.own_imports()}
    assert permissions(MAY_IMPORT) - used == set()


def test_each_permission_within_training_is_used() -> None:
    inside = [(source, name) for source in ALL for name in source.own_imports() if source.part == "training"]
    used = {(in_training(source.name), in_training(name)) for source, name in inside if name.startswith("training.")}
    assert permissions(MAY_IMPORT_IN_TRAINING) - used == set()


@pytest.mark.parametrize("table", [MAY_IMPORT, MAY_IMPORT_IN_TRAINING])
def test_the_arrows_form_no_circle(table: dict[str, set[str]]) -> None:
    assert circle(table) is None


def permissions(table: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {(part, target) for part, targets in table.items() for target in targets}


def test_mxnet_is_imported_by_its_one_module() -> None:
    assert names(source for source in ALL if source.imports_package("mxnet")) == [MXNET_MODULE]


def test_flask_is_imported_by_the_application_alone() -> None:
    assert (
        names(source for source in ALL if source.imports_package("flask") and not may(source, MAY_IMPORT_FLASK)) == []
    )


def test_what_is_imported_from_outside_is_declared_as_a_dependency() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["onnx"]]
    distributions = {re.split(r"[^\w-]", name)[0].replace("-", "_") for name in declared}
    known = {IMPORTED_AS.get(name, name) for name in distributions} | {"linear_learner"}
    used = {name.split(".")[0] for source in ALL for name in source.imports()}
    assert used - sys.stdlib_module_names - known == set()


def test_environment_variables_are_read_by_few_modules_alone() -> None:
    readers = (source for source in ALL if source.reads_environment_variables())
    assert names(source for source in readers if not may(source, MAY_READ_ENVIRONMENT_VARIABLES)) == []


def test_each_module_is_named_for_its_subject() -> None:
    assert names(source for source in ALL if source.name.split(".")[-1] in NAMES_THAT_SAY_NOTHING) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {source.name: source.own_imports(on_import_only=True) & NAMES - {source.name} for source in ALL}
    assert circle(graph) is None


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Names that form a circle in the graph, the first one again at the end; None where there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for target in sorted(graph[name]):
            if found := visit(target, [*path, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := visit(name, []))), None)


@pytest.mark.parametrize("name", ["serving.app", "cli"])
def test_what_runs_without_mxnet_does_not_wait_for_its_import(name: str) -> None:
    code = f"import sys, linear_learner.{name}; sys.exit('mxnet' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


class TestTheRulesThemselves:
    """Each rule sees what it is there to see."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("serving.app", "from linear_learner.training.trainer import Trainer"),
            ("serving.app", "from linear_learner.data import epochs"),
            ("training.job", "import linear_learner.serving.app"),
            ("training.job", "def run():\n    from linear_learner import cli"),
            ("data.epochs", "from linear_learner import model"),
            ("formats.csv", "from linear_learner.hyperparameters import HyperParameters"),
            ("errors", "from linear_learner.formats import batch"),
            ("serving.app", "from linear_learner.model.mxnet_import import mx"),
            ("model.linear_model", "from linear_learner.model import mxnet_import"),
            ("training.engines.native_engine", "from linear_learner.model.mxnet_import import mx"),
            ("training.engines.engine", "from linear_learner.training.epochs.progress import Progress"),
            ("training.trainer", "from linear_learner.training.ending import conclusion"),
            ("training.trainer", "from linear_learner.training import job"),
        ],
    )
    def test_an_import_against_the_arrows_is_seen(self, name: str, text: str) -> None:
        assert against_the_arrows(module(name, text))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("training.job", "from linear_learner.model.artifact import save"),
            ("training.engines.operators_engine", "from linear_learner.model.mxnet_import import mx"),
            ("model.artifact", "from linear_learner import __version__"),
            ("training.ending.conclusion", "from linear_learner.training.logs import log_lines"),
            ("training.job", "from linear_learner.training import trainer"),
            ("cli", "from linear_learner.training import job"),
        ],
    )
    def test_an_import_along_the_arrows_is_not(self, name: str, text: str) -> None:
        assert against_the_arrows(module(name, text)) == []

    @pytest.mark.parametrize(
        "text", ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"]
    )
    def test_a_read_of_environment_variables_is_seen(self, text: str) -> None:
        assert module("data.epochs", text).reads_environment_variables()

    def test_a_circle_is_seen(self) -> None:
        assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
        assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None

    def test_an_import_inside_a_function_is_no_part_of_a_circle(self) -> None:
        source = module("data.epochs", "def f():\n    import linear_learner.cli\nimport linear_learner.errors")
        assert source.own_imports(on_import_only=True) == {"errors"}
