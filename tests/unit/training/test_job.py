"""What the job makes of errors and signals, and what it logs of an epoch. Whole jobs are in tests/integration."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from linear_learner.environment import Environment
from linear_learner.errors import AlgorithmError, ClientError, PlatformError
from linear_learner.hyperparameters import HyperParameters, validate
from linear_learner.training import job
from linear_learner.training.logs.log_lines import configure_logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests find the loggers and the handler of SIGTERM as they were."""
    package = logging.getLogger("linear_learner")
    handlers, level, handler = package.handlers[:], package.level, signal.getsignal(signal.SIGTERM)
    yield
    package.handlers[:] = handlers
    package.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", stream)
    return stream


class TestFail:
    @pytest.mark.parametrize(
        ("error", "code", "text"),
        [
            (ClientError("what", where="where", fix="how"), 2, r"Customer Error: what \(where\)\. How"),
            (PlatformError("disk full"), 3, "Platform Error: disk full"),
            (AlgorithmError("a bug"), 1, "Algorithm Error: a bug"),
            (MemoryError("1 TiB"), 2, r"Customer Error: Out of Memory\. Please use a larger instance type or reduce "),
            (np.core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("f4")), 2, "Customer Error: Out of Memory"),
            (OSError(28, "No space left on device", "/opt/x"), 3, r"Platform Error: No space left on device \(/opt/x"),
            (ConnectionError("gone"), 3, "Platform Error: gone"),
            (ZeroDivisionError("a bug"), 1, r"Algorithm Error: a bug \(caused by ZeroDivisionError\)"),
            (KeyError("name"), 1, r"Algorithm Error: 'name' \(caused by KeyError\)"),
        ],
    )
    def test_tells_each_kind_of_error_to_whom_it_concerns(
        self, env: Environment, log: io.StringIO, error: Exception, code: int, text: str
    ) -> None:
        assert job.fail(env, error) == code
        failure = env.failure_file.read_text(encoding="utf-8")
        assert re.match(text, failure)
        assert f"] {failure}\n" in log.getvalue()
        assert " ERROR " in log.getvalue()

    @pytest.mark.parametrize(
        ("error", "is_bug"),
        [(AlgorithmError("x"), True), (ValueError("x"), True), (ClientError("x"), False), (PlatformError("x"), False)],
    )
    def test_shows_a_traceback_for_a_bug_only(
        self, env: Environment, log: io.StringIO, error: Exception, is_bug: bool
    ) -> None:
        try:
            raise error
        except Exception as raised:
            job.fail(env, raised)
        assert ("Traceback (most recent call last)" in log.getvalue()) == is_bug
        assert ("in test_shows_a_traceback" in log.getvalue()) == is_bug
        assert "Traceback" not in env.failure_file.read_text()

    def test_is_told_in_the_log_where_the_file_cannot_be_written(self, env: Environment, log: io.StringIO) -> None:
        (env.base / "output").write_text("a file where the folder should be")
        assert job.fail(env, ClientError("what")) == 2
        assert "] Customer Error: what\n" in log.getvalue()
        assert "The failure file could not be written: " in log.getvalue()


class TestRun:
    def test_ends_with_0_and_without_an_earlier_failure(
        self, env: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job, "train_job", lambda env, should_stop: None)
        env.write_failure(ClientError("earlier"))
        assert job.run(env) == 0
        assert not env.failure_file.exists()

    def test_ends_with_the_code_of_the_error(self, env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        def train_job(env: Environment, should_stop: Callable[[], bool]) -> None:
            raise PlatformError("disk full")

        monkeypatch.setattr(job, "train_job", train_job)
        assert job.run(env) == 3
        assert env.failure_file.exists()

    def test_logs_to_stdout(self, env: Environment, capsys: pytest.CaptureFixture[str]) -> None:
        """Of this folder there is not even a hyperparameters.json."""
        assert job.run(env) == 2
        written = capsys.readouterr()
        assert written.out.startswith("Docker entrypoint called with argument(s): train\n")
        assert "Customer Error: File not found" in written.out
        assert written.err == ""


class TestStop:
    def test_is_asked_for_by_sigterm(self) -> None:
        should_stop = job.stop_on_sigterm()
        assert not should_stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()

    def test_cannot_be_heard_in_another_thread(self) -> None:
        answers: list[bool] = []
        thread = threading.Thread(target=lambda: answers.append(job.stop_on_sigterm()()))
        thread.start()
        thread.join()
        assert answers == [False]


class TestChannels:
    @pytest.fixture
    def channels(self, env: Environment) -> dict[str, Path]:
        """Of two features, and no inputdataconfig.json."""
        rows = {"train": "0,1,2\n1,2,3\n", "validation": "1,1,1\n", "test": "0,0,0\n0,1,1\n0,2,2\n"}
        files = {name: env.base / "input/data" / name / "part-0" for name in rows}
        for name, text in rows.items():
            files[name].parent.mkdir(parents=True)
            files[name].write_text(text)
        return files

    def test_are_read_in_their_order(
        self, env: Environment, channels: dict[str, Path], log: io.StringIO, binary: HyperParameters
    ) -> None:
        found = job.read_channels(env, binary)
        assert {name: len(data) for name, data in found.items()} == {"train": 2, "validation": 1, "test": 3}
        assert re.findall(r"Channel '(\w+)': (\d+) rows of 2 features", log.getvalue()) == [
            ("validation", "1"), ("test", "3"), ("train", "2")
        ]  # fmt: skip

    def test_others_are_ignored_aloud(
        self, env: Environment, channels: dict[str, Path], log: io.StringIO, binary: HyperParameters
    ) -> None:
        (env.base / "input/data/trian").mkdir()
        assert "trian" not in job.read_channels(env, binary)
        assert "WARNING" in log.getvalue() and "The channel 'trian' is ignored" in log.getvalue()

    def test_a_validation_channel_of_one_class_gets_a_warning(
        self, env: Environment, channels: dict[str, Path], log: io.StringIO, binary: HyperParameters
    ) -> None:
        channels["test"].write_text("1,0,0\n0,1,1\n")
        job.read_channels(env, binary)
        assert re.search(r"WARNING.*Every label of channel 'validation' is \d: ", log.getvalue())
        assert "Every label of channel 'test'" not in log.getvalue()

    def test_only_train_is_required(self, env: Environment, channels: dict[str, Path], binary: HyperParameters) -> None:
        for name in ("validation", "test"):
            channels[name].unlink()
            channels[name].parent.rmdir()
        assert list(job.read_channels(env, binary)) == ["train"]
        channels["train"].unlink()
        channels["train"].parent.rmdir()
        with pytest.raises(ClientError, match=r"The channel 'train' is missing \(the job has no channels\)\. Give"):
            job.read_channels(env, binary)

    def test_must_have_the_given_width(self, env: Environment, channels: dict[str, Path]) -> None:
        hp = validate({"predictor_type": "binary_classifier", "feature_dim": "3"})
        with pytest.raises(ClientError, match="feature_dim hyperparameter '3' doesn't match train data"):
            job.read_channels(env, hp)

    def test_must_have_labels_of_the_task(
        self, env: Environment, channels: dict[str, Path], binary: HyperParameters
    ) -> None:
        channels["test"].write_text("0,0,0\n2,1,1\n")
        with pytest.raises(ClientError, match=r"Label 2 of channel 'test'.*part-0, row 2"):
            job.read_channels(env, binary)

    def test_only_train_needs_two_classes(
        self, env: Environment, channels: dict[str, Path], binary: HyperParameters
    ) -> None:
        """The test channel has rows of one."""
        job.read_channels(env, binary)
        channels["train"].write_text("1,1,2\n1,2,3\n")
        with pytest.raises(ClientError, match="Every label of channel 'train' is 1"):
            job.read_channels(env, binary)


@pytest.fixture
def binary() -> HyperParameters:
    return validate({"predictor_type": "binary_classifier"})


class TestProfile:
    def test_is_written_to_its_folder(self, tmp_path: Path) -> None:
        with job.profile(tmp_path / "output/data"):
            sorted([2, 1])
        assert "sorted" in (tmp_path / "output/data/profile.txt").read_text()

    def test_is_left_out_unless_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with job.profile(None):
            pass
        assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_job_without_a_traceback(
    env: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "train_job", interrupted)
    assert job.run(env) == 130
    printed = capsys.readouterr()
    assert "Interrupted" in printed.out and "Traceback" not in printed.out + printed.err
