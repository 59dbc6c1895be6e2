"""How the hosts of a job find each other: all others connect to the first one, which waits for them.

Host names are those of resourceconfig.json, which are no host names of the machines themselves: they are resolved,
again and again, since containers start in any order and a name is known once its container runs.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import socket
import struct
import time
from collections.abc import Callable, Sequence

from linear_learner.errors import ClientError, PlatformError, Stopped
from linear_learner.training.cluster.wire import Link
from linear_learner.training.sigterm import later

logger = logging.getLogger(__name__)

PORT = 29417
"""Where the first host listens."""
PATIENCE = 600.0
"""Seconds to wait for hosts that have not come yet."""

SECONDS_TO_SAY_SO = 5.0
"""A host that is to end before it has met the first one goes on trying for so long: who hears of it need not wait."""

_LOOK_AGAIN = 0.5
_ANSWER = 10.0
"""Seconds for the few bytes of a greeting."""
_MAGIC = b"linear-learner/1"
_GREETING = struct.Struct(f"!{len(_MAGIC)}s32sI")
_WELCOME, _ANOTHER_JOB = b"\x01", b"\x02"
_STILL_HERE = b"\x03"
"""Said to a welcome, which may come after a host has stopped waiting for it: that one greets again."""
_SIOCGIFADDR = 0x8915


def address_of_interface(name: str) -> str | None:
    """The IPv4 address of a network interface of this host; None where there is no such interface, or it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            found = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", name.encode("utf-8", "replace")[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(found[20:24])


def resolve(host: str) -> str | None:
    """The IPv4 address of a host, None while nobody knows it."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return None


def secret_of(job: Sequence[str]) -> bytes:
    """What hosts of one job have in common and strangers do not; ``job``: texts that all of its hosts know."""
    digest = hashlib.sha256()
    for text in job:
        digest.update(len(text).to_bytes(8, "big") + text.encode())
    return digest.digest()


def connect_to_first(
    names: Sequence[str], rank: int, secret: bytes, should_stop: Callable[[], bool], patience: float = PATIENCE
) -> Link:
    """The connection of host ``rank`` to host 0. Stopped if the job is to end, and host 0 cannot be told;
    PlatformError when patience ends."""
    first, end, should_stop = names[0], time.monotonic() + patience, later(should_stop, SECONDS_TO_SAY_SO)
    while True:
        problem = "its name is not known"
        address = resolve(first)
        if address is not None:
            try:
                return _greet(address, first, rank, secret)
            except OSError as error:
                problem = f"{address}, port {PORT}: {error.strerror or error}"
        if should_stop():
            raise Stopped
        if time.monotonic() > end:
            raise PlatformError(
                f"The first host of the job, '{first}', could not be reached for {patience:g} seconds",
                where=problem,
                fix="see its log, and whether the hosts share a network",
            )
        time.sleep(_LOOK_AGAIN)


def wait_for_others(
    names: Sequence[str],
    secret: bytes,
    came: Callable[[int, Link], None],
    should_stop: Callable[[], bool],
    patience: float = PATIENCE,
) -> None:
    """On host 0: tell ``came`` of each other host (rank and connection) as it comes, until all are there. Stopped if
    the job is to end; PlatformError when patience does."""
    missing, end = set(range(1, len(names))), time.monotonic() + patience
    with _listen(names[0], should_stop, end) as listener:
        while missing:
            try:
                connection, (address, _) = listener.accept()
            except TimeoutError:
                pass
            else:
                rank = _answer(connection, address, missing, secret)
                if rank is not None:
                    missing.discard(rank)
                    came(rank, _link(connection, names[rank]))
            if should_stop():
                raise Stopped
            if time.monotonic() > end:
                absent = ", ".join(names[rank] for rank in sorted(missing))
                raise PlatformError(
                    f"{len(missing)} of the {len(names)} hosts of the job did not come within {patience:g} seconds",
                    where=absent,
                    fix="see their logs, and whether the hosts share a network",
                )


def _listen(own_name: str, should_stop: Callable[[], bool], end: float) -> socket.socket:
    """At the address that this host's own name stands for, once it is known, so that others look there."""
    while (address := resolve(own_name)) is None:
        if should_stop():
            raise Stopped
        if time.monotonic() > end:
            raise PlatformError(
                "The name of this host is not known on its network",
                where=own_name,
                fix="see hosts in resourceconfig.json",
            )
        time.sleep(_LOOK_AGAIN)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            listener.bind((address, PORT))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            # An address that is not this container's own, but leads to it.
            listener.bind(("", PORT))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PlatformError(
            f"The other hosts cannot be listened for: {error.strerror or error}", where=f"port {PORT} of '{own_name}'"
        ) from None
    listener.settimeout(_LOOK_AGAIN)
    return listener


def _greet(address: str, first: str, rank: int, secret: bytes) -> Link:
    connection = socket.create_connection((address, PORT), timeout=_ANSWER)
    try:
        connection.sendall(_GREETING.pack(_MAGIC, secret, rank))
        answer = connection.recv(1)
        if answer == _ANOTHER_JOB:
            raise ClientError(
                f"Host '{first}' runs another job than this host",
                where=f"{address}, port {PORT}",
                fix="give all hosts of a job the same resourceconfig.json and the same TRAINING_JOB_NAME",
            )
        if answer != _WELCOME:
            raise ConnectionError("it does not answer")
        connection.sendall(_STILL_HERE)
    except BaseException:
        connection.close()
        raise
    return _link(connection, first)


def _link(connection: socket.socket, name: str) -> Link:
    """Short messages leave at once."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Link(connection, name)


def _answer(connection: socket.socket, address: str, missing: set[int], secret: bytes) -> int | None:
    """The rank of who has connected; None where that is no host of the job that is missing, who is sent away."""
    connection.settimeout(_ANSWER)
    try:
        greeting = bytearray()
        while len(greeting) < _GREETING.size and (some := connection.recv(_GREETING.size - len(greeting))):
            greeting += some
        if len(greeting) == _GREETING.size:
            magic, theirs, rank = _GREETING.unpack(greeting)
            if magic == _MAGIC:
                if theirs == secret and rank in missing:
                    connection.sendall(_WELCOME)
                    if connection.recv(1) == _STILL_HERE:
                        return int(rank)
                else:
                    connection.sendall(_ANOTHER_JOB)
    except OSError:
        pass
    logger.warning("A connection from %s is refused: it is no host of this job that is still to come.", address)
    connection.close()
    return None
