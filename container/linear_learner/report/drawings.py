"""The drawings of the page: which points each shows."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from linear_learner.model.losses import BINARY, REGRESSOR
from linear_learner.report import charts
from linear_learner.report.charts import Axis, Columns, Dots, Line, Marker, Points, Shape

MOST_EPOCHS = 60
"""Points of a learning curve; of longer ones, evenly spaced epochs."""
EVEN = ((0.0, 0.0), (1.0, 1.0))


def draw(content: dict[str, Any], shown: Sequence[int], losses: tuple[float, float]) -> dict[str, str]:
    """SVG by name. ``shown``: the candidates whose curves are drawn. ``losses``: of ``loss_range``."""
    found = {name: _learning(content, shown, name, *losses) for name in ("train_loss", "judge_loss")}
    found["chosen"] = _chosen(content)
    if content["predictor_type"] == REGRESSOR:
        details = content["details"][content["choice"]["channel"]]
        return {
            **found,
            "predicted": _predicted(details["points"]),
            "errors": _errors(details["histogram"]),
            "residuals": _residuals(details["points"]),
            "calibration": "",
        }
    if content["predictor_type"] == BINARY:
        found |= {"roc": _roc(content), "precision_recall": _precision_recall(content)}
    return {**found, "calibration": _calibration(content)}


def style(content: dict[str, Any], channel: str) -> str:
    """A class of the style sheet: the colour of a channel that the model was scored on."""
    return "judge" if channel == content["choice"]["channel"] else "test"


# -- learning curves -----------------------------------------------------------------------------------------------


def loss_range(content: dict[str, Any], shown: Iterable[int]) -> tuple[float, float]:
    """The least loss of any epoch, and one that few candidates exceed, none of them the chosen: curves leave the
    drawing above it, so that one wild candidate does not press all others to the ground."""
    chosen = content["candidates"][content["choice"]["candidate"]]
    own = _known(chosen["train_loss"] + chosen["judge_loss"])
    others = [loss for k in shown for name in ("train_loss", "judge_loss") for loss in content["candidates"][k][name]]
    known = _known(others)
    low, high = min(known.min(), own.min()), max(float(np.quantile(known, 0.95)), own.max())
    return float(low), float(high) if high > low else float(low) + 1


def spark(train: Sequence[float | None], judge: Sequence[float | None], low: float, high: float) -> str:
    """The two learning curves of a candidate, small."""
    lines = []
    for name, losses in (("train", train), ("judge", judge)):
        points = _thinned(losses)
        if points:
            last = max(len(losses) - 1, 1)
            path = " ".join(
                f"{100 * epoch / last:.0f},{24 - 22 * min((loss - low) / (high - low), 10):.1f}"
                for epoch, loss in points
            )
            lines.append(f'<polyline class="{name}" points="{path}"/>')
    return (
        f'<svg class="spark" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">{"".join(lines)}</svg>'
    )


def _learning(content: dict[str, Any], shown: Sequence[int], name: str, low: float, high: float) -> str:
    chosen = content["choice"]["candidate"]
    lines: list[Shape] = []
    for k in [*(k for k in shown if k != chosen), chosen]:
        points = _thinned(content["candidates"][k][name])
        if points:
            kind = "candidate chosen" if k == chosen else "candidate"
            lines.append(Line(points, kind, f"candidate {k}", candidate=k))
    best = content["choice"]["epoch"]
    loss = content["candidates"][chosen][name][best]
    if loss is not None:
        lines.append(Dots([(best, loss)], "marker", f"epoch {best}: {loss:.4g}"))
    what = "train" if name == "train_loss" else content["choice"]["channel"]
    title = f"Loss on {what} by epoch, of each candidate"
    return charts.draw(title, _epoch_axis(content), Axis("loss", low, high), lines)


def _chosen(content: dict[str, Any]) -> str:
    """Both learning curves of the chosen candidate."""
    candidate, best = content["candidates"][content["choice"]["candidate"]], content["choice"]["epoch"]
    train, judge = (_thinned(candidate[name]) for name in ("train_loss", "judge_loss"))
    losses = [loss for _, loss in (*train, *judge)]
    lines: list[Shape] = [Line(train, "train", "train"), Line(judge, "judge", content["choice"]["channel"])]
    if (loss := candidate["judge_loss"][best]) is not None:
        lines.append(Dots([(best, loss)], "marker", f"epoch {best}: {loss:.4g}"))
    title = f"Loss of candidate {candidate['number']} on train and on {content['choice']['channel']}, by epoch"
    return charts.draw(title, _epoch_axis(content), Axis("loss", min(losses), max(losses)), lines)


def _epoch_axis(content: dict[str, Any]) -> Axis:
    last = max(content["epochs"] - 1, 1)
    return Axis("epoch", 0, last, range(0, last + 1, -(-last // 8)))


def _thinned(losses: Sequence[float | None]) -> Points:
    """(epoch, loss) of at most MOST_EPOCHS epochs, without those that have none."""
    return [(epoch, loss) for epoch in _epochs(len(losses)) if (loss := losses[epoch]) is not None]


@functools.cache
def _epochs(count: int) -> list[int]:
    found: list[int] = np.unique(np.linspace(0, count - 1, MOST_EPOCHS).round().astype(int)).tolist()
    return found


def _known(losses: Iterable[float | None]) -> np.ndarray:
    return np.array([loss for loss in losses if loss is not None])


# -- classifiers ---------------------------------------------------------------------------------------------------


def _roc(content: dict[str, Any]) -> str:
    shapes: list[Any] = [Line(EVEN, "even")]
    for channel, details in content["details"].items():
        counts, name = details["confusion"], style(content, channel)
        points = list(zip(_rate(counts, "false_positives"), _rate(counts, "true_positives"), strict=True))
        shapes += [Line([(1.0, 1.0), *points], name, channel), Marker(points, place(content), f"marker {name}")]
    return charts.draw(
        "True against false positive rate at all thresholds",
        charts.share("false positive rate"),
        charts.share("true positive rate"),
        shapes,
    )


def _precision_recall(content: dict[str, Any]) -> str:
    shapes: list[Any] = []
    for channel, details in content["details"].items():
        counts, name = details["confusion"], style(content, channel)
        points = list(zip(_rate(counts, "true_positives"), _precision(counts), strict=True))
        positives = counts["true_positives"][0] + counts["false_negatives"][0]
        base = positives / max(1, positives + counts["false_positives"][0] + counts["true_negatives"][0])
        shapes += [
            Line([(0.0, base), (1.0, base)], "even"),
            Line(points, name, channel),
            Marker(points, place(content), f"marker {name}"),
        ]
    return charts.draw(
        "Precision against recall at all thresholds", charts.share("recall"), charts.share("precision"), shapes
    )


def place(content: dict[str, Any]) -> int:
    """The number of the chosen threshold."""
    choice = content["choice"]
    found: int = content["details"][choice["channel"]]["thresholds"].index(choice["threshold"])
    return found


def _rate(counts: dict[str, list[int]], name: str) -> list[float]:
    """Of the rows with the label, the share that is called positive: ``name`` is which of them are."""
    others = {"true_positives": "false_negatives", "false_positives": "true_negatives"}[name]
    return [called / max(1, called + rest) for called, rest in zip(counts[name], counts[others], strict=True)]


def _precision(counts: dict[str, list[int]]) -> list[float]:
    """1 where nothing is called positive, where the curve begins."""
    pairs = zip(counts["true_positives"], counts["false_positives"], strict=True)
    return [right / (right + wrong) if right + wrong else 1.0 for right, wrong in pairs]


def _calibration(content: dict[str, Any]) -> str:
    shapes: list[Any] = [Line(EVEN, "even")]
    for channel, details in content["details"].items():
        bins, name = details["calibration"], style(content, channel)
        if bins is None:
            return ""
        points = list(zip(bins["predicted"], bins["observed"], strict=True))
        shapes += [Line(points, name, channel), Dots(points, name)]
    return charts.draw(
        "Observed share against predicted probability",
        charts.share("predicted probability"),
        charts.share("observed share"),
        shapes,
    )


def shares(counts: Sequence[int]) -> str:
    """A bar cut by the shares of the classes."""
    total, start, rects = max(1, sum(counts)), 0.0, []
    for number in counts:
        width = 220 * number / total
        rects.append(f'<rect x="{start:.1f}" y="0" width="{width:.1f}" height="14"/>')
        start += width
    drawing = "".join(rects)
    return f'<svg class="balance" viewBox="0 0 220 14" preserveAspectRatio="none" aria-hidden="true">{drawing}</svg>'


# -- regressors ----------------------------------------------------------------------------------------------------


def _predicted(points: Points) -> str:
    values = np.array(points)
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1
    return charts.draw(
        "Prediction against label",
        Axis("label", low, high),
        Axis("prediction", low, high),
        [Line([(low, low), (high, high)], "even"), Dots(points, "points")],
    )


def _residuals(points: Points) -> str:
    errors = [(score, score - label) for label, score in points]
    scores, distances = (np.array(errors)[:, column] for column in (0, 1))
    low, high = float(scores.min()), float(scores.max())
    return charts.draw(
        "Error against prediction",
        Axis("prediction", low, high),
        Axis("error", float(distances.min()), float(distances.max())),
        [Line([(low, 0.0), (high, 0.0)], "even"), Dots(errors, "points")],
    )


def _errors(histogram: dict[str, Any]) -> str:
    edges, rows = histogram["edges"], histogram["rows"]
    errors, counts = Axis("error", edges[0], edges[-1]), Axis("rows", 0, max(rows))
    return charts.draw("Rows by error", errors, counts, [Columns(edges, rows, "columns")])


# -- coefficients --------------------------------------------------------------------------------------------------


def bar(share: float) -> str:
    """A bar from the middle, for a number from -1 to 1."""
    width = 78 * abs(share)
    side = "plus" if share >= 0 else "minus"
    return (
        '<svg class="bar" viewBox="0 0 160 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{side}" x="{80 if share >= 0 else 80 - width:.1f}" y="2" width="{width:.1f}" height="10"/>'
        '<line x1="80" x2="80" y1="0" y2="14"/></svg>'
    )
