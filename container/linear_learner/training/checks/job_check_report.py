"""What the check of a job found, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from linear_learner.training.checks.job_check import Channel, Estimate, JobCheck

SHOWN_COLUMNS = 10
SHOWN_LABELS = 10


def as_text(found: JobCheck, title: str) -> str:
    """A few lines for each channel, then warnings and problems."""
    lines = [title]
    for channel in found.channels.values():
        lines += ["", *_about(channel)]
    if found.estimate is not None:
        lines += ["", *_about_estimate(found.estimate)]
    for title, sentences in (("Warnings", found.warnings), ("Problems", found.problems)):
        if sentences:
            lines += ["", title, *(f"  {number}. {sentence}" for number, sentence in enumerate(sentences, 1))]
    count = len(found.problems)
    lines += ["", f"{count} problem{'s' * (count > 1)}." if count else "No problems: the job can run."]
    return "\n".join(lines)


def as_json(found: JobCheck) -> str:
    """One object, on several lines."""
    content: dict[str, Any] = {
        "ok": not found.problems,
        "problems": found.problems,
        "warnings": found.warnings,
        "channels": {name: _facts(channel) for name, channel in found.channels.items()},
        "estimate": None if found.estimate is None else asdict(found.estimate),
    }
    return json.dumps(content, indent=2)


def _about(channel: Channel) -> Iterator[str]:
    profile = channel.profile
    form = f"sparse, {profile.stored} values" if channel.is_sparse else "dense"
    yield f"{channel.name}: {profile.rows} rows x {channel.features} features, {form}"
    yield f"  labels            {_labels(channel)}"
    if levels := _levels(channel):
        named = ", ".join(f"{name} {count}" for name, count in list(levels.items())[:SHOWN_COLUMNS])
        yield f"  categories        {named}{', ...' if len(levels) > SHOWN_COLUMNS else ''}"
    missing = np.flatnonzero(profile.missing)
    shown = _shown(missing, lambda column: f"{_name(channel, column)} {profile.missing[column]}")
    columns = "1 column" if len(missing) == 1 else f"{len(missing)} columns"
    yield f"  missing values    {f'{profile.missing.sum()} in {columns}: {shown}' if len(missing) else 'none'}"
    constant = profile.constant_columns()
    shown = _shown(constant, lambda column: _name(channel, column))
    yield f"  constant columns  {f'{len(constant)}: {shown}' if len(constant) else 'none'}"


def _shown(columns: np.ndarray, tell: Callable[[int], str]) -> str:
    """The first few of what may be millions."""
    told = ", ".join(tell(int(column)) for column in columns[:SHOWN_COLUMNS])
    return told + (", ..." if len(columns) > SHOWN_COLUMNS else "")


def _labels(channel: Channel) -> str:
    profile = channel.profile
    if profile.labels is not None and channel.schema is not None and len(channel.schema.classes) > SHOWN_LABELS:
        shown = ", ".join(
            f"{_label(channel, label)}: {rows}" for label, rows in profile.labels.most_common(SHOWN_LABELS)
        )
        return f"{len(profile.labels)} different ones: {shown}, ..."
    if profile.labels is None or len(profile.labels) > SHOWN_LABELS:
        several = "many different ones" if profile.labels is None else f"{len(profile.labels)} different ones"
        return f"{several}, from {profile.lowest_label:g} to {profile.highest_label:g}"
    counts = sorted(profile.labels.items())
    return ", ".join(f"{_label(channel, label)}: {count} ({count / profile.rows:.1%})" for label, count in counts)


def _label(channel: Channel, label: float) -> str:
    classes = () if channel.schema is None else channel.schema.classes
    return classes[int(label)] if classes else f"{label:g}"


def _levels(channel: Channel) -> dict[str, int]:
    """How many levels each column of categories has."""
    columns = () if channel.schema is None else channel.schema.columns
    return {column.name: len(column.levels) for column in columns if column.levels is not None}


def _about_estimate(estimate: Estimate) -> Iterator[str]:
    misfits = ["the train channel is streamed"] if estimate.is_streamed else []
    misfits += [f"a sample of channel '{name}' stands for all of it" for name in estimate.sampled]
    place = ", and ".join(misfits) or "all rows fit"
    yield f"memory: about {estimate.megabytes:g} MB; {estimate.free_megabytes:g} MB are for rows, and {place}"
    yield (
        f"time: about {_seconds(estimate.seconds)} at most for {estimate.epochs} epochs of {estimate.models} models "
        f"on {estimate.processors} processors, and {_seconds(estimate.reading_seconds)} for reading"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 1 else "a second"


def _facts(channel: Channel) -> dict[str, Any]:
    """Columns go by their names, or else by their numbers from 1."""
    profile = channel.profile
    with_missing = np.flatnonzero(profile.missing)
    return {
        "rows": profile.rows,
        "features": channel.features,
        "sparse": channel.is_sparse,
        "labels": None
        if profile.labels is None
        else {_label(channel, k): n for k, n in sorted(profile.labels.items())},
        "label_range": [profile.lowest_label, profile.highest_label],
        "categories": _levels(channel),
        "missing_values": int(profile.missing.sum()),
        "missing": {_name(channel, int(column)): int(profile.missing[column]) for column in with_missing},
        "constant_columns": [_name(channel, int(column)) for column in profile.constant_columns()],
        "reading_seconds": round(channel.seconds, 3),
    }


def _name(channel: Channel, column: int) -> str:
    return channel.names[column] if channel.names else str(column + 1)
