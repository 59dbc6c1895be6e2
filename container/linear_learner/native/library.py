"""Finds and loads the C++ library, as an MXNet operator and as plain C functions."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from linear_learner.native import mxnet_library
from linear_learner.native.mxnet_arrays import Operator

LIBRARY = Path(__file__).parent / "liblinear_learner.so"


@cache
def problem() -> str | None:
    """None if the library is there and loads; else the reason why not, in a few words. MXNet is not loaded."""
    if not LIBRARY.exists():
        return f"{LIBRARY} is not there; 'make native' builds it"
    try:
        plain()
    except OSError as error:
        return str(error)
    return None


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
    mxnet_library.call("MXLoadLib", str(LIBRARY).encode(), 0)
    return Operator("linear_learner")
