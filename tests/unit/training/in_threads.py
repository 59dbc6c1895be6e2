"""Hosts of a job as threads of one process, without any network between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from linear_learner.training.cluster.interface import Cluster, Combine

Result = TypeVar("Result")


class _Table:
    """Where threads lay down what they have."""

    def __init__(self, hosts: int) -> None:
        self.barrier = threading.Barrier(hosts, timeout=60)
        self.messages = [b""] * hosts
        self.answer = b""


class Thread(Cluster):
    def __init__(self, rank: int, table: _Table) -> None:
        super().__init__([f"algo-{i + 1}" for i in range(table.barrier.parties)], rank)
        self._table = table

    def exchange(self, message: bytes, combine: Combine) -> bytes:
        table = self._table
        table.messages[self.rank] = message
        table.barrier.wait()
        if self.is_first:
            table.answer = combine(table.messages[:])
        table.barrier.wait()
        return table.answer

    def add(self, numbers: np.ndarray) -> None:
        numbers[...] = self.sum(numbers)


def together(hosts: int, run: Callable[[Cluster], Result]) -> list[Result]:
    """What ``run`` returns on each host. An error of one ends the others; the first one is raised."""
    table = _Table(hosts)

    def one(rank: int) -> Result:
        try:
            return run(Thread(rank, table))
        except BaseException:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(hosts) as pool:
        futures = [pool.submit(one, rank) for rank in range(hosts)]
        errors = [future.exception() for future in futures]
    found = [error for error in errors if error is not None]
    for error in sorted(found, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
