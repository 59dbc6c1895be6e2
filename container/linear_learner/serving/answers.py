"""What an answer holds: score and predicted_label, or what the request or the server's environment asks for.

    score            as the model gives it: a probability, a margin, a value
    predicted_label  of a classifier: the number of the class, or its text where the training data had texts
    probabilities    of every class, where the loss has them, or calibration makes them
    raw_score        the linear score, before it becomes a probability
    labels           of the classes, in the order of probabilities
    contributions    how far each feature moves the raw score from that of an average row, largest first

SAGEMAKER_INFERENCE_OUTPUT picks some of them by name, with commas between, as it does in the XGBoost container. A
request picks with the header X-Amzn-SageMaker-Custom-Attributes, and may bring a threshold of its own:

    inference_output=predicted_label,probabilities; threshold=0.7

Anything else in that header is somebody else's, such as an id to trace a request by, and is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.encoders import Answer, Column, Labels
from linear_learner.model.linear_model import LinearModel, Predictions, scores_and_labels
from linear_learner.model.losses import BINARY, MULTICLASS, REGRESSOR
from linear_learner.model.served_model import ServedModel

MOST_CONTRIBUTIONS = 1 << 18
"""Terms of one batch of rows; each takes some 50 bytes of the answer."""
MOST_ROWS = 1 << 16
CUSTOM_ATTRIBUTES = "inference_output", "threshold"


@dataclass(frozen=True)
class Wish:
    """``outputs`` by name, empty for the default; ``threshold`` of a binary classifier, None for the model's own."""

    outputs: tuple[str, ...] = ()
    threshold: float | None = None


def parse_outputs(text: str, where: str) -> tuple[str, ...]:
    """Names with commas between. ClientError for one that is not in OUTPUTS."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in OUTPUTS:
            raise ClientError(f"There is no output '{name}'", where=where, fix=f"ask for some of: {', '.join(OUTPUTS)}")
    return names


@lru_cache(maxsize=256)
def parse_wish(custom_attributes: str | None, default_outputs: tuple[str, ...]) -> Wish:
    """What the header asks for; where it asks for no outputs, the default ones."""
    if not custom_attributes:
        return Wish(default_outputs)
    given = {}
    for part in custom_attributes.split(";"):
        key, equals, value = part.partition("=")
        if equals:
            given[key.strip().lower()] = value.strip()
    output, threshold = (given.get(name) for name in CUSTOM_ATTRIBUTES)
    return Wish(
        outputs=default_outputs if output is None else parse_outputs(output, "inference_output"),
        threshold=None if threshold is None else _threshold(threshold),
    )


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ClientError(f"threshold '{text}' is not a number", where="X-Amzn-SageMaker-Custom-Attributes")
    return value


def answer(served: ServedModel, X: Rows, predictions: Predictions, wish: Wish) -> Answer:
    """The columns that ``wish`` names, in its order, for features (n, d) and the model's predictions on them."""
    if wish.threshold is not None:
        predictions = _with_threshold(served, predictions, wish.threshold)
    if wish.outputs:
        return {name: OUTPUTS[name](served, X, predictions) for name in wish.outputs}
    if predictions.predicted_label is None:
        return {"score": predictions.score}
    return {"score": predictions.score, "predicted_label": _named(served, predictions.predicted_label)}


def _with_threshold(served: ServedModel, predictions: Predictions, threshold: float) -> Predictions:
    if served.model.predictor_type != BINARY:
        raise ClientError(f"A {served.model.predictor_type} has no threshold", fix="leave the threshold out")
    return Predictions(*scores_and_labels(predictions.score[:, None], BINARY, threshold))


def _score(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    return predictions.score


def _predicted_label(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    if predictions.predicted_label is None:
        raise _unavailable(served, "predicted_label")
    return _named(served, predictions.predicted_label)


def _probabilities(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    """(n, classes). Of a binary classifier the negative class comes first."""
    if served.model.predictor_type == REGRESSOR or served.model.score_link == "identity":
        raise _unavailable(served, "probabilities")
    if served.model.predictor_type == MULTICLASS:
        return predictions.score
    return np.stack([1 - predictions.score, predictions.score], axis=1)


def _labels(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    """(n, classes): the same in every row."""
    if predictions.predicted_label is None:
        raise _unavailable(served, "labels")
    classes = 2 if served.model.predictor_type == BINARY else predictions.score.shape[1]
    return _named(served, np.tile(np.arange(classes), (len(X), 1)))


def _named(served: ServedModel, labels: np.ndarray) -> Column:
    """The texts of the labels where the model knows them."""
    return Labels(labels, served.classes) if served.classes else labels


def _raw_score(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    scores = _linear(served, "raw_score").raw_scores(X)
    return scores if served.model.predictor_type == MULTICLASS else scores[:, 0]


def _contributions(served: ServedModel, X: Rows, predictions: Predictions) -> Column:
    """A row's raw score is ``baseline`` plus all ``contribution``s: the raw score of the mean row, and for each feature
    (value - mean) * weight. Of a multiclass model there is one such object for each class."""
    model = _linear(served, "contributions")
    if len(X) * model.weights.size > MOST_CONTRIBUTIONS:
        raise ClientError(
            f"{len(X)} rows have {len(X) * model.weights.size} contributions, more than {MOST_CONTRIBUTIONS}",
            fix="send fewer rows in a request",
        )
    means = np.zeros(model.feature_dim) if served.means is None else served.means
    weights = model.weights.astype(np.float64)
    baselines = means @ weights + model.bias
    features = served.names or range(model.feature_dim)
    rows: list[object] = []
    dense = X.toarray() if isinstance(X, CsrMatrix) else X
    for row in dense.astype(np.float64) - means:
        terms = row[:, None] * weights  # (d, C)
        order = np.argsort(-np.abs(terms), axis=0, kind="stable")
        classes = [
            {
                "baseline": float(baselines[c]),
                "features": [{"feature": features[j], "contribution": float(terms[j, c])} for j in order[:, c]],
            }
            for c in range(terms.shape[1])
        ]
        rows.append(classes if model.predictor_type == MULTICLASS else classes[0])
    return rows


def rows_at_once(served: ServedModel, wish: Wish) -> int:
    """How many rows at most one answer with what ``wish`` asks for may have, at least 1."""
    if "contributions" not in wish.outputs:
        return MOST_ROWS
    return max(1, MOST_CONTRIBUTIONS // (served.model.feature_dim * served.model.num_classes))


def _linear(served: ServedModel, name: str) -> LinearModel:
    if not isinstance(served.model, LinearModel):
        raise _unavailable(served, name)
    return served.model


def _unavailable(served: ServedModel, name: str) -> ClientError:
    model = served.model
    return ClientError(f"A {model.predictor_type} with {model.loss} has no {name}", fix="ask for other outputs")


Output = Callable[[ServedModel, Rows, Predictions], Column]

OUTPUTS: dict[str, Output] = {
    "score": _score,
    "predicted_label": _predicted_label,
    "probabilities": _probabilities,
    "raw_score": _raw_score,
    "labels": _labels,
    "contributions": _contributions,
}
