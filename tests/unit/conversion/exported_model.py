"""Models of every kind to write out, and what each answers, computed in float64 by NumPy."""

from __future__ import annotations

import numpy as np

from linear_learner.conversion.parts import Parts

NAMES = ('age "x"', "größe?? */", "a\\b", "d\n#")
WORDS = ("nö", 'y"es, <50K??', "percent %s %d")


def parts(kind: str, *, words: bool = False, fills: bool = False, seed: int = 0) -> Parts:
    """``kind``: binary, margin (binary with a hinge loss), multiclass or regressor, of four features."""
    random = np.random.default_rng(seed)
    predictor_type, loss, link, outputs = {
        "binary": ("binary_classifier", "logistic", "logistic", 1),
        "margin": ("binary_classifier", "hinge_loss", "identity", 1),
        "multiclass": ("multiclass_classifier", "softmax_loss", "softmax", 3),
        "regressor": ("regressor", "squared_loss", "identity", 1),
    }[kind]
    is_binary = predictor_type == "binary_classifier"
    return Parts(
        predictor_type,
        loss,
        link,
        random.normal(size=(4, outputs)).astype(np.float32),
        random.normal(size=outputs).astype(np.float32),
        0.25 if is_binary else None,
        NAMES,
        () if not words or kind == "regressor" else WORDS[: 2 if is_binary else 3],
        random.normal(size=4).astype(np.float32) if fills else None,
    )


def rows(fills: bool = False) -> np.ndarray:
    """float32 (50, 4); NaN here and there with ``fills``."""
    random = np.random.default_rng(1)
    values = 3 * random.normal(size=(50, 4)).astype(np.float32)
    values[0] = 300  # far out, where exp overflows
    values[1] = -300
    if fills:
        values[random.random((50, 4)) < 0.2] = np.nan
    return values


def expected(model: Parts, X: np.ndarray) -> tuple[np.ndarray, list[str | float]]:
    """Scores (n, C) in float64, and labels; no labels of a regressor."""
    X = X.astype(np.float64)
    if model.fills is not None:
        X = np.where(np.isnan(X), model.fills, X)
    scores = X @ model.weights.astype(np.float64) + model.bias
    if model.link == "logistic":
        scores = 0.5 * (1 + np.tanh(scores / 2))
    elif model.link == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = powers / powers.sum(axis=1, keepdims=True)
    if not model.class_count:
        return scores, []
    numbers = scores.argmax(axis=1) if model.threshold is None else (scores[:, 0] >= model.threshold).astype(int)
    return scores, [model.classes[i] if model.classes else float(i) for i in numbers]
