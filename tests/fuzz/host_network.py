"""A network for the hosts of a job whose links can be cut: each host is a network namespace of its own.

A namespace has a loopback interface and ``eth0``, one end of a veth pair. The other end is a port of a bridge, which is
in a namespace too: the machine's own interfaces, routes and firewall have no part in it. Needs root, and ``ip`` of
Debian's iproute2.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

PREFIX = "linear-learner-chaos-"
NETWORK = "192.0.2"
"""Addresses that are set aside for examples (RFC 5737)."""

LINK_DOWN, PACKETS_DROPPED = "link down", "packets dropped"


class NoNetworkError(Exception):
    """Namespaces cannot be made here; why is its text."""


class HostNetwork:
    """``addresses``: of the hosts, sorted as texts."""

    def __init__(self, hosts: int) -> None:
        self.addresses = [f"{NETWORK}.{number + 1}" for number in range(hosts)]
        label = f"{PREFIX}{os.getpid()}"
        self._switch = f"{label}-switch"
        self._hosts = [f"{label}-{number}" for number in range(hosts)]

    def make(self) -> None:
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "up", "type", "bridge")
        for number, (host, address) in enumerate(zip(self._hosts, self.addresses, strict=True)):
            _ip("netns", "add", host)
            pair = ("eth0", "type", "veth", "peer", "name", f"port{number}", "netns", self._switch)
            _ip("-n", host, "link", "add", *pair)
            _ip("-n", host, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "lo", "up")
            _ip("-n", self._switch, "link", "set", f"port{number}", "up")
            self.mend(number)

    def command(self, number: int) -> list[str]:
        """What to write before a command that runs on a host. The process stays the same."""
        return ["nsenter", f"--net=/run/netns/{self._hosts[number]}"]

    def cut(self, number: int, way: str) -> None:
        """``LINK_DOWN``: the host has no route any more, not even to itself by its own address. ``PACKETS_DROPPED``:
        nothing that it sends comes to the others, and it hears nothing; nobody is told."""
        if way == LINK_DOWN:
            _ip("-n", self._hosts[number], "link", "set", "eth0", "down")
        else:
            _ip("-n", self._switch, "link", "set", f"port{number}", "nomaster")

    def mend(self, number: int) -> None:
        _ip("-n", self._hosts[number], "link", "set", "eth0", "up")
        _ip("-n", self._switch, "link", "set", f"port{number}", "master", "bridge")

    def remove(self) -> None:
        for name in [*self._hosts, self._switch]:
            _remove(name)


@contextlib.contextmanager
def host_network(hosts: int) -> Iterator[HostNetwork]:
    """For as long as the ``with`` lasts. NoNetworkError where that cannot be."""
    if os.geteuid() != 0:
        raise NoNetworkError("that takes root")
    if not shutil.which("ip"):
        raise NoNetworkError("iproute2 is not installed")
    _remove_those_left_behind()
    network = HostNetwork(hosts)
    try:
        try:
            network.make()
        except subprocess.CalledProcessError as error:
            raise NoNetworkError(error.stderr.strip()) from None
        yield network
    finally:
        network.remove()


def _remove_those_left_behind() -> None:
    """By a run that was killed."""
    for name in _ip("netns", "list").split():
        if (found := re.match(rf"{PREFIX}(\d+)-", name)) and not Path(f"/proc/{found[1]}").exists():
            _remove(name)


def _remove(name: str) -> None:
    """With whatever still runs in it, which would keep it alive."""
    with contextlib.suppress(subprocess.CalledProcessError):
        for process in _ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
