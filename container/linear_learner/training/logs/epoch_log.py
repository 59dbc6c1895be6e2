"""What the log says of an epoch: the lines that people and tuning jobs read."""

from __future__ import annotations

import time

import numpy as np

from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.tuning import watched_epochs
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.epochs.progress import EpochReport, Trained
from linear_learner.training.evaluation import model_selection
from linear_learner.training.logs.log_lines import PassCounter, Reporter
from linear_learner.training.preparation.task import Task


class EpochLog:
    """Writes the lines of each epoch."""

    def __init__(self, hp: HyperParameters, task: Task, log: Reporter, cluster: Cluster = ALONE) -> None:
        self.hp, self.task, self.log, self.cluster = hp, task, log, cluster
        self.traffic = cluster.traffic
        self.counter = PassCounter()
        self.since = time.perf_counter()
        criterion = model_selection.criterion_of(hp)
        self.criterion = task.loss.objective if criterion is None else f"sampled_{criterion.name}"

    def begin(self) -> None:
        """What was read before the first epoch: a mini-batch, which shows what the rows are like, and the scaler's."""
        scaled = min(self.hp.num_point_for_scaler, self.task.rows or self.hp.num_point_for_scaler)
        for rows in (min(self.hp.mini_batch_size, scaled), scaled):
            self._count(rows)
            self.counter.reset()
        self.log.counters("init_train_data_iter", self.counter)

    def write(self, report: EpochReport) -> None:
        log, name, epoch = self.log, self.task.loss.objective, report.epoch
        losses = _losses(report, self.task)
        log.epoch_losses(epoch, name, losses["train"], losses.get("validation"))
        best = int(np.nanargmin(report.judge_loss))
        for channel, values in losses.items():
            log.epoch_quality(epoch, channel, name, float(values[best]))
        watched_loss = self.criterion == name
        units = _raw_units(self.task) if watched_loss else 1.0
        log.early_stopping_criterion(epoch, self.criterion, report.criterion * units)
        log.say(report.message)
        log.progress(epoch, self.hp.epochs)
        self._count(report.rows)
        log.counters("training_data_iter", self.counter, epoch)
        self.counter.reset()
        now = time.perf_counter()
        log.throughput(report.rows, now - self.since)
        if self.cluster.size > 1:
            before, self.traffic = self.traffic, self.cluster.traffic
            sums, sent = self.traffic.sums - before.sums, self.traffic.bytes_sent - before.bytes_sent
            seconds = self.traffic.seconds - before.seconds
            log.joins(epoch, sums, sent, seconds / max(now - self.since, 1e-9))
        self.since = now

    def _count(self, rows: int) -> None:
        self.counter.saw(batches=-(-rows // self.hp.mini_batch_size), records=rows)


def repeat_best_epoch(hp: HyperParameters, task: Task, log: Reporter, trained: Trained, chosen: int) -> None:
    """In a tuning job that watches the objective from epoch to epoch, write the line of candidate ``chosen`` in its
    best epoch once more. A tuner takes the last value that it finds, and that of the last epoch is of no model that
    anybody will use."""
    channel = watched_epochs(hp)
    if channel is None:
        return
    epoch = int(trained.best_epoch[chosen])
    values = _losses(trained.epochs[epoch], task)[channel]
    log.epoch_quality(epoch, channel, task.loss.objective, float(values[chosen]))


def _losses(report: EpochReport, task: Task) -> dict[str, np.ndarray]:
    """By channel, (K,): objectives of the train channel are in normalised label units, and validation ones in raw
    units, as in Amazon's logs."""
    losses = {"train": report.train_loss}
    if task.judge_channel == "validation":
        losses["validation"] = report.judge_loss * _raw_units(task)
    return losses


def _raw_units(task: Task) -> float:
    """Of a loss: what one in normalised label units comes to."""
    return float(task.scaler.label_std**task.loss.degree)
