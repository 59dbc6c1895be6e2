"""What inspect tells of a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.commands.model_facts import as_json, as_text, facts
from linear_learner.model import additional_params, artifact
from linear_learner.model.linear_model import LinearModel

AMAZON = Path(__file__).parents[4] / "shared/amazon-artifacts"
TRAINING = {
    "hyperparameters": {"learning_rate": 0.1, "wd": 0.001, "optimizer": "adam"},
    "selection": {"candidate": 5, "candidates": 32, "epoch": 9, "epochs": 15, "channel": "validation"},
    "metrics": {"validation": {"roc_auc_score": 0.97531}},
    "versions": {"linear_learner": "1.2.3"},
}


@pytest.fixture
def model() -> LinearModel:
    return LinearModel(
        np.array([[0.5], [-3], [0], [2]], np.float32),
        np.array([0.25], np.float32),
        *("binary_classifier", "logistic", "logistic", 0.4, 2),
        metadata={"feature_names": ["a", "b", "c", "d"], **TRAINING},
    )


def told(model: LinearModel, folder: Path, top: int = 10) -> dict[str, Any]:
    artifact.save(model, folder, pack=True)
    return facts(folder / "model.tar.gz", top)


def test_facts_are_those_of_the_model(model: LinearModel, tmp_path: Path) -> None:
    found = told(model, tmp_path)
    assert (found["predictor_type"], found["loss"], found["threshold"]) == ("binary_classifier", "logistic", 0.4)
    assert (found["features"], found["feature_names"], found["zero_weights"]) == (4, ["a", "b", "c", "d"], 1)
    assert (found["form"], found["written_by"]) == ("model.tar.gz", "linear-learner 1.2.3")
    assert found["intercepts"] == [0.25]
    assert found["training"] == TRAINING
    assert json.loads(as_json(found)) == found


def test_coefficients_come_by_size_where_nothing_else_is_known(model: LinearModel, tmp_path: Path) -> None:
    rows = told(model, tmp_path, top=3)["coefficients"]
    assert [(row["feature"], row["name"], row["coefficients"]) for row in rows] == [
        (2, "b", [-3]), (4, "d", [2]), (1, "a", [0.5]),
    ]  # fmt: skip


def test_coefficients_come_by_how_far_they_reach_where_the_range_is_known(model: LinearModel, tmp_path: Path) -> None:
    ranges = {"feature_minima": [0, 0, 0, 0], "feature_maxima": [100, 1, 1, 1]}
    rows = told(replace(model, metadata={**model.metadata, **ranges}), tmp_path)["coefficients"]
    assert [(row["name"], row["reach"]) for row in rows] == [("a", 50), ("b", 3), ("d", 2), ("c", 0)]


def test_words_name_what_matters(model: LinearModel, tmp_path: Path) -> None:
    schema = {"columns": [{"name": "a"}, {"name": "e", "levels": ["x", "y", "z"]}], "classes": ["no", "yes"]}
    table = replace(model, metadata={**model.metadata, "schema": schema, "feature_fills": [0, 0, 0, 0]})
    text = as_text(told(table, tmp_path))
    for part in (
        "written by linear-learner 1.2.3", "threshold        0.4", "features         4: a, b, c, d",
        "2 columns, of text: e (3 levels)", "classes          no, yes", "filled with means", "1 of 4",
        "learning_rate 0.1", "0.97531",
        "model 5 (from 0) of 32, as it was after epoch 9 (from 0) of 15, by the validation rows",
    ):  # fmt: skip
        assert part in text


def test_loose_files_and_a_multiclass_model(tmp_path: Path) -> None:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = LinearModel(
        weights, np.zeros(3, np.float32), "multiclass_classifier", "softmax_loss", "softmax", None, num_classes=3
    )
    artifact.save(model, tmp_path, pack=False)
    found = facts(tmp_path, 1)
    assert (found["form"], found["classes"], found["written_by"]) == ("loose files", 3, "linear-learner")
    assert found["coefficients"][0]["coefficients"] == [3, 4, 5]
    assert "classes          0 to 2" in as_text(found) and "threshold" not in as_text(found)


@pytest.mark.parametrize(
    ("classes", "header"),
    [
        (None, ["class 0", "class 1", "class 2"]),
        (["no", "perhaps", "most certainly"], ["no", "perhaps", "most cert..."]),
    ],
)
def test_coefficients_stand_below_their_classes(classes: list[str] | None, header: list[str], tmp_path: Path) -> None:
    metadata = {} if classes is None else {"schema": {"columns": [{"name": "a"}], "classes": classes}}
    kind = ("multiclass_classifier", "softmax_loss", "softmax")
    weights = np.array([[1, 2, 3]], np.float32)
    model = LinearModel(weights, np.zeros(3, np.float32), *kind, None, num_classes=3, metadata=metadata)
    lines = as_text(told(model, tmp_path)).splitlines()
    above, first = lines[lines.index("largest coefficients") + 1 :][:2]
    for name, number in zip(header, "123", strict=True):
        assert above.index(name) + len(name) == first.rindex(number) + 1


def test_long_names_are_cut_in_their_middle(model: LinearModel, tmp_path: Path) -> None:
    names = [f"text={'word ' * 1000}{i}" for i in range(4)]
    text = as_text(told(replace(model, metadata={"feature_names": names}), tmp_path))
    assert max(map(len, text.splitlines())) < 300
    lines = [line for line in text.splitlines() if line.startswith("  text=word word word ")]
    assert sorted(line.split()[-2] for line in lines) == ["0", "1", "2", "3"]


def test_names_do_nothing_to_a_terminal(model: LinearModel, tmp_path: Path) -> None:
    names = ["\x1b[2J", "b\nc", "größe", "d"]
    text = as_text(told(replace(model, metadata={"feature_names": names}), tmp_path))
    assert "\x1b" not in text and r"\x1b[2J" in text and r"b\nc" in text and "größe" in text


@pytest.mark.parametrize("name", ["hyperparameters", "selection", "metrics", "versions"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], {"validation": 1}, {"candidate": [1]}, float("nan")])
def test_whatever_stands_in_the_metadata_is_told_or_left_out(
    model: LinearModel, tmp_path: Path, name: str, value: Any
) -> None:
    artifact.save(model, tmp_path, pack=False)
    path = tmp_path / "additional-params.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    found = facts(tmp_path, 1)
    assert as_text(found)
    json.loads(as_json(found), parse_constant=pytest.fail)


@pytest.mark.skipif(not AMAZON.is_dir(), reason="needs the artifacts of Amazon's container, which are not ours to keep")
def test_amazons_own_models_are_recognised() -> None:
    found = facts(AMAZON / "binary-20-features/model_algo-1", 3)
    assert (found["written_by"], found["features"]) == ("Amazon's container", 20)
    assert found["training"] is None
    assert "without names" in as_text(found)


def test_what_is_written_for_amazon_is_taken_for_amazons(model: LinearModel, tmp_path: Path) -> None:
    artifact.save(model, tmp_path, pack=False, own_keys=False)
    assert facts(tmp_path, 1)["written_by"] == "Amazon's container"
    written = json.loads((tmp_path / "additional-params.json").read_text())
    assert set(written) < set(additional_params.OWN_KEYS)
