"""What several hosts make of all kinds of jobs, against one host with all rows. Here they are threads of one process,
without a network, which takes a second where processes take ten."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_threads import together
from job_folder import CSV, RECORDIO, JobFolder, Outcome

from linear_learner.environment import Environment
from linear_learner.errors import ClientError
from linear_learner.training import job
from linear_learner.training.cluster.interface import Cluster

Fill = Callable[[JobFolder, np.ndarray], None]
"""Writes the rows of these numbers to a job's folder."""

ROWS = 3000
SHARES = np.array([0.5, 0.3, 0.2, 0.0])
SETTINGS = {"epochs": 12, "num_models": 8, "early_stopping_patience": 12}


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    package = logging.getLogger("linear_learner")
    handlers, level = package.handlers[:], package.level
    yield
    package.handlers[:] = handlers
    package.setLevel(level)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Outcome, Outcome]]:
    """The job on one host and on as many as there are SHARES; the first host's outcome of either."""
    mine = threading.local()

    @contextlib.contextmanager
    def joined(env: Environment, *_: object) -> Iterator[Cluster]:
        yield mine.cluster

    def one(cluster: Cluster, folders: list[JobFolder]) -> None:
        mine.cluster = cluster
        job.train_job(Environment(folders[cluster.rank].base, "a-job"), lambda: False)

    def outcome(folders: list[JobFolder]) -> Outcome:
        log = io.StringIO()
        with contextlib.redirect_stdout(log):
            job.configure_logging("info", log)
            together(len(folders), lambda cluster: one(cluster, folders))
        return Outcome(0, log.getvalue(), folders[0].base)

    def run_both(
        fill: Fill,
        predictor: str,
        *,
        names: tuple[str, ...] = ("train", "validation", "test"),
        replicated: bool = False,
        shares: np.ndarray = SHARES,
        content_type: str = RECORDIO,
        **settings: Any,
    ) -> tuple[Outcome, Outcome]:
        outcomes = []
        for hosts in (1, len(shares)):
            folders = [JobFolder(tmp_path / f"{hosts}-{rank}") for rank in range(hosts)]
            ends = [0, *np.round(np.cumsum(shares) * ROWS).astype(int)]
            for rank, folder in enumerate(folders):
                folder.hyperparameters(predictor, **(SETTINGS | settings))
                all_hosts = [f"algo-{i + 1}" for i in range(hosts)]
                folder.config("resourceconfig", {"current_host": all_hosts[rank], "hosts": all_hosts})
                described = {"ContentType": content_type}
                described |= {} if replicated else {"S3DistributionType": "ShardedByS3Key"}
                folder.config("inputdataconfig", dict.fromkeys(names, described))
                every = np.arange(ROWS)
                fill(folder, every if replicated or hosts == 1 else every[ends[rank] : ends[rank + 1]])
            outcomes.append(outcome(folders))
        return outcomes[0], outcomes[1]

    monkeypatch.setattr(job, "joined", joined)
    return run_both


RANDOM = np.random.default_rng(5)
FEATURES = RANDOM.normal(size=(ROWS, 10)).astype(np.float32)
SIGNAL = FEATURES @ RANDOM.normal(size=10) + RANDOM.normal(size=ROWS)
CLASSES = np.digitize(SIGNAL, [-3, 0.5, 2]).astype(float)
HELD_OUT = np.arange(ROWS) % 4


def channels(features: np.ndarray, labels: np.ndarray, content_type: str = RECORDIO, files: int = 1) -> Fill:
    """Half of the rows to train on, a quarter each for the others. Where there are none, there is no folder."""

    def fill(folder: JobFolder, rows: np.ndarray) -> None:
        for name, parts in {"train": (0, 1), "validation": (2,), "test": (3,)}.items():
            own = rows[np.isin(HELD_OUT[rows], parts)]
            if len(own):
                folder.channel(name, features[own], labels[own], content_type=content_type, files=files)

    return fill


def assert_alike(one: Outcome, several: Outcome, within: float = 0.05) -> None:
    for name in ("validation", "test"):
        ours, expected = several.finals(name), one.finals(name)
        assert ours.keys() == expected.keys()
        assert several.objective(name) == pytest.approx(one.objective(name), rel=within)
    ours, expected = several.facts, one.facts
    differ = {"_kvstore", "_num_kv_servers"}
    chosen = {"learning_rate", "wd", "l1", "lr_scheduler_factor", "positive_example_weight_mult"}
    for name in expected["hyperparameters"].keys() - differ - chosen:
        assert ours["hyperparameters"][name] == expected["hyperparameters"][name], name
    assert ours["hyperparameters"]["_kvstore"] == "dist_sync"
    assert ours["feature_minima"] == expected["feature_minima"]
    assert ours["feature_maxima"] == expected["feature_maxima"]
    np.testing.assert_allclose(ours["feature_means"], expected["feature_means"], rtol=1e-9, atol=1e-12)
    assert ours["class_weights"] == expected["class_weights"]
    assert ours["feature_names"] == expected["feature_names"]


def test_a_binary_classifier_that_weighs_its_classes(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    one, several = run(
        channels(FEATURES, (SIGNAL > 3).astype(float)), "binary_classifier", positive_example_weight_mult="balanced"
    )
    assert_alike(one, several)
    assert several.facts["hyperparameters"]["positive_example_weight_mult"] == pytest.approx(
        one.facts["hyperparameters"]["positive_example_weight_mult"]
    )


def test_a_multiclass_classifier_with_balanced_classes(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    assert_alike(
        *run(channels(FEATURES, CLASSES), "multiclass_classifier", num_classes=4, balance_multiclass_weights="true"),
    )


def test_the_first_host_may_be_the_one_without_rows(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    one, several = run(channels(FEATURES, (SIGNAL > 0).astype(float)), "binary_classifier", shares=SHARES[::-1])
    assert_alike(one, several)
    assert "No report is written: this host, whose rows it would be about, has none" in several.log


def test_a_host_may_have_one_class_only(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    """Rows sorted by their label."""
    order = np.argsort(SIGNAL > 0, kind="stable")
    assert_alike(*run(channels(FEATURES[order], (SIGNAL > 0)[order].astype(float)), "binary_classifier"))


def test_all_hosts_with_the_same_class_have_nothing_to_tell_apart(
    run: Callable[..., tuple[Outcome, Outcome]], tmp_path: Path
) -> None:
    with pytest.raises(ClientError, match=r"Every label of channel 'train' is 1.*1500 rows"):
        run(channels(FEATURES, np.ones(ROWS)), "binary_classifier")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
def test_every_optimizer(optimizer: str, run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    assert_alike(*run(channels(FEATURES, SIGNAL), "regressor", optimizer=optimizer))


def with_missing_values(folder: JobFolder, rows: np.ndarray) -> None:
    """The later a row is, the larger are its values."""
    features = FEATURES + np.linspace(0, 3, ROWS)[:, np.newaxis]
    for name, parts in {"train": (0, 1), "validation": (2,), "test": (3,)}.items():
        own = rows[np.isin(HELD_OUT[rows], parts)]
        lines = [
            [f"{label:.5f}", *(f"{x:.5f}" for x in row)] for label, row in zip(SIGNAL[own], features[own], strict=True)
        ]
        for i, line in enumerate(lines):
            line[1 + i % 10] = "" if i % 3 == 0 else line[1 + i % 10]
        if lines:
            header = ",".join(["y", *(f"x{i}" for i in range(10))])
            text = "\n".join([header, *map(",".join, lines)])
            folder.file(f"input/data/{name}/rows.csv", text.encode())


def test_missing_values_get_the_means_of_all_hosts(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    one, several = run(with_missing_values, "regressor", content_type=CSV, missing_values="mean")
    np.testing.assert_allclose(several.facts["feature_fills"], one.facts["feature_fills"], rtol=1e-6)
    assert several.facts["feature_names"] == [f"x{i}" for i in range(10)]
    assert several.objective("validation") == pytest.approx(one.objective("validation"), rel=0.05)


def test_a_host_counts_by_its_rows_in_the_sample_for_such_means(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    settings = {"missing_values": "mean", "num_point_for_scaler": 150, "epochs": 1}
    one, several = run(with_missing_values, "regressor", content_type=CSV, **settings)
    fills = [np.mean(outcome.facts["feature_fills"]) for outcome in (one, several)]
    assert fills[1] == pytest.approx(fills[0], abs=0.1)


def sparse(folder: JobFolder, rows: np.ndarray) -> None:
    """Row i names columns from 1 to i / 10, or 250: hosts with the first rows know of fewer."""
    for name, parts in {"train": (0, 1), "validation": (2,), "test": (3,)}.items():
        own = rows[np.isin(HELD_OUT[rows], parts)]
        lines = []
        for i in own:
            most = min(1 + i // 10, 250)
            columns = sorted({1 + i * 7 % most, 1 + i * 3 % most, most if i % 4 < 2 else 1})
            lines.append(f"{int(columns[0] % 2)} " + " ".join(f"{column}:{1 + i % 2}" for column in columns))
        if lines:
            folder.file(f"input/data/{name}/rows", "\n".join(lines).encode())


def test_sparse_rows_of_different_widths(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    one, several = run(
        sparse,
        "binary_classifier",
        content_type="text/libsvm",
        binary_classifier_model_selection_criteria="loss_function",
    )
    assert several.facts["hyperparameters"]["feature_dim"] == one.facts["hyperparameters"]["feature_dim"] == 250
    assert several.objective("validation") == pytest.approx(one.objective("validation"), abs=0.02)
    assert several.facts["feature_maxima"] == one.facts["feature_maxima"]


@pytest.mark.parametrize("replicated", [False, True])
def test_files_that_are_streamed(replicated: bool, run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    """A budget that holds the rows of no host but the last ones."""
    wide = np.repeat(FEATURES, 20, axis=1)
    fill = channels(wide, (SIGNAL > 0).astype(float), files=2)
    one, several = run(fill, "binary_classifier", memory_mb=1, replicated=replicated)
    assert "They are streamed" in one.log
    assert ("They are streamed" in several.log) == (not replicated)
    for outcome in (one, several):
        assert outcome.finals("test")["binary_classification_accuracy"] > 0.8
    assert several.objective("test") == pytest.approx(one.objective("test"), rel=0.1)


def test_replicated_rows_are_shared_out_without_loss(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    one, several = run(channels(FEATURES, SIGNAL, files=3), "regressor", replicated=True)
    assert_alike(one, several)
    counts = [int(count) for count in several.found(r"Channel 'train': (\d+) rows")]
    assert sum(counts) == 1500
    assert max(counts) - min(counts) <= 3


def test_without_validation_the_train_rows_of_all_hosts_judge(run: Callable[..., tuple[Outcome, Outcome]]) -> None:
    def fill(folder: JobFolder, rows: np.ndarray) -> None:
        if len(rows):
            folder.channel("train", FEATURES[rows], (SIGNAL[rows] > 0).astype(float), content_type=RECORDIO)

    one, several = run(fill, "binary_classifier", names=("train",))
    assert several.facts["selection"]["channel"] == "train"
    assert several.objective("train") == pytest.approx(one.objective("train"), rel=0.01)
    assert several.finals("train")["roc_auc_score"] == pytest.approx(one.finals("train")["roc_auc_score"], abs=0.005)
