"""A named pipe as a stream of bytes that neither waits for ever nor is deaf to a stop.

In Pipe mode the platform makes a FIFO for every pass over a channel, ``<channel>_0``, ``<channel>_1`` and so on, and
writes the data of the channel into it once it is opened. Source: "Access Training Data" of the SageMaker Developer
Guide.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linear_learner.errors import ClientError, Stopped
from linear_learner.formats.sniffing import SNIFFED_BYTES

_LOOK_AGAIN = 0.1
"""Seconds between two looks at what is waited for, and whether to go on waiting."""
_PIPE_SIZE = 1 << 20
"""What the kernel holds of a pipe, if it lets us: with 64 KiB, writer and reader wait for each other all the time."""


@dataclass(frozen=True)
class Patience:
    """``seconds`` to wait while nothing comes; ``should_stop`` ends any waiting."""

    seconds: float = 600.0
    should_stop: Callable[[], bool] = lambda: False

    def wait(self, ready: Callable[[float], bool], problem: str, where: Path) -> None:
        """Until ``ready``, which is given the seconds that it may take, says yes. Stopped if the job is to end, whether
        or not it is ready: a pipe that always has a little would be heard out for a whole block. ClientError about
        ``problem`` once patience is at its end."""
        end = time.monotonic() + self.seconds
        while True:
            if self.should_stop():
                raise Stopped
            if ready(_LOOK_AGAIN):
                return
            if time.monotonic() > end:
                raise ClientError(
                    f"{problem} for {self.seconds:g} seconds",
                    where=str(where),
                    fix="check what is to write it, or give the channel the input mode File; pipe_timeout sets how "
                    "long to wait",
                )


class Fifo(io.RawIOBase):
    """The bytes that come through ``path``, until its writer closes it.

    Waits for the FIFO to appear, for its writer and for every byte. The first read gives enough to tell what the bytes
    are, however few come at a time.
    """

    def __init__(self, path: Path, patience: Patience) -> None:
        super().__init__()
        self.bytes_read = 0
        self._descriptor = -1
        self._path = path
        self._patience = patience
        patience.wait(self._appears, "The pipe has not appeared", path)
        if path.is_dir():
            fix = "give the channel the input mode File, or make a pipe of that name"
            raise ClientError("A folder stands where a pipe should", where=str(path), fix=fix)
        # Without O_NONBLOCK, opening waits for the writer, and hears nothing while it does.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def _appears(self, seconds: float) -> bool:
        if self._path.exists():
            return True
        time.sleep(seconds)
        return False

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.bytes_read

    def readinto(self, target: Any) -> int:
        room = memoryview(target).cast("B")
        wanted = min(len(room), max(1, SNIFFED_BYTES - self.bytes_read))
        filled = 0
        while filled < wanted:
            # A pipe that no writer has opened yet is not ready; one that its writer has closed is.
            self._patience.wait(lambda seconds: bool(self._poll.poll(seconds * 1000)), "Nothing came", self._path)
            with contextlib.suppress(BlockingIOError):
                count = os.readv(self._descriptor, [room[filled:]])
                if not count:
                    break
                filled += count
        self.bytes_read += filled
        return filled

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()
