"""Training jobs on several hosts."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest
from finished_job import Rows
from hosts import Hosts, Pipe, all_well, no_orphans
from job_folder import CSV, FILES, RECORDIO, JobFolder, Outcome, recordio

SETTINGS = {"epochs": 6, "num_models": 8, "early_stopping_patience": 6}
ENDLESS = {"epochs": 10**6, "early_stopping_patience": 10**6, "num_models": 4}
TRAIN, ALL = slice(6000), slice(6000, 8000)


@pytest.fixture(scope="module")
def rows() -> Rows:
    random = np.random.default_rng(3)
    features = random.normal(size=(8000, 12)).astype(np.float32)
    noise = random.normal(size=8000) * 2
    return features, (features @ random.normal(size=12) + noise > 0.3).astype(float)


@pytest.fixture(scope="module")
def alone(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One host on all rows."""
    job = JobFolder(tmp_path_factory.mktemp("alone")).hyperparameters("binary_classifier", **SETTINGS)
    job.channel("train", rows[0][TRAIN], rows[1][TRAIN]).channel("validation", rows[0][ALL], rows[1][ALL])
    outcome = job.run()
    assert outcome.code == 0, outcome.log
    return outcome


def sharded(base: Path, rows: Rows, shares: list[float], **settings: object) -> Hosts:
    hosts = Hosts(base, len(shares), **(SETTINGS | settings))
    hosts.describe("ShardedByS3Key", RECORDIO, "train", "validation")
    hosts.shard("train", rows[0][TRAIN], rows[1][TRAIN], shares)
    return hosts.shard("validation", rows[0][ALL], rows[1][ALL], shares)


def agree(outcomes: list[Outcome], alone: Outcome) -> None:
    """All hosts end well, with the same numbers, which are about those of one host; the first one wrote the model."""
    all_well(outcomes)
    first, *others = outcomes
    for other in others:
        assert other.finals("validation") == first.finals("validation")
        assert not other.model_dir.is_symlink() and not (
            other.model_dir != first.model_dir and other.model_dir.is_dir() and list(other.model_dir.iterdir())
        )
    names = {file.name for file in first.model_dir.iterdir()}
    assert {name for name in names if not name.startswith("model_")} == (FILES | {"model.tar.gz"}) - {"model_algo-1"}
    assert first.objective("validation") == pytest.approx(alone.objective("validation"), rel=0.002)
    assert first.facts["hyperparameters"]["mini_batch_size"] == alone.facts["hyperparameters"]["mini_batch_size"]


def test_shards_train_one_model_be_they_uneven_late_or_empty(rows: Rows, alone: Outcome, tmp_path: Path) -> None:
    hosts = sharded(tmp_path, rows, [3, 1, 0])
    outcomes = hosts.run(late={0: 2.0})
    agree(outcomes, alone)
    assert "Channel 'train' has no rows on this host" in outcomes[2].log
    assert outcomes[1].found(r"(Create Store: dist_sync)")
    scalers = {line for outcome in outcomes for line in outcome.found("(Scaling model computed .*)")}
    assert len(scalers) == 1
    (ours,), (expected,) = scalers, alone.found("(Scaling model computed .*)")
    assert [float(x) for x in _numbers(ours)] == pytest.approx([float(x) for x in _numbers(expected)], rel=1e-3)
    assert no_orphans(hosts)


def _numbers(line: str) -> list[str]:
    return line.split("'stdev_weight': [")[1].split("]")[0].split(", ")


def test_replicated_rows_are_shared_out(rows: Rows, alone: Outcome, tmp_path: Path) -> None:
    """As in local mode: no distribution is named, and all hosts have one model folder."""
    hosts = Hosts(tmp_path, 2, **SETTINGS).describe(None, CSV, "train", "validation")
    for folder in hosts.folders:
        folder.channel("train", rows[0][TRAIN], rows[1][TRAIN], files=3)
        folder.channel("validation", rows[0][ALL], rows[1][ALL])
    (tmp_path / "model").mkdir()
    for folder in hosts.folders:
        (folder.base / "model").symlink_to(tmp_path / "model")
    outcomes = hosts.run()
    all_well(outcomes)
    counts = [int(outcome.found(r"Channel 'train': (\d+) rows")[0]) for outcome in outcomes]
    assert sum(counts) == 6000 and abs(counts[0] - counts[1]) <= 3
    assert outcomes[0].objective("validation") == pytest.approx(alone.objective("validation"), rel=0.002)
    assert outcomes[0].finals("validation") == outcomes[1].finals("validation")
    assert outcomes[0].facts["selection"] == outcomes[1].facts["selection"]
    assert no_orphans(hosts)


def test_a_mistake_in_the_data_of_one_host_ends_all(rows: Rows, tmp_path: Path) -> None:
    hosts = sharded(tmp_path, rows, [1, 1, 1])
    hosts.folders[1].channel("train", rows[0][:50], np.full(50, 7.0), content_type=RECORDIO)
    outcomes = hosts.run()
    assert [outcome.code for outcome in outcomes] == [2, 2, 2]
    for outcome in outcomes:
        assert outcome.failure is not None
        assert "Customer Error: Label 7 of channel 'train'" in outcome.failure
        assert hosts.names[1] in outcome.failure
    assert no_orphans(hosts)


@pytest.mark.parametrize("victim", [0, 2])
def test_the_loss_of_a_host_ends_the_others_and_is_told(victim: int, rows: Rows, tmp_path: Path) -> None:
    hosts = sharded(tmp_path, rows, [1, 1, 1], **ENDLESS)
    with hosts.running() as processes:
        hosts.wait_until(processes, lambda log: log.count("#progress_metric") > 2)
        processes[victim].kill()
        began = time.monotonic()
        outcomes = hosts.outcomes(processes)
        assert time.monotonic() - began < 30
    for number, outcome in enumerate(outcomes):
        if number != victim:
            assert outcome.code == 3
            assert outcome.failure is not None
            assert f"Platform Error: Host '{hosts.names[victim]}' was lost" in outcome.failure
    assert no_orphans(hosts)


def test_a_stop_of_any_host_stops_all_with_the_best_model_so_far(rows: Rows, tmp_path: Path) -> None:
    hosts = sharded(tmp_path, rows, [1, 1], **ENDLESS)
    with hosts.running() as processes:
        hosts.wait_until(processes, lambda log: log.count("#progress_metric") > 2)
        processes[1].send_signal(signal.SIGTERM)
        outcomes = hosts.outcomes(processes)
    all_well(outcomes)
    assert outcomes[0].facts["metrics"]["validation"]["binary_classification_accuracy"] > 0.7
    assert no_orphans(hosts)


def test_a_job_that_was_cut_off_goes_on_to_the_same_bits(rows: Rows, tmp_path: Path) -> None:
    settings = {"epochs": 40, "early_stopping_patience": 40}
    whole, cut = (sharded(tmp_path / name, rows, [2, 1], **settings) for name in ("whole", "cut"))
    (cut.folders[0].base / "checkpoints").mkdir()
    expected = whole.run()
    all_well(expected)
    with cut.running() as processes:
        cut.wait_until(processes, lambda log: log.count("#progress_metric") > 5)
        processes[0].send_signal(signal.SIGKILL)
        cut.outcomes(processes)
    outcomes = cut.run()
    all_well(outcomes)
    assert [len(outcome.found("Going on from (.*): epoch ")) for outcome in outcomes] == [1, 1]
    for name in ("mx-mod-0000.params",):
        assert (outcomes[0].model_dir / name).read_bytes() == (expected[0].model_dir / name).read_bytes()


def test_pipes_of_different_lengths(rows: Rows, alone: Outcome, tmp_path: Path) -> None:
    """One host streams, and the other has all of its rows in memory after the first pass."""
    hosts = Hosts(tmp_path, 2, **SETTINGS, memory_mb=1).describe(
        "ShardedByS3Key", RECORDIO, "train", "validation", mode="Pipe"
    )
    split = [(slice(0, 5500), slice(6000, 7500)), (slice(5500, 6000), slice(7500, 8000))]
    for folder, (train, validation) in zip(hosts.folders, split, strict=True):
        Pipe(folder, "train", 3 * recordio(rows[0][train], rows[1][train]))
        Pipe(folder, "validation", recordio(rows[0][validation], rows[1][validation]), passes=1)
    outcomes = hosts.run()
    all_well(outcomes)
    assert ["They are streamed" in outcome.log for outcome in outcomes] == [True, False]
    assert outcomes[0].objective("validation") == pytest.approx(alone.objective("validation"), rel=0.005)
    assert outcomes[0].finals("validation") == outcomes[1].finals("validation")


def test_a_job_in_pipe_mode_that_was_cut_off_goes_on_to_the_same_bits(rows: Rows, tmp_path: Path) -> None:
    """One host streams, and the other has its rows in memory. Of both, the rows are whole mini-batches."""
    whole, cut = (Hosts(tmp_path / name, 2, **SETTINGS, memory_mb=1) for name in ("whole", "cut"))
    parts = [3 * recordio(rows[0][part], rows[1][part]) for part in (slice(0, 5500), slice(5500, 6000))]

    def run(hosts: Hosts, after: int = 0, number: int = 0) -> list[Outcome]:
        pipes = [Pipe(folder, "train", part) for folder, part in zip(hosts.folders, parts, strict=True)]
        with hosts.running() as processes:
            hosts.wait_until(processes, lambda log: log.count("#progress_metric") >= after)
            if number:
                processes[0].send_signal(number)
            outcomes = hosts.outcomes(processes)
        for pipe in pipes:
            pipe.stop()
        return outcomes

    for hosts in (whole, cut):
        hosts.describe("ShardedByS3Key", RECORDIO, "train", mode="Pipe")
        (hosts.folders[0].base / "checkpoints").mkdir()
    expected = run(whole)
    all_well(expected)
    assert ["They are streamed" in outcome.log for outcome in expected] == [True, False]
    assert expected[0].rows_of_epochs() == [18_000] * 6
    all_well(run(cut, 2, signal.SIGTERM))
    outcomes = run(cut)
    all_well(outcomes)
    assert [len(outcome.found("Going on from (.*): epoch ")) for outcome in outcomes] == [1, 1]
    for name in ("mx-mod-0000.params", "additional-params.json"):
        assert (outcomes[0].model_dir / name).read_bytes() == (expected[0].model_dir / name).read_bytes()
