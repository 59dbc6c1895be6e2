"""MXNet is imported while the channels are read, and what else that brings along."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import linear_learner
from linear_learner.training import engine

CONTAINER = Path(linear_learner.__file__).parents[1]


def run(code: str) -> str:
    """What the code prints in a process of its own, which has not imported MXNet."""
    command = [sys.executable, "-c", f"import sys, threading\n{code}"]
    return subprocess.run(command, cwd=CONTAINER, capture_output=True, text=True, timeout=60, check=True).stdout


def test_mxnet_is_imported_ahead_in_a_thread_that_the_process_waits_for() -> None:
    code = (
        "from linear_learner.training.engine import import_ahead\n"
        "before = 'mxnet' in sys.modules\n"
        "import_ahead()\n"
        "(thread,) = set(threading.enumerate()) - {threading.main_thread()}\n"
        "thread.join()\n"
        "print(before, thread.daemon, 'linear_learner.model.mxnet_import' in sys.modules)\n"
    )
    assert run(code) == "False False True\n"


def test_who_needs_mxnet_meanwhile_waits_for_it() -> None:
    code = (
        "from linear_learner.training.engine import import_ahead\n"
        "import_ahead()\n"
        "from linear_learner.model.mxnet_import import mx\n"
        "print(mx.nd.ones(2).sum().asscalar())\n"
    )
    assert run(code) == "2.0\n"


def test_an_import_that_fails_is_told_by_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "linear_learner.model.mxnet_import", None)
    monkeypatch.delattr("linear_learner.model.mxnet_import", raising=False)
    threads = set(threading.enumerate())
    engine.import_ahead()  # an exception in a thread would be a warning, and so fail this test
    for thread in set(threading.enumerate()) - threads:
        thread.join()
    with pytest.raises(ImportError):
        from linear_learner.model.mxnet_import import mx  # noqa: F401


def test_mxnet_does_not_bring_scikit_learn_along_nor_keep_others_from_it() -> None:
    code = (
        "from linear_learner.model.mxnet_import import mx\n"
        "before = 'sklearn' in sys.modules\n"
        "import sklearn\n"
        "print(before, 'sklearn' in sys.modules)\n"
    )
    assert run(code) == "False True\n"
