"""Models from archives to other forms and back, Amazon's own among them."""

from __future__ import annotations

import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exported_model import NAMES, parts, rows
from numpy.testing import assert_array_equal

from linear_learner.commands.convert import TO
from linear_learner.conversion.forms import FORMS, left_out, read
from linear_learner.conversion.parts import Parts
from linear_learner.conversion.scikit_learn import of_json, to_json
from linear_learner.errors import ClientError
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.probability_map import ProbabilityMap

AMAZON = Path(__file__).parents[4] / "shared/amazon-artifacts"
KEYS = {"threshold", "loss_type", "predictor_type", "metrics_params"}
"""Of additional-params.json in every artifact of Amazon's container."""


@pytest.fixture
def model() -> LinearModel:
    of = parts("binary")
    metadata = {"feature_names": list(NAMES), "schema": {"columns": [], "classes": ["no", "yes"]}}
    return LinearModel(
        of.weights, of.bias, of.predictor_type, of.loss, of.link, of.threshold, 2, metadata={**metadata, "more": 1}
    )


def test_the_command_offers_each_form() -> None:
    assert list(TO) == list(FORMS)


@pytest.mark.parametrize("name", ["model.tar.gz", "model_algo-1"])
def test_amazons_archive_holds_what_amazons_holds(model: LinearModel, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    FORMS["amazon"].write(model, path)
    if name.endswith(".gz"):
        with tarfile.open(path) as archive:
            assert archive.getnames() == ["model_algo-1"]
            archive.extractall(tmp_path / "out")
        inner = tmp_path / "out/model_algo-1"
    else:
        inner = path
    with zipfile.ZipFile(inner) as archive:
        assert json.loads(archive.read("additional-params.json")).keys() == KEYS
        assert len(archive.namelist()) == 4
    again = artifact.load(path)
    assert_array_equal(again.predict(rows()).score, model.predict(rows()).score)
    assert again.threshold == model.threshold
    assert left_out(model, FORMS["amazon"]) == ["the names of features", "the texts of classes"]


def test_our_folder_keeps_everything(model: LinearModel, tmp_path: Path) -> None:
    FORMS["linear-learner"].write(model, tmp_path / "out")
    again = artifact.load(tmp_path / "out/model.tar.gz")
    assert again.metadata == model.metadata
    assert left_out(model, FORMS["linear-learner"]) == []


@pytest.mark.parametrize("name", ["amazon", "linear-learner"])
def test_hyperparameters_that_are_none_do_no_harm(model: LinearModel, tmp_path: Path, name: str) -> None:
    odd = replace(model, metadata={"hyperparameters": ["x"]})
    FORMS[name].write(odd, tmp_path / "out")
    assert artifact.load(tmp_path / "out").metadata == {}


def test_categories_are_told_to_be_features(model: LinearModel) -> None:
    schema = {"columns": [{"name": name} for name in "abc"] + [{"name": "d", "levels": ["x"]}], "classes": []}
    table = replace(model, metadata={"schema": schema})
    assert left_out(table, FORMS["linear-learner"]) == []
    assert left_out(table, FORMS["onnx"]) == ["the levels of categories, which are features there"]


def test_probabilities_by_isotonic_calibration_stay_with_us(model: LinearModel, tmp_path: Path) -> None:
    mapped = replace(model, probability_map=ProbabilityMap(np.array([-1.0, 1.0]), np.array([0.1, 0.9])))
    FORMS["linear-learner"].write(mapped, tmp_path / "out")
    assert_array_equal(artifact.load(tmp_path / "out").predict(rows()).score, mapped.predict(rows()).score)
    for form in set(FORMS) - {"linear-learner"}:
        with pytest.raises(ClientError, match="follow isotonic calibration, for which this form has no place"):
            left_out(mapped, FORMS[form])


def test_a_hinge_loss_with_probabilities_comes_back_from_json(model: LinearModel) -> None:
    calibrated = replace(model, loss="hinge_loss")
    again = of_json(to_json(Parts.of(calibrated)), "model.json")
    assert (again.loss, again.link) == ("hinge_loss", "logistic")


@pytest.mark.parametrize("name", sorted(set(FORMS) - {"linear-learner"}))
def test_a_file_is_not_written_over_a_folder(model: LinearModel, tmp_path: Path, name: str) -> None:
    with pytest.raises(ClientError, match="A folder stands where a file should"):
        FORMS[name].write(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not AMAZON.is_dir(), reason="needs the artifacts of Amazon's container, which are not ours to keep")
@pytest.mark.parametrize("folder", ["binary-20-features", "regressor-513-features"])
def test_amazons_own_models_pass_through_json_and_come_back(folder: str, tmp_path: Path) -> None:
    original = read(AMAZON / folder / "model_algo-1")
    assert isinstance(original, LinearModel)
    FORMS["scikit-learn"].write(original, tmp_path / "model.json")
    back = read(tmp_path / "model.json")
    assert isinstance(back, LinearModel)
    FORMS["amazon"].write(back, tmp_path / "model.tar.gz")
    again = artifact.load(tmp_path / "model.tar.gz")
    assert isinstance(again, LinearModel)
    X = np.random.default_rng(0).normal(size=(20, original.feature_dim)).astype(np.float32)
    assert_array_equal(again.predict(X).score, original.predict(X).score)
    assert (again.threshold, again.loss) == (original.threshold, original.loss)
