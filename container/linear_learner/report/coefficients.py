"""The weights of the model: what a feature adds to the score, for each of its units and for each of its deviations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from linear_learner.report.subject import Subject
from linear_learner.whole_file import whole_file

HEADER = ("feature", "name", "class", "coefficient", "standardised")
AT_ONCE = 1 << 16
"""Features that are made lines at a time."""


def deviations(subject: Subject) -> np.ndarray:
    """float64 (d,): the population std of the features in the train sample, in raw units; 0 where a column holds
    nothing."""
    found = np.zeros(subject.feature_dim)
    found[slice(None) if subject.columns is None else subject.columns] = subject.samples["train"].moments.std
    return found * subject.scale


def strongest(subject: Subject, deviation: np.ndarray, count: int) -> list[dict[str, Any]]:
    """The ``count`` features whose standardised coefficient is the largest of any class, the largest first; none that
    is 0."""
    size = np.zeros(subject.feature_dim)
    for weights in subject.weights.T:
        np.maximum(size, np.abs(weights) * deviation, out=size)
    top = np.argpartition(-size, count)[:count] if count < len(size) else np.arange(len(size))
    top = top[np.argsort(-size[top], kind="stable")]
    return [
        {
            "feature": int(i) + 1,
            "name": subject.name(i),
            "coefficient": subject.weights[i].astype(float).tolist(),
            "standardised": (subject.weights[i] * deviation[i]).tolist(),
        }
        for i in top
        if size[i] > 0
    ]


def write(file: Path, subject: Subject, deviation: np.ndarray) -> None:
    """All coefficients as CSV, of sparse models those that are not 0: a line for each feature and class, feature 0
    being the bias. ``class`` is the text of a label where labels are texts, else its number, and empty where
    there are none."""
    with (
        whole_file(file) as binary,
        io.TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        for c, bias in enumerate(subject.bias):
            writer.writerow((0, "(bias)", _class(subject, c), _number(bias), ""))
        for start in range(0, subject.feature_dim, AT_ONCE):
            writer.writerows(_lines(subject, deviation, start))


def _lines(subject: Subject, deviation: np.ndarray, start: int) -> Iterator[tuple[object, ...]]:
    block = subject.weights[start : start + AT_ONCE]
    features, classes = np.nonzero(block) if subject.is_sparse else np.indices(block.shape).reshape(2, -1)
    raw = block[features, classes]
    features = features + start
    standardised = (raw * deviation[features]).astype(np.float32)
    for i, c, weight, scaled in zip(features.tolist(), classes.tolist(), raw, standardised, strict=False):
        name = subject.names[i] if subject.names is not None else ""
        yield i + 1, name, _class(subject, c), _number(weight), _number(scaled)


def _class(subject: Subject, number: int) -> object:
    return subject.class_name(number) if subject.weights.shape[1] > 1 else ""


def _number(value: np.float32) -> str:
    """The fewest digits that give the float32 back."""
    return str(value)
