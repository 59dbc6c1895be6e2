"""report.html: one file that needs nothing else, and may load nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from jinja2.bccache import Bucket
from markupsafe import Markup

from linear_learner.model.losses import BINARY, MULTICLASS, REGRESSOR
from linear_learner.report import drawings

HERE = Path(__file__).parent

MOST_CANDIDATES = 100
"""Rows of the table of candidates; as many curves are drawn."""
LARGEST_HEAT = 20
"""Classes up to which a table has a column for each."""
MOST_CLASSES = 50
SHOWN_CLASSES = 10

TITLES = {BINARY: "binary classifier", MULTICLASS: "multiclass classifier", REGRESSOR: "regressor"}
HEADLINES = {
    BINARY: ("roc_auc_score", "binary_classification_accuracy", "precision", "recall"),
    MULTICLASS: ("multiclass_accuracy", "macro_recall", "macro_precision"),
    REGRESSOR: ("rmse", "mae", "r2"),
}
"""Metrics that the page opens with, where the model has them."""

FINDINGS = {
    "leak": "Possible leak",
    "drift": "Drift",
    "label_drift": "Drift of labels",
    "rare_class": "Rare classes",
    "diverged": "Diverged",
    "still_improving": "Still improving",
    "grid_end": "End of what was tried",
    "constant_columns": "Constant columns",
}
"""What the kinds of findings are called."""


def render(content: dict[str, Any]) -> str:
    """``content``: of content.describe. Text in it is nobody's HTML: Jinja escapes all of it."""
    css, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    return (
        templates()
        .get_template("page.html")
        .render(
            **content,
            **_view(content),
            css=css,
            script=script,
            style_hash=_hash(css),
            script_hash=_hash(script),
        )
    )


def compile_templates() -> None:
    """Leave the templates compiled beside the compiled modules, for an image whose user may not."""
    for name in (environment := templates()).list_templates(extensions=["html"]):
        environment.get_template(name)


def templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        optimized=False,  # folding constants takes longer than it saves in a page that is rendered once
        bytecode_cache=_CompiledTemplates(str(HERE / "__pycache__")),
    )
    environment.filters.update(number=number, count=count, setting=setting, breakable=breakable)
    return environment


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Compiling templates takes longer than all else that makes a page. Jinja compares them with their source; whoever
    may write here may change the modules too."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            (HERE / "__pycache__").mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


def number(value: Any) -> str:
    """Four significant digits of a float, and all before its point; integers as they are, and nothing for no number."""
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:#.4g}".rstrip(".") if value else "0"


def count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def setting(value: Any) -> str:
    """A hyperparameter as it would be given."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def breakable(name: str) -> Markup:
    """It may go on in the next line after each underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def _hash(text: str) -> str:
    """What a Content-Security-Policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _view(content: dict[str, Any]) -> dict[str, Any]:
    """What the template shows and ``content`` does not say in that form."""
    kind, details, choice = content["predictor_type"], content["details"], content["choice"]
    channels = list(content["metrics"])
    shown = _best_candidates(content)
    losses = drawings.loss_range(content, [candidate["number"] for candidate in shown])
    columns = _columns(content)
    view: dict[str, Any] = {
        "kind": TITLES[kind],
        "score": "prediction" if kind == REGRESSOR else "score" if kind == MULTICLASS else "log odds of a positive row",
        "style": {name: drawings.style(content, name) for name in channels},
        "metric_names": list(dict.fromkeys(name for found in content["metrics"].values() for name in found)),
        "headline": [name for name in HEADLINES[kind] if name in content["metrics"][choice["channel"]]],
        "finding_titles": FINDINGS,
        "best_value": _best_value(content),
        "sections": _sections(content),
        "charts": drawings.draw(content, [candidate["number"] for candidate in shown], losses),
        "columns": columns,
        "sorted_by": columns[1],
        "rows": _candidate_rows(content, shown, losses),
        "class_names": _class_names(content),
    }
    if kind == REGRESSOR:
        return {**view, **_coefficients(content)}
    if kind == BINARY:
        place = drawings.place(content)
        view |= {
            "chosen_place": place,
            "ratios": {name: _ratios(details[name]["confusion"], place) for name in channels},
            "slider": {
                "thresholds": details[choice["channel"]]["thresholds"],
                "channels": {name: details[name]["confusion"] for name in channels},
            },
        }
    else:
        view |= {
            "matrices": {name: _heat(details[name]["matrix"]) for name in channels},
            "class_rows": _class_rows(details[choice["channel"]]["per_class"]),
        }
    return {**view, **_balance(content), **_coefficients(content)}


def _sections(content: dict[str, Any]) -> list[tuple[str, str]]:
    own = {
        BINARY: [("threshold", "Thresholds")],
        MULTICLASS: [("classes", "Classes")],
        REGRESSOR: [("errors", "Errors")],
    }
    has_probabilities = any(details.get("calibration") for details in content["details"].values())
    return [
        ("findings", "Worth a look"),
        ("choice", "The chosen model"),
        *own[content["predictor_type"]],
        *([("calibration", "Calibration")] if has_probabilities else []),
        ("candidates", "Candidates"),
        ("coefficients", "Coefficients"),
        ("data", "Data and settings"),
    ]


# -- candidates ----------------------------------------------------------------------------------------------------


def _varied(content: dict[str, Any]) -> list[str]:
    """The hyperparameters that are not the same for all candidates."""
    settings = [candidate["hyperparameters"] for candidate in content["candidates"]]
    return [name for name in settings[0] if len({values[name] for values in settings}) > 1]


def _columns(content: dict[str, Any]) -> list[str]:
    choice = content["choice"]
    own = [] if choice["criterion"] == content["objective"] else [choice["criterion"]]
    return ["candidate", *own, "loss", "best epoch", *_varied(content)]


def _best_value(content: dict[str, Any]) -> float:
    values = [candidate["value"] for candidate in content["candidates"] if candidate["value"] is not None]
    best: float = max(values) if content["choice"]["higher_is_better"] else min(values)
    return best


def _best_candidates(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are shown, best first, the chosen one among them."""
    choice = content["choice"]

    def order(candidate: dict[str, Any]) -> tuple[bool, float]:
        value = candidate["value"]
        return value is None, 0 if value is None else -value if choice["higher_is_better"] else value

    shown = sorted(content["candidates"], key=order)
    chosen = content["candidates"][choice["candidate"]]
    if chosen not in shown[:MOST_CANDIDATES]:
        shown.insert(MOST_CANDIDATES - 1, chosen)
    return shown[:MOST_CANDIDATES]


def _candidate_rows(
    content: dict[str, Any], shown: list[dict[str, Any]], losses: tuple[float, float]
) -> list[dict[str, Any]]:
    """Of the table of candidates."""
    choice, varied = content["choice"], _varied(content)
    by_loss = choice["criterion"] == content["objective"]
    rows = []
    for candidate in shown:
        best = candidate["best_epoch"]
        loss = candidate["judge_loss"][best] if best >= 0 else None
        is_chosen, is_tied = candidate["number"] == choice["candidate"], candidate["number"] in choice["tied"]
        rows.append(
            {
                "number": candidate["number"],
                "cells": [
                    *([] if by_loss else [candidate["value"]]),
                    loss,
                    best if best >= 0 else None,
                    *(+candidate["hyperparameters"][name] for name in varied),  # yes is 1
                ],
                "spark": drawings.spark(candidate["train_loss"], candidate["judge_loss"], *losses),
                "outcome": "diverged"
                if candidate["diverged"]
                else "chosen"
                if is_chosen
                else "as good"
                if is_tied
                else "",
            }
        )
    return rows


# -- classes -------------------------------------------------------------------------------------------------------


def _class_names(content: dict[str, Any]) -> list[str]:
    counts = content["data"]["channels"]["train"]["class_counts"]
    return content["data"]["classes"] or [str(c) for c in range(len(counts or []))]


def _ratios(counts: dict[str, list[int]], place: int) -> dict[str, float]:
    right, wrong, missed, rest = (
        counts[name][place] for name in ("true_positives", "false_positives", "false_negatives", "true_negatives")
    )
    return {
        "accuracy": (right + rest) / max(1, right + wrong + missed + rest),
        "precision": right / max(1, right + wrong),
        "recall": right / max(1, right + missed),
        "F1": 2 * right / max(1, 2 * right + wrong + missed),
    }


def _heat(matrix: list[list[int]] | None) -> list[list[tuple[int, int]]] | None:
    """Counts with a level of shading, 0 to 9, by their share of the row."""
    if matrix is None or len(matrix) > LARGEST_HEAT:
        return None
    return [[(cell, -(-9 * cell // max(1, sum(cells)))) for cell in cells] for cells in matrix]


def _class_rows(per_class: dict[str, list[int]]) -> list[tuple[int, int, float, float, float]]:
    """(class, rows, precision, recall, F1) of the classes with the most rows."""
    found = []
    for c, (labelled, predicted, right) in enumerate(
        zip(per_class["labelled"], per_class["predicted"], per_class["right"], strict=True)
    ):
        f1 = 2 * right / max(1, labelled + predicted)
        found.append((c, labelled, right / max(1, predicted), right / max(1, labelled), f1))
    return sorted(sorted(found, key=lambda row: -row[1])[:MOST_CLASSES])


def _balance(content: dict[str, Any]) -> dict[str, Any]:
    """Bars of the shares of classes by channel, and the same in words for the largest."""
    bars, texts = {}, {}
    for name, channel in content["data"]["channels"].items():
        counts, total = channel["class_counts"], max(1, sum(channel["class_counts"]))
        bars[name] = drawings.shares(counts) if len(counts) <= MOST_CLASSES else ""
        largest = sorted(np.argsort(-np.array(counts), kind="stable")[:SHOWN_CLASSES].tolist())
        texts[name] = [(c, counts[c], f"{counts[c] / total:.1%}") for c in largest]
    return {"balance": bars, "balance_text": texts}


# -- coefficients --------------------------------------------------------------------------------------------------


def _coefficients(content: dict[str, Any]) -> dict[str, Any]:
    strongest = content["coefficients"]["strongest"]
    most = max((abs(value) for row in strongest for value in row["standardised"] if value), default=1.0)
    classes = len(content["coefficients"]["bias"])
    if classes == 1:
        return {"bars": [drawings.bar(row["standardised"][0] / most) for row in strongest]}
    if classes <= LARGEST_HEAT:
        return {
            "coefficient_heat": [[_level(value / most) for value in row["standardised"]] for row in strongest],
            "coefficient_decimals": min(max(2 - math.floor(math.log10(most)), 0), 9),
        }
    return {"coefficient_heat": None, "coefficient_rows": [_in_its_class(row) for row in strongest]}


def _level(share: float) -> str:
    """A class of the style sheet for a number from -1 to 1."""
    return f"{'plus' if share >= 0 else 'minus'}{round(9 * abs(share))}"


def _in_its_class(row: dict[str, Any]) -> tuple[str, int, float, float]:
    c = int(np.argmax(np.abs(row["standardised"])))
    return row["name"], c, row["coefficient"][c], row["standardised"][c]
