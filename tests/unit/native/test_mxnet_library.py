"""MXNet's library without its Python part, and beside it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from linear_learner.native import library, mxnet_library
from linear_learner.native.mxnet_library import MXNetError, call

CONTAINER = Path(library.__file__).parents[2]


def run(code: str) -> str:
    """What the code prints in a process of its own, in which nothing of MXNet is loaded."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=CONTAINER, capture_output=True, text=True, timeout=60, check=True).stdout


def test_it_is_loaded_without_python_s_mxnet() -> None:
    code = (
        "import sys\n"
        "from linear_learner.native import mxnet_library\n"
        "mxnet_library.call('MXNDArrayWaitAll')\n"
        "print('mxnet' in sys.modules)\n"
    )
    assert run(code) == "False\n"


@pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_python_s_mxnet_has_the_same_library_whichever_comes_first(first: str) -> None:
    imports = ["operator = library.operator()", "from linear_learner.model.mxnet_import import mx"]
    code = "\n".join(
        [
            "import ctypes",
            "from linear_learner.native import library, mxnet_library",
            *(imports if first == "ours" else imports[::-1]),
            "theirs = ctypes.c_void_p()",
            "mx.base.check_call(mx.base._LIB.NNGetOpHandle(b'linear_learner', ctypes.byref(theirs)))",
            "print(mx.base._LIB._handle == mxnet_library.load()._handle)",
            "print(theirs.value == mxnet_library.operator('linear_learner').value)",
            "print(mx.nd.ones(2).sum().asscalar())",
        ]
    )
    assert run(code) == "True\nTrue\n2.0\n"


def test_what_fails_is_told_in_mxnet_s_words() -> None:
    with pytest.raises(MXNetError, match=r"^Error loading library: '/no/such.so' .*No such file or directory$"):
        call("MXLoadLib", b"/no/such.so", 0)
    with pytest.raises(MXNetError, match="Operator no_such is not registered"):
        mxnet_library.operator("no_such")


def test_without_mxnet_there_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="mxnet is not installed"):
        mxnet_library.folder()
