"""``additional-params.json``: what the graph and its arrays do not say of a model.

Amazon's keys are kept as its container writes them (``threshold``, ``loss_type``, ``predictor_type``,
``metrics_params``). Ours stand beside them: ``link``, ``num_classes``, ``feature_dim``, ``probability_map`` where there
is one, and whatever ``metadata`` a model carries, by convention ``hyperparameters`` (the chosen ones), ``metrics`` and
``versions``.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.model.graph import OUTPUT_OF_LINK
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, REGRESSOR
from linear_learner.model.probability_map import ProbabilityMap

NO_THRESHOLD = 0.5
"""What Amazon writes as the threshold of a regressor."""

USUAL_LOSS = {BINARY: "logistic", MULTICLASS: "softmax_loss", REGRESSOR: "squared_loss"}
"""Of a model that does not name its loss."""
USUAL_THRESHOLD = 0.5
"""Of a binary classifier that has none, neither as its own nor among the settings of its metrics."""

OWN_KEYS = (
    "threshold", "loss_type", "predictor_type", "metrics_params", "link", "num_classes", "feature_dim",
    "probability_map",
)  # fmt: skip
"""All keys that are not ``metadata``."""


@dataclass(frozen=True)
class AdditionalParams:
    """``link``, ``num_classes``, ``feature_dim`` and ``probability_map`` are None where Amazon's container wrote the
    model."""

    predictor_type: str
    loss: str
    threshold: float | None
    link: str | None
    num_classes: int | None
    feature_dim: int | None
    probability_map: ProbabilityMap | None
    metadata: dict[str, Any]


def to_json(model: LinearModel, *, own_keys: bool = True) -> str:
    """The file's text; without ``own_keys`` Amazon's keys alone. Its numbers are finite: JSON knows no others, so that
    an infinite threshold becomes the largest float and any other such value null."""
    threshold = NO_THRESHOLD if model.threshold is None else float(model.threshold)
    threshold = min(max(threshold, -sys.float_info.max), sys.float_info.max)
    content = {
        "threshold": threshold,
        "loss_type": model.loss,
        "predictor_type": model.predictor_type,
        "metrics_params": _metrics_params(model, threshold),
    }
    if not own_keys:
        return json.dumps(_plain(content), allow_nan=False)
    content |= {"link": model.link, "num_classes": model.num_classes, "feature_dim": model.feature_dim}
    if model.probability_map is not None:
        content["probability_map"] = model.probability_map.as_json()
    metadata = {name: value for name, value in model.metadata.items() if name not in OWN_KEYS}
    return json.dumps(_plain({**content, **metadata}), allow_nan=False)


def _metrics_params(model: LinearModel, threshold: float) -> dict[str, Any]:
    """The settings that Amazon's container keeps for its metrics; null where the loss has none."""
    chosen = model.metadata.get("hyperparameters", {})
    row = LOSSES.get((model.predictor_type, model.loss))
    of_loss = {hyperparameter: chosen.get(hyperparameter) for _, hyperparameter in row.constants} if row else {}
    return {
        "eps_insensitive_loss_type": model.loss if model.loss.startswith("eps_insensitive") else None,
        "class_weights": model.metadata.get("class_weights"),
        "huber_delta": of_loss.get("huber_delta"),
        "quantile": of_loss.get("quantile"),
        "loss_insensitivity": of_loss.get("loss_insensitivity"),
        "positive_example_weight_mult": chosen.get("positive_example_weight_mult", 1.0),
        "accuracy_top_k": chosen.get("accuracy_top_k", 3),
        "threshold": threshold,
        "f_beta": None if model.predictor_type == REGRESSOR else chosen.get("f_beta", 1.0),
        "margin": of_loss.get("margin"),
    }


def _plain(value: Any) -> Any:
    """Of values that JSON has: no NumPy, no tuples, no infinity."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(content: bytes, *, where: str = "additional-params.json") -> AdditionalParams:
    """A ClientError, naming the file ``where``, tells what is missing or wrong."""
    document = read_object(content, where)
    predictor_type = document.get("predictor_type")
    if predictor_type not in (BINARY, MULTICLASS, REGRESSOR):
        raise _error(f"predictor_type {predictor_type!r} is none of {BINARY}, {MULTICLASS}, {REGRESSOR}", where)
    loss = document.get("loss_type")
    if loss is None:
        loss = USUAL_LOSS[predictor_type]
    if not isinstance(loss, str):
        raise _error(f"loss_type {loss!r} is not the name of a loss", where)
    link = document.get("link")
    if link is not None and link not in list(OUTPUT_OF_LINK):
        raise _error(f"link {link!r} is none of {', '.join(OUTPUT_OF_LINK)}", where)
    probability_map = document.get("probability_map")
    if probability_map is not None and predictor_type != BINARY:
        raise _error(f"a {predictor_type} has no probability_map", where)
    return AdditionalParams(
        predictor_type=predictor_type,
        loss=loss,
        threshold=_threshold(document, where) if predictor_type == BINARY else None,
        link=link,
        num_classes=_count(document, "num_classes", where),
        feature_dim=_count(document, "feature_dim", where),
        probability_map=None if probability_map is None else ProbabilityMap.of_json(probability_map, where),
        metadata={name: value for name, value in document.items() if name not in OWN_KEYS},
    )


def _threshold(document: dict[str, Any], where: str) -> float:
    settings = document.get("metrics_params")
    value = document.get("threshold")
    if value is None and isinstance(settings, dict):
        value = settings.get("threshold")
    if value is None:
        return USUAL_THRESHOLD
    try:
        threshold = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond all floats
        threshold = math.nan
    if math.isnan(threshold):
        raise _error(f"threshold {value!r} is not a number", where)
    return threshold


def _count(document: dict[str, Any], name: str, where: str) -> int | None:
    value = document.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise _error(f"{name} {value!r} is not a whole number from 1 on", where)
    return value


def read_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in a file of the model."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _error(f"This is no JSON document: {error}", where) from None
    except RecursionError:
        raise _error("This JSON document is nested too deeply", where) from None
    if not isinstance(document, dict):
        raise _error("This is no JSON object", where)
    return document


def _error(message: str, where: str) -> ClientError:
    return ClientError(message, where=where, fix="train or copy the model again")
