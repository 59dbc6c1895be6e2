"""The job as a process: its bits, its exit code, and what signals make of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from finished_job import FinishedJob, MakeJob, Rows
from job_folder import CONTAINER, FILES, RECORDIO, TELL_IMPORTS, JobFolder, Outcome, imported
from saved_model import SavedModel


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Enough for BLAS and the engine to share the work among threads."""
    random = np.random.default_rng(3)
    features = random.normal(size=(6000, 40))
    return features, (features @ random.normal(size=40) + random.normal(size=6000) > 0).astype(float)


def packed(outcome: Outcome) -> bytes:
    assert outcome.code == 0, outcome.log
    return (outcome.model_dir / "model.tar.gz").read_bytes()


def test_one_seed_gives_one_model_whatever_the_threads(rows: Rows, make_job: MakeJob) -> None:
    """Bit for bit, also from one process to the next."""
    jobs = [make_job().hyperparameters("binary_classifier", epochs=3) for _ in range(3)]
    for job in jobs:
        job.channel("train", rows[0][:4000], rows[1][:4000]).channel("validation", rows[0][4000:], rows[1][4000:])
    first = jobs[0].run_process(OMP_NUM_THREADS="1")
    assert "on 1 threads" in first.log
    # Neither stdout nor stderr has a line that is not the job's own: no warning of what runs below.
    assert [line for line in first.log.splitlines()[2:] if not line.startswith(("[", "#metrics {"))] == []
    assert packed(jobs[1].run_process(OMP_NUM_THREADS="2")) == packed(first)
    assert packed(jobs[2].run()) == packed(first)


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_a_job_runs_again_to_the_same_bits(name: str, request: pytest.FixtureRequest, make_job: MakeJob) -> None:
    finished: FinishedJob = request.getfixturevalue(name)
    settings = {"num_models": 20, "epochs": 2}
    first, second = (finished.again(make_job(), **settings) for _ in range(2))
    assert packed(first) == packed(second)
    third = finished.again(make_job(), **settings, seed=1)
    weights = [SavedModel.of(outcome.model_dir).weights for outcome in (first, third)]
    assert not np.allclose(weights[0], weights[1], rtol=1e-6)


def test_a_job_does_not_wait_for_the_import_of_python_s_mxnet(rows: Rows, make_job: MakeJob) -> None:
    """From files to a model, and on from that one; the import would take as long as the rest of a small job."""
    few = rows[0][:500], rows[1][:500]
    first, then, operators = make_job(), make_job(), make_job()
    first.channel("train", *few).hyperparameters("binary_classifier", epochs=1, num_models=2)
    outcomes = [first.run_process(**TELL_IMPORTS)]
    shutil.copytree(first.base / "model", then.base / "input/data/model")
    (then.base / "checkpoints").mkdir()
    then.hyperparameters("binary_classifier", epochs=2, num_models=2, bootstrap_samples=20)
    for channel in ("train", "validation", "test"):
        then.channel(channel, *few, content_type=RECORDIO)
    outcomes.append(then.run_process(**TELL_IMPORTS))
    assert outcomes[1].found("(All models start from the one in channel .model.)")
    assert list((then.base / "checkpoints").iterdir())
    operators.channel("train", *few).hyperparameters("binary_classifier", epochs=1, num_models=2, _engine="operators")
    outcomes.append(operators.run_process(**TELL_IMPORTS))
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    assert ["mxnet" in imported(outcome) for outcome in outcomes] == [False, False, True]


def test_a_mistake_ends_the_process_with_2(rows: Rows, job: JobFolder) -> None:
    outcome = job.hyperparameters("binary_classifier", epochs=0).channel("train", *rows).run_process()
    assert outcome.code == 2
    assert outcome.failure is not None and outcome.failure in outcome.log
    assert "Traceback" not in outcome.log


def endless(job: JobFolder, rows: Rows) -> subprocess.Popen[str]:
    """A job that trains until it is stopped; its first epochs are done."""
    job.hyperparameters("binary_classifier", epochs=10**6, early_stopping_patience=10**6).channel("train", *rows)
    process = job.start()
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += "#progress_metric" in line
        if seen == 3:
            return process
    raise AssertionError(f"the job ended with {process.wait()}")


def test_a_killed_job_leaves_no_model(rows: Rows, job: JobFolder) -> None:
    with endless(job, rows) as process:
        process.kill()
    model = job.base / "model"
    assert not model.exists() or not list(model.iterdir())


def test_a_killed_job_leaves_an_earlier_model(rows: Rows, job: JobFolder) -> None:
    earlier = job.hyperparameters("binary_classifier", num_models=1, epochs=1).channel("train", *rows).run()
    before = {file.name: file.read_bytes() for file in earlier.model_dir.iterdir()}
    with endless(job, rows) as process:
        process.kill()
    assert {file.name: file.read_bytes() for file in earlier.model_dir.iterdir()} == before


def test_a_stopped_job_ends_soon_with_the_best_model_so_far(rows: Rows, job: JobFolder) -> None:
    with endless(job, rows) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=60)
        # The platform gives 120 s, Docker 10.
        assert time.monotonic() - began < 10
    assert process.returncode == 0
    outcome = Outcome(process.returncode, log, job.base)
    assert {file.name for file in outcome.model_dir.iterdir()} == FILES | {"model.tar.gz"}
    right = np.mean(SavedModel.of(outcome.model_dir).labels(rows[0]) == rows[1])
    assert right > 0.9
    assert right == outcome.final("train", "binary_classification_accuracy")


def test_the_command_of_the_image_trains_on_the_platform(rows: Rows, job: JobFolder) -> None:
    job.hyperparameters("binary_classifier", num_models=1, epochs=1).channel("train", *rows)
    command = [Path(__file__).parents[2] / "container/train", "--base", job.base]
    environ = {**os.environ, "TRAINING_JOB_NAME": "a-job"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (job.base / "model").iterdir()} == FILES


@pytest.mark.parametrize("log_is_seen", [False, True])
def test_a_terminal_has_a_bar_unless_the_log_is_on_it(log_is_seen: bool, rows: Rows, job: JobFolder) -> None:
    job.hyperparameters("binary_classifier", epochs=2, num_models=1).channel("train", *rows)
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(job.base)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(CONTAINER)},
        stdout=its if log_is_seen else subprocess.PIPE,
        stderr=its,
        text=True,
    )
    os.close(its)
    shown = b""
    # Reading fails once nobody has the other end open.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            shown += piece
    log, _ = process.communicate(timeout=60)
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 0
    assert ("%|" in text) != log_is_seen
    lines = text.replace("\r\n", "\n") if log_is_seen else log
    for line in lines.splitlines()[2:]:
        assert line.startswith(("[", "#metrics {")), line
    assert "completed 100 %" in lines
