"""report.html: one file that needs nothing else, and may load nothing else. Its own script lays its content out, and
draws: to do so here took a job longer than all numbers in it, the import of what does it included."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from xstatic.pkg import d3

from linear_learner.model.losses import MULTICLASS, REGRESSOR

HERE = Path(__file__).parent
SCRIPTS = ("charts.js", "page.js", "controls.js")
"""One after the other; the strict mode of the first holds for all."""

MOST_CANDIDATES = 100
"""Rows of the table of candidates; as many curves are drawn."""
MOST_EPOCHS = 60
"""Points of a learning curve; of longer ones, evenly spaced epochs."""
LARGEST_HEAT = 20
"""Classes up to which a table has a column for each."""
MOST_CLASSES = 50
SHOWN_CLASSES = 10
MOST_CONFUSIONS = 20


def render(content: dict[str, Any]) -> str:
    """``content``: of content.describe."""
    style, script = _read(HERE / "style.css"), "".join(_read(HERE / name) for name in SCRIPTS)
    library = _read(Path(d3.BASE_DIR) / "d3.js")
    return Template(_read(HERE / "page.html")).substitute(
        style=style,
        style_hash=_hash(style),
        d3=library,
        d3_hash=_hash(library),
        script=script,
        script_hash=_hash(script),
        content=_inert(json.dumps(shown(content), allow_nan=False)),
    )


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a Content-Security-Policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert(ascii_json: str) -> str:
    """The same JSON without what HTML would read: text in it may be anybody's."""
    for character in "<>&":
        ascii_json = ascii_json.replace(character, f"\\u{ord(character):04x}")
    return ascii_json


def shown(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` as the script takes it: without what the page does not show, so that it stays small."""
    found = {**content, **_candidates(content)}
    if content["predictor_type"] != REGRESSOR:
        found |= _classes(content)
    return found


# -- candidates ----------------------------------------------------------------------------------------------------


def _candidates(content: dict[str, Any]) -> dict[str, Any]:
    """The best, with their losses at some epochs, that of the chosen weights among them."""
    settings = [candidate["hyperparameters"] for candidate in content["candidates"]]
    spaced = np.linspace(0, content["epochs"] - 1, MOST_EPOCHS).round().astype(int)
    epochs = sorted({content["choice"]["epoch"], *spaced.tolist()})
    return {
        "all_candidates": len(settings),
        "varied": [name for name in settings[0] if len({values[name] for values in settings}) > 1],
        "drawn_epochs": epochs,
        "candidates": [
            {
                **candidate,
                "loss": candidate["judge_loss"][candidate["best_epoch"]] if candidate["best_epoch"] >= 0 else None,
                **{name: [candidate[name][epoch] for epoch in epochs] for name in ("train_loss", "judge_loss")},
            }
            for candidate in _best_candidates(content)
        ],
    }


def _best_candidates(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are shown, best first, the chosen one among them."""
    choice = content["choice"]

    def order(candidate: dict[str, Any]) -> tuple[bool, float]:
        value = candidate["value"]
        return value is None, 0 if value is None else -value if choice["higher_is_better"] else value

    found = sorted(content["candidates"], key=order)
    chosen = content["candidates"][choice["candidate"]]
    if chosen not in found[:MOST_CANDIDATES]:
        found.insert(MOST_CANDIDATES - 1, chosen)
    return found[:MOST_CANDIDATES]


# -- classes -------------------------------------------------------------------------------------------------------


def _classes(content: dict[str, Any]) -> dict[str, Any]:
    """What is told of classes, by name; of more than LARGEST_HEAT, ``class_names`` is None."""
    data, details = content["data"], content["details"]
    names = data["classes"] or [str(c) for c in range(len(data["channels"]["train"]["class_counts"]))]
    are_few = len(names) <= LARGEST_HEAT
    channels = {
        name: {"rows": channel["rows"], "balance": _balance(channel["class_counts"], names)}
        for name, channel in data["channels"].items()
    }
    found = {
        "all_classes": len(names),
        "class_names": names if are_few else None,
        "data": {**data, "classes": None, "channels": channels},
    }
    if content["predictor_type"] == MULTICLASS:
        found["classes"] = _most_frequent(details[content["choice"]["channel"]]["per_class"], names)
        found["details"] = {
            name: {
                "matrix": channel["matrix"] if are_few else None,
                "confusions": [[names[c], names[d], rows] for c, d, rows in channel["confusions"][:MOST_CONFUSIONS]],
                "calibration": channel["calibration"],
            }
            for name, channel in details.items()
        }
    if not are_few:
        strongest = [_in_its_class(row, names) for row in content["coefficients"]["strongest"]]
        found["coefficients"] = {**content["coefficients"], "bias": [], "strongest": strongest}
    return found


def _balance(counts: list[int], names: list[str]) -> dict[str, Any]:
    """How the rows of a channel are shared by classes: all unless they are many, and the largest."""
    largest = sorted(np.argsort(-np.array(counts), kind="stable")[:SHOWN_CLASSES].tolist())
    return {
        "rows": sum(counts),
        "counts": counts if len(counts) <= MOST_CLASSES else None,
        "largest": [[names[c], counts[c]] for c in largest],
    }


def _most_frequent(per_class: dict[str, list[int]], names: list[str]) -> list[list[Any]]:
    """[number, name, labelled, predicted, right] of the classes with the most rows."""
    labelled = np.array(per_class["labelled"])
    return [
        [c, names[c], *(per_class[name][c] for name in ("labelled", "predicted", "right"))]
        for c in sorted(np.argsort(-labelled, kind="stable")[:MOST_CLASSES].tolist())
    ]


def _in_its_class(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    c = int(np.argmax(np.abs(row["standardised"])))
    values = {name: [row[name][c]] for name in ("coefficient", "standardised")}
    return {**row, **values, "class": names[c]}
