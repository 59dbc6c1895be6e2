"""A model as JSON with the names of scikit-learn's attributes, and back. No pickle, so that nothing in it can run.

    {"predictor_type": "binary_classifier", "loss": "logistic", "link": "logistic", "threshold": 0.5,
     "coef_": [[0.25, -1.5]], "intercept_": [0.125], "classes_": [0, 1], "feature_names_in_": ["age", "income"]}

``coef_`` is (1, d) of a binary classifier, (C, d) of a multiclass one, and (d,) of a regressor, whose ``intercept_`` is
a number; a regressor has neither ``classes_`` nor ``threshold``. ``fills_`` are (d,), what takes the place of missing
values. Of what is read, only ``coef_``, ``intercept_`` and, of a classifier, ``classes_`` are needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from linear_learner.conversion.parts import LARGEST, Parts
from linear_learner.errors import ClientError
from linear_learner.model.additional_params import USUAL_LOSS, read_object
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, REGRESSOR

LARGEST_FILE = 1 << 28
"""Bytes: numbers take some thirty of them, and ten times as much while they are read."""
LINKS = {BINARY: ("logistic", "identity"), MULTICLASS: ("softmax", "identity"), REGRESSOR: ("identity",)}
"""Those that make sense, also of a hinge loss whose margins were calibrated to probabilities."""
USUAL_THRESHOLD = {"logistic": 0.5, "identity": 0.0}
"""By link: of a probability, and of a margin."""


def to_json(parts: Parts) -> bytes:
    """Float32 values are written as the doubles they equal."""
    rows, bias = parts.weights.T.tolist(), parts.bias.tolist()
    is_regressor = parts.predictor_type == REGRESSOR
    content: dict[str, Any] = {
        "predictor_type": parts.predictor_type,
        "loss": parts.loss,
        "link": parts.link,
        "coef_": rows[0] if is_regressor else rows,
        "intercept_": bias[0] if is_regressor else bias,
    }
    if not is_regressor:
        content["classes_"] = list(parts.classes) or list(range(parts.class_count))
    if parts.threshold is not None:
        content["threshold"] = parts.threshold
    if parts.names:
        content["feature_names_in_"] = list(parts.names)
    if parts.fills is not None:
        content["fills_"] = parts.fills.tolist()
    return json.dumps(content, allow_nan=False).encode()


def read(path: Path) -> LinearModel:
    """ClientError, naming the file, tells what is wrong with it."""
    if path.stat().st_size > LARGEST_FILE:
        raise _error(f"The file is larger than {LARGEST_FILE} bytes", str(path))
    return of_json(path.read_bytes(), str(path))


def of_json(content: bytes, where: str) -> LinearModel:
    """The model that ``to_json`` wrote, or that somebody wrote from an estimator of his own."""
    document = read_object(content, where)
    weights = _numbers(document, "coef_", where)
    bias = np.atleast_1d(_numbers(document, "intercept_", where))
    weights = weights[None, :] if weights.ndim == 1 else weights
    classes = _classes(document, where)
    predictor_type = {0: REGRESSOR, 2: BINARY}.get(len(classes), MULTICLASS)
    outputs = len(classes) if predictor_type == MULTICLASS else 1
    if weights.ndim != 2 or weights.shape[0] != outputs or not weights.shape[1]:
        raise _error(f"coef_ has the shape {weights.shape} and not ({outputs}, features)", where)
    if bias.shape != (outputs,):
        raise _error(f"intercept_ has the shape {bias.shape} and not ({outputs},)", where)
    said = document.get("predictor_type", predictor_type)
    if said != predictor_type:
        raise _error(f"predictor_type is {said!r}, and classes_ are those of a {predictor_type}", where)
    loss = document.get("loss", USUAL_LOSS[predictor_type])
    row = LOSSES.get((predictor_type, loss)) if isinstance(loss, str) else None
    if row is None:
        raise _error(f"loss {loss!r} is none of a {predictor_type}", where)
    link = document.get("link", row.link)
    if link not in LINKS[predictor_type]:
        raise _error(f"link {link!r} is none of {', '.join(LINKS[predictor_type])}", where)
    return LinearModel(
        np.ascontiguousarray(weights.T),
        bias,
        predictor_type,
        row.name,
        link,
        threshold=_threshold(document, link, where) if predictor_type == BINARY else None,
        num_classes=max(1, len(classes)),
        metadata=_metadata(document, classes, weights.shape[1], where),
    )


def _numbers(document: dict[str, Any], name: str, where: str) -> np.ndarray:
    """Float32, all finite."""
    try:
        with np.errstate(over="ignore"):
            values = np.array(document[name], np.float64).astype(np.float32)
    except KeyError:
        raise _error(f"{name} is missing", where) from None
    except (TypeError, ValueError, OverflowError):
        raise _error(f"{name} is no table of numbers", where) from None
    if not np.isfinite(values).all():
        raise _error(f"{name} has values that are not finite float32 numbers", where)
    return values


def _classes(document: dict[str, Any], where: str) -> list[str | int]:
    """Empty of a regressor."""
    classes = document.get("classes_", [])
    if isinstance(classes, list):
        classes = [*map(_class, classes)]
    kinds = {*map(type, classes)} if isinstance(classes, list) else set()
    if not isinstance(classes, list) or not (kinds <= {str} or kinds <= {int}) or len(set(classes)) < len(classes):
        raise _error("classes_ is no list of different texts, or of different whole numbers", where)
    if len(classes) == 1:
        raise _error("classes_ has one class, and there is nothing to tell apart", where)
    return classes


def _class(name: Any) -> Any:
    """scikit-learn keeps the type of the labels: 0.0 and 1.0 as NumPy read them from a file, or False and True."""
    is_whole = isinstance(name, bool) or (isinstance(name, float) and name.is_integer())
    return int(name) if is_whole else name


def _threshold(document: dict[str, Any], link: str, where: str) -> float:
    value = document.get("threshold", USUAL_THRESHOLD[link])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        raise _error(f"threshold {value!r} is not a number", where)
    return float(value)


def _metadata(document: dict[str, Any], classes: list[str | int], width: int, where: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    names = document.get("feature_names_in_")
    if names is not None:
        if not isinstance(names, list) or not {*map(type, names)} <= {str} or len(names) != width:
            raise _error(f"feature_names_in_ is no list of {width} texts", where)
        metadata["feature_names"] = names
    if classes and classes != list(range(len(classes))):
        metadata["schema"] = {"columns": [], "classes": [str(name) for name in classes]}
    if document.get("fills_") is not None:
        fills = _numbers(document, "fills_", where)
        if fills.shape != (width,):
            raise _error(f"fills_ has the shape {fills.shape} and not ({width},)", where)
        metadata["feature_fills"] = fills.tolist()
    return metadata


def _error(message: str, where: str) -> ClientError:
    return ClientError(message, where=where, fix="see docs/command_line.md for what the file holds")
