"""What a training job on plain files says at its end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from linear_learner.commands.plain_job import PlainJob
from linear_learner.formats.file_names import content_type_by_name
from linear_learner.hyperparameters.schema import BINARY
from linear_learner.model import artifact
from linear_learner.model.archive import TAR
from linear_learner.model.linear_model import Model

TOLD = ("optimizer", "learning_rate", "wd", "l1", "lr_scheduler_step", "lr_scheduler_factor", "lr_scheduler_minimum_lr")
"""What is told of the chosen model: the hyperparameters that Amazon's log names of the best one."""
REPORT = "report.html"


def summary(env: PlainJob) -> str:
    """Which model was chosen, its scores, where it lies, and what to do next. Read from the model itself."""
    return "\n".join(_lines(env, artifact.load(env.model_dir)))


def settings_of(chosen: dict[str, Any], names: Sequence[str], selection: Any) -> str:
    """What the model was trained with: those of the hyperparameters ``chosen`` that ``names`` are, as far as they are
    there, and a raw penalty, which ``wd`` and ``l1`` do not show."""
    told = [f"{name} {short(chosen[name])}" for name in names if name in chosen]
    if isinstance(selection, dict) and selection.get("raw_penalty") is True:
        told.append("wd and l1 on the weights of raw columns")
    return ", ".join(told)


def _lines(env: PlainJob, model: Model) -> Iterator[str]:
    facts: dict[str, Any] = model.metadata
    selection, chosen = facts["selection"], facts["hyperparameters"]
    # Counted from 0, as the log, the report and ``inspect`` do.
    yield (
        f"Of {selection['candidates']} models the best by the {selection['channel']} rows is model "
        f"{selection['candidate']} (from 0), as it was after epoch {selection['epoch']} (from 0) of "
        f"{selection['epochs']}:"
    )
    yield "  " + settings_of(chosen, TOLD, selection)
    yield ""
    yield from score_table(facts["metrics"])
    yield ""
    if model.predictor_type == BINARY:
        _, positive = facts.get("schema", {}).get("classes") or ("0", "1")
        yield f"positive label {positive}, from a score of {short(model.threshold)} on"
    archive = env.base / TAR
    yield f"model    {archive}"
    if (env.output_data_dir / REPORT).exists():
        yield f"report   {env.base / REPORT}"
    if "validation" not in env.given:
        yield "note     these are scores of the rows that it was trained on: --split 0.2 holds some out"
    example = env.given.get("test", env.given.get("validation", env.given["train"]))
    label_column = env.provided.get("label_column", "")
    label = ["--label-column", label_column] if label_column else ["--has-label"]
    content_type = example.content_type
    if content_type and content_type != content_type_by_name(example.path.name):
        label += ["--content-type", content_type]
    yield f"next     {shlex.join(['linear-learner', 'predict', '--model', str(archive), *label, str(example.path)])}"


def score_table(metrics: dict[str, dict[str, float]]) -> Iterator[str]:
    """A line a metric, a column a channel."""
    names = list(dict.fromkeys(name for scores in metrics.values() for name in scores))
    width = max(map(len, names), default=0)
    yield " ".join(["scores".ljust(width + 2), *(channel.rjust(12) for channel in metrics)])
    for name in names:
        cells = (short(scores[name]) if name in scores else "" for scores in metrics.values())
        yield " ".join([f"  {name.ljust(width)}", *(cell.rjust(12) for cell in cells)])


def short(value: Any) -> str:
    """For people to read: six digits of a number."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
