"""The thread of a host that listens to the others, and ends the job where one of them fails or is gone.

Every host hears from the first one, and the first from all, every second at least. Silence for SILENCE seconds, or a
connection that ends without a goodbye, is a lost host. The parameter servers would wait for it for ever.
"""

from __future__ import annotations

import json
import queue
import select
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from linear_learner.errors import AlgorithmError, ClientError, LinearLearnerError, PlatformError
from linear_learner.training.cluster.wire import Kind, Link, Lost

SILENCE = 40
"""Seconds after which a host that says nothing counts as lost."""
STUCK = 60
"""Seconds after which the parameter servers count as lost, where all hosts wait for them."""

_BEAT = struct.Struct("!Q")
_SECONDS_TO_STOP = 2.0


class HostFailed(Exception):  # noqa: N818 (how another host ended, told by it)
    """Another host ended the job with exit code ``code``, and has nothing to say that a failure file should hold."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"Host '{name}' ended the job")
        self.code = code


class Watch:
    """``fail`` is called once at most, by the watching thread, with why the job cannot go on. ``problem_here``: what is
    wrong on this host, if anything is. ``hears_all``: of the first host."""

    def __init__(
        self,
        own_name: str,
        fail: Callable[[Exception], None],
        problem_here: Callable[[], str | None],
        *,
        hears_all: bool,
    ) -> None:
        self._own_name = own_name
        self._hears_all = hears_all
        self._fail = fail
        self._problem_here = problem_here
        self._links: dict[int, Link] = {}
        self._inboxes: dict[int, queue.SimpleQueue[bytes]] = {}
        self._silent: dict[int, int] = {}
        self._beats: dict[int, int] = {}
        self._gone: set[int] = set()
        self._own_beat = 0
        self._stuck = 0
        self._ends = threading.Event()
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch hosts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, rank: int, link: Link) -> None:
        with self._changed:
            self._inboxes[rank], self._silent[rank], self._beats[rank] = queue.SimpleQueue(), 0, 0
            self._links[rank] = link

    def inbox(self, rank: int) -> queue.SimpleQueue[bytes]:
        """The messages of exchanges from that host."""
        return self._inboxes[rank]

    def links(self) -> Mapping[int, Link]:
        with self._changed:
            return dict(self._links)

    def step(self) -> None:
        """This host begins to wait for the parameter servers, or has got its answer: odd and even numbers."""
        self._own_beat += 1

    def tell_failure(self, failure: dict[str, Any]) -> None:
        """To all hosts that this one has a connection to."""
        message = json.dumps(failure).encode()
        for rank, link in self.links().items():
            if rank not in self._gone:
                link.send_soon(Kind.FAILURE, message, seconds=2.0)

    def stop(self) -> None:
        """No failure is told from now on, but one that is being told already, which does not come back."""
        self._ends.set()
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join(_SECONDS_TO_STOP)

    def close(self) -> None:
        for link in self.links().values():
            link.close()

    def _run(self) -> None:
        tick = time.monotonic()
        while not self._ends.is_set():
            try:
                self._listen(0.2)
                if time.monotonic() - tick >= 1:
                    # However long it was: this process may have been frozen, and the others may have spoken meanwhile.
                    tick = time.monotonic()
                    self._tick()
            except Exception as error:
                if not self._ends.is_set():
                    self._fail(error)
                return

    def _listen(self, seconds: float) -> None:
        links = {rank: link for rank, link in self.links().items() if rank not in self._gone}
        if not links:
            self._ends.wait(seconds)
            return
        ready = set(select.select(list(links.values()), [], [], seconds)[0])
        for rank, link in links.items():
            if link in ready:
                self._hear(rank, link)

    def _hear(self, rank: int, link: Link) -> None:
        self._silent[rank] = 0
        try:
            frames = link.receive()
        except Lost as lost:
            raise self._lost(link, str(lost)) from None
        for frame in frames:
            if frame.kind == Kind.DATA:
                self._inboxes[rank].put(frame.payload)
            elif frame.kind == Kind.BEAT and len(frame.payload) == _BEAT.size:
                (self._beats[rank],) = _BEAT.unpack(frame.payload)
            elif frame.kind == Kind.FAILURE:
                failure = json.loads(frame.payload)
                self.tell_failure(failure)
                raise failure_of(failure)
            elif frame.kind == Kind.GOODBYE:
                self._gone.add(rank)
                return

    def _tick(self) -> None:
        beat = _BEAT.pack(self._own_beat)
        for rank, link in self.links().items():
            if rank in self._gone:
                continue
            link.send_soon(Kind.BEAT, beat)
            self._silent[rank] += 1
            if self._silent[rank] >= SILENCE:
                raise self._lost(link, f"nothing was heard of it for {SILENCE} seconds")
        if problem := self._problem_here():
            raise self._told(PlatformError(problem, where=f"host '{self._own_name}'"))
        all_wait = self._hears_all and self._own_beat % 2 == 1 and set(self._beats.values()) == {self._own_beat}
        self._stuck = self._stuck + 1 if all_wait else 0
        if self._stuck >= STUCK:
            raise self._told(
                PlatformError(
                    f"The parameter servers have not answered for {STUCK} seconds",
                    where=f"host '{self._own_name}'",
                    fix="see whether every host can reach every other one on all ports",
                )
            )

    def _lost(self, link: Link, reason: str) -> PlatformError:
        return self._told(
            PlatformError(
                f"Host '{link.name}' was lost: {reason}",
                where=f"as seen by host '{self._own_name}'",
                fix="see its log; the others cannot go on without it",
            )
        )

    def _told(self, error: PlatformError) -> PlatformError:
        """``error``, after the other hosts were told."""
        self.tell_failure({"host": None, "code": error.exit_code, "text": str(error)})
        return error


def failure_of(failure: dict[str, Any]) -> Exception:
    """What another host told: ``code``, its exit code; ``text``, its error; ``host``, its name, or None where the text
    is about the job as a whole."""
    code, name, text = int(failure["code"]), failure["host"], str(failure["text"])
    kinds: dict[int, type[LinearLearnerError]] = {
        kind.exit_code: kind for kind in (AlgorithmError, ClientError, PlatformError)
    }
    if code not in kinds:
        return HostFailed(str(name), code)
    return kinds[code](text if name is None else f"Host '{name}' failed: {text}")
