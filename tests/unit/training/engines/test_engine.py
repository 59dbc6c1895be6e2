"""Which engine trains, and what is said where the native one cannot."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import linear_learner
from linear_learner.errors import ClientError
from linear_learner.model.losses import BINARY, LOSSES
from linear_learner.native import library, mxnet_library
from linear_learner.training.engines.engine import Engine, make_engine
from linear_learner.training.engines.operators_engine import OperatorsEngine
from linear_learner.training.engines.state import Objective, Rates

CONTAINER = Path(linear_learner.__file__).parents[1]
CACHED = (library.operator, library.operator_problem, mxnet_library.load)


def made(name: str) -> Engine:
    rates = Rates(**{name: np.ones(1, np.float32) for name in Rates.__dataclass_fields__})
    return make_engine(name, Objective(LOSSES[BINARY, "logistic"], 1, "adam", 10), rates, 1)


@pytest.fixture(params=["no library of MXNet", "no operator library"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A reason why there is no native engine, to be found in the log."""
    broken = tmp_path / "broken.so"
    broken.write_text("not a library")
    if request.param == "no library of MXNet":
        monkeypatch.setattr(mxnet_library, "_path", lambda: str(broken))
    else:
        # The plain functions load, for they are loaded already.
        assert library.problem() is None
        monkeypatch.setattr(library, "LIBRARY", broken)
    for function in CACHED:
        function.cache_clear()
    yield str(broken)
    for function in CACHED:
        function.cache_clear()


@pytest.mark.skipif(library.problem() is not None, reason="the native library is not built")
class TestWithoutTheNativeEngine:
    def test_mxnet_s_operators_train_and_one_line_says_why(self, broken: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            assert isinstance(made("auto"), OperatorsEngine)
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("Training with MXNet's operators: the native engine cannot be loaded: ")
        assert broken in line and "\n" not in line

    def test_a_user_who_asked_for_it_gets_an_error(self, broken: str) -> None:
        with pytest.raises(ClientError, match=r"The native engine cannot be loaded: .*broken\.so"):
            made("native")


def test_mxnet_does_not_bring_scikit_learn_along_nor_keep_others_from_it() -> None:
    code = (
        "import sys\n"
        "from linear_learner.model.mxnet_import import mx\n"
        "before = 'sklearn' in sys.modules\n"
        "import sklearn\n"
        "print(before, 'sklearn' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=CONTAINER, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False True\n"
