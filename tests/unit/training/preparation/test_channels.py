from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from in_threads import together

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.stream import Stream
from linear_learner.environment import ChannelConfig, Environment
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters, validate
from linear_learner.training.cluster.interface import ALONE
from linear_learner.training.preparation import channels
from linear_learner.training.preparation.channels import (
    MIB,
    dense_where_filled,
    memory_budget,
    read_channels,
    read_held_out,
)

ROW = 4 * 2 + 16


def hyperparameters(**given: str) -> HyperParameters:
    return validate({"predictor_type": "regressor", **given})


@pytest.mark.parametrize(
    ("free", "mode", "given", "budget"),
    [
        (8000, "File", {}, 6000),
        (8000, "Pipe", {}, 256),
        (100, "Pipe", {}, 75),
        (8000, "Pipe", {"memory_mb": "3000"}, 3000),
        (8000, "FastFile", {"memory_mb": "20000"}, 20000),
        (None, "File", {}, 1024),
    ],
)
def test_the_budget_follows_the_user_the_mode_and_the_machine(
    free: int | None, mode: str, given: dict[str, str], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "available_memory", lambda: None if free is None else free * MIB)
    configs = {"train": ChannelConfig("train", Path(), None, mode), "test": ChannelConfig("test", Path())}
    assert memory_budget(hyperparameters(**given), configs) == budget * MIB


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    """A train channel of 40,000 rows, which take 0.92 MiB, in three files; of a test channel 10 rows."""
    rows = np.random.default_rng(0).integers(0, 9, (40_010, 3))
    names, parts = ("train/a", "train/b", "train/c", "test/a"), np.split(rows, [10_000, 30_000, 40_000])
    for name, some in zip(names, parts, strict=True):
        file = tmp_path / "input/data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{a},{b},{c}\n" for a, b, c in some.tolist()))
    return Environment(tmp_path)


def test_what_fits_in_half_the_budget_is_held(env: Environment, caplog: pytest.LogCaptureFixture) -> None:
    """In half of it, as the train channel judges as well; five eighths suffice where there is a validation channel."""
    caplog.set_level("INFO")
    assert isinstance(read_channels(env, hyperparameters(memory_mb="2"))["train"], Dataset)
    assert isinstance(read_channels(env, hyperparameters(memory_mb="1"))["train"], Stream)
    assert "do not fit in the 1.0 MiB that there are for them" in caplog.text  # less the test channel
    (env.base / "input/data/test").rename(env.base / "input/data/validation")
    stream = read_channels(env, hyperparameters(memory_mb="1"))["train"]
    assert isinstance(stream, Stream)
    assert (stream.rows, stream.rows_seen) == (40_000, 40_000)
    assert stream.window_size == pytest.approx(MIB // 4, rel=0.01)


@pytest.mark.parametrize("memory_mb", ["1", "100"])  # streamed, and held
def test_missing_values_are_filled_with_means_only_where_that_is_asked_for(env: Environment, memory_mb: str) -> None:
    assert read_channels(env, hyperparameters(memory_mb=memory_mb))["train"].fills is None
    (env.base / "input/data/train/a").write_text("1,4,\n1,6,8\n" * 2)
    read = read_channels(env, hyperparameters(memory_mb=memory_mb, missing_values="mean"))
    train, test = read["train"], read["test"]
    assert train.fills is not None and isinstance(test, Dataset)
    np.testing.assert_array_equal(test.fills, train.fills)
    parts = train.parts(0, np.random.default_rng(0)) if isinstance(train, Stream) else [train]
    for part in parts:
        assert isinstance(part.features, np.ndarray)
        assert np.isfinite(part.features).all()


def test_files_of_a_stream_come_in_a_new_order_every_epoch(env: Environment) -> None:
    stream = read_channels(env, hyperparameters(memory_mb="1"))["train"]
    assert isinstance(stream, Stream)
    orders = set()
    for epoch in range(10):
        parts = list(stream.parts(epoch, np.random.default_rng(epoch)))
        assert sum(map(len, parts)) == 40_000
        orders.add(tuple(dict.fromkeys(part.segments[0].source[-1] for part in parts)))
    assert len(orders) > 3
    assert {"".join(sorted(order)) for order in orders} == {"abc"}


def test_a_held_out_channel_that_does_not_fit_is_a_sample(env: Environment) -> None:
    config = env.channels()["train"]
    checked: list[int] = []

    def read(limit: int) -> Dataset:
        checked.clear()
        check = lambda data: checked.append(len(data))  # noqa: E731
        return read_held_out("train", ChannelReader(config), limit, check, hyperparameters())

    assert len(read(40_000 * ROW)) == 40_000
    sample = read(35_000 * ROW)
    # What a batch at a time fills.
    assert 10_000 <= len(sample) <= 35_000
    assert sum(checked) == 40_000
    assert sample.where(0).startswith(str(config.path / "a"))


def libsvm(base: Path, **channels: list[str]) -> Environment:
    for name, lines in channels.items():
        file = base / "input/data" / name / "data.svm"
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"{line}\n" for line in lines))
    return Environment(base)


def test_sparse_rows_that_are_filled_are_held_as_dense_ones_and_the_other_channels_follow(tmp_path: Path) -> None:
    env = libsvm(tmp_path, train=["1 1:5 3:7", "0 2:-1", "2 1:4 2:3 4:2"], test=["3 4:9"])
    read = read_channels(env, hyperparameters())
    assert isinstance(read["train"], Dataset)
    np.testing.assert_array_equal(read["train"].features, [[5, 0, 7, 0], [0, -1, 0, 0], [4, 3, 0, 2]])
    assert isinstance(read["test"], Dataset)
    np.testing.assert_array_equal(read["test"].features, [[0, 0, 0, 9]])


def test_sparse_rows_with_less_than_half_of_their_values_stay_sparse(tmp_path: Path) -> None:
    env = libsvm(tmp_path, train=["1 1:5 3:7", "0 2:-1", "2 1:4 4:2"], test=["3 1:9 2:9 3:9 4:9"])
    assert all(channel.is_sparse for channel in read_channels(env, hyperparameters()).values())


def test_sparse_rows_of_a_stream_stay_sparse_and_so_do_those_of_the_other_hosts(tmp_path: Path) -> None:
    env = libsvm(tmp_path, train=["1 1:1 2:2 3:3"] * 200_000)
    stream = read_channels(env, hyperparameters(memory_mb="1"))["train"]
    assert isinstance(stream, Stream)
    held = Dataset("train", CsrMatrix.from_dense(np.ones((2, 3), np.float32)), np.zeros(2, np.float32), ())
    hosts: list[Dataset | Stream] = [stream, held]
    found = together(2, lambda host: dense_where_filled(hosts[host.rank], MIB, host).is_sparse)
    assert (stream.is_sparse, found) == (True, [True, True])


def test_hosts_hold_their_rows_in_the_form_that_suits_all_of_them() -> None:
    full, empty = np.ones((2, 4), np.float32), np.zeros((3, 4), np.float32)
    full[0, 0] = 0

    def are_sparse(*rows: np.ndarray) -> list[bool]:
        parts = [Dataset("train", CsrMatrix.from_dense(part), np.zeros(len(part), np.float32), ()) for part in rows]
        return together(len(parts), lambda host: dense_where_filled(parts[host.rank], MIB, host).is_sparse)

    assert are_sparse(full, empty[:1]) == [False, False]
    assert are_sparse(full, empty) == [True, True]


def test_both_forms_must_fit_for_sparse_rows_to_become_dense() -> None:
    rows = CsrMatrix.from_dense(np.ones((10, 4), np.float32))
    data = Dataset("train", rows, np.zeros(10, np.float32), ())
    needed = bytes_of(rows) + 10 * 4 * 4
    assert not dense_where_filled(data, needed, ALONE).is_sparse
    assert dense_where_filled(data, needed - 1, ALONE).is_sparse
