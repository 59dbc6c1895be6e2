"""MXNet's parameter servers (ps-lite), which add up arrays of all hosts.

A scheduler on the first host and the servers, dealt out to the hosts in turn, are child processes of the job.

Arrays travel as float64. The servers add what comes in the order in which it comes, and a sum of three or more floats
depends on the order; but the sum of a few float32 numbers, each times a number of rows, is exact in float64 unless
they differ by a factor of thousands, so that the order does not show.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from linear_learner.native.mxnet_arrays import Array, handles
from linear_learner.native.mxnet_library import call, strings
from linear_learner.training.cluster import server
from linear_learner.training.cluster.interface import Traffic

BLOCK = 1 << 22
"""Numbers that are sent at a time, 32 MiB: neither host nor server ever holds more than a few of these."""
_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Plan:
    """What all hosts have to know alike. ``kind``: MXNet's name of the store."""

    scheduler: str
    port: int
    hosts: int
    servers: int
    kind: str

    def variables(self, role: str, address: str) -> dict[str, str]:
        """Those of ps-lite, for a process of this host, whose ``address`` others know."""
        return {
            "DMLC_ROLE": role,
            "DMLC_PS_ROOT_URI": self.scheduler,
            "DMLC_PS_ROOT_PORT": str(self.port),
            "DMLC_NUM_WORKER": str(self.hosts),
            "DMLC_NUM_SERVER": str(self.servers),
            "DMLC_NODE_HOST": address,
        }


class Children:
    """The processes of ps-lite that run on this host. To be started by the main thread: they end with it."""

    def __init__(self) -> None:
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._may_end = False

    def start(self, plan: Plan, rank: int, address: str) -> None:
        roles = ["scheduler"] if rank == 0 else []
        roles += ["server"] * len(range(rank, plan.servers, plan.hosts))
        for role in roles:
            variables = plan.variables(role, address)
            # -P: the folder of the script is no place to import from.
            command = [sys.executable, "-P", str(Path(server.__file__)), str(os.getpid())]
            command += [f"{name}={value}" for name, value in variables.items()]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 (our own)
            self._processes.append((role, process))

    def ended(self) -> str | None:
        """What to say of one that ended and should not have; None while all is well."""
        for role, process in self._processes:
            if process.poll() is not None and not self._may_end:
                return f"The parameter {role} of this host ended with exit code {process.returncode}"
        return None

    def may_end(self) -> None:
        """From now on that is no failure."""
        self._may_end = True

    def finish(self) -> None:
        """Let them end by themselves, and end those that do not."""
        end = time.monotonic() + _SECONDS_TO_END
        for _, process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        self._may_end = True
        for _, process in self._processes:
            with contextlib.suppress(OSError):
                process.kill()
        for _, process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_END)


@dataclass
class Store:
    """This host's end of the parameter servers. Opening it waits until all processes of the job are there. ``step`` is
    called before and after each wait for them."""

    plan: Plan
    address: str
    step: Callable[[], None]
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        variables = self.plan.variables("worker", self.address)
        call("MXInitPSEnv", len(variables), strings(variables), strings(variables.values()))
        self._store = ctypes.c_void_p()
        self._buffers: dict[int, Array] = {}
        self.step()
        call("MXKVStoreCreate", self.plan.kind.encode(), ctypes.byref(self._store))
        self.step()

    def add(self, numbers: np.ndarray) -> None:
        """See ``Cluster.add``."""
        start = time.perf_counter()
        for begin in range(0, len(numbers), BLOCK):
            block = numbers[begin : begin + BLOCK]
            shared = self._buffer(len(block))
            key, arrays = ctypes.byref(ctypes.c_int(len(block))), handles([shared])
            shared.array[...] = block
            self.step()
            call("MXKVStorePushPull", self._store, 1, key, 1, key, arrays, arrays, 0)
            shared.wait()
            self.step()
            block[...] = shared.array
        traffic, seconds = self.traffic, time.perf_counter() - start
        self.traffic = Traffic(traffic.sums + 1, traffic.bytes_sent + numbers.nbytes, traffic.seconds + seconds)

    def _buffer(self, size: int) -> Array:
        """An array of so many numbers. The key of the servers is the size."""
        if size not in self._buffers:
            shared = Array(np.zeros(size))
            self.step()
            call("MXKVStoreInit", self._store, 1, ctypes.byref(ctypes.c_int(size)), handles([shared]))
            self.step()
            self._buffers[size] = shared
        return self._buffers[size]

    def close(self) -> None:
        """Waits for all hosts to do so, and ends the servers."""
        call("MXKVStoreFree", self._store)
        self._buffers.clear()
