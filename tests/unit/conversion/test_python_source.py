"""A model as one file of Python, run by an interpreter that finds no packages."""

from __future__ import annotations

import ast
import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_model import expected, parts
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from linear_learner.conversion.parts import Parts
from linear_learner.conversion.python_source import to_python


def module_of(model: Parts) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(to_python(model), "model.py", "exec"), names)
    return names


def test_scores_and_labels_are_those_of_the_model(case: tuple[Parts, np.ndarray]) -> None:
    model, X = case
    scores, labels = expected(model, X)
    module = module_of(model)
    found = [module["score"](row) for row in X.tolist()]
    assert_allclose(np.reshape(found, scores.shape), scores, rtol=1e-12, atol=1e-13)
    assert [module["predicted_label"](score) for score in found] == (labels or [None] * len(X))


def test_the_file_reads_csv_and_needs_no_packages(case: tuple[Parts, np.ndarray], tmp_path: Path) -> None:
    model, X = case
    (tmp_path / "model.py").write_bytes(to_python(model))
    text = "\n".join(",".join("" if np.isnan(value) else repr(value) for value in row) for row in X.tolist()) + "\n\n"
    command = [sys.executable, "-I", "-S", "model.py"]
    done = subprocess.run(
        command, cwd=tmp_path, input=text, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    answers = list(csv.reader(io.StringIO(done.stdout)))
    scores, labels = expected(model, X)
    assert_allclose([[float(cell) for cell in row[: model.outputs]] for row in answers], scores, rtol=1e-12, atol=1e-13)
    assert [row[model.outputs :] for row in answers] == [
        [label if isinstance(label, str) else f"{label:.0f}"] for label in labels
    ] or not labels


def test_a_row_of_another_width_or_with_a_gap_is_refused() -> None:
    module = module_of(parts("binary"))
    with pytest.raises(ValueError, match="3 features, and the model has 4"):
        module["score"]([1, 2, 3])
    with pytest.raises(ValueError, match="feature 2 is missing"):
        module["score"]([1, None, 3, 4])
    with pytest.raises(ValueError, match="feature 3 is infinite"):
        module["score"]([1, 2, float("-inf"), 4])


def test_rows_that_do_not_fit_end_the_program(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_bytes(to_python(parts("binary")))
    for text, told in {
        "1,2,3,4\n\n1,2,3\n": "row 3: 3 features, and the model has 4\n",
        "1,x,3,4": "row 1: could not convert string to float: 'x'\n",
        "1,2,3,4\n1,,3,4": "row 2: feature 2 is missing\n",
        "1,2,1e400,4": "row 1: feature 3 is infinite\n",
        "1,2,3,4\n1,2_0,3,4": "row 2: could not convert string to float: '2_0'\n",
        "1,2,\u0663,4": "row 1: could not convert string to float: '\u0663'\n",
        "1,2,3,4\n1,\udcff,3,4": "row 2: could not convert string to float: '\ufffd'\n",
        f"1,2,3,4\n1,2,3,{'4' * 200_000}": "row 2: field larger than field limit (131072)\n",
    }.items():
        command = [sys.executable, "model.py"]
        given, encoding = text.encode("utf-8", "surrogateescape"), {"PYTHONIOENCODING": "utf-8:strict"}
        done = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, env=encoding, check=False)
        assert (done.returncode, done.stderr.decode()) == (2, told)


@given(st.lists(st.text(), min_size=4, max_size=4), st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_names_are_text_and_never_code(names: list[str], classes: list[str]) -> None:
    model = Parts(**{**vars(parts("binary")), "names": tuple(names), "classes": tuple(classes)})
    source = to_python(model)
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert assigned["FEATURES"] == names and assigned["CLASSES"] == classes
    assert source.isascii()
