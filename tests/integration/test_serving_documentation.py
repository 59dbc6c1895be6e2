"""The answers in docs/serving.md are those of the model that its commands make."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.environment import Environment
from linear_learner.model import artifact
from linear_learner.model.served_model import ServedModel
from linear_learner.serving.answers import Wish, answer
from linear_learner.training import job

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs/serving.md").read_text(encoding="utf-8")
ROWS = np.array([[20.29, 14.34], [8.196, 16.84]], np.float32)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled data with two of its features, under a header."""
    base = tmp_path_factory.mktemp("example") / "ml"
    shutil.copytree(REPOSITORY / "local_test/test_dir/input", base / "input")
    for file in base.glob("input/data/*/*.csv"):
        cells = [line.split(",")[:3] for line in file.read_text().splitlines()]
        file.write_text("\n".join(map(",".join, [["label", "radius", "texture"], *cells])))
    return base


def answers_of(base: Path, **given: str) -> ServedModel:
    file = base / "input/config/hyperparameters.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | given))
    assert job.run(Environment(base)) == 0
    return ServedModel.of(artifact.load(base / "model"))


def answered(model: ServedModel, rows: np.ndarray, *outputs: str) -> dict[str, Any]:
    found = answer(model, rows, model.model.predict(rows), Wish(outputs))
    return {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in found.items()}


def told(beginning: str) -> list[Any]:
    """The predictions of the first JSON answer in the document that begins so."""
    found = re.search(rf"{re.escape(beginning)}.*\]\}}", DOCUMENT)
    assert found, beginning
    return json.loads(found[0][found[0].index("{") :])["predictions"]


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, float):
        yield value


def test_of_a_binary_classifier(example: Path) -> None:
    model = answers_of(example)
    rows = told('| `application/json` | `{"predictions"')
    assert answered(model, ROWS, "score")["score"] == pytest.approx([row["score"] for row in rows], rel=1e-3)
    (first,) = told('{"predictions": [{"raw_score"')
    found = answered(model, ROWS[:1], "raw_score", "contributions")
    assert list(numbers(found)) == pytest.approx(list(numbers(first)), rel=1e-3)


def test_of_other_models(example: Path) -> None:
    (regressor,) = told('{"predictions": [{"score": 0.1461')
    model = answers_of(example, predictor_type="regressor", num_models="1")
    assert answered(model, ROWS[:1], "score")["score"] == pytest.approx([regressor["score"]], rel=1e-3)
    (classifier,) = told('{"predictions": [{"score": [')
    model = answers_of(example, predictor_type="multiclass_classifier", num_classes="3", num_models="1")
    assert list(numbers(answered(model, ROWS[:1], "score"))) == pytest.approx(classifier["score"], rel=1e-2)
