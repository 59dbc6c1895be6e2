"""Models that come and go, in one process and in several."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from linear_learner.errors import ClientError, PlatformError
from linear_learner.formats.content_type import CSV
from linear_learner.formats.table_schema import Column, TableSchema
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.probability_map import ProbabilityMap
from linear_learner.serving.multi_model import (
    OVERHEAD_BYTES,
    ModelAlreadyLoaded,
    ModelNotLoaded,
    NoMemoryLeft,
    Registry,
)
from linear_learner.serving.rows import decode

MakeModel = Callable[..., str]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return new_registry(tmp_path)


def new_registry(tmp_path: Path, memory_limit: int = 1 << 30, copies: int = 1) -> Registry:
    folder = tmp_path / "registry"
    folder.mkdir()
    return Registry(folder, memory_limit=memory_limit, copies=copies)


def score(registry: Registry, name: str) -> float:
    """The answer of a model to a row of ones; the models here answer the constant that they were made with."""
    served = registry.get(name)
    return float(served.model.predict(np.ones((1, served.model.feature_dim), np.float32)).score[0])


def in_a_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process, as a worker would; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_model_is_loaded_found_and_unloaded(registry: Registry, make_model: MakeModel) -> None:
    url = make_model("a", 1.5)
    entry = registry.load("a", url)
    assert (entry.name, entry.url) == ("a", url)
    assert registry.entry("a") == entry
    assert registry.entries() == [entry]
    assert score(registry, "a") == 1.5
    assert registry.unload("a") == entry
    assert registry.entries() == []
    for look in (registry.entry, registry.get, registry.unload):
        with pytest.raises(ModelNotLoaded, match="Model 'a' is not loaded"):
            look("a")


def test_a_name_is_given_once(registry: Registry, make_model: MakeModel) -> None:
    registry.load("a", make_model("a", 1))
    with pytest.raises(ModelAlreadyLoaded, match="Model 'a' is already loaded"):
        registry.load("a", make_model("b", 2))
    assert score(registry, "a") == 1


def test_a_name_may_stand_for_another_model_after_it_was_unloaded(registry: Registry, make_model: MakeModel) -> None:
    first = registry.load("a", make_model("a", 1))
    assert score(registry, "a") == 1
    registry.unload("a")
    second = registry.load("a", make_model("b", 2))
    assert score(registry, "a") == 2
    assert second.serial != first.serial


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no such folder"),
        (lambda folder: (folder / "mx-mod-0000.params").unlink(), "lacks mx-mod-0000.params"),
        (lambda folder: (folder / "mx-mod-0000.params").write_bytes(b"nonsense"), "mx-mod-0000.params"),
        (lambda folder: (folder / "mx-mod-symbol.json").write_text("{}"), "mx-mod-symbol.json"),
    ],
)
def test_a_broken_model_is_refused_and_the_others_go_on(
    registry: Registry, make_model: MakeModel, break_it: Callable[[Path], object], message: str
) -> None:
    registry.load("good", make_model("good", 1))
    url = make_model("bad", 2)
    break_it(Path(url))
    with pytest.raises(ClientError, match=message):
        registry.load("bad", url)
    assert [entry.name for entry in registry.entries()] == ["good"]
    assert score(registry, "good") == 1
    registry.load("bad", make_model("mended", 3))
    assert score(registry, "bad") == 3


@pytest.mark.parametrize("url", ["a\0b", "x" * 5000, "relative"])
def test_a_strange_folder_is_the_clients_fault(registry: Registry, url: str) -> None:
    with pytest.raises(ClientError):
        registry.load("a", url)


def test_models_past_the_budget_are_refused_until_one_is_unloaded(tmp_path: Path, make_model: MakeModel) -> None:
    size = OVERHEAD_BYTES + 4 * 1000 + 4  # 1000 weights and a bias
    registry = new_registry(tmp_path, memory_limit=2 * 2 * size, copies=2)
    for name in ("a", "b"):
        assert registry.load(name, make_model(name, 1, feature_dim=1000)).size == size
    with pytest.raises(NoMemoryLeft, match=f"2 models are loaded; with 'c' .* {4 * size} are set aside. Unload some"):
        registry.load("c", make_model("c", 1, feature_dim=1000))
    assert [entry.name for entry in registry.entries()] == ["a", "b"]
    registry.unload("a")
    registry.load("c", make_model("d", 2, feature_dim=1000))
    assert score(registry, "c") == 2


def categories() -> LinearModel:
    cities = tuple(f"city {i}" for i in range(10_000))
    schema = TableSchema((Column("city", cities), Column("age")))
    metadata = {"schema": schema.as_json(), "feature_names": schema.feature_names}
    weights = np.zeros((len(schema.feature_names), 1), np.float32)
    return LinearModel(weights, np.zeros(1, np.float32), "regressor", "squared_loss", "identity", metadata=metadata)


def texts_of_classes() -> LinearModel:
    classes = [f"class {i}" for i in range(20_000)]
    weights, bias = np.zeros((1, 20_000), np.float32), np.zeros(20_000, np.float32)
    kind = ("multiclass_classifier", "softmax_loss", "softmax")
    return LinearModel(
        weights, bias, *kind, num_classes=20_000, metadata={"schema": {"columns": [], "classes": classes}}
    )


def numbers_about_columns() -> LinearModel:
    columns = ("feature_means", "feature_minima", "feature_maxima", "feature_fills")
    weights = np.zeros((100_000, 1), np.float32)
    metadata = {name: [0.5] * len(weights) for name in columns}
    return LinearModel(weights, np.zeros(1, np.float32), "regressor", "squared_loss", "identity", metadata=metadata)


def isotonic_calibration() -> LinearModel:
    knots = np.linspace(0, 1, 50_000)
    weights, bias = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
    probabilities = {"threshold": 0.5, "probability_map": ProbabilityMap(knots, knots)}
    return LinearModel(weights, bias, "binary_classifier", "logistic", "logistic", **probabilities)


@pytest.mark.parametrize("make", [categories, texts_of_classes, numbers_about_columns, isotonic_calibration])
def test_a_model_takes_no_more_than_is_counted(
    registry: Registry, tmp_path: Path, make: Callable[[], LinearModel]
) -> None:
    artifact.save(make(), tmp_path / "m", pack=False)
    gc.collect()
    tracemalloc.start()
    counted = registry.load("m", str(tmp_path / "m")).size
    served = registry.get("m")
    if served.schema is not None and served.schema.columns:  # what it makes of itself when it is first asked
        assert list(decode(b"city 5,41", CSV, served.model.feature_dim, served.names, schema=served.schema))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < counted < 2 * taken


def test_a_model_larger_than_the_budget_is_not_even_read(tmp_path: Path) -> None:
    registry = new_registry(tmp_path, memory_limit=1 << 20)
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "model_algo-1").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NoMemoryLeft):
        registry.load("large", str(folder))


def test_another_process_sees_what_is_loaded_and_unloaded(registry: Registry, make_model: MakeModel) -> None:
    urls = [make_model(name, value) for name, value in (("a", 1), ("b", 2))]
    registry.load("a", urls[0])
    assert score(registry, "a") == 1

    def replace_a() -> None:
        assert score(registry, "a") == 1
        registry.unload("a")
        registry.load("a", urls[1])
        registry.load("b", urls[1])

    assert exit_code(in_a_child(replace_a)) == 0
    assert score(registry, "a") == 2
    assert score(registry, "b") == 2
    assert exit_code(in_a_child(lambda: registry.unload("a"))) == 0
    with pytest.raises(ModelNotLoaded):
        registry.get("a")
    assert set(registry._models) == {"b"}  # its memory is given back


def test_a_process_that_dies_while_it_writes_leaves_the_others_right(registry: Registry, make_model: MakeModel) -> None:
    urls = [make_model(name, value) for name, value in (("a", 1), ("b", 2))]
    registry.load("a", urls[0])
    begun, may_write = os.pipe(), os.pipe()

    def die_after_the_file_and_before_the_counter() -> None:
        with registry._exclusively():
            os.write(begun[1], b"x")
            os.read(may_write[0], 1)
            registry._file.write_text("[]")
            os.kill(os.getpid(), signal.SIGKILL)

    child = in_a_child(die_after_the_file_and_before_the_counter)
    os.read(begun[0], 1)
    assert [entry.name for entry in registry.entries()] == ["a"]
    os.write(may_write[1], b"x")
    assert exit_code(child) == -signal.SIGKILL
    assert registry.entries() == []
    registry.load("b", urls[1])
    assert [entry.name for entry in registry.entries()] == ["b"]
    assert score(registry, "b") == 2
    for end in (*begun, *may_write):
        os.close(end)


def test_files_that_vanish_after_loading_are_nobodys_request_fault(registry: Registry, make_model: MakeModel) -> None:
    url = make_model("a", 1)
    registry.load("a", url)
    shutil.rmtree(url)
    assert score(registry, "a") == 1  # this process has its copy

    def another_worker() -> None:
        registry._models.clear()
        with pytest.raises(PlatformError, match="The files of model 'a' are gone or changed"):
            registry.get("a")

    assert exit_code(in_a_child(another_worker)) == 0


def test_of_many_that_load_one_name_at_once_one_wins(registry: Registry, make_model: MakeModel) -> None:
    urls = [make_model(f"m{i}", i) for i in range(4)]
    won = []

    def load(i: int) -> None:
        try:
            registry.load("a", urls[i])
        except ModelAlreadyLoaded:
            return
        won.append(i)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert score(registry, "a") == won[0]


def test_processes_load_unload_and_ask_at_once_and_no_answer_is_wrong(
    registry: Registry, make_model: MakeModel
) -> None:
    """Model ``m<i>`` answers i, or i + 100 from its other folder; anything else would be a mix-up."""
    urls = {i: (make_model(f"m{i}", i), make_model(f"n{i}", i + 100)) for i in range(3)}
    deadline = time.monotonic() + 1.5

    def churn(seed: int) -> None:
        random = np.random.default_rng(seed)
        while time.monotonic() < deadline:
            i = int(random.integers(3))
            try:
                match int(random.integers(4)):
                    case 0:
                        registry.load(f"m{i}", urls[i][int(random.integers(2))])
                    case 1:
                        registry.unload(f"m{i}")
                    case _:
                        assert score(registry, f"m{i}") in (i, i + 100)
            except (ModelNotLoaded, ModelAlreadyLoaded):
                pass

    children = [in_a_child(lambda seed=seed: churn(seed)) for seed in range(3)]
    threads = [threading.Thread(target=churn, args=(seed,)) for seed in (10, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [exit_code(pid) for pid in children] == [0, 0, 0]
    names = {entry.name for entry in registry.entries()}
    assert {entry["name"] for entry in json.loads(registry._file.read_text())} == names
    for name in names:
        assert score(registry, name) % 100 == int(name[1:])
    assert set(registry._models) <= names
    assert not registry._loading
