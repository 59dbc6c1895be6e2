"""MXNet's library past its Python part.

To load the library takes 0.06 s. To import ``mxnet`` takes 1.8 s, because it makes a Python function for each operator,
and training calls one operator. Where both are in a process, in whatever order, they share the library with all that is
registered in it.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any


class MXNetError(RuntimeError):
    """A function of the library failed; in MXNet's words."""


def folder() -> Path:
    """Where MXNet is installed, found without importing it. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec("mxnet")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("mxnet is not installed")
    return Path(spec.submodule_search_locations[0])


@cache
def load() -> ctypes.CDLL:
    """The library. Raises ModuleNotFoundError, OSError, or RuntimeError where a MXNet is installed without it."""
    library = ctypes.CDLL(_path())
    library.MXGetLastError.restype = ctypes.c_char_p
    atexit.register(library.MXNotifyShutdown)
    return library


def call(name: str, *arguments: Any) -> None:
    """Call a function of MXNet's C API. Raises MXNetError."""
    library = load()
    if getattr(library, name)(*arguments) != 0:
        text = library.MXGetLastError().decode(errors="replace")
        message = " ".join(text.split("Stack trace:")[0].split())
        raise MXNetError(message.removeprefix("MXNetError: "))


def operator(name: str) -> ctypes.c_void_p:
    """One of MXNet's operators. MXNetError where there is none of that name."""
    handle = ctypes.c_void_p()
    call("NNGetOpHandle", name.encode(), ctypes.byref(handle))
    return handle


def strings(texts: Iterable[str]) -> ctypes.Array[ctypes.c_char_p]:
    """Texts as the C API takes them."""
    encoded = [text.encode() for text in texts]
    return (ctypes.c_char_p * len(encoded))(*encoded)


def _path() -> str:
    """Where MXNet's Python part looks for the library: its module of that purpose is run, by itself."""
    spec = importlib.util.spec_from_file_location("libinfo", folder() / "libinfo.py")
    assert spec is not None and spec.loader is not None  # noqa: S101 (for the type checker: the name ends in .py)
    libinfo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(libinfo)
    return str(libinfo.find_lib_path()[0])
