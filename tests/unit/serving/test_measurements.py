"""Counts of several processes, read back by the client library's own parser."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from linear_learner.errors import PlatformError
from linear_learner.formats.faults import MissingLabel
from linear_learner.formats.line_blocks import EndlessLine
from linear_learner.formats.width import WrongWidth
from linear_learner.serving.measurements import ERRORS, ROUTES, SCORES, SECONDS, STATUSES, Measurements, kind_of


def samples(measurements: Measurements) -> dict[tuple[str, ...], float]:
    """(name, values of its labels in alphabetical order) -> value."""
    text, content_type = measurements.exposition()
    assert content_type.startswith("text/plain")
    families = text_string_to_metric_families(text.decode())
    return {
        (s.name, *(s.labels[name] for name in sorted(s.labels))): s.value for family in families for s in family.samples
    }


def test_nothing_is_counted_at_first() -> None:
    assert set(samples(Measurements()).values()) == {0.0}


def test_requests_are_counted_by_route_and_status() -> None:
    measurements = Measurements()
    for status in (200, 200, 400, 418):
        measurements.request("/invocations", status, 0.002, None)
    measurements.request("/ping", 500, 0.002, None)
    found = samples(measurements)
    assert found["linear_learner_requests_total", "/invocations", "200"] == 2
    assert found["linear_learner_requests_total", "/invocations", "400"] == 1
    assert found["linear_learner_requests_total", "/invocations", "other"] == 1
    assert found["linear_learner_requests_total", "/ping", "500"] == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_seconds_are_a_cumulative_histogram(times: list[float]) -> None:
    measurements = Measurements()
    for seconds in times:
        measurements.request("/invocations", 200, seconds, None)
    found = samples(measurements)
    for bound in SECONDS:
        assert found["linear_learner_request_seconds_bucket", str(bound), "/invocations"] == sum(
            t <= bound for t in times
        )
    assert found["linear_learner_request_seconds_bucket", "+Inf", "/invocations"] == len(times)
    assert found["linear_learner_request_seconds_count", "/invocations"] == len(times)
    assert found["linear_learner_request_seconds_sum", "/invocations"] == pytest.approx(sum(times))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e7, 1e7, width=32) | st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_scores_are_a_cumulative_histogram(scores: list[float]) -> None:
    measurements = Measurements()
    measurements.predicted(np.array(scores, np.float32), outside=3)
    measurements.predicted(np.array(scores, np.float32), outside=0)
    found = samples(measurements)
    for bound in SCORES:
        assert found["linear_learner_score_bucket", str(bound)] == 2 * sum(score <= bound for score in scores)
    assert found["linear_learner_score_bucket", "+Inf"] == 2 * len(scores)
    assert found["linear_learner_rows_total",] == 2 * len(scores)
    assert found["linear_learner_values_outside_training_range_total",] == 3


def test_of_a_multiclass_model_the_highest_score_counts() -> None:
    measurements = Measurements()
    measurements.predicted(np.array([[0.25, 0.75], [1, 0]], np.float32), outside=0)
    found = samples(measurements)
    assert [found["linear_learner_score_bucket", bound] for bound in ("0.7", "0.8", "0.95", "1.0")] == [0, 1, 1, 2]


def test_errors_are_counted_by_kind() -> None:
    measurements = Measurements()
    for kind in ("WrongWidth", "WrongWidth", "ZeroDivisionError", None):
        measurements.request("/invocations", 400, 0.0, kind)
    found = samples(measurements)
    assert found["linear_learner_errors_total", "WrongWidth"] == 2
    assert found["linear_learner_errors_total", "other"] == 1
    assert sum(value for key, value in found.items() if key[0] == "linear_learner_errors_total") == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (WrongWidth(1, 2, "row 1"), "WrongWidth"),
        (MissingLabel(0, where="row 1"), "ClientError"),
        (EndlessLine(9, "request", "text/csv"), "ClientError"),
        (PlatformError("no memory"), "PlatformError"),
        (KeyError("x"), "other"),
    ],
)
def test_an_error_is_of_the_kind_that_tells_most_of_it(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_every_cell_is_one_series() -> None:
    """Routes, statuses, kinds of error and scores do not run into each other: each has a count of its own."""
    measurements = Measurements()
    expected = {}
    for i, route in enumerate(ROUTES):
        for j, status in enumerate(STATUSES):
            expected["linear_learner_requests_total", route, str(status or "other")] = count = 1 + i + 7 * j
            for _ in range(count):
                measurements.request(route, status, 0.0, None)
    for i, kind in enumerate(ERRORS):
        expected["linear_learner_errors_total", kind] = i + 1
        for _ in range(i + 1):
            measurements.request("other", 0, 1e9, kind)
    expected["linear_learner_requests_total", "other", "other"] += sum(range(len(ERRORS) + 1))
    measurements.predicted(np.array([-1e9, 1e9], np.float32), outside=5)
    found = samples(measurements)
    assert {key: found[key] for key in expected} == expected
    assert found["linear_learner_score_bucket", str(SCORES[0])] == 1
    assert found["linear_learner_score_bucket", str(SCORES[-1])] == 1
    assert found["linear_learner_rows_total",] == 2
    assert found["linear_learner_values_outside_training_range_total",] == 5


def test_processes_count_together_and_the_dead_are_not_forgotten() -> None:
    measurements = Measurements(processes=3)
    for row in (1, 2):
        child = os.fork()
        if not child:
            measurements.use_row(row)
            for _ in range(100):
                measurements.request("/invocations", 200, 0.001, None)
                measurements.predicted(np.array([0.5], np.float32), outside=0)
            os._exit(0)
        os.waitpid(child, 0)
    measurements.request("/invocations", 200, 0.001, None)
    found = samples(measurements)
    assert found["linear_learner_requests_total", "/invocations", "200"] == 201
    assert found["linear_learner_rows_total",] == 200
