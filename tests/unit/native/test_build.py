"""Compiling the native library: which files, for which instructions, and what is said where it cannot be done."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from linear_learner.native import build, mxnet_library

SOURCE = """
extern "C" const char* instructions() {
#ifdef __AVX512F__
  return "avx512";
#elif defined(__AVX2__)
  return "avx2";
#else
  return "baseline";
#endif
}
"""


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one source instead of the native sources, and an empty stand-in for MXNet's."""
    (tmp_path / "mxnet/src").mkdir(parents=True)
    (tmp_path / "mxnet/src/lib_api.cc").write_text("int warned(int unused) {}\n")
    (tmp_path / "sources").mkdir()
    monkeypatch.setattr(build, "SOURCES", tmp_path / "sources")
    monkeypatch.setattr(mxnet_library, "folder", lambda: tmp_path / "mxnet")
    return tmp_path / "sources/what.cc"


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
class TestBuild:
    def test_the_library_loads_with_the_functions_of_the_sources(self, one_file: Path, tmp_path: Path) -> None:
        one_file.write_text(SOURCE)
        build.build(tmp_path / "made.so")
        function = ctypes.CDLL(str(tmp_path / "made.so")).instructions
        function.restype = ctypes.c_char_p
        assert function() == b"baseline"
        assert not (tmp_path / "made.part").exists()

    def test_extra_flags_reach_the_compiler(self, one_file: Path, tmp_path: Path) -> None:
        one_file.write_text("#ifndef WANTED\n#error no flag\n#endif\n")
        build.build(tmp_path / "made.so", extra_flags=["-DWANTED"])

    def test_a_failure_leaves_an_older_library_alone(
        self, one_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "made.so").write_text("older")
        one_file.write_text("this is not C++")
        with pytest.raises(subprocess.CalledProcessError):
            build.build(tmp_path / "made.so")
        assert (tmp_path / "made.so").read_text() == "older"
        assert "what.cc" in capfd.readouterr().err

    def test_the_command_says_what_is_wrong(
        self, one_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        one_file.write_text(SOURCE)
        monkeypatch.setattr(sys, "argv", ["build", "--output", str(tmp_path / "made.so"), "--compiler", "no-such-g++"])
        with pytest.raises(SystemExit, match=r"The native library was not built: .*no-such-g"):
            build.main()


class TestInstructions:
    @pytest.mark.parametrize(
        ("name", "flag"), [("kernels_avx2.cc", "-mavx2"), ("kernels_avx512.cc", "-mavx512f"), ("avx2_table.cc", None)]
    )
    def test_flags_follow_from_the_end_of_the_name(self, name: str, flag: str | None) -> None:
        flags = build.instruction_flags(Path(name))
        assert flag in flags if flag else flags == []

    @pytest.mark.parametrize(
        ("machine", "name", "wanted"),
        [
            ("x86_64", "kernels_avx2.cc", True),
            ("aarch64", "kernels_avx2.cc", False),
            ("aarch64", "kernels_baseline.cc", True),
        ],
    )
    def test_other_machines_leave_them_out(
        self, machine: str, name: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platform, "machine", lambda: machine)
        assert build.is_for_this_machine(Path(name)) is wanted


def test_the_headers_are_where_the_build_looks_for_them() -> None:
    folder = mxnet_library.folder()
    assert (folder / "include/mxnet/lib_api.h").exists()
    assert (folder / "src/lib_api.cc").exists()
