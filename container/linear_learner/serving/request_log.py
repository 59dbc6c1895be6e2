"""A layer around the application that times its answers, counts them and writes one line of JSON for each.

    {"time": "2026-11-24T18:00:00.123Z", "method": "POST", "route": "/invocations", "status": 200, "milliseconds": 0.41,
     "request_bytes": 57, "response_bytes": 72, "rows": 1}

``request_bytes`` is null of a chunked request. A line says nothing of what was sent or answered. A healthy /ping, which
comes every few seconds, and /metrics are not
written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TextIO

from linear_learner.serving.measurements import ROUTES, Measurements

ROWS, ERROR = "linear_learner.rows", "linear_learner.error"
"""Where in the WSGI environment the application leaves the number of rows, and the kind of the error, of a request."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class RequestLog:
    """``stream`` takes the lines; None writes none."""

    def __init__(self, application: Application, measurements: Measurements, stream: TextIO | None) -> None:
        self._application = application
        self._measurements = measurements
        self._stream = stream

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        status = 0
        length = "0"

        def start(line: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            nonlocal status, length
            status = int(line[:3])
            length = next((value for name, value in headers if name == "Content-Length"), "0")
            return start_response(line, headers, *exc_info)

        body = self._application(environ, start)
        seconds = time.perf_counter() - begun
        route = route_of(environ["PATH_INFO"])
        self._measurements.request(route, status, seconds, environ.get(ERROR))
        if self._stream is not None and (route not in ("/ping", "/metrics") or status != 200):
            # One write for a line, so that those of several processes do not mix. If nobody reads the log any more, or
            # its disk is full, that is no reason to keep back an answer.
            with suppress(OSError):
                self._stream.write(_line(environ, route, status, seconds, length))
                self._stream.flush()
        return body


def _line(environ: dict[str, Any], route: str, status: int, seconds: float, length: str) -> str:
    """Written by hand, at a fifth of the cost of json.dumps: nothing in it needs escaping but the method."""
    now = time.time()
    facts = [
        f'{{"time": "{_second(int(now))}.{int(now % 1 * 1000):03}Z"',
        f'"method": {json.dumps(environ["REQUEST_METHOD"])}',
        f'"route": "{route}"',
        f'"status": {status}',
        f'"milliseconds": {seconds * 1000:.2f}',
        f'"request_bytes": {int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else "null"}',
        f'"response_bytes": {length}',
    ]
    if ROWS in environ:
        facts.append(f'"rows": {environ[ROWS]}')
    if ERROR in environ:
        facts.append(f'"error": "{environ[ERROR]}"')
    return ", ".join(facts) + "}\n"


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def route_of(path: str) -> str:
    """The route in ROUTES that a path belongs to."""
    if path.startswith("/models"):
        return "/invocations" if path.endswith("/invoke") else "/models"
    return path if path in ROUTES else "other"
