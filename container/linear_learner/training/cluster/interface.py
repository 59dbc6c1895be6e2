"""What training knows of the hosts of its job."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Combine = Callable[[list[bytes]], bytes]
"""Makes one message of those of all hosts, in the order of their ranks."""


@dataclass(frozen=True)
class Traffic:
    """What ``Cluster.add`` has cost so far: how often it was called, the bytes that this host sent and as many that it
    received, and seconds, in which it also waited for others."""

    sums: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0


class Cluster(ABC):
    """The hosts of a job, each of which calls the same methods in the same order.

    ``names``: in the order of their ranks, from 0; host 0 is *the first host*, which decides and writes. ``rank``: this
    host's. Whatever a method returns, it returns the same, bit for bit, on every host.
    """

    def __init__(self, names: Sequence[str], rank: int) -> None:
        self.names, self.rank = tuple(names), rank

    @property
    def size(self) -> int:
        return len(self.names)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def traffic(self) -> Traffic:
        return Traffic()

    @abstractmethod
    def exchange(self, message: bytes, combine: Combine) -> bytes:
        """``combine``, run on the first host, makes an answer for all hosts of the messages of all of them."""

    @abstractmethod
    def add(self, numbers: np.ndarray) -> None:
        """Make of ``numbers``, float64 (m,), their sums over the hosts, in place: the way for many of them."""

    def gather(self, fact: Any) -> list[Any]:
        """What each host has to say, a JSON value, in the order of ranks."""
        facts: list[Any] = json.loads(
            self.exchange(json.dumps(fact).encode(), lambda parts: b"[" + b",".join(parts) + b"]")
        )
        return facts

    def any(self, yes: bool) -> bool:
        return any(self.gather(bool(yes)))

    def sum(self, numbers: np.ndarray) -> np.ndarray:
        """The sums of arrays of one shape over the hosts, float64, added in the order of ranks."""
        numbers = np.asarray(numbers, np.float64)

        def total(parts: list[bytes]) -> bytes:
            sums = np.zeros(numbers.size)
            with np.errstate(invalid="ignore"):  # losses of candidates that diverge
                for part in parts:
                    sums += np.frombuffer(part)
            return sums.tobytes()

        return np.frombuffer(self.exchange(numbers.tobytes(), total)).reshape(numbers.shape).copy()

    def from_first(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of the first host, by name. Those of the others are not looked at."""
        packed = io.BytesIO()
        if self.is_first:
            np.savez(packed, **arrays)
        sent = self.exchange(packed.getvalue(), lambda parts: parts[0])
        with np.load(io.BytesIO(sent), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}


class Alone(Cluster):
    """The one host of a job."""

    def __init__(self, name: str = "algo-1") -> None:
        super().__init__([name], 0)

    def exchange(self, message: bytes, combine: Combine) -> bytes:
        return combine([message])

    def add(self, numbers: np.ndarray) -> None:
        pass


ALONE = Alone()
