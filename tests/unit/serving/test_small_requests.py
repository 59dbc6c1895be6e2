"""Which requests are answered where they are read, held against gunicorn's own parser."""

from __future__ import annotations

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.serving.small_requests import MOST_BYTES, missing

HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"


def request(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


@pytest.mark.parametrize(
    "data",
    [
        request(b"1,2", b"Content-Length: 3"),
        request(b"1,2", b"content-length:3 ", b"Content-Type: text/csv"),
        request(b"a\r\n\r\nContent-Length: 9", b"Content-Length: 22"),
        request(b""),
        request(b"", b"Content-Length: 0"),
        b"GET /ping HTTP/1.1\r\n\r\n",
    ],
)
def test_a_request_that_is_all_there(data: bytes) -> None:
    assert missing(data) == 0
    end = data.index(b"\r\n\r\n") + 4
    # Any beginning of it lacks something; from the end of the head on it is known how much.
    assert {missing(data[:n]) for n in range(1, end)} <= {1}
    assert [missing(data[:n]) for n in range(end, len(data))] == [len(data) - n for n in range(end, len(data))]
    # There is more with the beginning of another.
    assert missing(data + b"P") is None


@pytest.mark.parametrize(
    "data",
    [
        request(b"", b"Content-Length: %d" % MOST_BYTES),
        request(b"", b"Content-Length: 6000000"),
        request(b"", b"Content-Length: 99999999999999999999999"),
        request(b"", b"Content-Length: -3"),
        request(b"", b"Content-Length: x"),
        request(b"1,2", b"Content-Length : 3"),
        request(b"", b"Transfer-Encoding: chunked"),
        request(b"0\r\n\r\n", b"transfer-encoding: chunked", b"Content-Length: 5"),
        request(b"1,2", b"Expect: 100-continue", b"Content-Length: 3"),
        request(b"1,2", b"content-encoding: gzip", b"Content-Length: 3"),
        request(b"x" * MOST_BYTES, b"Content-Length: %d" % MOST_BYTES),
        b"POST /models HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /models/m/invoke HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /m",
        HEAD + b"x" * MOST_BYTES,
    ],
)
def test_a_request_that_needs_a_thread(data: bytes) -> None:
    assert missing(data) is None


class StarvedError(Exception):
    """The parser asked for bytes beyond those that are there."""


def parse(data: bytes) -> None:
    def pieces() -> object:
        yield data
        raise StarvedError

    Request(Config(), IterUnreader(pieces()), ("127.0.0.1", 1)).body.read(MOST_BYTES)


LINES = st.lists(
    st.sampled_from(
        [b"Host: x", b"Content-Length: ", b"content-length:", b"3", b" 2", b"\r\n", b"\n", b"\r", b"1,2", b":"]
    ),
    max_size=12,
).map(b"".join)


@given(LINES)
def test_of_what_is_all_there_the_parser_asks_for_no_more(rest: bytes) -> None:
    data = b"POST /invocations HTTP/1.1\r\n" + rest
    if missing(data) == 0:
        try:
            parse(data)
        except StarvedError:
            pytest.fail(f"{data!r} is not all of a request")
        except Exception:  # a malformed request is refused, which needs no more bytes
            pass
