"""MXNet's graphs of operators."""

from __future__ import annotations

import ctypes
import weakref

from linear_learner.native.mxnet_library import call, load, operator, strings


class Symbol:
    """An output of a graph, with all that leads to it."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self.handle = handle
        weakref.finalize(self, load().MXSymbolFree, handle)

    def to_json(self) -> str:
        """As MXNet writes and reads graphs."""
        text = ctypes.c_char_p()
        call("MXSymbolSaveToJSON", self.handle, ctypes.byref(text))
        assert text.value is not None  # noqa: S101 (for the type checker)
        return text.value.decode()


def variable(name: str, **attributes: object) -> Symbol:
    """An input of the graph. Attributes of MXNet's own, such as ``shape``, are written ``__shape__``."""
    handle = ctypes.c_void_p()
    call("MXSymbolCreateVariable", name.encode(), ctypes.byref(handle))
    symbol = Symbol(handle)
    for key, value in attributes.items():
        call("MXSymbolSetAttr", handle, key.encode(), str(value).encode())
    return symbol


def apply(operator_name: str, *inputs: Symbol, name: str) -> Symbol:
    """An operator, with the defaults of all its parameters. MXNetError where MXNet has none of that name."""
    handle = ctypes.c_void_p()
    call("MXSymbolCreateAtomicSymbol", operator(operator_name), 0, strings([]), strings([]), ctypes.byref(handle))
    symbol = Symbol(handle)
    arguments = (ctypes.c_void_p * len(inputs))(*(given.handle for given in inputs))
    call("MXSymbolCompose", handle, name.encode(), len(inputs), None, arguments)
    return symbol
