"""Finds and loads the C++ library, as MXNet operators and as plain C functions."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from types import ModuleType

LIBRARY = Path(__file__).parent / "liblinear_learner.so"


@cache
def problem() -> str | None:
    """None if the library is there and loads; else the reason why not, in a few words."""
    if not LIBRARY.exists():
        return f"{LIBRARY} is not there; 'make native' builds it"
    try:
        plain()
    except OSError as error:
        return str(error)
    return None


@cache
def plain() -> ctypes.CDLL:
    """The library's plain C functions; MXNet is not imported. Raises OSError."""
    return ctypes.CDLL(str(LIBRARY))


@cache
def operators() -> ModuleType:
    """``mxnet.nd`` with the library's operators in it. Raises mxnet.MXNetError."""
    from linear_learner.model.mxnet_import import mx

    # Twice in a process, MXNet complains that the operator is registered already.
    mx.library.load(str(LIBRARY), verbose=False)
    return mx.nd
