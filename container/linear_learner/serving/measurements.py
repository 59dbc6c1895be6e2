"""What the server counts, over all its worker processes, and how it tells Prometheus.

The counts lie in memory that the processes share from before they are forked, a row of cells for each of them. So an
answer costs a few additions, ``GET /metrics`` sees all workers whichever of them it asks, and a worker that dies leaves
its counts behind. (The client library's own multiprocess mode writes files, a set for each process that ever lived, and
takes as long as a small request does; and it counts observations one by one, where a batch has thousands of scores.)
"""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

ROUTES = ("/invocations", "/ping", "/models", "/execution-parameters", "/metrics", "other")
"""What is asked; /models stands for everything below it but invoke, which counts as /invocations."""
STATUSES = (200, 204, 400, 404, 405, 406, 409, 413, 415, 500, 507, 0)
"""0 stands for any other."""
ERRORS = (
    "ClientError", "WrongWidth", "UnsupportedContentType", "UnsupportedEncoding", "NotAcceptable", "BodyTooLarge",
    "ModelNotLoaded", "ModelAlreadyLoaded", "NoMemoryLeft", "HTTPException", "ModelUnavailable", "PlatformError",
    "other",
)  # fmt: skip
"""Names of the classes of errors, each with those derived from it; ``other`` is a bug."""
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
SCORES = (
    -1e6, -1e5, -1e4, -1e3, -100.0, -10.0, -1.0, 0.0,
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0,
    10.0, 100.0, 1e3, 1e4, 1e5, 1e6,
)  # fmt: skip
"""Fine where probabilities are, coarse for margins and values."""

_REQUESTS = 0
_ERRORS = _REQUESTS + len(ROUTES) * len(STATUSES)
_SECONDS = _ERRORS + len(ERRORS)
_SECONDS_WIDTH = len(SECONDS) + 2  # a bucket above the last bound, and the sum
_SCORES = _SECONDS + len(ROUTES) * _SECONDS_WIDTH
_ROWS = _SCORES + len(SCORES) + 1
_OUTSIDE = _ROWS + 1
_CELLS = _OUTSIDE + 1

_ROUTE_INDEX = {name: i for i, name in enumerate(ROUTES)}
_STATUS_INDEX = {status: i for i, status in enumerate(STATUSES)}
_ERROR_INDEX = {name: i for i, name in enumerate(ERRORS)}


def kind_of(error: Exception) -> str:
    """The name in ERRORS that tells most of an error."""
    return next((base.__name__ for base in type(error).__mro__ if base.__name__ in _ERROR_INDEX), ERRORS[-1])


class Measurements:
    """Made once, before processes are forked; each then takes a row of its own."""

    def __init__(self, processes: int = 1) -> None:
        self._all = np.frombuffer(mmap.mmap(-1, 8 * processes * _CELLS)).reshape(processes, _CELLS)
        self._threads = threading.Lock()
        self.use_row(0)

    @property
    def rows(self) -> int:
        return len(self._all)

    def use_row(self, row: int) -> None:
        """Count in this row from now on: of all processes alive, nobody else does."""
        self._cells = self._all[row]
        self._cell: Any = memoryview(self._cells)  # several times as fast as an array at one cell

    def request(self, route: str, status: int, seconds: float, error: str | None) -> None:
        """One answered request; ``error`` is the kind of what went wrong, if anything did."""
        place = _ROUTE_INDEX[route]
        timing = _SECONDS + place * _SECONDS_WIDTH
        cell = self._cell
        with self._threads:
            cell[_REQUESTS + place * len(STATUSES) + _STATUS_INDEX.get(status, len(STATUSES) - 1)] += 1
            cell[timing + bisect_left(SECONDS, seconds)] += 1
            cell[timing + len(SECONDS) + 1] += seconds
            if error is not None:
                cell[_ERRORS + _ERROR_INDEX.get(error, len(ERRORS) - 1)] += 1

    def predicted(self, score: np.ndarray, outside: int) -> None:
        """Predictions of n rows: ``score`` (n,), or (n, C), whose highest is counted; ``outside``: values of features
        that were outside the range of the training data."""
        highest = score if score.ndim == 1 else score.max(axis=1)
        cell = self._cell
        if len(score) == 1:
            bucket = bisect_left(SCORES, highest.item())
            with self._threads:
                cell[_SCORES + bucket] += 1
                cell[_ROWS] += 1
                cell[_OUTSIDE] += outside
            return
        counts = np.bincount(np.searchsorted(SCORES, highest), minlength=len(SCORES) + 1)
        with self._threads:
            self._cells[_SCORES:_ROWS] += counts
            cell[_ROWS] += len(score)
            cell[_OUTSIDE] += outside

    def collect(self) -> Iterator[Any]:
        """The metric families, as the client library's registries ask for them."""
        from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

        cells = self._all.sum(axis=0).tolist()
        requests = CounterMetricFamily("linear_learner_requests", "Answered requests.", labels=("route", "status"))
        seconds = HistogramMetricFamily(
            "linear_learner_request_seconds", "From the first byte to the application to its answer.", labels=("route",)
        )
        for i, route in enumerate(ROUTES):
            for j, status in enumerate(STATUSES):
                count = cells[_REQUESTS + i * len(STATUSES) + j]
                if count:
                    requests.add_metric((route, str(status or "other")), count)
            timing = _SECONDS + i * _SECONDS_WIDTH
            if any(cells[timing : timing + len(SECONDS) + 1]):
                counts = cells[timing : timing + len(SECONDS) + 1]
                seconds.add_metric((route,), _buckets(SECONDS, counts), cells[timing + len(SECONDS) + 1])
        yield requests
        yield seconds
        errors = CounterMetricFamily("linear_learner_errors", "Requests that went wrong, by kind.", labels=("kind",))
        for i, kind in enumerate(ERRORS):
            errors.add_metric((kind,), cells[_ERRORS + i])
        yield errors
        yield CounterMetricFamily("linear_learner_rows", "Rows predicted.", value=cells[_ROWS])
        yield HistogramMetricFamily(
            "linear_learner_score",
            "Scores of the predicted rows; of a multiclass model the highest.",
            buckets=_buckets(SCORES, cells[_SCORES:_ROWS]),
            sum_value=None,  # Prometheus wants none beside buckets below zero
        )
        yield CounterMetricFamily(
            "linear_learner_values_outside_training_range",
            "Values of features below the least or above the greatest of the training data, if known to the model, and "
            "categories that it lacked.",
            value=cells[_OUTSIDE],
        )

    def exposition(self) -> tuple[bytes, str]:
        """All counts in Prometheus' text form, and its content type."""
        # Here and not above: a server that nobody scrapes starts without it.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """(upper bound, count up to it) pairs."""
    names = [*map(str, bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
