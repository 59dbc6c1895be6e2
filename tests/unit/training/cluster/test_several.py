"""Hosts that find each other over the loopback interface, exchange messages, and notice when one is gone."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from linear_learner.errors import ClientError, PlatformError, Stopped
from linear_learner.training.cluster import rendezvous, several, watch
from linear_learner.training.cluster.several import Settings, Several
from linear_learner.training.cluster.store import Children
from linear_learner.training.cluster.watch import HostFailed
from linear_learner.training.cluster.wire import HEADER, Kind

Run = Callable[[Several], Any]


def addresses(count: int) -> list[str]:
    """That no other test listens on."""
    network = random.SystemRandom().randrange(1 << 14)
    return [f"127.{64 + network // 256}.{network % 256}.{i + 1}" for i in range(count)]


@pytest.fixture(autouse=True)
def no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of the parameter servers are for the integration tests."""
    monkeypatch.setattr(Children, "start", lambda *arguments: None)


@pytest.fixture(autouse=True)
def own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else runs on this machine."""
    monkeypatch.setattr(rendezvous, "PORT", several.free_port("0.0.0.0"))


class Job:
    """Hosts as threads, each with its own connection to the first. ``failures``: by rank, what ended a host."""

    def __init__(self, names: list[str], **changed: Any) -> None:
        self.names = names
        self.failures: dict[int, Exception] = {}
        self.failed = [threading.Event() for _ in names]
        self.settings = {"interface": "ethwe", "job": ["a job"], "kind": "dist_sync", "servers": 1, "patience": 20.0}
        self.settings |= changed
        self.hosts = [self.host(rank) for rank in range(len(names))]

    def host(self, rank: int) -> Several:
        def fail(error: Exception) -> None:
            self.failures[rank] = error
            self.failed[rank].set()

        return Several(Settings(self.names, rank, **self.settings), fail)

    def run(self, act: Run, should_stop: Callable[[], bool] = lambda: False) -> list[Any]:
        def one(host: Several) -> Any:
            host.join(should_stop)
            return act(host)

        with ThreadPoolExecutor(len(self.hosts)) as pool:
            return list(pool.map(one, self.hosts))

    def close(self) -> None:
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(lambda host: host.close(), self.hosts))

    def leave(self) -> None:
        """Without a word."""
        for host in self.hosts:
            host._watch.stop()
            host._watch.close()


@pytest.fixture
def job() -> Iterator[Job]:
    made = Job(addresses(3))
    made.run(lambda host: None)
    yield made
    made.leave()


def everywhere(job: Job, act: Run) -> list[Any]:
    with ThreadPoolExecutor(len(job.hosts)) as pool:
        return list(pool.map(act, job.hosts))


class TestExchange:
    def test_facts_come_in_the_order_of_ranks(self, job: Job) -> None:
        assert (
            everywhere(job, lambda host: host.gather({"rank": host.rank}))
            == [[{"rank": 0}, {"rank": 1}, {"rank": 2}]] * 3
        )

    def test_sums_are_exact_and_the_same_bits_everywhere(self, job: Job) -> None:
        numbers = np.random.default_rng(0).normal(size=(3, 2, 1000)) * 10.0 ** np.arange(3)[:, None, None]
        found = everywhere(job, lambda host: host.sum(numbers[host.rank]))
        assert all(sums.tobytes() == (numbers[0] + numbers[1] + numbers[2]).tobytes() for sums in found)
        assert found[0].shape == (2, 1000)

    def test_any_host_may_say_yes(self, job: Job) -> None:
        assert everywhere(job, lambda host: host.any(host.rank == 1)) == [True] * 3
        assert everywhere(job, lambda host: host.any(False)) == [False] * 3

    def test_arrays_of_the_first_host_come_to_all(self, job: Job) -> None:
        own = {"a": np.arange(7), "b": np.ones((2, 3), np.float32)}
        for found in everywhere(job, lambda host: host.from_first(own if host.is_first else {"a": np.zeros(9)})):
            assert found.keys() == own.keys()
            np.testing.assert_array_equal(found["a"], own["a"], strict=True)
            np.testing.assert_array_equal(found["b"], own["b"], strict=True)

    def test_many_large_messages(self, job: Job) -> None:
        for size in (1, 1 << 22, 3):
            assert everywhere(job, lambda host, size=size: len(host.exchange(bytes(size), b"".join))) == [3 * size] * 3

    def test_closing_waits_for_all_and_is_no_loss(self, job: Job) -> None:
        job.close()
        assert job.failures == {}


class TestFailure:
    def test_a_host_that_goes_is_told_by_all_others(self, job: Job) -> None:
        job.hosts[1]._watch.stop()
        job.hosts[1]._watch.close()
        for rank in (0, 2):
            assert job.failed[rank].wait(5)
            assert isinstance(job.failures[rank], PlatformError)
            assert f"Host '{job.names[1]}' was lost" in str(job.failures[rank])

    def test_so_is_the_first_host(self, job: Job) -> None:
        job.hosts[0]._watch.stop()
        job.hosts[0]._watch.close()
        for rank in (1, 2):
            assert job.failed[rank].wait(5)
            assert f"Host '{job.names[0]}' was lost" in str(job.failures[rank])

    def test_a_host_that_says_nothing_any_more_is_lost(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where a network is cut: the connection stays, and nothing comes."""
        monkeypatch.setattr(watch, "SILENCE", 4)
        time.sleep(5)
        assert not job.failures  # the heartbeats are heard
        job.hosts[2]._watch.stop()
        assert job.failed[0].wait(15)
        assert f"Host '{job.names[2]}' was lost: nothing was heard of it for 4 seconds" in str(job.failures[0])
        assert job.failed[1].wait(15)

    def test_what_a_host_fails_of_is_told_by_the_others_in_its_kind(self, job: Job) -> None:
        error = ClientError("Label 7 is bad", where=f"host '{job.names[1]}', part-0, row 3", fix="drop it")
        job.hosts[1].abort(2, error)
        for rank in (0, 2):
            assert job.failed[rank].wait(5)
            assert isinstance(job.failures[rank], ClientError)
            assert str(job.failures[rank]) == str(error)

    def test_a_host_that_fails_as_it_hears_of_another_failure_does_not_wait_for_itself(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The thread that hears of it finds the main thread about to end the process, and waits for that."""
        heard, never = threading.Event(), threading.Event()

        def fail(error: Exception) -> None:
            heard.set()
            never.wait(30)

        monkeypatch.setattr(job.hosts[0]._watch, "_fail", fail)
        job.hosts[1].abort(2, ClientError("bad"))
        assert heard.wait(5)
        began = time.monotonic()
        job.hosts[0].abort(2, ClientError("bad here, too"))
        assert time.monotonic() - began < 10
        never.set()

    def test_a_bug_on_a_host_is_told_with_its_name(self, job: Job) -> None:
        job.hosts[2].abort(1, ZeroDivisionError("division by zero"))
        assert job.failed[1].wait(5)
        assert str(job.failures[1]) == f"Host '{job.names[2]}' failed: ZeroDivisionError: division by zero"

    def test_a_stop_before_there_is_a_model_ends_all_in_the_same_way(self, job: Job) -> None:
        job.hosts[1].abort(143, Stopped())
        assert job.failed[2].wait(5)
        failure = job.failures[2]
        assert isinstance(failure, HostFailed)
        assert failure.code == 143

    def test_a_process_of_the_parameter_servers_that_ends_is_told(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job.hosts[1]._watch, "_problem_here", lambda: "The parameter server ended")
        for failed in job.failed:
            assert failed.wait(5)
        assert f"The parameter server ended (host '{job.names[1]}')" in str(job.failures[0])

    def test_servers_that_do_not_answer_any_host_are_lost(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "STUCK", 2)
        job.hosts[0]._watch.step()
        job.hosts[1]._watch.step()
        assert not job.failed[0].wait(4), "one host is still at work"
        job.hosts[2]._watch.step()
        for failed in job.failed:
            assert failed.wait(10)
        assert "The parameter servers have not answered for 2 seconds" in str(job.failures[1])


class TestMeeting:
    def test_hosts_may_come_in_any_order(self) -> None:
        job = Job(addresses(3))

        def late(host: Several) -> int:
            time.sleep([1.0, 0.0, 0.5][host.rank])
            host.join(lambda: False)
            return len(host.gather(None))

        assert everywhere(job, late) == [3, 3, 3]
        job.close()

    def test_patience_with_a_host_that_does_not_come_has_an_end(self) -> None:
        job = Job(addresses(3), patience=1.0)
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(job.hosts[rank].join, lambda: False) for rank in (0, 1)]
            error = futures[0].exception(10)
            assert isinstance(error, PlatformError)
            assert f"1 of the 3 hosts of the job did not come within 1 seconds ({job.names[2]})" in str(error)
            job.hosts[0].abort(3, error)
            assert job.failed[1].wait(5)
            assert "did not come" in str(job.failures[1])
            job.hosts[1]._give_up = lambda: True  # the process would have ended
        job.leave()

    def test_so_has_that_with_the_first_host(self) -> None:
        job = Job(addresses(2), patience=1.0)
        with pytest.raises(PlatformError, match=r"first host of the job, '127.*', could not be reached for 1 seconds"):
            job.hosts[1].join(lambda: False)

    def test_a_name_that_nobody_knows_is_asked_for_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = addresses(2)
        known = iter([None, None])
        resolve = rendezvous.resolve
        monkeypatch.setattr(rendezvous, "resolve", lambda host: next(known, resolve(host)))
        job = Job(names)
        assert job.run(lambda host: host.gather(host.rank)) == [[0, 1], [0, 1]]
        job.close()

    @pytest.mark.parametrize("rank", [0, 1])
    def test_a_stop_ends_the_waiting(self, rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendezvous, "SECONDS_TO_SAY_SO", 1.0)
        job = Job(addresses(2))
        with pytest.raises(Stopped):
            job.hosts[rank].join(lambda: True)

    def test_a_host_that_is_stopped_before_it_has_met_the_first_one_tells_it(self) -> None:
        """Which would wait for it until its patience ends."""
        job = Job(addresses(3))
        with ThreadPoolExecutor(2) as pool:
            stopped = pool.submit(job.hosts[1].join, lambda: True)
            time.sleep(1.0)
            first = pool.submit(job.hosts[0].join, job.failed[0].is_set)
            error = stopped.exception(10)
            assert isinstance(error, Stopped)
            job.hosts[1].abort(143, error)
            assert job.failed[0].wait(5)
            assert isinstance(first.exception(10), Stopped)
        assert isinstance(job.failures[0], HostFailed)
        assert job.failures[0].code == 143
        job.leave()

    def test_a_host_of_another_job_is_sent_away(self) -> None:
        names = addresses(2)
        job, other = Job(names, patience=3.0), Job(names, job=["another job"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(job.hosts[0].join, lambda: False)
            with pytest.raises(ClientError, match="runs another job"):
                other.hosts[1].join(lambda: False)
            assert isinstance(waiting.exception(10), PlatformError)
        job.leave()

    @pytest.mark.parametrize("greeting", [b"", b"GET / HTTP/1.1\r\n\r\n" + bytes(100), HEADER.pack(Kind.DATA, 1 << 62)])
    def test_strangers_are_sent_away_and_the_hosts_still_meet(
        self, greeting: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rendezvous, "_ANSWER", 0.5)
        job = Job(addresses(2))
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(job.hosts[0].join, lambda: False)
            time.sleep(0.2)
            with socket.create_connection((job.names[0], rendezvous.PORT)) as stranger:
                stranger.sendall(greeting)
                stranger.settimeout(5)
                with contextlib.suppress(ConnectionError):
                    assert stranger.recv(100) == b""
            job.hosts[1].join(lambda: False)
            first.result(10)
        job.close()

    def test_a_host_that_has_waited_too_long_for_an_answer_comes_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two strangers who say nothing keep the first host for longer than another host waits."""
        monkeypatch.setattr(rendezvous, "_ANSWER", 0.5)
        job = Job(addresses(2))
        with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as strangers:
            first = pool.submit(job.hosts[0].join, lambda: False)
            time.sleep(0.2)
            for _ in range(2):
                strangers.enter_context(socket.create_connection((job.names[0], rendezvous.PORT)))
            job.hosts[1].join(lambda: False)
            first.result(10)
            assert everywhere(job, lambda host: host.gather(host.rank)) == [[0, 1], [0, 1]]
        job.close()

    def test_the_interface_is_used_where_it_exists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert rendezvous.address_of_interface("lo") == "127.0.0.1"
        assert rendezvous.address_of_interface("ethwe") is None
        assert rendezvous.address_of_interface("\ud83d") is None
        job = Job(addresses(2), interface="lo")
        assert job.run(lambda host: host._address) == ["127.0.0.1"] * 2
        job.close()
        job = Job(addresses(2))
        assert job.run(lambda host: host._address)[0] == job.names[0]
        job.close()

    def test_the_plan_is_the_first_hosts(self) -> None:
        job = Job(addresses(2), servers=5)
        plans = job.run(lambda host: host._plan)
        assert plans[0] == plans[1]
        assert (plans[0].hosts, plans[0].servers, plans[0].kind) == (2, 5, "dist_sync")
        job.close()


def test_a_secret_depends_on_every_text_and_where_it_ends() -> None:
    secrets = {rendezvous.secret_of(job) for job in (["a", "b"], ["ab", ""], ["a"], ["b", "a"], ["a", "b", ""])}
    assert len(secrets) == 5


def test_a_failure_is_json() -> None:
    failure = json.loads(json.dumps({"host": "algo-2", "code": 3, "text": "disk full"}))
    error = watch.failure_of(failure)
    assert isinstance(error, PlatformError)
    assert str(error) == "Host 'algo-2' failed: disk full"


def test_a_port_is_free() -> None:
    port = several.free_port("127.0.0.1")
    with socket.create_server(("127.0.0.1", port)):
        pass
