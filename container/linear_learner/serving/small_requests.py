"""Requests that are answered as soon as they are read, without a thread of their own.

A small request to the one model, all of whose bytes are there, takes a fraction of a millisecond to answer; to hand it
to a thread and its connection back takes as long again. So ``worker`` answers such a request where it reads it, and
nothing here waits for a client: what is sent is gathered first, and what the client does not take at once is left to a
thread.
"""

from __future__ import annotations

import re
from typing import Any

MOST_BYTES = 1 << 14
"""Of head and body."""
_BEGINNINGS = b"POST /invocations ", b"GET /ping "
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([^\r]*)\r", re.IGNORECASE)
_NEEDS_A_DIALOGUE = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.IGNORECASE)


def is_one(data: bytes) -> bool:
    """Whether ``data``, the first bytes of a request, are all of it and nothing more.

    It only decides who parses the request. Where it is wrong about a malformed one, the parser meets the end of the
    bytes and the connection is closed.
    """
    if len(data) > MOST_BYTES or not data.startswith(_BEGINNINGS):
        return False
    end = data.find(_HEAD_END)
    if end < 0 or _NEEDS_A_DIALOGUE.search(data, 0, end):
        return False
    length = _LENGTH.search(data, 0, end + 1)
    return len(data) - end - len(_HEAD_END) == (0 if length is None else _number(length[1]))


def _number(text: bytes) -> int:
    """-1 for anything but a few digits."""
    digits = text.rstrip(b" \t")
    return int(digits) if digits.isdigit() and len(digits) < 10 else -1


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
