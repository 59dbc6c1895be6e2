"""Every form on real data in raw units, whose columns differ a thousandfold."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from exported_model import expected
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from linear_learner.conversion.c_source import to_c
from linear_learner.conversion.onnx_file import to_onnx
from linear_learner.conversion.parts import Parts
from linear_learner.conversion.python_source import to_python
from linear_learner.conversion.scikit_learn import of_json, to_json
from linear_learner.model.linear_model import LinearModel

SETS: dict[str, tuple[Any, Any]] = {
    "breast_cancer": (load_breast_cancer, LogisticRegression(max_iter=1000)),
    "wine": (load_wine, LogisticRegression(max_iter=1000)),
    "diabetes": (lambda return_X_y: load_diabetes(return_X_y=return_X_y, scaled=False), LinearRegression()),
}


def fitted(name: str) -> tuple[LinearModel, np.ndarray]:
    """A model that scikit-learn fitted to standardised rows, in raw units; and the raw rows, float32."""
    load, estimator = SETS[name]
    X, y = load(return_X_y=True)
    scaler, estimator = make_pipeline(StandardScaler(), estimator).fit(X, y).named_steps.values()
    coefficients = np.atleast_2d(estimator.coef_) / scaler.scale_
    content = {
        "coef_": coefficients.tolist() if name != "diabetes" else coefficients[0].tolist(),
        "intercept_": (estimator.intercept_ - coefficients @ scaler.mean_).tolist(),
        **({"classes_": estimator.classes_.tolist()} if name != "diabetes" else {}),
    }
    return of_json(json.dumps(content).encode(), name), X.astype(np.float32)


def by_onnx(model: LinearModel, X: np.ndarray, folder: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(to_onnx(Parts.of(model)), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["score"], {"features": X})[0])


def by_python(model: LinearModel, X: np.ndarray, folder: Path) -> np.ndarray:
    module: dict[str, Any] = {"__name__": "model"}
    exec(to_python(Parts.of(model)), module)
    return np.array([module["score"](row) for row in X.tolist()])


def by_c(model: LinearModel, X: np.ndarray, folder: Path) -> np.ndarray:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    (folder / "model.c").write_bytes(to_c(Parts.of(model)))
    command = [compiler, "-std=c99", "-DLINEAR_MODEL_MAIN", "model.c", "-lm", "-o", "model"]
    subprocess.run(command, cwd=folder, check=True)
    text = "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in X.tolist())
    done = subprocess.run([str(folder / "model")], input=text, capture_output=True, text=True, check=True)
    answers = np.loadtxt(done.stdout.splitlines(), delimiter=",", ndmin=2)
    return answers[:, : model.outputs] if model.outputs > 1 else answers[:, 0]


def by_scikit_learn(model: LinearModel, X: np.ndarray, folder: Path) -> np.ndarray:
    content = json.loads(to_json(Parts.of(model)))
    estimator = LogisticRegression() if "classes_" in content else LinearRegression()
    for name in ("coef_", "intercept_", "classes_"):
        if name in content:
            setattr(estimator, name, np.array(content[name]))
    if isinstance(estimator, LinearRegression):
        return np.asarray(estimator.predict(X.astype(np.float64)))
    chances = estimator.predict_proba(X.astype(np.float64))
    return np.asarray(chances if model.outputs > 1 else chances[:, 1])


def exactly(model: LinearModel, X: np.ndarray) -> np.ndarray:
    """The scores of the float32 weights, computed in float64 as ``exported_model`` does."""
    scores, _ = expected(Parts.of(model), X)
    return scores if model.outputs > 1 else scores[:, 0]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("form", [by_python, by_c, by_scikit_learn, by_onnx])
def test_all_forms_have_the_exact_scores(form: Any, name: str, tmp_path: Path) -> None:
    model, X = fitted(name)
    # Rows go to C as nine digits, which a float32 needs, and come to 1e-7 of a probability.
    relative = 1e-6 if name == "diabetes" else 0
    assert_allclose(form(model, X, tmp_path), exactly(model, X), rtol=relative, atol=1e-7)


@pytest.mark.parametrize("name", SETS)
def test_the_server_is_off_by_no_more_than_float32_may_be(name: str) -> None:
    model, X = fitted(name)
    exact = exactly(model, X)
    terms = np.abs(X.astype(np.float64)) @ np.abs(model.weights.astype(np.float64)) + np.abs(model.bias)
    # A sum of d + 1 float32 terms is off by at most (d + 1) roundings of their sizes (Higham 2002, 3.1), and the slope
    # of a probability is a quarter at most, of softmax a half.
    slope = {"identity": 1.0, "logistic": 0.25, "softmax": 0.5}[model.link]
    bound = slope * (model.feature_dim + 1) * 2.0**-24 * terms.max(axis=1) * 2 + 1e-6
    scores = model.predict(X).score
    assert (np.abs(scores - exact).reshape(len(X), -1).max(axis=1) <= bound).all()
    # What that comes to on these sets.
    assert_allclose(scores, exact, rtol=1e-6 if name == "diabetes" else 0, atol=4e-6)
