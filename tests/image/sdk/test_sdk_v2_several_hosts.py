"""A job on two containers in SDK v2's local mode, which mounts one model folder into both."""

from __future__ import annotations

import re
import tarfile

import pytest
from environments import V2
from local_mode import MODEL_FILES, Run, ScriptRunner, share_right

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def run(run_script: ScriptRunner) -> Run:
    return run_script(V2, "v2_several_hosts.py")


def test_each_host_takes_its_share_of_the_rows(run: Run) -> None:
    log = run.log.partition("== Several hosts")[2]
    rows = dict(re.findall(r"(algo-\d)-\w+ +\|.* Channel 'train': (\d+) rows", log))
    assert rows.keys() == {"algo-1", "algo-2"}
    assert sum(map(int, rows.values())) == 343
    assert all(int(number) > 100 for number in rows.values())


def test_there_is_one_model_and_it_is_good(run: Run) -> None:
    path = run.folder / "together" / "model.tar.gz"
    with tarfile.open(path) as archive:
        assert {name.removeprefix("./") for name in archive.getnames()} == MODEL_FILES
    assert share_right(path, run.folder / "test" / "test.csv") > 0.95
