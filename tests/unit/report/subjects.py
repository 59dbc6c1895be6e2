"""Finished jobs to report on, made up."""

from __future__ import annotations

from typing import Any

import numpy as np

from linear_learner.report.subject import Candidates, Channel, Choice, Sample, Scored, Subject

OBJECTIVES = {
    "binary_classifier": "binary_classification_cross_entropy_objective",
    "multiclass_classifier": "multiclass_cross_entropy_objective",
    "regressor": "mse_objective",
}


def candidates(count: int = 4, epochs: int = 3) -> Candidates:
    random = np.random.default_rng(1)
    losses = 1 / (1 + np.arange(epochs)[:, np.newaxis] + random.random((epochs, count)))
    return Candidates(
        settings=[
            {"learning_rate": 0.1 * (1 + (k + 2) % 3), "wd": 1e-5 * (1 + k // 3), "l1": 0.0, "positive_weight": 1.0}
            for k in range(count)
        ],
        train_loss=losses + 0.01,
        judge_loss=losses,
        best_epoch=np.full(count, epochs - 1),
        alive=np.ones(count, bool),
        values=losses[-1],
    )


def subject(
    predictor_type: str = "binary_classifier", *, rows: int = 400, features: int = 5, **changes: Any
) -> Subject:
    """Three channels of independent normal features, whose label follows the first."""
    random = np.random.default_rng(0)
    classes = {"binary_classifier": 2, "multiclass_classifier": 3, "regressor": 0}[predictor_type]
    outputs = 3 if predictor_type == "multiclass_classifier" else 1
    samples, scored = {}, {}
    for name in ("train", "validation", "test"):
        x = random.standard_normal((rows, features)).astype(np.float32)
        target = x[:, 0] + random.standard_normal(rows)
        edges = {2: [0.0], 3: [-0.6, 0.6]}
        labels = np.digitize(target, edges[classes]) if classes else target
        samples[name] = Sample(x, labels.astype(np.float32))
        if name != "train":
            scored[name] = Scored(_scores(predictor_type, x), samples[name].labels, {"some_metric": 0.75})
    found = candidates()
    made = Subject(
        predictor_type=predictor_type,
        given={"predictor_type": predictor_type},
        resolved={
            "predictor_type": predictor_type,
            "loss": "logistic",
            "optimizer": "adam",
            "early_stopping_tolerance": 0.001,
            "use_bias": True,
        },
        objective=OBJECTIVES[predictor_type],
        link={"binary_classifier": "logistic", "multiclass_classifier": "softmax", "regressor": "identity"}[
            predictor_type
        ],
        channels={
            name: Channel(rows, np.bincount(sample.labels.astype(int), minlength=classes) if classes else None)
            for name, sample in samples.items()
        },
        samples=samples,
        scored=scored,
        judge="validation",
        candidates=found,
        choice=Choice(int(np.argmin(found.values)), OBJECTIVES[predictor_type], False, (int(np.argmin(found.values)),)),
        weights=random.standard_normal((features, outputs)).astype(np.float32),
        bias=np.arange(outputs, dtype=np.float32),
        threshold=0.4 if classes == 2 else None,
        is_sparse=False,
        names=None,
        classes=(),
        columns=None,
        scale=np.arange(1, features + 1, dtype=np.float32),
        constant=np.zeros(0, np.int64),
        stopped_early=True,
        versions={"linear_learner": "0"},
    )
    return made._replace(**changes)


def speaking(predictor_type: str, text: str) -> Subject:
    """A job in which whatever may be text of the user is, or begins with, ``text``."""
    made = subject(predictor_type, names=[f"{text}{i}" for i in range(5)], constant=np.array([1]), job=text)
    classes = tuple(
        f"{text}{c}" for c in range({"binary_classifier": 2, "multiclass_classifier": 3}.get(predictor_type, 0))
    )
    return made._replace(
        classes=classes, given={text: text}, resolved={**made.resolved, text: text}, versions={text: text}
    )


def many_classes() -> Subject:
    """1,000 of them, and 500 features."""
    random = np.random.default_rng(0)
    made = subject("multiclass_classifier", rows=100, names=[f"column {i}" for i in range(500)])
    weights = random.standard_normal((500, 1000)).astype(np.float32)
    return made._replace(
        scored={
            name: scored._replace(
                scores=random.random((100, 1000), np.float32),
                labels=random.integers(0, 1000, 100).astype(np.float32),
            )
            for name, scored in made.scored.items()
        },
        channels={name: Channel(rows=100, class_counts=np.ones(1000, np.int64)) for name in made.channels},
        classes=[f"class {c}" for c in range(1000)],
        weights=weights,
        bias=weights[0],
        scale=np.ones(500, np.float32),
        columns=np.arange(5),
    )


def some_diverged(predictor_type: str) -> Subject:
    """One candidate of three, in the only epoch."""
    found = candidates(3, 1)
    gone = np.array([False, True, False])
    for losses in (found.train_loss, found.judge_loss, found.values[np.newaxis]):
        losses[:, gone] = np.nan
    made = subject(predictor_type, candidates=found._replace(alive=~gone, best_epoch=np.where(gone, -1, 0)))
    return made._replace(choice=made.choice._replace(candidate=0, tied=(0,)))


def _scores(predictor_type: str, x: np.ndarray) -> np.ndarray:
    if predictor_type == "regressor":
        return x[:, 0]
    if predictor_type == "binary_classifier":
        # Rounded, so that scores are tied.
        return np.round(1 / (1 + np.exp(-x[:, 0])), 2).astype(np.float32)
    sums = np.exp(np.stack([-x[:, 0], 0 * x[:, 0], x[:, 0]], axis=1))
    return (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
