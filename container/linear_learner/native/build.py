"""Compiles the C++ library beside this file: ``python -m linear_learner.native.build``.

Needs g++ and MXNet's wheel, for its headers; MXNet is not imported. Every ``*.cc`` here becomes an object of its own,
and all of them one shared library. A file whose name ends in ``_avx2`` or ``_avx512`` is compiled for those
instructions, and only on x86-64: what is in it runs after the processor was asked.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from linear_learner.native import mxnet_library
from linear_learner.native.library import LIBRARY, SOURCES, stamp_of

FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fno-math-errno"]
WARNINGS = ["-Wall", "-Wextra"]
INSTRUCTIONS = {
    "_avx2": ["-mavx2", "-mfma"],
    "_avx512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"],
}


def build(library: Path = LIBRARY, *, compiler: str = "g++", extra_flags: Sequence[str] = ()) -> None:
    """Write the library. ``extra_flags`` go to the compiler and the linker; CalledProcessError where those fail."""
    mxnet = mxnet_library.folder()
    includes = ["-isystem", str(mxnet / "include")]
    sources = [source for source in sorted(SOURCES.glob("*.cc")) if is_for_this_machine(source)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:

        def compiled(source: Path, warnings: Sequence[str]) -> str:
            target = str(Path(folder) / f"{source.stem}.o")
            flags = [*FLAGS, *warnings, *instruction_flags(source), *extra_flags, *includes]
            subprocess.run([compiler, *flags, "-c", str(source), "-o", target], check=True)  # noqa: S603
            return target

        stamp = Path(folder) / "stamp.cc"
        stamp.write_text(f'extern "C" unsigned ll_stamp() {{ return {stamp_of(SOURCES)}u; }}\n', encoding="utf-8")
        jobs = [pool.submit(compiled, source, WARNINGS) for source in [*sources, stamp]]
        # MXNet's half of the operator interface is compiled into every operator library; its warnings are not ours.
        jobs.append(pool.submit(compiled, mxnet / "src" / "lib_api.cc", ["-w"]))
        objects = [job.result() for job in jobs]
        # Linked aside and renamed, because a process may have the old library loaded.
        part = library.with_suffix(".part")
        subprocess.run([compiler, "-shared", "-pthread", *extra_flags, *objects, "-o", str(part)], check=True)  # noqa: S603
        part.replace(library)


def is_for_this_machine(source: Path) -> bool:
    return platform.machine() in ("x86_64", "AMD64") or not instruction_flags(source)


def instruction_flags(source: Path) -> list[str]:
    """The flags for the instructions that the file's name ends in."""
    return next((flags for ending, flags in INSTRUCTIONS.items() if source.stem.endswith(ending)), [])


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile the native library.")
    parser.add_argument("--output", type=Path, default=LIBRARY, help="the library to write")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--flag", action="append", default=[], help="one more flag for compiler and linker")
    arguments = parser.parse_args()
    try:
        build(arguments.output, compiler=arguments.compiler, extra_flags=arguments.flag)
    except (OSError, ImportError, subprocess.CalledProcessError) as error:
        sys.exit(f"The native library was not built: {error}")


if __name__ == "__main__":
    main()
