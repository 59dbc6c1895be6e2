"""The messages between two hosts: a kind, a length and so many bytes.

Nothing that comes in is ever run: payloads are JSON, or arrays whose type and shape the receiver knows.
"""

from __future__ import annotations

import enum
import select
import socket
import struct
import threading
from dataclasses import dataclass

HEADER = struct.Struct("!BQ")
LONGEST = 1 << 33
"""Bytes of a payload: more than any job sends, and far less than a length that was garbled may ask for."""
_AT_ONCE = 1 << 20


class Kind(enum.IntEnum):
    BEAT = 1
    """I am here; how far I have come in talking to the parameter servers (see ``watch``)."""
    DATA = 2
    """A message of an exchange, or its answer."""
    FAILURE = 3
    """A host fails, and so does the job (JSON)."""
    GOODBYE = 4
    """I have done my part; that this connection ends now is no loss."""


class Lost(Exception):  # noqa: N818 (an event, told to the user as a PlatformError)
    """The other end is gone, or talks nonsense."""


@dataclass(frozen=True)
class Frame:
    kind: Kind
    payload: bytes


class Link:
    """A connection to a host, ``name``. One thread may receive, any may send."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.name = name
        connection.settimeout(None)
        self._connection = connection
        self._sending = threading.Lock()
        self._header = bytearray()
        self._payload: memoryview | None = None
        self._filled = 0
        self._lost: Lost | None = None

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def own_address(self) -> str:
        """By which the other end knows this host."""
        return str(self._connection.getsockname()[0])

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Waits until it is on its way. OSError where the connection is gone."""
        with self._sending:
            self._connection.sendall(HEADER.pack(kind, len(payload)))
            if payload:
                self._connection.sendall(payload)

    def send_soon(self, kind: Kind, payload: bytes = b"", seconds: float = 0.0) -> None:
        """A short frame, if that is possible within so many seconds; dropped where the connection is busy or gone."""
        if not self._sending.acquire(timeout=seconds):
            return
        try:
            if select.select([], [self._connection], [], seconds)[1]:
                self._connection.sendall(HEADER.pack(kind, len(payload)) + payload)
        except (OSError, ValueError):
            pass
        finally:
            self._sending.release()

    def receive(self) -> list[Frame]:
        """The frames that are complete now, without waiting for more. Lost where the connection has ended, once what
        came before has been received."""
        if self._lost is not None:
            raise self._lost
        frames = []
        try:
            while True:
                frames.append(self._advance())
        except BlockingIOError:
            return frames
        except OSError as error:
            self._lost = Lost(error.strerror or str(error))
        except Lost as lost:
            self._lost = lost
        if not frames:
            raise self._lost
        return frames

    def _advance(self) -> Frame:
        """The next frame. BlockingIOError where not all of it has come."""
        while len(self._header) < HEADER.size:
            self._header += self._some(HEADER.size - len(self._header))
        number, length = HEADER.unpack(self._header)
        if self._payload is None:
            if length > LONGEST or number not in list(Kind):
                raise Lost("it sent something that is no message")
            self._payload, self._filled = memoryview(bytearray(length)), 0
        while self._filled < length:
            count = self._connection.recv_into(
                self._payload[self._filled :], min(length - self._filled, _AT_ONCE), socket.MSG_DONTWAIT
            )
            if not count:
                raise Lost("the connection was closed")
            self._filled += count
        frame = Frame(Kind(number), bytes(self._payload))
        self._header, self._payload = bytearray(), None
        return frame

    def _some(self, most: int) -> bytes:
        found = self._connection.recv(most, socket.MSG_DONTWAIT)
        if not found:
            raise Lost("the connection was closed")
        return found

    def close(self) -> None:
        self._connection.close()
