"""The lines a job writes to its log, in the formats that Amazon's container made people and tuners rely on.

Three kinds, all on one stream, each flushed as it is written:

- ``[11/24/2020 18:53:54 INFO 140513285547840] message``: what any logger of this package says;
- the same with a message like ``#quality_metric: ...``, which the tuner's regular expressions read;
- ``#metrics {...}``: JSON without a prefix, keys in the order of the builds of 2024.

Lines with a ``#`` are written whatever the log level is, since a tuning job without them finds nothing to tune.
Numbers are printed in full. JSON lines hold no NaN or Infinity, which strict parsers refuse: null stands for them.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from linear_learner.training.evaluation.metrics import Metric

ALGORITHM = "Linear Learner"
MODELS_IN_FULL = 64
"""Up to so many candidates, each one's losses are logged after each epoch; of more, those of the best few."""
BEST_OF_MANY = 8

BEST_MODEL_KEYS = (
    "lr_scheduler_step",
    "wd",
    "optimizer",
    "lr_scheduler_factor",
    "l1",
    "learning_rate",
    "lr_scheduler_minimum_lr",
)
TIMERS = ("finalize.time", "initialize.time", "check_early_stopping.time", "setuptime", "update.time")

_JSON = json.JSONEncoder(allow_nan=False)

_log = logging.getLogger(__name__)


class _Prefix(logging.Formatter):
    """Puts the prefix before a message, unless the record is marked as ``bare``."""

    def __init__(self) -> None:
        super().__init__("[%(asctime)s %(levelname)s %(thread)d] %(message)s", "%m/%d/%Y %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if getattr(record, "bare", False) else super().format(record)


class _Lines(logging.StreamHandler[TextIO]):
    """Writes the log. Where nobody reads it any more, or its disk is full, the job goes on without; Python by itself
    would print a traceback for each line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name in the library)
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def configure_logging(level: str, stream: TextIO) -> None:
    """Sends the package's loggers to ``stream``, from ``level`` (as in ``_log_level``: debug ... critical) up. Calling
    it again replaces the stream and the level."""
    package = logging.getLogger(__name__.partition(".")[0])
    for handler in [h for h in package.handlers if isinstance(h.formatter, _Prefix)]:
        package.removeHandler(handler)
    handler = _Lines(stream)
    handler.setFormatter(_Prefix())
    package.addHandler(handler)
    package.setLevel(level.upper())


class Timers:
    """Wall times by name, in milliseconds, for the totals. ``totaltime`` runs from construction on."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start = clock()
        self._spent: dict[str, list[float]] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time inside the ``with`` to ``name``, one of TIMERS. Time that ends in an error counts too."""
        start = self._clock()
        try:
            yield
        finally:
            self._spent.setdefault(name, []).append((self._clock() - start) * 1e3)

    def spent(self) -> dict[str, list[float]]:
        """By name, in the order of Amazon's line, the times measured so far."""
        total = {"totaltime": [(self._clock() - self._start) * 1e3]}
        return total | {name: self._spent[name] for name in TIMERS if name in self._spent}


class PassCounter:
    """Counts what is read from a channel, over all passes and in the present one."""

    def __init__(self) -> None:
        self.total_batches = self.total_records = 0
        self.batches = self.records = 0
        self.most_batches = self.most_records = 0
        self.resets = 0

    def saw(self, batches: int, records: int) -> None:
        self.batches += batches
        self.records += records
        self.total_batches += batches
        self.total_records += records
        self.most_batches = max(self.most_batches, self.batches)
        self.most_records = max(self.most_records, self.records)

    def reset(self) -> None:
        """The next pass begins."""
        self.batches = self.records = 0
        self.resets += 1

    def counts(self) -> dict[str, int]:
        return {
            "Total Records Seen": self.total_records,
            "Total Batches Seen": self.total_batches,
            "Max Records Seen Between Resets": self.most_records,
            "Max Batches Seen Between Resets": self.most_batches,
            "Reset Count": self.resets,
            "Number of Records Since Last Reset": self.records,
            "Number of Batches Since Last Reset": self.batches,
        }


class Reporter:
    """Writes a job's lines, through the package's logging.

    ``host``: the name of the host in metric lines. ``clock``: seconds since 1970.
    """

    def __init__(self, host: str, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self._job_start = self._since = clock()

    # -- setting up

    def entrypoint(self, *arguments: str) -> None:
        self._always(f"Docker entrypoint called with argument(s): {' '.join(arguments)}", bare=True)
        self._always("Running default environment configuration script", bare=True)

    def default_configuration(self, source: str, values: Mapping[str, str]) -> None:
        _log.info("Reading default configuration from %s: %s", source, dict(values))

    def provided_configuration(self, path: str, values: Mapping[str, str]) -> None:
        _log.info("Merging with provided configuration from %s: %s", path, dict(values))

    def final_configuration(self, values: Mapping[str, str]) -> None:
        _log.info("Final configuration: %s", dict(values))

    def resolved(self, values: Mapping[str, Any]) -> None:
        """What each ``auto`` came to."""
        _log.info("Resolved hyperparameters: %s", {name: _plain(value) for name, value in values.items()})

    def checkpoints(self, folder: Path | None) -> None:
        if folder is None:
            _log.info("Checkpoint loading and saving are disabled.")
        else:
            _log.info("Checkpoints are loaded from and saved to %s.", folder)

    def store(self, name: str) -> None:
        """``local``, or the kvstore that joins several hosts."""
        _log.info("Create Store: %s", name)

    def scaler(
        self,
        *,
        mean_weight: np.ndarray | None,
        stdev_weight: np.ndarray | None,
        mean_label: float | None,
        stdev_label: float | None,
    ) -> None:
        """``mean_weight`` and ``stdev_weight``: (d,), of the features. None for what is not scaled."""
        parameters = {
            "stdev_weight": stdev_weight,
            "stdev_label": stdev_label,
            "mean_label": mean_label,
            "mean_weight": mean_weight,
        }
        shown = ", ".join(f"{name!r}: {_shown(value)}" for name, value in parameters.items())
        _log.info("Scaling model computed with parameters: {%s}", shown)

    def no_gpus(self) -> None:
        _log.info("Number of GPUs being used: 0")

    # -- epoch by epoch

    def epoch_losses(self, epoch: int, objective: str, train: np.ndarray, validation: np.ndarray | None) -> None:
        """The mean objective of every candidate, or of the best ones where there are more than MODELS_IN_FULL.

        ``train`` and ``validation``: (K,), nan for a candidate that diverged.
        """
        channels = {"train": train} if validation is None else {"train": train, "validation": validation}
        judged = train if validation is None else validation
        models: Sequence[int] = range(len(judged))
        if len(judged) > MODELS_IN_FULL:
            # Sorting puts nan last.
            models = [int(k) for k in np.argsort(judged, kind="stable")[:BEST_OF_MANY]]
            _log.info("Epoch %d: %s", epoch, _summary(objective, judged))
        lines = [
            self._metrics({f"{channel}_{objective}": _spread([float(losses[model])])}, {"epoch": epoch, "model": model})
            for channel, losses in channels.items()
            for model in models
        ]
        self._always("\n".join(lines), bare=True)  # one by one they take longer than an epoch of few rows
        self._since = self._clock()

    def epoch_quality(self, epoch: int, channel: str, objective: str, value: float) -> None:
        """The objective of the best candidate on ``channel``: the number that a tuner watches from epoch to epoch."""
        self._always(
            f"#quality_metric: host={self._host}, epoch={epoch}, {channel} {objective} <loss>={_number(value)}"
        )

    def early_stopping_criterion(self, epoch: int, criterion: str, value: float) -> None:
        """``criterion``: ``sampled_accuracy`` or its like, or the name of the objective."""
        self._always(
            f"#early_stopping_criteria_metric: host={self._host}, epoch={epoch}, "
            f"criteria={criterion}, value={_number(value)}"
        )

    def say(self, message: str | None) -> None:
        """A plain line; None, from a step that has nothing to tell, writes nothing."""
        if message is not None:
            _log.info("%s", message)

    def progress(self, epoch: int, epochs: int) -> None:
        """``epoch`` (from 0) of ``epochs`` is done."""
        self._always(f"#progress_metric: host={self._host}, completed {100 * (epoch + 1) // epochs} % of epochs")

    def throughput(self, records: int, seconds: float) -> None:
        """Of an epoch, validation included."""
        rate = records / max(seconds, 1e-9)
        self._always(f"#throughput_metric: host={self._host}, train throughput={_number(rate)} records/second")

    def joins(self, epoch: int, joins: int, sent: int, share: float) -> None:
        """How often several hosts brought their states together in an epoch, the bytes that this one sent for it and as
        many that it received, and the share of the time that this took, waiting for others included."""
        _log.info(
            "Epoch %d: %d joins of the hosts, %d bytes to and as many from the parameter servers, %.1f %% of the time.",
            *(epoch, joins, sent, 100 * share),
        )

    def counters(self, meta: str, counter: PassCounter, epoch: int | None = None) -> None:
        """``meta``: ``init_train_data_iter``, ``training_data_iter`` (with its epoch) or ``test_data_iter``."""
        dimensions: dict[str, Any] = {"Meta": meta} if epoch is None else {"Meta": meta, "epoch": epoch}
        metrics = {name: _spread([float(count)]) for name, count in counter.counts().items()}
        self._always(self._metrics(metrics, dimensions), bare=True)
        self._since = self._clock()

    # -- the outcome

    def scores(self, channel: str, metrics: Sequence[Metric]) -> None:
        """The final metrics of ``train``, ``validation`` or ``test``, the objective first."""
        for metric in metrics:
            self._always(f"#{channel}_score ({self._host}) : {(metric.name, float(metric.value))!r}")
        for metric in metrics:
            value = _number(metric.value)
            self._always(f"#quality_metric: host={self._host}, {channel} {metric.name} <{metric.tag}>={value}")

    def no_test_data(self) -> None:
        _log.info("Test data is not provided.")

    def best_model(self, values: Mapping[str, Any]) -> None:
        """``values`` has at least BEST_MODEL_KEYS."""
        best = {name: _finite(_plain(values[name])) for name in BEST_MODEL_KEYS}
        _log.info("Best model found for hyperparameters: %s", json.dumps(best, allow_nan=False))

    def saved(self, path: str) -> None:
        _log.info('Saved checkpoint to "%s"', path)

    def totals(self, timers: Timers, epochs: int) -> None:
        """The last line. ``epochs``: the hyperparameter, however many were run."""
        self._since = self._job_start
        metrics = {name: _spread(times) for name, times in timers.spent().items()}
        self._always(self._metrics(metrics | {"epochs": _spread([float(epochs)])}, {}), bare=True)

    def _metrics(self, metrics: Mapping[str, Any], dimensions: Mapping[str, Any]) -> str:
        line = {
            "StartTime": self._since,
            "EndTime": self._clock(),
            "Dimensions": {"Algorithm": ALGORITHM, "Host": self._host, "Operation": "training", **dimensions},
            "Metrics": metrics,
        }
        return f"#metrics {_JSON.encode(line)}"

    def _always(self, message: str, *, bare: bool = False) -> None:
        """Past the logger's level, which ``handle`` does not ask."""
        record = _log.makeRecord(
            _log.name, logging.INFO, __file__, 0, message, args=(), exc_info=None, extra={"bare": bare}
        )
        _log.handle(record)


def _spread(values: Sequence[float]) -> dict[str, float | int | None]:
    return {
        "sum": _finite(math.fsum(values)) if all(map(math.isfinite, values)) else None,
        "count": len(values),
        "min": _finite(min(values)),
        "max": _finite(max(values)),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float) -> str:
    return repr(float(value))


def _plain(value: Any) -> Any:
    """A NumPy number as a Python one, a float32 by its shortest decimal: 0.1, not 0.10000000149011612."""
    if isinstance(value, np.floating):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def _shown(value: np.ndarray | float | None) -> str:
    """On one line, long arrays by their ends."""
    if isinstance(value, np.ndarray):
        return np.array2string(value, max_line_width=1 << 30, threshold=100, separator=", ")
    return repr(_plain(value))


def _summary(objective: str, losses: np.ndarray) -> str:
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return f"{objective} of {len(losses)} models: all diverged"
    least, middle, most = np.min(finite), np.median(finite), np.max(finite)
    return (
        f"{objective} of {len(losses)} models: best {_number(least)}, median {_number(middle)}, worst {_number(most)}, "
        f"{len(losses) - len(finite)} diverged; the best {min(BEST_OF_MANY, len(losses))} follow"
    )
