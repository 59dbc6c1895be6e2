"""What the job makes of errors and signals, and what it logs of an epoch. Whole jobs are in tests/integration."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.environment import Environment
from linear_learner.errors import AlgorithmError, ClientError, PlatformError
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training import job
from linear_learner.training.preparation import FeatureRanges, Judge, Task
from linear_learner.training.progress import EpochReport
from linear_learner.training.reporting import Reporter, configure_logging


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


class TestHosts:
    def test_one_is_enough(self) -> None:
        job.refuse_several_hosts("algo-1", ["algo-1"])

    def test_several_are_named(self) -> None:
        with pytest.raises(ClientError, match=r"2 hosts \(a, b\).*resourceconfig.json of b.*instance count"):
            job.refuse_several_hosts("b", ["a", "b"])


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


def task_of(hp: HyperParameters, label_std: float = 1.0, judge_channel: str = "validation") -> Task:
    rows = Chunk(np.zeros((10, 2), np.float32), np.zeros(10, np.float32), np.arange(10))
    scaler = Scaler(np.zeros(2, np.float32), np.ones(2, np.float32), 0.0, label_std)
    return Task(
        LOSSES[hp.predictor_type, hp.loss],
        scaler,
        None,
        Epochs(rows.features, rows.labels, None, seed=0),
        judge_channel,
        lambda: Judge(Dataset(judge_channel, rows.features, rows.labels, ()), rows),
        lambda: FeatureRanges.of(rows.features),
    )


def lines_of(log: io.StringIO) -> list[str]:
    return [re.sub(r"^\[[^]]*\] ", "", line) for line in log.getvalue().splitlines()]


class TestEpochLog:
    """An epoch of two models, whose best on validation is the second."""

    report = EpochReport(2, 10, np.array([0.5, 0.7]), np.array([0.3, 0.2]), 0.2, "Epoch 2: Loss improved.")

    def write(
        self, log: io.StringIO, loss: str, judge_channel: str = "validation", label_std: float = 3.0
    ) -> list[str]:
        hp = resolve(validate({"predictor_type": "regressor", "loss": loss, "epochs": "8"}), feature_dim=2, rows=10)
        task = task_of(hp, label_std, judge_channel)
        job.EpochLog(hp, task, Reporter("algo-1")).write(self.report)
        return lines_of(log)

    @pytest.mark.parametrize(("loss", "factor"), [("squared_loss", 9), ("absolute_loss", 3)])
    def test_tells_validation_in_raw_units_and_train_in_normalised_ones(
        self, log: io.StringIO, loss: str, factor: float
    ) -> None:
        lines = self.write(log, loss)
        found = [float(line.rpartition("=")[2]) for line in lines if line.startswith("#quality_metric")]
        assert found == [0.7, pytest.approx(0.2 * factor)]
        (criterion,) = (line for line in lines if line.startswith("#early_stopping_criteria_metric"))
        assert float(criterion.rpartition("=")[2]) == pytest.approx(0.2 * factor)

    def test_has_no_validation_line_without_validation(self, log: io.StringIO) -> None:
        lines = self.write(log, "squared_loss", judge_channel="train")
        assert [line.split(", ")[2] for line in lines if line.startswith("#quality_metric")] == [
            "train mse_objective <loss>=0.7"
        ]
        assert not any("validation" in line for line in lines)

    def test_tells_progress_and_what_early_stopping_says(self, log: io.StringIO) -> None:
        lines = self.write(log, "squared_loss")
        assert "Epoch 2: Loss improved." in lines
        assert "#progress_metric: host=algo-1, completed 37 % of epochs" in lines
        (counters,) = (json.loads(line[9:]) for line in lines if "Total Records Seen" in line)
        assert counters["Metrics"]["Total Records Seen"]["sum"] == 10

    def test_names_the_criterion_of_a_binary_job(self, log: io.StringIO, binary: HyperParameters) -> None:
        hp = resolve(binary, feature_dim=2, rows=10)
        job.EpochLog(hp, task_of(hp), Reporter("algo-1")).write(self.report)
        assert any("epoch=2, criteria=sampled_accuracy, value=0.2" in line for line in lines_of(log))

    def test_passes_over_models_that_diverged(self, log: io.StringIO) -> None:
        report = EpochReport(0, 10, np.array([np.nan, 0.7]), np.array([np.nan, 0.2]), 0.2, None)
        hp = resolve(validate({"predictor_type": "regressor"}), feature_dim=2, rows=10)
        job.EpochLog(hp, task_of(hp), Reporter("algo-1")).write(report)
        assert "#quality_metric: host=algo-1, epoch=0, train mse_objective <loss>=0.7" in lines_of(log)


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
