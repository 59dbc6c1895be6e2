"""Finds and loads the C++ library, as an MXNet operator and as plain C functions."""

from __future__ import annotations

import ctypes
import os
import zlib
from functools import cache
from pathlib import Path

from linear_learner.native import mxnet_library
from linear_learner.native.mxnet_arrays import Operator

SOURCES = Path(__file__).parent
LIBRARY = SOURCES / "liblinear_learner.so"


@cache
def problem() -> str | None:
    """None if the library is there and loads, and was built from the sources beside this file; else the reason why not,
    in a few words. MXNet is not loaded."""
    if not LIBRARY.exists():
        return f"{LIBRARY} is not there; 'make native' builds it"
    try:
        stamp = getattr(plain(), "ll_stamp", None)
    except OSError as error:
        return str(error)
    # Structures that Python and C++ have to agree on change with the sources.
    if stamp is None or stamp() & 0xFFFFFFFF != stamp_of(SOURCES):
        return f"{LIBRARY} was built from other sources than those beside it; 'make native' builds it anew"
    return None


def stamp_of(sources: Path) -> int:
    """What a library that was built from the C++ files there has in it: their CRC-32."""
    stamp = 0
    for file in sorted(sources.glob("*.[ch]*")):
        stamp = zlib.crc32(file.name.encode() + file.read_bytes(), stamp)
    return stamp


@cache
def plain() -> ctypes.CDLL:
    """The library's plain C functions; MXNet is not loaded. Raises OSError."""
    return ctypes.CDLL(str(LIBRARY))


@cache
def operator_problem() -> str | None:
    """None if MXNet has the library's operator; else the reason why not, in a few words."""
    if (reason := problem()) is not None:
        return reason
    try:
        operator()
    except (ImportError, OSError, RuntimeError) as error:
        return str(error)
    return None


@cache
def operator() -> Operator:
    """The library's operator ``linear_learner``. Raises MXNetError, and what ``mxnet_library.load`` does."""
    mxnet_library.call("MXLoadLib", os.fsencode(LIBRARY), 0)
    return Operator("linear_learner")
