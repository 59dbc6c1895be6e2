"""Jobs whose train channel does not fit in memory, and jobs in Pipe mode."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from finished_job import MakeJob, Rows
from job_folder import CONTAINER, CSV, RECORDIO, JobFolder, csv, frame, record, recordio
from saved_model import SavedModel

BY_LOSS = {"binary_classifier_model_selection_criteria": "loss_function"}


@pytest.fixture(scope="module")
def rows() -> Rows:
    """40,000 rows take 2.1 MiB: more than a budget of 1 or 2 MiB holds."""
    random = np.random.default_rng(7)
    features = random.normal(size=(40_000, 10)) * np.arange(1, 11) + 5
    labels = (features - 5) @ random.normal(size=10) + 5 * random.normal(size=40_000) > 0
    return features.astype(np.float32), labels.astype(np.float32)


TRAIN, VALIDATION = slice(0, 36_000), slice(36_000, None)


def part(rows: Rows, which: slice) -> Rows:
    return rows[0][which], rows[1][which]


class Writer:
    """Makes and fills the pipes of a channel, one after the other, as the platform does. ``opened``: how many."""

    def __init__(self, job: JobFolder, channel: str, passes: Iterator[bytes]) -> None:
        self.opened = 0
        self._base = job.base / "input/data"
        self._channel = channel
        self._passes = passes
        self._base.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        for number, content in enumerate(self._passes):
            path = self._base / f"{self._channel}_{number}"
            os.mkfifo(path)
            try:
                with path.open("wb") as pipe:
                    self.opened += 1
                    pipe.write(content)
            except BrokenPipeError:
                return


def again(content: bytes) -> Iterator[bytes]:
    while True:
        yield content


def piped(job: JobFolder, content_type: str | None = CSV, *channels: str) -> JobFolder:
    described = {"ContentType": content_type} if content_type else {}
    config = {name: {**described, "TrainingInputMode": "Pipe"} for name in channels or ("train",)}
    if (job.base / "input/data/validation").exists():
        config.setdefault("validation", {"ContentType": CSV})
    return job.config("inputdataconfig", config)


# -- files that do not fit


def test_a_streamed_job_is_as_good_as_one_in_memory(rows: Rows, make_job: MakeJob) -> None:
    outcomes = []
    for budget in (64, 2):
        job = make_job().hyperparameters("binary_classifier", memory_mb=budget, epochs=6, **BY_LOSS)
        job.channel("train", *part(rows, TRAIN), files=5).channel("validation", *part(rows, VALIDATION))
        outcomes.append(job.run())
        assert outcomes[-1].code == 0, outcomes[-1].failure
    assert "They are streamed" not in outcomes[0].log and "They are streamed" in outcomes[1].log
    losses = [outcome.objective("validation") for outcome in outcomes]
    assert losses[1] == pytest.approx(losses[0], rel=0.002)
    facts = [outcome.facts for outcome in outcomes]
    for name in ("feature_means", "feature_minima", "feature_maxima"):
        assert facts[1][name] == pytest.approx(facts[0][name], rel=1e-6)
    # Every row is trained on in every epoch, and mini-batches are those of the whole channel.
    assert facts[1]["hyperparameters"]["mini_batch_size"] == facts[0]["hyperparameters"]["mini_batch_size"] == 281
    seen = outcomes[1].rows_of_epochs()
    assert seen == [36_000] * len(seen) and len(seen) > 1


def test_a_streamed_job_runs_again_to_the_same_bits(rows: Rows, make_job: MakeJob) -> None:
    packed = []
    for seed in (0, 0, 1):
        job = make_job().hyperparameters("regressor", memory_mb=1, epochs=2, num_models=2, seed=seed)
        packed.append((job.channel("train", *rows, files=3).run().model_dir / "mx-mod-0000.params").read_bytes())
    assert packed[0] == packed[1] != packed[2]


def test_an_epoch_may_begin_with_files_that_hold_no_row(rows: Rows, job: JobFolder) -> None:
    header = ",".join(["label", *(f"f{i}" for i in range(10))]).encode() + b"\n"
    job.hyperparameters("regressor", memory_mb=1, epochs=3, num_models=1)
    job.file("input/data/train/part-0", header + csv(*rows))
    for number in range(1, 10):
        job.file(f"input/data/train/part-{number}", header)
    outcome = job.run()
    assert outcome.code == 0, outcome.failure
    assert outcome.rows_of_epochs()[:2] == [40_000, 40_000]


def test_without_validation_a_sample_of_the_train_rows_judges(rows: Rows, job: JobFolder) -> None:
    outcome = job.train("binary_classifier", rows, memory_mb=1, epochs=3)
    assert "They are streamed" in outcome.log
    accuracy = np.mean(SavedModel.of(outcome.model_dir).labels(rows[0]) == rows[1])
    assert outcome.final("train", "binary_classification_accuracy") == pytest.approx(accuracy, abs=0.03)


def test_held_out_channels_that_do_not_fit_are_sampled(rows: Rows, job: JobFolder) -> None:
    job.channel("validation", *rows).channel("test", *rows)
    outcome = job.train("binary_classifier", part(rows, slice(0, 500)), memory_mb=2, epochs=3)
    assert len(outcome.found(r"(random sample of \d+ rows fits)")) == 2
    accuracy = np.mean(SavedModel.of(outcome.model_dir).labels(rows[0]) == rows[1])
    for channel in ("validation", "test"):
        assert outcome.final(channel, "binary_classification_accuracy") == pytest.approx(accuracy, abs=0.03)


def test_held_out_channels_leave_a_part_of_the_smallest_budget(rows: Rows, job: JobFolder) -> None:
    """Their first blocks alone take more than it; a scaler fitted on one row would leave all columns as they are."""
    job.channel("validation", *rows).channel("test", *rows)
    outcome = job.train("regressor", rows, memory_mb=1, epochs=1, num_models=1)
    (scaler,) = outcome.found("'stdev_weight': (.*)")
    found = [float(number) for number in re.findall(r"[0-9.]+(?:e[-+]\d+)?", scaler)[:10]]
    assert found == pytest.approx(rows[0].std(axis=0).tolist(), rel=0.3)


def test_classes_are_balanced_by_all_rows_of_files(rows: Rows, make_job: MakeJob) -> None:
    classes = np.digitize(rows[0][:, 0], [3.5, 5.5, 6.2]).astype(np.float32)
    weights = []
    for budget in (64, 1):
        given = {"num_classes": 4, "balance_multiclass_weights": "true", "epochs": 1, "num_models": 1}
        outcome = make_job().train("multiclass_classifier", (rows[0], classes), memory_mb=budget, **given)
        weights.append(outcome.facts["class_weights"])
    assert weights[1] == weights[0]


def test_bad_labels_far_down_a_stream_are_told_by_file_and_row(rows: Rows, job: JobFolder) -> None:
    labels = rows[1].copy()
    labels[35_000] = 2
    outcome = job.hyperparameters("binary_classifier", memory_mb=1).channel("train", rows[0], labels).run()
    assert outcome.code == 2 and outcome.failure is not None
    assert "Label 2 of channel 'train' is neither 0 nor 1" in outcome.failure
    assert "part-0, row 35001" in outcome.failure


def test_one_class_in_all_of_a_stream_is_nothing_to_train_on(rows: Rows, job: JobFolder) -> None:
    job.hyperparameters("binary_classifier", memory_mb=1).channel("train", rows[0], np.zeros(len(rows[1])))
    outcome = job.run()
    assert outcome.failure is not None
    assert "Every label of channel 'train' is 0; there is nothing to tell apart (40000 rows)" in outcome.failure


def test_sparse_rows_stream(make_job: MakeJob) -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 120_000)
    columns = np.sort(random.integers(0, 25, (120_000, 4)) * 2 + labels[:, None], axis=1)
    lines = (
        f"{label} " + " ".join(f"{column + 1}:1" for column in sorted(set(row)))
        for label, row in zip(labels.tolist(), columns.tolist(), strict=True)
    )
    text = "\n".join(lines).encode()
    accuracies = []
    for budget in (64, 1):
        job = make_job().hyperparameters("binary_classifier", memory_mb=budget, epochs=2, num_models=2)
        job.config("inputdataconfig", {"train": {"ContentType": "text/libsvm"}}).file("input/data/train/a", text)
        outcome = job.run()
        assert outcome.code == 0, outcome.failure
        assert ("They are streamed" in outcome.log) == (budget == 1)
        accuracies.append(outcome.final("train", "binary_classification_accuracy"))
    assert accuracies == [1, 1]


# -- pipes


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_that_fits_gives_the_model_of_the_file(
    rows: Rows, make_job: MakeJob, pack: Callable[[bytes], bytes]
) -> None:
    some = part(rows, slice(0, 3000))
    job = piped(make_job().hyperparameters("binary_classifier", epochs=3, num_models=2), None)
    writer = Writer(job, "train", again(pack(csv(*some))))
    from_pipe = job.run()
    assert from_pipe.code == 0, from_pipe.failure
    # Only the first pass was read.
    assert writer.opened == 1
    from_file = make_job().train("binary_classifier", some, epochs=3, num_models=2)
    models = [(outcome.model_dir / "mx-mod-0000.params").read_bytes() for outcome in (from_pipe, from_file)]
    assert models[0] == models[1]


@pytest.mark.parametrize(("content_type", "write"), [(CSV, csv), (RECORDIO, recordio)])
def test_a_pipe_that_does_not_fit_is_opened_once_an_epoch(
    content_type: str, write: Callable[..., bytes], rows: Rows, make_job: MakeJob
) -> None:
    settings = {"epochs": 4, "mini_batch_size": 300, **BY_LOSS}
    job = make_job().hyperparameters("binary_classifier", memory_mb=2, **settings)
    piped(job.channel("validation", *part(rows, VALIDATION)), content_type)
    writer = Writer(job, "train", again(write(*part(rows, TRAIN))))
    outcome = job.run()
    assert outcome.code == 0, outcome.failure
    assert writer.opened == 4
    assert outcome.rows_of_epochs() == [36_000] * 4
    in_memory = make_job().hyperparameters("binary_classifier", **settings)
    in_memory.channel("train", *part(rows, TRAIN)).channel("validation", *part(rows, VALIDATION))
    assert outcome.objective("validation") == pytest.approx(in_memory.run().objective("validation"), rel=0.005)
    assert outcome.facts["feature_means"] == pytest.approx(rows[0][TRAIN].mean(axis=0, dtype=float), rel=1e-5)


def test_all_channels_may_be_pipes(rows: Rows, job: JobFolder) -> None:
    piped(job.hyperparameters("regressor", epochs=2, num_models=2), CSV, "train", "validation", "test")
    for number, name in enumerate(("train", "validation", "test")):
        Writer(job, name, again(csv(*part(rows, slice(1000 * number, 1000 * (number + 1))))))
    outcome = job.run()
    assert outcome.code == 0, outcome.failure
    assert {"mse", "rmse"} <= outcome.finals("test").keys() & outcome.finals("validation").keys()


def test_the_mini_batch_size_of_a_stream_is_1000_unless_given(rows: Rows, job: JobFolder) -> None:
    piped(job.hyperparameters("regressor", memory_mb=1, epochs=1, num_models=1))
    Writer(job, "train", again(csv(*rows)))
    assert job.run().facts["hyperparameters"]["mini_batch_size"] == 1000


@pytest.mark.parametrize("whole", [True, False])
def test_a_writer_that_dies_in_the_middle_of_a_row_is_an_error(whole: bool, rows: Rows, job: JobFolder) -> None:
    """In the first pass, or in the second of a stream."""
    content = recordio(*part(rows, slice(0, 30_000)))
    piped(job.hyperparameters("binary_classifier", memory_mb=1, epochs=3), RECORDIO)
    passes = [content, content[:-30]] if whole else [content[:-30]]
    Writer(job, "train", iter(passes))
    outcome = job.run()
    assert outcome.code == 2 and outcome.failure is not None
    assert f"train_{len(passes) - 1}, row 30000" in outcome.failure
    assert "The record is cut short" in outcome.failure


def test_a_line_that_is_cut_short_is_an_error(rows: Rows, job: JobFolder) -> None:
    piped(job.hyperparameters("binary_classifier"))
    Writer(job, "train", iter([csv(*part(rows, slice(0, 100)))[:-60]]))
    outcome = job.run()
    assert outcome.code == 2 and outcome.failure is not None
    assert "train_0, row 100" in outcome.failure


def test_an_empty_pass_is_an_error(rows: Rows, make_job: MakeJob) -> None:
    for passes in ([b""], [csv(*rows), b""]):
        job = piped(make_job().hyperparameters("regressor", memory_mb=1, epochs=3, num_models=1))
        Writer(job, "train", iter(passes))
        outcome = job.run()
        assert outcome.code == 2 and outcome.failure is not None
        assert "Channel 'train' has no rows" in outcome.failure
        assert f"train_{len(passes) - 1}" in outcome.failure


@pytest.mark.parametrize("balanced", ["true", "false"])
def test_a_bad_label_in_a_later_pass_is_told_by_pipe_and_row(balanced: str, rows: Rows, job: JobFolder) -> None:
    classes = np.arange(len(rows[1])) % 3
    bad = classes.copy()
    bad[20_000] = 7
    settings = {"num_classes": 3, "balance_multiclass_weights": balanced, "num_models": 1}
    piped(job.hyperparameters("multiclass_classifier", memory_mb=1, epochs=2, **settings), RECORDIO)
    Writer(job, "train", iter([recordio(rows[0], classes), recordio(rows[0], bad)]))
    outcome = job.run()
    assert outcome.code == 2 and outcome.failure is not None
    assert "Label 7 of channel 'train' is not one of 0, 1, ... 2" in outcome.failure
    assert "train_1, row 20001" in outcome.failure


def test_a_pipe_that_never_comes_is_an_error(job: JobFolder) -> None:
    (job.base / "input/data").mkdir(parents=True)
    outcome = piped(job.hyperparameters("regressor", pipe_timeout=1)).run()
    assert outcome.code == 2 and outcome.failure is not None
    assert "The pipe has not appeared for 1 seconds" in outcome.failure
    assert str(job.base / "input/data/train_0") in outcome.failure


def test_a_pipe_that_nobody_writes_to_is_an_error(job: JobFolder) -> None:
    (job.base / "input/data").mkdir(parents=True)
    os.mkfifo(job.base / "input/data/train_0")
    outcome = piped(job.hyperparameters("regressor", pipe_timeout=1)).run()
    assert outcome.failure is not None and "Nothing came for 1 seconds" in outcome.failure


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the job ended with {process.wait()}")


def test_sigterm_ends_the_wait_for_a_pipe(job: JobFolder) -> None:
    (job.base / "input/data").mkdir(parents=True)
    with piped(job.hyperparameters("regressor")).start() as process:
        wait_for(process, "Number of GPUs")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "no model is written" in log


def test_sigterm_while_an_epoch_waits_for_its_pipe_saves_the_best_so_far(rows: Rows, job: JobFolder) -> None:
    piped(job.hyperparameters("binary_classifier", memory_mb=1, epochs=9))
    Writer(job, "train", iter([csv(*rows), csv(*rows)]))
    with job.start() as process:
        wait_for(process, "completed 22 %")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert np.mean(SavedModel.of(job.base / "model").labels(rows[0]) == rows[1]) > 0.8


def test_a_stream_takes_no_more_memory_than_its_budget(job: JobFolder) -> None:
    """200 MB of records, a budget of 16 MiB: beside what the program itself takes, far less than the data."""
    row = record(list(np.random.default_rng(0).normal(size=500)), [1.0])
    block = (frame(row) + frame(row[:-4] + bytes(4))) * 50_000
    piped(job.hyperparameters("binary_classifier", memory_mb=16, epochs=1, num_models=1), RECORDIO)
    base = peak_of(small_job(job.base / "small"))
    Writer(job, "train", iter([block]))
    assert peak_of(job) - base < 60


def small_job(base: Path) -> JobFolder:
    rows = np.eye(2), np.array([0.0, 1.0])
    return JobFolder(base).hyperparameters("binary_classifier", epochs=1, num_models=1).channel("train", *rows)


def peak_of(job: JobFolder) -> float:
    """MB of the job in a process of its own, whose parent is small: a peak counts from before a program is started."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(job.base)]
    environ = {**os.environ, "PYTHONPATH": str(CONTAINER)}
    return float(subprocess.check_output([sys.executable, "-c", measure, *command], env=environ, timeout=100))
