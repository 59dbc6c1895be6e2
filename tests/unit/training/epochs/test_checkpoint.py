"""Checkpoints: what comes back is what was saved, and from any of them training ends where it would have ended."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.data.chunk import Chunk
from linear_learner.data.epochs import Epochs
from linear_learner.errors import ClientError, PlatformError
from linear_learner.formats.csr import CsrMatrix
from linear_learner.model.losses import BINARY, LOSSES
from linear_learner.training.cluster.averaging import Averaging
from linear_learner.training.cluster.interface import ALONE
from linear_learner.training.engines.engine import make_engine
from linear_learner.training.engines.state import Objective, Rates, State
from linear_learner.training.epochs import checkpoint
from linear_learner.training.epochs.checkpoint import KEPT, Checkpoints
from linear_learner.training.epochs.early_stopping import EarlyStopping
from linear_learner.training.epochs.progress import Progress, Trained
from linear_learner.training.logs.log_lines import Timers
from linear_learner.training.trainer import train

CANDIDATES, ROWS, FEATURES = 5, 1000, 7
JOB = {"epochs": 4, "models": [{"wd": 0.1}]}


class Copying(Checkpoints):
    """Also writes inside every epoch, and copies what it writes, each to a folder of its own."""

    def __init__(self, folder: Path, copies: Path) -> None:
        super().__init__(folder, JOB)
        self.folder, self.copies = folder, copies

    def due(self, *, epoch_is_over: bool = False) -> bool:
        return True

    def save(self, progress: Progress) -> None:
        super().save(progress)
        for path in self.folder.glob("*.npz"):
            copy = self.copies / path.stem / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def start() -> Progress:
    rng = np.random.default_rng(1)
    state = State.zeros(CANDIDATES, 1, FEATURES)
    state.set_weights(rng.normal(size=(FEATURES, CANDIDATES)), rng.normal(size=CANDIDATES))
    return Progress.at_the_start(state, EarlyStopping(1, 0.001, higher_is_better=False))


def run(
    progress: Progress,
    checkpoints: Checkpoints | None,
    make_epochs: Callable[..., Epochs] = Epochs,
    should_stop: Callable[[], bool] = lambda: False,
    sparse: bool = False,
) -> Trained:
    """With rows of which two thirds are zeros, ``sparse`` ones hold the others alone."""
    rng = np.random.default_rng(0)
    dense = (rng.normal(size=(ROWS, FEATURES)) * (rng.random((ROWS, FEATURES)) < 1 / 3)).astype(np.float32)
    labels = (dense[:, 0] + rng.normal(size=ROWS) > 0).astype(np.float32)
    features = CsrMatrix.from_dense(dense) if sparse else dense

    def same(value: float) -> np.ndarray:
        return np.full(CANDIDATES, value, np.float32)

    rates = Rates(
        learning_rate=np.geomspace(1e-3, 3, CANDIDATES).astype(np.float32),
        lr_scheduler_step=np.full(CANDIDATES, 10),
        lr_scheduler_factor=same(0.9),
        lr_scheduler_minimum_lr=same(1e-5),
        **{name: same(value) for name, value in {"wd": 1e-3, "l1": 1e-3, "momentum": 0.9, "beta_1": 0.9}.items()},
        **{name: same(value) for name, value in {"beta_2": 0.99, "bias_lr_mult": 10, "bias_wd_mult": 0}.items()},
        positive_weight=same(1),
        raw_penalty=same(0),
    )
    objective = Objective(LOSSES[BINARY, "logistic"], 1, "adam", 30)
    return train(
        make_engine("auto", objective, rates, 2),
        progress,
        make_epochs(features, labels, None, 0),
        mini_batch_size=30,
        max_epochs=4,
        averaging=Averaging(ALONE, "adam"),
        judge=lambda: Chunk(features, labels, np.arange(ROWS)),
        criterion=None,
        report=lambda report: None,
        timers=Timers(),
        should_stop=should_stop,
        checkpoints=checkpoints,
        rows_at_once=60,
        snapshots=4,
    )


def outcome(trained: Trained) -> list[bytes]:
    reports = [(r.epoch, r.rows, r.criterion, r.message) for r in trained.epochs]
    losses = [array for r in trained.epochs for array in (r.train_loss, r.judge_loss)]
    arrays = [trained.best.weights, trained.best.bias, trained.loss, trained.best_epoch, trained.alive, *losses]
    return [repr(reports).encode(), *(array.tobytes() for array in arrays)]


@pytest.mark.parametrize("sparse", [False, True])
def test_from_every_checkpoint_training_ends_the_same(sparse: bool, tmp_path: Path) -> None:
    expected = outcome(run(start(), None, sparse=sparse))
    assert outcome(run(start(), Copying(tmp_path / "kept", tmp_path / "copies"), sparse=sparse)) == expected
    copies = sorted((tmp_path / "copies").iterdir())
    epochs = {int(re.split("-", copy.name)[1]) for copy in copies}
    assert len(epochs) > 2
    assert len(copies) > 4 * len(epochs), "some lie inside epochs"
    for copy in copies:
        progress = start()
        assert Checkpoints(copy, JOB).restore(progress) is not None
        assert outcome(run(progress, None, sparse=sparse)) == expected, copy.name


def test_two_are_kept_and_nothing_is_half_written(tmp_path: Path) -> None:
    run(start(), Copying(tmp_path / "kept", tmp_path / "copies"))
    kept = sorted(path.stem for path in (tmp_path / "kept").iterdir())
    assert kept == sorted(path.name for path in (tmp_path / "copies").iterdir())[-KEPT:]
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".npz"}


def test_nothing_is_restored_where_nothing_is(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "missing", JOB).restore(start()) is None


def one_array() -> bytes:
    """A file of the other kind that NumPy writes."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 but no zip", one_array(), None])
def test_a_damaged_one_gives_way_to_the_one_before(damage: bytes | None, tmp_path: Path) -> None:
    checkpoints, progress = Checkpoints(tmp_path, JOB), start()
    checkpoints.save(progress)
    progress.begin_epoch(1)
    checkpoints.save(progress)
    older, newer = sorted(tmp_path.iterdir())
    newer.write_bytes(newer.read_bytes()[:-1000] if damage is None else damage)
    restored = start()
    assert checkpoints.restore(restored) == older
    assert restored.epoch == 0


@pytest.mark.parametrize(("place", "byte"), [(8, 1), (10, 99)])
def test_so_does_one_that_seems_encrypted_or_packed_in_an_unknown_way(place: int, byte: int, tmp_path: Path) -> None:
    """``place`` in the zip file's own entry for its first array."""
    checkpoints, progress = Checkpoints(tmp_path, JOB), start()
    checkpoints.save(progress)
    progress.begin_epoch(1)
    checkpoints.save(progress)
    older, newer = sorted(tmp_path.iterdir())
    content = bytearray(newer.read_bytes())
    content[content.index(b"PK\x01\x02") + place] = byte
    newer.write_bytes(content)
    assert checkpoints.restore(start()) == older


def test_what_is_no_file_is_neither_opened_nor_removed(tmp_path: Path) -> None:
    """Opening a FIFO would wait for ever."""
    os.mkfifo(tmp_path / "checkpoint-000009-000000000000000.npz")
    (tmp_path / "checkpoint-000000-000000000000000.npz").mkdir()
    checkpoints, progress = Checkpoints(tmp_path, JOB), start()
    for epoch in range(1, KEPT + 2):
        progress.begin_epoch(epoch)
        checkpoints.save(progress)
    assert checkpoints.restore(start()) == tmp_path / f"checkpoint-{KEPT + 1:06d}-000000000000000.npz"
    assert len(list(tmp_path.iterdir())) == KEPT + 2


def test_a_part_that_was_being_written_is_not_looked_at_and_goes(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-000009-000000000000000.part").write_bytes(b"half")
    checkpoints = Checkpoints(tmp_path, JOB)
    assert checkpoints.restore(start()) is None
    checkpoints.save(start())
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_a_full_disk_is_named_and_keeps_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, arrays: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    checkpoints, progress = Checkpoints(tmp_path, JOB), start()
    checkpoints.save(progress)
    progress.begin_epoch(1)
    monkeypatch.setattr(checkpoint, "_write", write)
    with pytest.raises(PlatformError, match="The checkpoint could not be written: No space left on device") as error:
        checkpoints.save(progress)
    assert error.value.where == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000-000000000000000.npz"]


class Stopping(Epochs):
    """Rows that come while the job is stopped: the second epoch ends after 300 rows, and no one was asked before."""

    stopped = False

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        for chunk in super().chunks(epoch):
            if epoch == 1:
                yield replace(chunk, order=chunk.order[:300])
                self.stopped = True
                return
            yield chunk


def test_an_epoch_that_ends_early_by_itself_is_gone_on_with(tmp_path: Path) -> None:
    """Streamed rows end where the job is stopped, before training has asked whether it is."""
    expected = outcome(run(start(), None))
    checkpoints = Checkpoints(tmp_path, JOB)
    stopped: list[Stopping] = []

    def until_stopped(*given: Any) -> Stopping:
        stopped.append(Stopping(*given))
        return stopped[0]

    run(start(), checkpoints, make_epochs=until_stopped, should_stop=lambda: stopped[0].stopped)
    progress = start()
    checkpoints.restore(progress)
    assert (progress.epoch, progress.current.rows) == (1, 300)
    assert outcome(run(progress, None)) == expected


def test_one_of_other_hyperparameters_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, JOB).save(start())
    with pytest.raises(ClientError, match="of another job: epochs was 4 there and is 5 here") as caught:
        Checkpoints(tmp_path, JOB | {"epochs": 5}).restore(start())
    assert "checkpoint-000000" in caught.value.where
    assert "remove its checkpoints" in caught.value.fix


def test_what_was_given_is_told_before_the_models_that_follow_from_it(tmp_path: Path) -> None:
    Checkpoints(tmp_path, JOB | {"models": [{"wd": 0.0}] * 32, "wd": 0.0}).save(start())
    with pytest.raises(ClientError, match=r"of another job: wd was 0\.0 there and is 0\.1 here; its models differ \("):
        Checkpoints(tmp_path, JOB | {"models": [{"wd": 0.1}] * 32, "wd": 0.1}).restore(start())


def test_of_long_lists_the_first_difference_is_told(tmp_path: Path) -> None:
    counts = [7] * 1_000_000
    Checkpoints(tmp_path, JOB | {"rows by class": counts}).save(start())
    with pytest.raises(ClientError, match=r"of another job: rows by class\[999999\] was 7 there and is 8 here \("):
        Checkpoints(tmp_path, JOB | {"rows by class": [*counts[:-1], 8]}).restore(start())
    with pytest.raises(ClientError, match=r"of another job: rows by class was \[7[7, ]*\.\.\. there and is \[7\] here"):
        Checkpoints(tmp_path, JOB | {"rows by class": [7]}).restore(start())


def test_one_of_another_shape_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path, JOB).save(start())
    other = Progress.at_the_start(State.zeros(CANDIDATES, 1, FEATURES + 1), start().stopping)
    with pytest.raises(ClientError, match="of another job: its arrays differ: weights"):
        Checkpoints(tmp_path, JOB).restore(other)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "checkpoint-000001-000000000000000.npz", weights=np.zeros(3))
    with pytest.raises(ClientError, match="of another job"):
        Checkpoints(tmp_path, JOB).restore(start())


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    job = np.array([{"format": 1}], dtype=object)
    np.savez(tmp_path / "checkpoint-000001-000000000000000.npz", job=job)
    assert Checkpoints(tmp_path, JOB).restore(start()) is None


class TestWhenOneIsDue:
    """``took``: seconds of writing one; then ``since`` seconds pass."""

    def checkpoints(self, folder: Path, took: float, since: float) -> Checkpoints:
        times = [0.0, 100.0, 100.0 + took, 100.0 + took + since]
        found = Checkpoints(folder, JOB, clock=lambda: times.pop(0) if len(times) > 1 else times[0])
        found.save(start())
        return found

    @pytest.mark.parametrize(
        ("took", "since", "due"),
        [
            (0.04, 0.1, True),  # as good as nothing
            (0.2, 7, True),
            (0.2, 6, False),  # more than 3 % of the time
            (20, 600, False),
            (20, 700, True),
        ],
    )
    def test_after_an_epoch(self, took: float, since: float, due: bool, tmp_path: Path) -> None:
        assert self.checkpoints(tmp_path, took, since).due(epoch_is_over=True) == due

    @pytest.mark.parametrize(
        ("took", "since", "due"), [(0.01, 59, False), (0.01, 61, True), (3, 99, False), (3, 101, True)]
    )
    def test_inside_one(self, took: float, since: float, due: bool, tmp_path: Path) -> None:
        assert self.checkpoints(tmp_path, took, since).due() == due

    def test_the_first_epoch_has_one_and_its_beginning_none(self, tmp_path: Path) -> None:
        assert Checkpoints(tmp_path, JOB).due(epoch_is_over=True)
        assert not Checkpoints(tmp_path, JOB).due()


class Rare(Checkpoints):
    """Never finds that one is due."""

    def due(self, *, epoch_is_over: bool = False) -> bool:
        return False


def test_the_end_of_training_has_one_in_any_case(tmp_path: Path) -> None:
    expected = outcome(run(start(), Rare(tmp_path, JOB)))
    assert len(list(tmp_path.iterdir())) == 1
    progress = start()
    Checkpoints(tmp_path, JOB).restore(progress)
    assert outcome(progress.trained) == expected


def test_it_is_an_npz_file_that_leaves_an_average_of_nothing_out(tmp_path: Path) -> None:
    progress = start()
    checkpoints = Checkpoints(tmp_path, JOB)
    checkpoints.save(progress)
    progress.current.rows_by_host[:], progress.average.weights[...] = 30, 7
    progress.take_snapshot()
    checkpoints.save(progress)
    found = [dict(np.load(path, allow_pickle=False)) for path in sorted(tmp_path.iterdir())]
    assert [("average_weights" in arrays, "average_bias" in arrays) for arrays in found] == [(False,) * 2, (True,) * 2]
    for arrays, packed in zip(found, (start().pack(), progress.pack()), strict=True):
        assert arrays.keys() == {"job", *packed}
        for name, array in packed.items():
            np.testing.assert_array_equal(arrays[name], array, strict=True)
    # What was there before does not stay.
    (tmp_path / "checkpoint-000000-000000000000030.npz").unlink()
    checkpoints.restore(progress)
    assert not progress.average.weights.any()


def test_an_epoch_is_reported_as_it_was(tmp_path: Path) -> None:
    progress, checkpoints = start(), Checkpoints(tmp_path, JOB)
    run(progress, checkpoints)
    restored = start()
    checkpoints.restore(restored)
    assert outcome(restored.trained) == outcome(progress.trained)
    assert restored.stopping == progress.stopping
    assert restored.finished == progress.finished
