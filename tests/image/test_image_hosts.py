"""Several containers as the hosts of a job, on a network of their own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from containers import docker
from hosts import Hosts, Pipe
from job_folder import CSV, RECORDIO, Outcome, recordio

pytestmark = pytest.mark.image

SETTINGS = {"epochs": 6, "num_models": 8, "early_stopping_patience": 6}
ENDLESS = {"epochs": 10**6, "early_stopping_patience": 10**6, "num_models": 4}
TRAIN, VALIDATION = slice(6000), slice(6000, 8000)
SECONDS_FOR_A_JOB = 120
SECONDS_TO_NOTICE = 60


class Fleet:
    """Starts a container for each host, with its name on the network, and looks after them."""

    def __init__(self, image: str) -> None:
        self._image = image
        self.network = f"linear-learner-test-{uuid.uuid4().hex[:12]}"
        done = docker("network", "create", self.network)
        assert done.returncode == 0, done.stdout
        self._started: list[str] = []

    def start(self, hosts: Hosts, number: int, *options: str) -> str:
        """Returns the name of the container."""
        name = f"{self.network}-{number}"
        done = docker(
            *("run", "--detach", "--name", name, "--network", self.network),
            *("--network-alias", hosts.names[number], "-v", f"{hosts.folders[number].base}:/opt/ml"),
            *(*options, self._image, "train"),
        )
        assert done.returncode == 0, done.stdout
        self._started.append(name)
        return name

    def run(self, hosts: Hosts, *, late: float = 0.0, options: tuple[str, ...] = ()) -> list[Outcome]:
        """All hosts to their ends; the first one starts ``late`` seconds after the others."""
        others = [self.start(hosts, number, *options) for number in range(1, len(hosts.names))]
        time.sleep(late)
        return self.outcomes(hosts, [self.start(hosts, 0, *options), *others])

    def outcomes(self, hosts: Hosts, containers: list[str], seconds: float = SECONDS_FOR_A_JOB) -> list[Outcome]:
        end = time.monotonic() + seconds
        outcomes = []
        for container, folder in zip(containers, hosts.folders, strict=True):
            ended = docker("wait", container, timeout=max(1.0, end - time.monotonic()))
            outcomes.append(Outcome(int(ended.stdout), docker("logs", container).stdout, folder.base))
        return outcomes

    def wait_until_training(self, container: str) -> None:
        end = time.monotonic() + SECONDS_FOR_A_JOB
        while (log := docker("logs", container).stdout).count("#progress_metric") < 3:
            assert time.monotonic() < end, log
            time.sleep(0.2)

    def clear(self) -> None:
        for name in self._started:
            docker("rm", "--force", name)
        self._started.clear()
        docker("network", "rm", self.network)


@pytest.fixture
def fleet(image: str) -> Iterator[Fleet]:
    made = Fleet(image)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    features = random.normal(size=(8000, 12)).astype(np.float32)
    noise = random.normal(size=8000) * 2
    return features, (features @ random.normal(size=12) + noise > 0.3).astype(float)


Rows = tuple[np.ndarray, np.ndarray]


def names(count: int) -> list[str]:
    """Like those of local mode."""
    return [f"algo-{i + 1}-x7k2p" for i in range(count)]


@pytest.fixture(scope="module")
def loss_of_one_host(image: str, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> float:
    fleet = Fleet(image)
    hosts = sharded(tmp_path_factory.mktemp("one"), rows, [1])
    (outcome,) = fleet.run(hosts)
    fleet.clear()
    assert outcome.code == 0, outcome.log
    return outcome.objective("validation")


def sharded(base: Path, rows: Rows, shares: list[float], **settings: object) -> Hosts:
    hosts = Hosts(base, len(shares), names(len(shares)), **(SETTINGS | settings))
    hosts.describe("ShardedByS3Key", RECORDIO, "train", "validation")
    hosts.shard("train", rows[0][TRAIN], rows[1][TRAIN], shares)
    return hosts.shard("validation", rows[0][VALIDATION], rows[1][VALIDATION], shares)


def assert_as_good(outcomes: list[Outcome], loss: float) -> None:
    """As ``loss``, that of one host, within 0.2 %; a smaller one is welcome."""
    assert [outcome.code for outcome in outcomes] == [0] * len(outcomes), "\n".join(o.log for o in outcomes)
    found = {outcome.objective("validation") for outcome in outcomes}
    assert len(found) == 1
    assert 0.98 * loss < found.pop() < 1.002 * loss


@pytest.mark.parametrize("count", [2, 4])
def test_shards_train_one_model(count: int, fleet: Fleet, rows: Rows, loss_of_one_host: float, tmp_path: Path) -> None:
    outcomes = fleet.run(sharded(tmp_path, rows, [1] * count))
    assert_as_good(outcomes, loss_of_one_host)
    assert outcomes[0].facts["selection"]["epochs"] >= 1
    assert [list(outcome.model_dir.glob("*")) for outcome in outcomes[1:]] == [[]] * (count - 1)


def test_replicated_rows_are_shared_out_and_one_model_folder_is_enough(
    fleet: Fleet, rows: Rows, loss_of_one_host: float, tmp_path: Path
) -> None:
    """As the SDK's local mode has it."""
    hosts = Hosts(tmp_path, 2, names(2), **SETTINGS).describe(None, CSV, "train", "validation")
    for folder in hosts.folders:
        folder.channel("train", rows[0][TRAIN], rows[1][TRAIN], files=3)
        folder.channel("validation", rows[0][VALIDATION], rows[1][VALIDATION])
    (tmp_path / "model").mkdir()
    outcomes = fleet.run(hosts, options=("-v", f"{tmp_path / 'model'}:/opt/ml/model"))
    assert_as_good(outcomes, loss_of_one_host)
    assert (tmp_path / "model/model_algo-1").exists()


def test_a_late_host_uneven_shards_and_one_without_rows(
    fleet: Fleet, rows: Rows, loss_of_one_host: float, tmp_path: Path
) -> None:
    outcomes = fleet.run(sharded(tmp_path, rows, [3, 1, 0]), late=5.0)
    assert_as_good(outcomes, loss_of_one_host)
    assert "Channel 'train' has no rows on this host" in outcomes[2].log


def test_pipes(fleet: Fleet, rows: Rows, loss_of_one_host: float, tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, 2, names(2), **SETTINGS)
    hosts.describe("ShardedByS3Key", RECORDIO, "train", "validation", mode="Pipe")
    split = [(slice(0, 4000), slice(6000, 7000)), (slice(4000, 6000), slice(7000, 8000))]
    for folder, (train, validation) in zip(hosts.folders, split, strict=True):
        Pipe(folder, "train", recordio(rows[0][train], rows[1][train]))
        Pipe(folder, "validation", recordio(rows[0][validation], rows[1][validation]), passes=1)
    assert_as_good(fleet.run(hosts), loss_of_one_host)


@pytest.mark.parametrize("way", ["kill", "disconnect"])
def test_a_lost_host_ends_the_others_within_a_minute_and_they_say_why(
    way: str, fleet: Fleet, rows: Rows, tmp_path: Path
) -> None:
    hosts = sharded(tmp_path, rows, [1, 1, 1], **ENDLESS)
    containers = [fleet.start(hosts, number) for number in range(3)]
    fleet.wait_until_training(containers[0])
    lost = docker(*{"kill": ["kill"], "disconnect": ["network", "disconnect", fleet.network]}[way], containers[1])
    assert lost.returncode == 0, lost.stdout
    outcomes = fleet.outcomes(hosts, containers, SECONDS_TO_NOTICE)
    for number in (0, 2):
        assert outcomes[number].code == 3
        assert f"Platform Error: Host '{hosts.names[1]}' was lost" in (outcomes[number].failure or "")
    if way == "disconnect":
        assert outcomes[1].code == 3
        assert f"Platform Error: Host '{hosts.names[0]}' was lost" in (outcomes[1].failure or "")


def test_a_stop_of_one_host_stops_all_with_the_best_model_so_far(fleet: Fleet, rows: Rows, tmp_path: Path) -> None:
    hosts = sharded(tmp_path, rows, [1, 1], **ENDLESS)
    containers = [fleet.start(hosts, number) for number in range(2)]
    fleet.wait_until_training(containers[0])
    docker("kill", "--signal", "TERM", containers[1])
    outcomes = fleet.outcomes(hosts, containers, SECONDS_TO_NOTICE)
    assert [outcome.code for outcome in outcomes] == [0, 0], "\n".join(outcome.log for outcome in outcomes)
    assert outcomes[0].final("validation", "binary_classification_accuracy") > 0.7
    assert (outcomes[0].model_dir / "mx-mod-0000.params").exists()
