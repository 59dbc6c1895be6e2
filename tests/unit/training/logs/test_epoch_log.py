"""The lines of an epoch."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import numpy as np
import pytest

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training.cluster.interface import Alone, Traffic
from linear_learner.training.epochs.progress import EpochReport
from linear_learner.training.logs.epoch_log import EpochLog
from linear_learner.training.logs.log_lines import Reporter, configure_logging
from linear_learner.training.preparation.task import FeatureRanges, Judge, Task


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Other tests find the loggers as they were."""
    package = logging.getLogger("linear_learner")
    handlers, level, stream = package.handlers[:], package.level, io.StringIO()
    configure_logging("info", stream)
    yield stream
    package.handlers[:] = handlers
    package.setLevel(level)


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
        work=1,
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
        EpochLog(hp, task, Reporter("algo-1")).write(self.report)
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
        EpochLog(hp, task_of(hp), Reporter("algo-1")).write(self.report)
        assert any("epoch=2, criteria=sampled_accuracy, value=0.2" in line for line in lines_of(log))

    def test_passes_over_models_that_diverged(self, log: io.StringIO) -> None:
        report = EpochReport(0, 10, np.array([np.nan, 0.7]), np.array([np.nan, 0.2]), 0.2, None)
        hp = resolve(validate({"predictor_type": "regressor"}), feature_dim=2, rows=10)
        EpochLog(hp, task_of(hp), Reporter("algo-1")).write(report)
        assert "#quality_metric: host=algo-1, epoch=0, train mse_objective <loss>=0.7" in lines_of(log)

    def test_tells_what_joins_of_hosts_came_to_since_the_epoch_before(self, log: io.StringIO) -> None:
        class Two(Alone):
            size = 2
            traffic = Traffic(10, 1000, 5.0)

        hp, cluster = resolve(validate({"predictor_type": "regressor"}), feature_dim=2, rows=10), Two()
        epochs = EpochLog(hp, task_of(hp), Reporter("algo-1"), cluster)
        epochs.since -= 100
        cluster.traffic = Traffic(14, 1600, 30.0)
        epochs.write(self.report)
        (line,) = (line for line in lines_of(log) if "joins" in line)
        assert line.startswith(
            "Epoch 2: 4 joins of the hosts, 600 bytes to and as many from the parameter servers, 25.0"
        )
