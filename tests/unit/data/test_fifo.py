from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from linear_learner.data.fifo import Fifo, Patience
from linear_learner.errors import ClientError, Stopped


def write(path: Path, *pieces: bytes) -> None:
    """Make the pipe and write to it, piece by piece, in a thread."""

    def work() -> None:
        os.mkfifo(path)
        # A test may be over before all is written.
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)

    threading.Thread(target=work, daemon=True).start()


def test_all_bytes_come_through(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    write(tmp_path / "train_0", content)
    with io.BufferedReader(Fifo(tmp_path / "train_0", Patience())) as stream:
        assert stream.read() == content
        assert stream.tell() == len(content)


def test_the_first_read_shows_what_it_is_however_little_comes_at_a_time(tmp_path: Path) -> None:
    write(tmp_path / "train_0", *[b"%d," % (i % 10) for i in range(400)])
    with io.BufferedReader(Fifo(tmp_path / "train_0", Patience())) as stream:
        assert len(stream.peek(1)) >= 512


def test_a_pipe_that_is_closed_at_once_is_empty(tmp_path: Path) -> None:
    write(tmp_path / "train_0")
    with io.BufferedReader(Fifo(tmp_path / "train_0", Patience())) as stream:
        assert stream.read() == b""


def test_a_folder_of_its_name_is_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "train_0").mkdir()
    with pytest.raises(ClientError, match=r"A folder stands where a pipe should \(.*train_0"):
        Fifo(tmp_path / "train_0", Patience(1))


def test_patience_ends_where_no_pipe_appears(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"The pipe has not appeared for 0.2 seconds \(.*train_0\)\..*pipe_timeout"):
        Fifo(tmp_path / "train_0", Patience(0.2))


@pytest.mark.parametrize("begin", [None, b"x"])
def test_patience_ends_where_nothing_comes(begin: bytes | None, tmp_path: Path) -> None:
    """Of a pipe that nobody opens, and of one whose writer falls silent."""
    path = tmp_path / "train_0"
    os.mkfifo(path)
    with Fifo(path, Patience(0.2)) as fifo:
        writer = None if begin is None else path.open("wb", buffering=0)
        if writer is not None and begin is not None:
            writer.write(begin)
        with pytest.raises(ClientError, match=r"Nothing came for 0.2 seconds \(.*train_0\)"):
            fifo.read(10)
        if writer is not None:
            writer.close()


@pytest.mark.parametrize("make", [lambda path: None, os.mkfifo])
def test_a_stop_ends_any_wait(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "train_0")
    with pytest.raises(Stopped), Fifo(tmp_path / "train_0", Patience(600, lambda: True)) as fifo:
        fifo.read(1)


def test_a_stop_is_heard_while_bytes_come(tmp_path: Path) -> None:
    """Else a block that fills a few bytes at a time would be waited for."""
    write(tmp_path / "train_0", os.urandom(1 << 20))
    stop = threading.Event()
    with Fifo(tmp_path / "train_0", Patience(600, stop.is_set)) as fifo:
        assert fifo.read(1 << 10)
        stop.set()
        with pytest.raises(Stopped):
            fifo.read(1 << 10)


def test_patience_begins_anew_with_every_byte(tmp_path: Path) -> None:
    """Five bytes come, one every 0.3 seconds; patience is 1.2."""
    path = tmp_path / "train_0"

    def work() -> None:
        with path.open("wb", buffering=0) as pipe:
            for _ in range(5):
                threading.Event().wait(0.3)
                pipe.write(b"x")

    os.mkfifo(path)
    threading.Thread(target=work, daemon=True).start()
    with Fifo(path, Patience(1.2)) as fifo:
        assert fifo.read(10) == b"xxxxx"
