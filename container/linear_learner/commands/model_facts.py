"""What is in a model, as ``inspect`` tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from linear_learner.commands.training_summary import score_table, settings_of, short
from linear_learner.model import additional_params, archive, artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.losses import MULTICLASS
from linear_learner.model.served_model import ServedModel

AMAZON = "Amazon's container"
TOLD = ("optimizer", "learning_rate", "wd", "l1", "epochs", "mini_batch_size", "use_bias", "normalize_data")
"""Hyperparameters that are told in words; JSON has all."""
LONGEST_NAME = 60
SHOWN_NAMES = 10
CELL = 12
"""Characters of a coefficient."""


def facts(place: Path, top: int) -> dict[str, Any]:
    """JSON values by name: None where the model does not say. ``top``: how many of the largest coefficients."""
    files, form = archive.read_files(place)
    written = additional_params.read(files[archive.ADDITIONAL_PARAMS], where=f"{form}: {archive.ADDITIONAL_PARAMS}")
    model = artifact.of_files(files, form)
    served = ServedModel.of(model)
    metadata = model.metadata
    schema = served.schema
    return {
        "place": str(place),
        "form": form if form != place.name or place.is_file() else "loose files",
        "written_by": AMAZON if written.link is None else _version(metadata),
        "predictor_type": model.predictor_type,
        "loss": model.loss,
        "link": model.link if isinstance(model, LinearModel) else None,
        "isotonic_calibration": isinstance(model, LinearModel) and model.probability_map is not None,
        "threshold": model.threshold,
        "features": model.feature_dim,
        "feature_names": list(served.names) or None,
        "classes": list(served.classes) or (model.num_classes if model.predictor_type == MULTICLASS else None),
        "table": None if schema is None or not schema.columns else schema.as_json()["columns"],
        "missing_values": "mean" if served.fills is not None else "error",
        "coefficients": _coefficients(model, served, top) if isinstance(model, LinearModel) else None,
        "intercepts": model.bias.tolist() if isinstance(model, LinearModel) else None,
        "zero_weights": int(np.count_nonzero(model.weights == 0)) if isinstance(model, LinearModel) else None,
        "training": {
            name: metadata[name] for name in ("hyperparameters", "selection", "metrics", "versions") if name in metadata
        }
        or None,
    }


def _version(metadata: dict[str, Any]) -> str:
    versions = metadata.get("versions")
    version = versions.get("linear_learner") if isinstance(versions, dict) else None
    return f"linear-learner {version}" if isinstance(version, str) else "linear-learner"


def _coefficients(model: LinearModel, served: ServedModel, top: int) -> list[dict[str, Any]]:
    """The largest first: by how far they move a score over the range of the training data, where that is known, or
    else by themselves."""
    size = np.abs(model.weights.astype(np.float64)).max(axis=1)
    reach = None
    if served.lowest is not None and served.highest is not None:
        reach = size * (served.highest.astype(np.float64) - served.lowest)
        size = reach
    order = np.argsort(-size, kind="stable")[:top]
    return [
        {
            "feature": int(j) + 1,
            "name": served.names[j] if served.names else None,
            "coefficients": model.weights[j].tolist(),
            **({} if reach is None else {"reach": float(reach[j])}),
        }
        for j in order
    ]


def as_json(found: dict[str, Any]) -> str:
    """Valid JSON, whatever constants the model's own file has."""
    return json.dumps(json.loads(json.dumps(found), parse_constant=lambda name: None), indent=2)


def as_text(found: dict[str, Any]) -> str:
    """Lines that do nothing to a terminal, whatever names are in the model."""
    return "\n".join("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in _lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['place']}: {found['form']}, written by {found['written_by']}"
    yield f"  predictor type   {found['predictor_type']}, {found['loss']}"
    if found["isotonic_calibration"]:
        yield "  probabilities    by isotonic calibration"
    if found["threshold"] is not None:
        yield f"  threshold        {short(found['threshold'])}: from this score on a row is called positive"
    names = found["feature_names"]
    shown = ", ".join(map(_cut, names[:SHOWN_NAMES])) if names is not None else ""
    named = "" if names is None else f": {shown}{', ...' if len(names) > SHOWN_NAMES else ''}"
    yield f"  features         {found['features']}{named or ', without names'}"
    if found["table"] is not None:
        texts = [
            f"{column['name']} ({len(column['levels'])} levels)" for column in found["table"] if "levels" in column
        ]
        yield f"  table            {len(found['table'])} columns, of text: {', '.join(texts) or 'none'}"
    classes = found["classes"]
    if classes is not None:
        yield f"  classes          {', '.join(classes) if isinstance(classes, list) else f'0 to {classes - 1}'}"
    yield f"  missing values   {'filled with means' if found['missing_values'] == 'mean' else 'an error'}"
    if found["coefficients"] is None:
        yield "  graph            none of a linear model: MXNet computes it"
    else:
        yield f"  zero weights     {found['zero_weights']} of {found['features'] * len(found['intercepts'])}"
        yield from _largest(found)
    if found["training"] is not None:
        yield from _training(found["training"])


def _largest(found: dict[str, Any]) -> Iterator[str]:
    by_reach = any("reach" in row for row in found["coefficients"])
    yield ""
    yield "largest coefficients" + (" (by how far they move a score over the training data)" if by_reach else "")
    names = [_cut(row["name"] or f"feature {row['feature']}") for row in found["coefficients"]]
    width = max(map(len, [*names, "intercept"]))
    if len(found["intercepts"]) > 1:
        yield f"  {''.ljust(width)}  {_cells(_class_names(found))}"
    for name, row in zip(names, found["coefficients"], strict=True):
        yield f"  {name.ljust(width)}  {_cells(row['coefficients'])}"
    yield f"  {'intercept'.ljust(width)}  {_cells(found['intercepts'])}"


def _cut(name: str) -> str:
    """A name of a feature, in which a category may be a whole sentence, without the middle of a long one: names that
    differ do so at an end, as a rule."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}...{name[-half + 3 :]}"


def _class_names(found: dict[str, Any]) -> list[str]:
    """Of the columns of the coefficients, cut to their width."""
    classes = found["classes"]
    names = classes if isinstance(classes, list) else [f"class {c}" for c in range(len(found["intercepts"]))]
    return [name if len(name) <= CELL else f"{name[: CELL - 3]}..." for name in names]


def _cells(values: Sequence[float | str]) -> str:
    shown = [short(value).rjust(CELL) for value in values[:SHOWN_NAMES]]
    return " ".join(shown) + (" ..." if len(values) > SHOWN_NAMES else "")


def _training(training: dict[str, Any]) -> Iterator[str]:
    """Whatever of it is as this program writes it: anyone may have written the file."""
    chosen, selection, metrics = (training.get(name) for name in ("hyperparameters", "selection", "metrics"))
    if isinstance(chosen, dict):
        yield ""
        yield "training"
        yield "  " + settings_of(chosen, TOLD, selection)
    if isinstance(selection, dict) and {"candidate", "candidates", "epoch", "epochs", "channel"} <= selection.keys():
        yield (
            f"  model {short(selection['candidate'])} (from 0) of {short(selection['candidates'])}, as it was after "
            f"epoch {short(selection['epoch'])} (from 0) of {short(selection['epochs'])}, by the "
            f"{short(selection['channel'])} rows"
        )
    if isinstance(metrics, dict) and all(isinstance(scores, dict) for scores in metrics.values()):
        yield ""
        yield from score_table(metrics)
