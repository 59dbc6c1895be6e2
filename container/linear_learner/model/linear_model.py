"""A trained model: plain numbers, and the prediction on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.faults import is_moderate
from linear_learner.formats.width import check_width
from linear_learner.model.losses import BINARY, MULTICLASS
from linear_learner.model.probability_map import ProbabilityMap

BLOCK_VALUES = 1 << 22
"""Values of features or scores worked on at a time, so that memory does not follow the size of a request."""

LARGEST = np.finfo(np.float32).max
_ONE = np.float32(1)
_LEAST_EXPONENT = np.float32(-88)  # exp(88) is still a float32, and 1 / exp(88) as good as 0


@dataclass(frozen=True, eq=False)
class Predictions:
    """``score``: float32 (n,), (n, C) of a multiclass model. ``predicted_label``: float32 (n,); None of a regressor."""

    score: np.ndarray
    predicted_label: np.ndarray | None

    def __len__(self) -> int:
        return len(self.score)


class Model(Protocol):
    """What serving needs of a model, whatever computes its scores."""

    @property
    def predictor_type(self) -> str: ...

    @property
    def loss(self) -> str: ...

    @property
    def threshold(self) -> float | None: ...

    @property
    def num_classes(self) -> int: ...

    @property
    def feature_dim(self) -> int: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    @property
    def score_link(self) -> str:
        """The link whose kind of scores the model gives: those of ``logistic`` and ``softmax`` are probabilities."""

    def predict(self, features: Rows) -> Predictions:
        """Features (n, d) in raw units."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """score = link(X @ weights + bias), on raw features and in raw label units.

    ``weights``: float32 (d, C). ``bias``: float32 (C,). ``link``: "logistic", "softmax", or "identity": the scores of a
    regressor, and of a hinge loss, whose margins are no probabilities.
    ``threshold``: a binary classifier calls a row positive from this score on; None of the others.
    ``num_classes``: C of a multiclass classifier; means nothing otherwise.
    ``probability_map``: of a binary classifier, takes the place of the link where it is given.
    ``metadata``: how the model came about (JSON values by name); it is saved with the model.
    """

    weights: np.ndarray
    bias: np.ndarray
    predictor_type: str
    loss: str
    link: str
    threshold: float | None = None
    num_classes: int = 1
    probability_map: ProbabilityMap | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def score_link(self) -> str:
        """``logistic`` where a map makes probabilities."""
        return self.link if self.probability_map is None else "logistic"

    @property
    def feature_dim(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """C."""
        return int(self.weights.shape[1])

    def predict(self, features: Rows) -> Predictions:
        """Scores and labels of features (n, d)."""
        scores = self._by_blocks(features, self.probability_map or LINKS[self.link])
        return Predictions(*scores_and_labels(scores, self.predictor_type, self.threshold))

    def raw_scores(self, features: Rows) -> np.ndarray:
        """X @ weights + bias, before the link: float32 (n, C), finite.

        A ClientError tells of features (n, d) of another width than the model's, or that are not finite.
        """
        return self._by_blocks(features, _identity)

    def _by_blocks(self, features: Rows, link: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        check_width(features.shape[1], self.feature_dim)
        # A product with sparse rows bounds its memory itself.
        width = self.outputs if isinstance(features, CsrMatrix) else self.feature_dim + self.outputs
        size = max(1, BLOCK_VALUES // width)
        if len(features) <= size:
            return link(self._sums(features, 0))
        scores = np.empty((len(features), self.outputs), np.float32)
        for start in range(0, len(features), size):
            scores[start : start + size] = link(self._sums(features[start : start + size], start))
        return scores

    def _sums(self, block: Rows, first_row: int) -> np.ndarray:
        """(n, d) -> float32 (n, C)."""
        if isinstance(block, CsrMatrix):
            with np.errstate(over="ignore", invalid="ignore"):
                sums = block @ self.weights
        else:
            sums = np.dot(block.astype(np.float32, copy=False), self.weights)  # which never warns
        if not is_moderate(sums):
            return self._mended(sums, block, first_row)
        sums += self.bias  # far from overflow, even where a bias is the largest float32
        return sums

    def _mended(self, sums: np.ndarray, block: Rows, first_row: int) -> np.ndarray:
        """X @ weights + bias, where X @ weights (n, C) is large or not finite."""
        with np.errstate(over="ignore"):
            sums += self.bias
        for row in np.flatnonzero(~np.isfinite(sums).all(axis=1)):
            sums[row] = self._wide_sum(block[row : row + 1], first_row + row + 1)
        return sums

    def _wide_sum(self, row: Rows, number: int) -> np.ndarray:
        """Of a row (1, d) whose sum left the range of float32 on its way: summed in float64, it ends at the edge of
        it."""
        if isinstance(row, CsrMatrix):
            columns, values = row.indices, row.values
        else:
            columns, values = np.arange(self.feature_dim), row[0]
        if not np.isfinite(values).all():
            raise ClientError(
                "A feature is not a finite number",
                where=f"row {number}, column {columns[~np.isfinite(values)][0] + 1}",
                fix="replace missing and infinite values",
            )
        sums = values.astype(np.float64) @ self.weights[columns].astype(np.float64)
        return np.clip(sums + self.bias, -LARGEST, LARGEST)


def scores_and_labels(
    scores: np.ndarray, predictor_type: str, threshold: float | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Final scores (n, C) as the predictions of their kind: score (n,) or (n, C), and predicted_label (n,) or None."""
    if predictor_type == MULTICLASS:
        return scores, scores.argmax(axis=1).astype(np.float32)
    score = scores[:, 0]
    if predictor_type != BINARY or threshold is None:
        return score, None
    # In float64: a threshold between two neighbouring float32 scores must stay between them.
    return score, (score.astype(np.float64) >= threshold).astype(np.float32)


def _logistic(scores: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) in float32, precise at both ends, in few steps: requests of one row pay for each."""
    return np.reciprocal(_ONE + np.exp(-np.maximum(scores, _LEAST_EXPONENT)))


def _softmax(scores: np.ndarray) -> np.ndarray:
    # In float64, in which the difference of any two float32 scores is finite.
    e = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def _identity(scores: np.ndarray) -> np.ndarray:
    return scores


LINKS = {"logistic": _logistic, "softmax": _softmax, "identity": _identity}
"""By name: float32 (n, C) -> float32 (n, C), without overflow."""
