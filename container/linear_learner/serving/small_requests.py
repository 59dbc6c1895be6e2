"""Requests that are answered as soon as they are read, without a thread of their own.

A small request to the one model, all of whose bytes are there, takes a fraction of a millisecond to answer; to hand it
to a thread and its connection back takes as long again. So ``worker`` answers such a request where it reads it, and
nothing here waits for a client: what arrives in pieces is kept until it is whole, what is sent is gathered first, and
what the client does not take at once is left to a thread.
"""

from __future__ import annotations

import re
from typing import Any

MOST_BYTES = 1 << 14
"""Of head and body."""
_BEGINNINGS = b"POST /invocations ", b"GET /ping "
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r]*)\r", re.IGNORECASE)
# Packed bodies may be any amount of work.
_NEEDS_A_THREAD = re.compile(rb"\r\n(?:transfer-encoding|expect|content-encoding):", re.IGNORECASE)


def missing(data: bytes) -> int | None:
    """How many bytes ``data``, the first of a request, lack of a small one: 0 if they are all of it and nothing more,
    and at least 1 as long as its head does not end. None if it is none, or there is more than one.

    It only decides who parses the request. Where it is wrong about a malformed one, the parser meets the end of the
    bytes and the connection is closed.
    """
    if not data.startswith(_BEGINNINGS) and not any(beginning.startswith(data) for beginning in _BEGINNINGS):
        return None
    end = data.find(_HEAD_END)
    if end < 0:
        return 1 if len(data) < MOST_BYTES else None
    if _NEEDS_A_THREAD.search(data, 0, end):
        return None
    length = _LENGTH.search(data, 0, end + 1)
    whole = end + len(_HEAD_END) + (0 if length is None else _number(length[1]))
    return whole - len(data) if len(data) <= whole <= MOST_BYTES else None


def _number(text: bytes) -> int:
    """More than is small for anything but a few digits."""
    digits = text.rstrip(b" \t")
    return int(digits) if digits.isdigit() and len(digits) < 10 else MOST_BYTES


class Outbox:
    """Takes the place of a socket for gunicorn's writers, and keeps what they send."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self._pieces.append(data)

    def gettimeout(self) -> float:
        return 0.0  # not blocking, as they ask before they write an error

    def shutdown(self, how: int) -> None:
        """Asked for when an answer breaks off; the connection is closed by whoever has the socket."""

    def close(self) -> None:
        """See ``shutdown``."""

    def content(self) -> bytes:
        return b"".join(self._pieces)


class Exchange:
    """What gunicorn's ``handle_request`` asks of a connection, with an outbox for its socket."""

    def __init__(self, connection: Any) -> None:
        self.sock = Outbox()
        self.client = connection.client
        self.server = connection.server
        self.parser = connection.parser
