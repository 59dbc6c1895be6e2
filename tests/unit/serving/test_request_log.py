"""One line of JSON for each request, without anything that was sent."""

from __future__ import annotations

import io
import json

import pytest

from linear_learner.serving import request_log
from linear_learner.serving.measurements import Measurements
from linear_learner.serving.request_log import RequestLog, route_of


def call(path: str, status: int = 200, stream: io.StringIO | None = None, **left: object) -> list[dict[str, object]]:
    """The lines for one request to an application that answers ``status`` and leaves some facts in the environment."""
    stream = stream or io.StringIO()

    def application(environ, start_response):
        environ.update(left)
        start_response(f"{status} SO IT IS", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"answer"]

    measurements = Measurements()
    log = RequestLog(application, measurements, stream)
    started = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "12", "QUERY_STRING": "secret"}
    assert log(environ, lambda *given: started.append(given)) == [b"answer"]
    assert started == [(f"{status} SO IT IS", [("Content-Type", "text/plain"), ("Content-Length", "6")])]
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line() -> None:
    (line,) = call("/invocations", **{request_log.ROWS: 3})
    assert line.pop("time").endswith("Z")
    assert 0 <= line.pop("milliseconds") < 1000
    assert line == {
        "method": "POST",
        "route": "/invocations",
        "status": 200,
        "request_bytes": 12,
        "response_bytes": 6,
        "rows": 3,
    }


def test_a_method_cannot_break_out_of_its_line() -> None:
    (line,) = call("/invocations", REQUEST_METHOD='A", "rows": "9')
    assert line["method"] == 'A", "rows": "9'
    assert "rows" not in line


def test_a_length_with_zeros_before_it_is_a_number() -> None:
    (line,) = call("/invocations", CONTENT_LENGTH="0011")
    assert line["request_bytes"] == 11


def test_an_error_is_named_by_its_kind() -> None:
    (line,) = call("/invocations", 400, **{request_log.ERROR: "WrongWidth"})
    assert (line["status"], line["error"]) == (400, "WrongWidth")


@pytest.mark.parametrize(
    ("path", "status", "lines"),
    [("/ping", 200, 0), ("/metrics", 200, 0), ("/ping", 500, 1), ("/models", 200, 1), ("/x", 404, 1)],
)
def test_what_comes_every_few_seconds_is_written_only_when_it_fails(path: str, status: int, lines: int) -> None:
    assert len(call(path, status)) == lines


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/invocations", "/invocations"),
        ("/ping", "/ping"),
        ("/models", "/models"),
        ("/models/a-secret-name", "/models"),
        ("/models/a/b/invoke", "/invocations"),
        ("/execution-parameters", "/execution-parameters"),
        ("/metrics", "/metrics"),
        ("/", "other"),
        ("/other", "other"),
        ("/invocations/secret", "other"),
        ("", "other"),
    ],
)
def test_a_path_is_told_by_its_route_alone(path: str, route: str) -> None:
    assert route_of(path) == route


def test_without_a_stream_requests_are_counted_and_not_written() -> None:
    measurements = Measurements()
    log = RequestLog(lambda environ, start: start("204 NO CONTENT", []) or [], measurements, None)
    log({"PATH_INFO": "/invocations", "REQUEST_METHOD": "POST"}, lambda *given: None)
    assert b'requests_total{route="/invocations",status="204"} 1.0' in measurements.exposition()[0]


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
def test_a_log_that_cannot_be_written_keeps_no_answer_back(error: OSError) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise error

    assert len(call("/invocations", stream=Full())) == 1  # which sees that the answer came
