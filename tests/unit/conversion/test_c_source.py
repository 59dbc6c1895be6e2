"""A model as one file of C, compiled by the C compiler that is there."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exported_model import expected, parts
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from linear_learner.conversion.c_source import string_literal, to_c
from linear_learner.conversion.parts import Parts

COMPILER = shutil.which("cc") or shutil.which("gcc")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1"]

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


def compiled(model: Parts, folder: Path) -> Path:
    (folder / "model.c").write_bytes(to_c(model))
    assert COMPILER is not None
    command = [COMPILER, *STRICT, "-DLINEAR_MODEL_MAIN", "model.c", "-lm", "-o", "model"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "model"


def run(program: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program)], input=text, capture_output=True, text=True, encoding="utf-8")


@needs_compiler
def test_scores_and_labels_are_those_of_the_model(case: tuple[Parts, np.ndarray], tmp_path: Path) -> None:
    model, X = case
    text = "\n".join(",".join("" if np.isnan(value) else repr(value) for value in row) for row in X.tolist())
    done = run(compiled(model, tmp_path), text + "\n\n")
    assert (done.returncode, done.stderr) == (0, "")
    scores, labels = expected(model, X)
    width = model.outputs
    found = list(csv.reader(done.stdout.splitlines()))
    assert_allclose([[float(cell) for cell in row[:width]] for row in found], scores, rtol=1e-12, atol=1e-13)
    texts = [label if isinstance(label, str) else f"{label:.0f}" for label in labels]
    assert [row[width] for row in found if len(row) > width] == texts


@needs_compiler
def test_it_is_a_part_of_other_programs_and_has_no_warnings(tmp_path: Path) -> None:
    assert COMPILER is not None
    (tmp_path / "model.c").write_bytes(to_c(parts("multiclass", words=True, fills=True)))
    subprocess.run([COMPILER, *STRICT, "-c", "model.c"], cwd=tmp_path, check=True)


@needs_compiler
def test_rows_that_do_not_fit_end_the_program(tmp_path: Path) -> None:
    program = compiled(parts("binary"), tmp_path)
    for text, told in {
        "1,2,3\n": "row 1: fewer columns",
        "1,2,3,4\n\n1,2,3,4,5\n": "row 3, column 5: more columns",
        "1,x,3,4": "row 1, column 2: not a number",
        "1,2 3,4,5": "row 1, column 2: not a number",
        "1,0x10,3,4": "row 1, column 2: not a number",
        "1,2\0,3,4": "row 1, column 2: not a number",
        "1,,3,4": "row 1, column 2: a value is missing",
        "1,2,-1e400,4": "row 1, column 3: an infinite value",
        "1" * 100 + ",2,3,4": "row 1, column 1: the cell is too long",
    }.items():
        done = run(program, text)
        assert done.returncode == 2 and told in done.stderr
    assert run(program, "1,2,3,4").stdout == run(program, " 1 ,\t2,3,4 \r\n").stdout != ""


@given(st.text())
def test_a_text_is_a_literal_of_its_bytes(text: str) -> None:
    literal = string_literal(text)
    assert literal.isascii() and literal.isprintable() and "?" not in literal
    body = literal[1:-1]
    # What C makes of it: octal escapes of three digits, and bytes that mean themselves.
    found = bytearray()
    while body:
        size = 4 if body[0] == "\\" else 1
        found.append(int(body[1:4], 8) if size == 4 else ord(body[0]))
        assert size == 4 or body[0] != '"'
        body = body[size:]
    assert bytes(found) == text.encode("utf-8", "replace")


@needs_compiler
def test_names_of_features_are_in_the_program(tmp_path: Path) -> None:
    model = parts("binary", words=True)
    (tmp_path / "model.c").write_bytes(to_c(model))
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\nextern const char *const linear_model_feature_names[4];\n"
        "int main(void) { return fputs(linear_model_feature_names[1], stdout) < 0; }\n"
    )
    assert COMPILER is not None
    subprocess.run([COMPILER, "model.c", "main.c", "-lm", "-o", "names"], cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "names")], capture_output=True, check=True)
    assert done.stdout.decode() == model.names[1]
