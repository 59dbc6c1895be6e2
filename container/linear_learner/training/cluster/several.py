"""The hosts of a job with more than one."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from linear_learner.errors import AlgorithmError, LinearLearnerError, Stopped
from linear_learner.training.cluster import rendezvous
from linear_learner.training.cluster.interface import Cluster, Combine, Traffic
from linear_learner.training.cluster.rendezvous import address_of_interface, connect_to_first, resolve, wait_for_others
from linear_learner.training.cluster.store import Children, Plan, Store
from linear_learner.training.cluster.watch import Watch
from linear_learner.training.cluster.wire import Kind, Link

_LOOK_AGAIN = 0.5
_LAST_WORDS = 0.3
"""Seconds for a message to get away before the connection ends."""


@dataclass(frozen=True)
class Settings:
    """``names``: of all hosts, in the order of their ranks; ``rank``: of this one. ``interface``: the network interface
    to use, where it exists. ``job``: texts that all hosts of the job know. ``kind``: MXNet's name of the store;
    ``servers``: how many parameter servers the job has."""

    names: Sequence[str]
    rank: int
    interface: str | None
    job: Sequence[str]
    kind: str
    servers: int
    patience: float = rendezvous.PATIENCE


class Several(Cluster):
    """This host among several. ``fail`` is called by a thread of its own where another host fails or is lost, or a
    process of the parameter servers ends; it has to end this process, whose main thread may wait for ever."""

    def __init__(self, settings: Settings, fail: Callable[[Exception], None]) -> None:
        super().__init__(settings.names, settings.rank)
        self._settings = settings
        self._children = Children()
        self._watch = Watch(self.names[self.rank], fail, self._children.ended, hears_all=self.is_first)
        self._give_up: Callable[[], bool] = lambda: False
        self._plan: Plan | None = None
        self._address = ""
        self._store: Store | None = None

    @property
    def traffic(self) -> Traffic:
        """Of the parameter servers, so far."""
        return Traffic() if self._store is None else self._store.traffic

    def exchange(self, message: bytes, combine: Combine) -> bytes:
        if not self.is_first:
            self._send(0, message)
            return self._receive(0)
        answer = combine([message, *(self._receive(rank) for rank in range(1, self.size))])
        for rank in range(1, self.size):
            self._send(rank, answer)
        return answer

    def add(self, numbers: np.ndarray) -> None:
        if self._store is None:
            assert self._plan is not None  # noqa: S101 (for the type checker: made by join)
            self._store = Store(self._plan, self._address, self._watch.step)
        self._store.add(numbers)

    def join(self, should_stop: Callable[[], bool]) -> None:
        """Meet the other hosts, and start the processes of the parameter servers. Stopped where the job is to end,
        PlatformError where hosts do not come."""
        self._give_up = should_stop
        settings, secret = self._settings, rendezvous.secret_of([*self.names, *self._settings.job])
        self._watch.start()
        own = resolve(self.names[self.rank])
        if self.is_first:
            wait_for_others(self.names, secret, self._watch.add, should_stop, settings.patience)
        else:
            link = connect_to_first(self.names, self.rank, secret, should_stop, settings.patience)
            self._watch.add(0, link)
            own = link.own_address
        interface = settings.interface and address_of_interface(settings.interface)
        self._address = interface or own or self._watch.links()[1].own_address
        mine = {"address": self._address, "port": free_port(self._address)} if self.is_first else None
        first = self.gather(mine)[0]
        self._plan = Plan(first["address"], first["port"], self.size, settings.servers, settings.kind)
        self._children.start(self._plan, self.rank, self._address)
        self._give_up = lambda: False

    def abort(self, code: int, error: BaseException) -> None:
        """Tell the other hosts that this one fails with this exit code, and end the processes of the parameter servers.
        Nothing can be exchanged any more."""
        self._watch.stop()
        is_ours = isinstance(error, LinearLearnerError)
        text = str(error) if is_ours else f"{type(error).__name__}: {error}"
        # What is raised by us says where, and so on which host.
        host = None if is_ours and code != AlgorithmError.exit_code else self.names[self.rank]
        self._watch.tell_failure({"host": host, "code": code, "text": text})
        self._children.kill()
        time.sleep(_LAST_WORDS)

    def close(self) -> None:
        """Wait until all hosts are here, then leave: nobody ends before everything is done."""
        self.gather(None)
        self._children.may_end()
        if self._store is not None:
            self._store.close()
        self._children.finish()
        # The parameter servers' processes of all hosts have ended now.
        self.gather(None)
        for link in self._watch.links().values():
            with contextlib.suppress(OSError):
                link.send(Kind.GOODBYE)
        self._watch.stop()
        self._watch.close()

    def _send(self, rank: int, message: bytes) -> None:
        # That the connection is gone is for the watch to tell.
        with contextlib.suppress(OSError):
            self._link(rank).send(Kind.DATA, message)

    def _receive(self, rank: int) -> bytes:
        while True:
            try:
                return self._watch.inbox(rank).get(timeout=_LOOK_AGAIN)
            except queue.Empty:
                if self._give_up():
                    raise Stopped from None

    def _link(self, rank: int) -> Link:
        return self._watch.links()[rank]


def free_port(address: str) -> int:
    """A port of this host that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
