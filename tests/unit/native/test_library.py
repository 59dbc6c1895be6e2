"""Finding and loading the native library, and the reasons given where that fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from linear_learner.native import library


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the library is looked for, with nothing there."""
    file = tmp_path / "liblinear_learner.so"
    monkeypatch.setattr(library, "LIBRARY", file)
    for function in (library.problem, library.plain):
        function.cache_clear()
    yield file
    for function in (library.problem, library.plain):
        function.cache_clear()


def test_a_library_that_is_not_there_is_named_with_the_command_that_builds_it(somewhere: Path) -> None:
    assert library.problem() == f"{somewhere} is not there; 'make native' builds it"


def test_a_file_that_is_no_library_gives_the_loader_s_reason(somewhere: Path) -> None:
    somewhere.write_text("not a library")
    assert str(somewhere) in str(library.problem())


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(
    ("function", "fits"),
    [
        ("unsigned ll_stamp() { return %du; }", True),
        ("unsigned ll_stamp() { return %du + 1; }", False),
        ("int older() { return %du; }", False),
    ],
)
def test_a_library_of_other_sources_is_not_used(somewhere: Path, function: str, fits: bool) -> None:
    source = somewhere.with_suffix(".cc")
    source.write_text(f'extern "C" {function % library.stamp_of(library.SOURCES)}')
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", somewhere], check=True)
    problem = None if fits else f"{somewhere} was built from other sources than those beside it; "
    assert library.problem() == (problem and f"{problem}'make native' builds it anew")


def test_every_file_makes_a_difference_to_the_stamp(tmp_path: Path) -> None:
    stamps = {library.stamp_of(tmp_path)}
    for name, text in [("a.cc", "1"), ("a.h", "1"), ("a.h", "2"), ("b.cc", "1")]:
        (tmp_path / name).write_text(text)
        stamps.add(library.stamp_of(tmp_path))
    assert len(stamps) == 5


@pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")
class TestTheBuiltLibrary:
    def test_there_is_no_problem(self) -> None:
        assert library.problem() is None

    def test_plain_functions_come_without_mxnet(self) -> None:
        code = (
            "import sys; from linear_learner.native import library; library.plain(); sys.exit('mxnet' in sys.modules)"
        )
        container = Path(library.__file__).parents[2]
        assert subprocess.run([sys.executable, "-c", code], cwd=container, check=False).returncode == 0

    def test_mxnet_has_the_operator_however_often_it_is_asked_for(self) -> None:
        assert library.operator() is library.operator()
