"""OpenBLAS's kernels are chosen by what the processor can do, and before NumPy is there."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from linear_learner.openblas import (
    CORETYPE,
    IDLE,
    IDLE_CYCLES,
    KERNELS,
    THREADS,
    choose_kernels,
    prepare,
    processor_flags,
)

PACKAGES = Path(__file__).parents[2] / "container"

AVX2 = "fpu sse sse2 fma avx f16c bmi1 avx2 bmi2"
AVX512 = f"{AVX2} avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni amx_tile"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CORETYPE, IDLE, THREADS):
        # Set first: what the test sets is then undone after it, too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def cpuinfo(folder: Path, flags: str, name: str = "flags") -> Path:
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: A Processor\n{name}\t\t: {flags}\nbugs\t\t: spectre_v1\n\n")
    return file


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        (AVX512, "SkylakeX"),
        (AVX512.replace("avx512vl", ""), "Haswell"),
        (AVX2, "Haswell"),
        (AVX2.replace("fma", ""), None),
        ("fpu sse sse2 pni ssse3", None),
    ],
)
def test_the_best_kernels_that_the_processor_can_run(flags: str, chosen: str | None, tmp_path: Path) -> None:
    choose_kernels(cpuinfo(tmp_path, flags))
    assert os.environ.get(CORETYPE) == chosen


@pytest.mark.parametrize("given", ["Zen", ""])
def test_what_the_user_set_stays(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CORETYPE, given)
    choose_kernels(cpuinfo(tmp_path, AVX512))
    assert os.environ[CORETYPE] == given


def test_openblas_picks_where_no_flags_are_known(tmp_path: Path) -> None:
    choose_kernels(tmp_path / "missing")
    choose_kernels(cpuinfo(tmp_path, "fp asimd sve", name="Features"))
    assert CORETYPE not in os.environ


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not KERNELS[1][1] <= processor_flags(Path("/proc/cpuinfo")),
    reason="OpenBLAS has a choice on x86-64 with AVX2",
)
@pytest.mark.parametrize("command", ["train", "serve"])
def test_numpy_and_mxnet_of_a_command_compute_with_them(command: str, tmp_path: Path) -> None:
    """OpenBLAS itself says what it picked, on stderr."""
    code = (
        "from linear_learner.cli import main\n"
        f"main([{command!r}, '--base', {str(tmp_path)!r}])\n"
        "import linear_learner.model.mxnet_import\n"
    )
    # A job without hyperparameters ends at once, and so does a server with wrong settings.
    environment = {**os.environ, "OPENBLAS_VERBOSE": "2", "PYTHONPATH": str(PACKAGES), "NUM_WORKERS": "many"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    cores = {line.removeprefix("Core: ") for line in done.stderr.splitlines() if line.startswith("Core: ")}
    assert cores and cores <= {"SkylakeX", "Haswell"}


def test_idle_threads_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    assert os.environ[IDLE] == IDLE_CYCLES
    monkeypatch.setenv(IDLE, "20")
    prepare()
    assert os.environ[IDLE] == "20"


@pytest.mark.parametrize(("given", "kept"), [(None, "1"), ("2", "2")])
def test_a_server_computes_in_one_thread_unless_the_user_says_otherwise(
    given: str | None, kept: str, tmp_path: Path
) -> None:
    code = (
        "import os, sys\n"
        "from linear_learner.cli import main\n"
        f"main(['serve', '--base', {str(tmp_path)!r}])\n"
        "print('numpy' in sys.modules, os.environ.get('OPENBLAS_NUM_THREADS'), len(os.listdir('/proc/self/task')))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "NUM_WORKERS": "many"}
    if given is not None:
        environment[THREADS] = given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    numpy_is_there, number, threads = done.stdout.split()
    assert (numpy_is_there, number) == ("True", kept)
    if given is None:
        assert threads == "1"


def test_other_commands_compute_in_as_many_threads_as_there_are_processors() -> None:
    prepare()
    assert THREADS not in os.environ
