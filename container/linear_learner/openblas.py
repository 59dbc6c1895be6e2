"""How OpenBLAS computes matrix products, in NumPy and in MXNet: with which kernels, and what its threads do in between.

OpenBLAS picks them by the processor's model number. A release older than the processor does not know the number and
falls back to its oldest kernels: the 0.3.23 in NumPy 1.26 takes Prescott's (SSE3, of 2004) on Intel servers since
Emerald Rapids (2023), where a product of two float32 matrices then takes 4 to 5 times as long. What the processor can
do does not depend on its number: Linux lists it in /proc/cpuinfo. ``OPENBLAS_VERBOSE=2`` prints what was picked.
"""

from __future__ import annotations

import os
from pathlib import Path

CORETYPE = "OPENBLAS_CORETYPE"

KERNELS = (
    ("SkylakeX", frozenset({"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"})),
    ("Haswell", frozenset({"avx2", "fma"})),
)
"""Names that all releases since 2017 know, and the flags of a processor that can run them, best first. A build without
the first of them, such as MXNet's, takes the second by itself."""

IDLE = "OPENBLAS_THREAD_TIMEOUT"
IDLE_CYCLES = "10"
"""As a power of 2. OpenBLAS's threads wait busily for 2^26 cycles after a product, some 25 ms, and the training engine,
which has as many threads as there are processors, would share a processor with them for that long."""

THREADS = "OPENBLAS_NUM_THREADS"


def prepare(threads: int | None = None) -> None:
    """Set what OpenBLAS looks for in the environment, unless the user has: call it before NumPy is imported. A product
    is shared by so many ``threads``, or by as many as there are processors."""
    choose_kernels()
    os.environ.setdefault(IDLE, IDLE_CYCLES)
    if threads is not None:
        os.environ.setdefault(THREADS, str(threads))


def choose_kernels(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Set OPENBLAS_CORETYPE, unless the user has, for whatever loads OpenBLAS later.

    Where ``cpuinfo`` tells of neither set of flags (an older or another processor, another system) OpenBLAS picks.
    """
    if CORETYPE in os.environ:
        return
    flags = processor_flags(cpuinfo)
    for name, needed in KERNELS:
        if needed <= flags:
            os.environ[CORETYPE] = name
            return


def processor_flags(cpuinfo: Path) -> set[str]:
    """What the first processor of ``cpuinfo`` can do; nothing where the file does not say."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "flags":
                    return set(value.split())
    except OSError:
        pass
    return set()
