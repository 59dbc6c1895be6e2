"""ONNX, computed by onnxruntime."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from exported_model import expected, parts
from numpy.testing import assert_allclose

from linear_learner.conversion import onnx_file
from linear_learner.conversion.onnx_file import to_onnx
from linear_learner.conversion.parts import Parts
from linear_learner.errors import ClientError


def answers(model: Parts, X: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(to_onnx(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": X}), strict=True))


def test_scores_and_labels_are_those_of_the_model(case: tuple[Parts, np.ndarray]) -> None:
    model, X = case
    scores, labels = expected(model, X)
    found = answers(model, X)
    assert found["score"].shape == (scores.shape if model.outputs > 1 else (len(X),))
    assert_allclose(found["score"].reshape(scores.shape), scores, rtol=2e-7, atol=1e-7)
    assert ("predicted_label" in found) == bool(labels)
    assert found.get("predicted_label", np.empty(0)).tolist() == labels


def test_a_threshold_between_two_float32_scores_stays_there() -> None:
    model = Parts(
        "binary_classifier", "hinge_loss", "identity", np.ones((1, 1), np.float32), np.zeros(1, np.float32), 0.0
    )
    low = np.float32(1.5)
    high = np.nextafter(low, np.float32(2))
    between = Parts(**{**vars(model), "threshold": (float(low) + float(high)) / 2})
    assert answers(between, np.array([[low], [high]]))["predicted_label"].tolist() == [0, 1]


def test_the_file_names_the_features_and_is_for_runtimes_of_2022() -> None:
    model = onnx.load_from_string(to_onnx(parts("regressor")))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["predictor_type"] == "regressor" and facts["feature_names"].split("\n")[1] == "größe?? */"
    assert model.opset_import[0].version == 17 and model.ir_version == 8
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    assert (dimensions[0].dim_param, dimensions[1].dim_value) == ("rows", 4)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ClientError, match=r"onnx is not installed\. Install it: pip install 'onnx>=1\.17,<2'"):
        to_onnx(parts("binary"))


def test_a_model_beyond_protobuf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 15)
    with pytest.raises(ClientError, match="has 15 bytes of weights at the most, and this one more"):
        to_onnx(parts("binary"))
