"""Fuzzes the native engine, and what counts scores, under AddressSanitizer and UndefinedBehaviorSanitizer, or another
sanitizer of g++:

    .venv/bin/python tests/fuzz/fuzz_engine.py --seconds 60

Random chunks are trained with every instruction set and with several numbers of threads; see fuzz_engine.cc. The
kernels for AVX-512 are compiled for AVX2, so that their code runs here too, if not their instructions. Between them,
random scores are counted, columns measured and rows shuffled; see fuzz_scores.cc. The exit code is 0 if nothing was
found.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "container" / "linear_learner" / "native"
FLAGS = ["-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-fno-math-errno"]
sys.path.append(str(NATIVE.parents[1]))
from linear_learner.native.build import INSTRUCTIONS, instruction_flags, is_for_this_machine  # noqa: E402

ENGINE = ["column_rates", "engine", "kernels*", "plan", "sparse*", "thread_pool"]
SCORES = ["columns", "ranking", "score_buckets", "shuffling"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="the time if not given")
    parser.add_argument("--sanitizer", default="address,undefined", help="as for g++'s -fsanitize")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), arguments.sanitizer)
        print(f"seed {arguments.seed}", flush=True)
        command = [str(program), str(arguments.seconds), str(arguments.seed)]
        if arguments.sanitizer == "thread":
            # ThreadSanitizer of g++ 12 does not know the addresses that newer kernels give out at random.
            command = ["setarch", platform.machine(), "--addr-no-randomize", *command]
        sys.exit(subprocess.run(command, check=False).returncode)


def build(folder: Path, sanitizer: str) -> Path:
    """Compile the C++ code and the fuzzer."""
    sources = [source for name in ENGINE + SCORES for source in sorted(NATIVE.glob(f"{name}.cc"))]
    sources = [source for source in sources if is_for_this_machine(source)]

    def compiled(source: Path) -> str:
        target = str(folder / f"{source.stem}.o")
        flags = [*FLAGS, f"-fsanitize={sanitizer}", f"-I{NATIVE}", "-DEMULATE_AVX512"]
        flags += INSTRUCTIONS["_avx2"] if source.stem.endswith("_avx512") else instruction_flags(source)
        # GCC notes that 64-byte vectors would be passed differently with AVX-512; all code that does is in one file.
        subprocess.run(["g++", *flags, "-Wno-psabi", "-c", str(source), "-o", target], check=True)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, [*sources, HERE / "fuzz_scores.cc", HERE / "fuzz_engine.cc"]))
    program = folder / "fuzz_engine"
    subprocess.run(["g++", f"-fsanitize={sanitizer}", "-pthread", *objects, "-o", str(program)], check=True)
    return program


if __name__ == "__main__":
    main()
