"""Finds and loads the C++ library, as an MXNet operator and as plain C functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

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
def operator() -> Callable[..., Any]:
    """The library's operator ``linear_learner``, a function of ``mxnet.nd`` arrays. Raises mxnet.MXNetError."""
    from linear_learner.model.mxnet_import import mx

    base, name = mx.base, "linear_learner"
    # mxnet.library.load does the same and then makes the functions of all its operators anew, which takes half a
    # second. Twice in a process, MXNet complains that the operator is registered already.
    base.check_call(base._LIB.MXLoadLib(base.c_str(str(LIBRARY)), base.mx_uint(0)))
    handle = base.OpHandle()
    base.check_call(base._LIB.NNGetOpHandle(base.c_str(name), ctypes.byref(handle)))
    function: Callable[..., Any] = mx.ndarray.register._make_ndarray_function(handle, name, name)
    return function
