"""What a saved model is worth, worked out from its files alone by MXNet's reader, NumPy in float64 and scikit-learn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn import metrics

from linear_learner.model.mxnet_import import mx


@dataclass(frozen=True)
class SavedModel:
    """``weights``: float64 (d, C), ``bias``: float64 (C,), ``facts``: additional-params.json."""

    weights: np.ndarray
    bias: np.ndarray
    facts: dict[str, Any]

    @classmethod
    def of(cls, model_dir: Path) -> SavedModel:
        arrays = mx.nd.load(str(model_dir / "mx-mod-0000.params"))
        weights, bias = (arrays[f"arg:fc0_{name}"].asnumpy().astype(np.float64) for name in ("weight", "bias"))
        return cls(weights, bias[0], json.loads((model_dir / "additional-params.json").read_text()))

    @property
    def predictor_type(self) -> str:
        return str(self.facts["predictor_type"])

    @property
    def threshold(self) -> float:
        return float(self.facts["threshold"])

    def sums(self, features: np.ndarray) -> np.ndarray:
        """X @ weights + bias, (n, C), for the float32 that the files of the job held."""
        return features.astype(np.float32).astype(np.float64) @ self.weights + self.bias

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(n,), or (n, C) of a multiclass model: as served."""
        sums = self.sums(features)
        if self.predictor_type == "multiclass_classifier":
            return softmax(sums, axis=1) if self.facts["loss_type"] == "softmax_loss" else sums
        return expit(sums[:, 0]) if self.facts["loss_type"] == "logistic" else sums[:, 0]

    def labels(self, features: np.ndarray) -> np.ndarray:
        scores = self.scores(features)
        return (scores >= self.threshold).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)

    def objective(self, features: np.ndarray, labels: np.ndarray, **constants: float) -> float:
        """The mean loss, unweighted."""
        of_loss = OBJECTIVES[self.predictor_type, self.facts["loss_type"]]
        return float(np.mean(of_loss(self.sums(features), labels, **constants)))

    def metrics(self, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The metrics that a job logs, by their names there, objective left out."""
        scores = self.scores(features)
        if self.predictor_type == "regressor":
            return regression_metrics(scores, labels)
        if self.predictor_type == "binary_classifier":
            return binary_metrics(scores, self.labels(features), labels)
        return multiclass_metrics(scores, labels.astype(int))


def regression_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    mse = metrics.mean_squared_error(labels, scores)
    return {"mse": mse, "absolute_loss": metrics.mean_absolute_error(labels, scores), "rmse": mse**0.5}


def binary_metrics(scores: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {
        "binary_classification_accuracy": metrics.accuracy_score(labels, predicted),
        "binary_f_1.000": metrics.f1_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted, zero_division=0),
        "recall": metrics.recall_score(labels, predicted),
        "roc_auc_score": metrics.roc_auc_score(labels, scores),
        "binary_balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
    }


def multiclass_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    predicted, classes = scores.argmax(axis=1), np.arange(scores.shape[1])
    macro = {"labels": classes, "average": "macro", "zero_division": 0}
    return {
        "multiclass_accuracy": metrics.accuracy_score(labels, predicted),
        "multiclass_top_k_accuracy_3": metrics.top_k_accuracy_score(labels, scores, k=3, labels=classes),
        # With one relevant class in each row the ideal gain is 1, so that NDCG is DCG.
        "dcg": metrics.ndcg_score(np.eye(len(classes))[labels], scores),
        "macro_recall": metrics.recall_score(labels, predicted, **macro),
        "macro_precision": metrics.precision_score(labels, predicted, **macro),
        "macro_f_1.000": metrics.f1_score(labels, predicted, **macro),
        "multiclass_balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "multiclass_log_loss": metrics.log_loss(labels, scores, labels=classes),
    }


def _errors(sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.abs(sums[:, 0] - labels)


def _huber(sums: np.ndarray, labels: np.ndarray, delta: float) -> np.ndarray:
    size = _errors(sums, labels)
    return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))


def _quantile(sums: np.ndarray, labels: np.ndarray, quantile: float) -> np.ndarray:
    return metrics.mean_pinball_loss(labels[None], sums[:, 0][None], alpha=quantile, multioutput="raw_values")


def _multiclass_hinge(sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    right = np.eye(sums.shape[1], dtype=bool)[labels.astype(int)]
    return np.maximum(0, 1 + np.where(right, -np.inf, sums).max(axis=1) - sums[right])


OBJECTIVES = {
    ("binary_classifier", "logistic"): lambda z, y: logsumexp([z[:, 0] * 0, z[:, 0]], axis=0) - y * z[:, 0],
    ("binary_classifier", "hinge_loss"): lambda z, y: np.maximum(0, 1 - (2 * y - 1) * z[:, 0]),
    ("multiclass_classifier", "softmax_loss"): lambda z, y: (
        -np.take_along_axis(log_softmax(z, axis=1), y.astype(int)[:, None], axis=1)[:, 0]
    ),
    ("multiclass_classifier", "hinge_loss"): _multiclass_hinge,
    ("regressor", "squared_loss"): lambda z, y: _errors(z, y) ** 2,
    ("regressor", "absolute_loss"): _errors,
    ("regressor", "quantile_loss"): _quantile,
    ("regressor", "eps_insensitive_absolute_loss"): lambda z, y, epsilon: np.maximum(0, _errors(z, y) - epsilon),
    ("regressor", "eps_insensitive_squared_loss"): lambda z, y, epsilon: np.maximum(0, _errors(z, y) - epsilon) ** 2,
    ("regressor", "huber_loss"): _huber,
}
"""The loss of each row, by what the documentation says it is: sums (n, C) and labels (n,) -> (n,)."""
