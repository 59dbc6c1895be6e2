"""Frames between two ends of a connection: what is sent comes, nonsense is refused, and an end is noticed."""

from __future__ import annotations

import select
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.training.cluster.wire import HEADER, LONGEST, Frame, Kind, Link, Lost


@pytest.fixture
def ends() -> Iterator[tuple[Link, socket.socket]]:
    """A link, and the bare other end of its connection."""
    near, far = socket.socketpair()
    yield Link(near, "algo-2"), far
    near.close()
    far.close()


def receive(link: Link, count: int) -> list[Frame]:
    frames: list[Frame] = []
    end = time.monotonic() + 10
    while len(frames) < count and time.monotonic() < end:
        frames += link.receive()
    return frames


def test_frames_come_as_they_were_sent_whole_or_in_pieces(ends: tuple[Link, socket.socket]) -> None:
    link, far = ends
    content = HEADER.pack(Kind.DATA, 3) + b"abc" + HEADER.pack(Kind.BEAT, 0) + HEADER.pack(Kind.FAILURE, 1) + b"x"
    for cut in range(len(content)):
        far.sendall(content[:cut])
        time.sleep(0.001)
        early = link.receive()
        far.sendall(content[cut:])
        found = early + receive(link, 3 - len(early))
        assert found == [Frame(Kind.DATA, b"abc"), Frame(Kind.BEAT, b""), Frame(Kind.FAILURE, b"x")]


def test_large_frames_and_many_senders(ends: tuple[Link, socket.socket]) -> None:
    link, far = ends
    other = Link(far, "algo-1")
    large = bytes(range(256)) * 40_000
    senders = [threading.Thread(target=other.send, args=(Kind.DATA, large)) for _ in range(3)]
    for sender in senders:
        sender.start()
    frames = receive(link, 3)
    for sender in senders:
        sender.join()
    assert [frame.payload == large for frame in frames] == [True] * 3


@given(st.binary(min_size=HEADER.size, max_size=60))
@settings(max_examples=100, deadline=None)
def test_nonsense_is_a_loss_and_takes_no_memory(content: bytes) -> None:
    kind, length = HEADER.unpack(content[: HEADER.size])
    near, far = socket.socketpair()
    with near, far:
        far.sendall(content)
        if kind not in list(Kind) or length > LONGEST:
            link = Link(near, "algo-2")
            tracemalloc.start()
            try:
                with pytest.raises(Lost, match="no message"):
                    link.receive()
                assert tracemalloc.get_traced_memory()[1] < 16 << 20
            finally:
                tracemalloc.stop()


@pytest.mark.parametrize("content", [HEADER.pack(0, 1), HEADER.pack(9, 1), HEADER.pack(Kind.DATA, LONGEST + 1)])
def test_a_header_that_is_none_is_a_loss(content: bytes, ends: tuple[Link, socket.socket]) -> None:
    link, far = ends
    far.sendall(content)
    with pytest.raises(Lost, match="no message"):
        link.receive()


def test_what_came_before_the_end_is_received_first(ends: tuple[Link, socket.socket]) -> None:
    link, far = ends
    far.sendall(HEADER.pack(Kind.FAILURE, 3) + b"why")
    far.close()
    time.sleep(0.05)
    assert link.receive() == [Frame(Kind.FAILURE, b"why")]
    with pytest.raises(Lost, match="closed"):
        link.receive()


def test_a_busy_connection_drops_what_need_not_come(ends: tuple[Link, socket.socket]) -> None:
    """A heartbeat never waits for a host that does not listen."""
    link, far = ends
    stuck = threading.Thread(target=link.send, args=(Kind.DATA, bytes(5_000_000)), daemon=True)
    stuck.start()
    while select.select([], [link], [], 0)[1]:
        time.sleep(0.001)
    beat = threading.Thread(target=link.send_soon, args=(Kind.BEAT, b"12345678"), daemon=True)
    beat.start()
    beat.join(10)
    assert stuck.is_alive() and not beat.is_alive()
    other = Link(far, "algo-1")
    assert [frame.kind for frame in receive(other, 1)] == [Kind.DATA]
    stuck.join()
    assert other.receive() == []
