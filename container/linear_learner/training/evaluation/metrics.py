"""How good scores are: the metrics that a job logs, one small function each, in a table by predictor type.

Definitions are scikit-learn's (with its defaults), and so are the values where a ratio has no denominator: precision
without a positive prediction, recall without a positive label and F without either are 0. A metric that means nothing
on the rows at hand is left out instead of invented: the area under the ROC where all labels are of one class, and the
log loss of scores that are no probabilities. Sums are taken in float64; memory is a few numbers a row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from linear_learner.errors import AlgorithmError
from linear_learner.formats.row_blocks import row_blocks
from linear_learner.model.losses import BINARY, MULTICLASS, REGRESSOR
from linear_learner.training.evaluation.ranking import Confusion, confusion_at, rank

SCORE, LOSS = "score", "loss"
OFF = float(np.finfo(np.float32).eps)
"""How far a probability is kept off 0 and 1, which it may be by rounding, where its logarithm is taken."""
_BLOCK = 1 << 20  # scores of a block of rows of a multiclass model


@dataclass(frozen=True)
class Metric:
    """One number of a log: its name there, its tag (``score`` or ``loss``) and its value."""

    name: str
    tag: str
    value: float


@dataclass(frozen=True)
class BinaryRows:
    """``scores``: float32 (n,). ``positive``: bool (n,), label 1. ``confusion``: counts at the threshold."""

    scores: np.ndarray
    positive: np.ndarray
    confusion: Confusion
    probabilities: bool
    beta: float


def binary_accuracy(rows: BinaryRows) -> float:
    return float(rows.confusion.accuracy())


def binary_f_beta(rows: BinaryRows) -> float:
    return float(rows.confusion.f_beta(rows.beta))


def precision(rows: BinaryRows) -> float:
    return float(rows.confusion.precision())


def recall(rows: BinaryRows) -> float:
    return float(rows.confusion.recall())


def roc_auc(rows: BinaryRows) -> float | None:
    """The share of pairs (positive, negative) in which the positive scores higher, a tie counting half. Exact."""
    ranking = rank(rows.scores, rows.positive)
    pairs = int(ranking.positives[0]) * int(ranking.negatives[0])
    if not pairs:
        return None
    if ranking.has_nan:
        return float("nan")
    positives, negatives = -np.diff(ranking.positives), -np.diff(ranking.negatives)
    lower = ranking.negatives[0] - ranking.negatives[:-1]
    # Twice the number of pairs won, so that halves stay whole: below 2**63 up to 4e9 rows.
    return int(np.sum(positives * (2 * lower + negatives))) / (2 * pairs)


def binary_balanced_accuracy(rows: BinaryRows) -> float:
    """The mean of the recalls of the classes that occur."""
    c = rows.confusion
    counts = np.array([c.true_positives + c.false_negatives, c.true_negatives + c.false_positives])
    return _mean_recall(np.array([c.true_positives, c.true_negatives]), counts)


def binary_log_loss(rows: BinaryRows) -> float | None:
    if not rows.probabilities:
        return None
    scores = rows.scores.astype(np.float64)
    return _cross_entropy(np.where(rows.positive, scores, 1 - scores))


@dataclass(frozen=True)
class MulticlassRows:
    """``ranks``: int64 (n,), the place of the label's class, from 1; of equal scores the lower class comes first, as in
    the prediction. ``likelihood``: float32 (n,), the score of that class. ``labels`` and ``predicted``: int64 (n,),
    of ``classes`` classes.
    """

    ranks: np.ndarray
    likelihood: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    classes: int
    probabilities: bool
    beta: float
    top_k: int

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, index: np.ndarray) -> MulticlassRows:
        """The rows at ``index``, in its order and as often as it names them."""
        columns = (self.ranks, self.likelihood, self.labels, self.predicted)
        ranks, likelihood, labels, predicted = (column[index] for column in columns)
        return replace(self, ranks=ranks, likelihood=likelihood, labels=labels, predicted=predicted)

    @functools.cached_property
    def per_class(self) -> Confusion:
        """Arrays (C,). Counts are kept by class: no C x C table, as C may be a million."""
        right = np.bincount(self.labels[self.ranks == 1], minlength=self.classes)
        called = np.bincount(self.predicted, minlength=self.classes)
        labelled = np.bincount(self.labels, minlength=self.classes)
        return Confusion(right, called - right, labelled - right, len(self) - called - labelled + right)

    def mean_over_classes(self, per_class: np.ndarray) -> float:
        """``per_class`` (C,), averaged over the classes that occur among labels or predictions."""
        c = self.per_class
        return float(np.mean(per_class[c.true_positives + c.false_positives + c.false_negatives > 0]))


def multiclass_accuracy(rows: MulticlassRows) -> float:
    return float(np.mean(rows.ranks == 1))


def top_k_accuracy(rows: MulticlassRows) -> float:
    return float(np.mean(rows.ranks <= rows.top_k))


def dcg(rows: MulticlassRows) -> float:
    """Discounted cumulative gain with one relevant class: the mean of 1 / log2(1 + rank)."""
    return float(np.mean(1 / np.log2(1.0 + rows.ranks)))


def macro_recall(rows: MulticlassRows) -> float:
    return rows.mean_over_classes(rows.per_class.recall())


def macro_precision(rows: MulticlassRows) -> float:
    return rows.mean_over_classes(rows.per_class.precision())


def macro_f_beta(rows: MulticlassRows) -> float:
    """The mean of the classes' F, which is not the F of the means."""
    return rows.mean_over_classes(rows.per_class.f_beta(rows.beta))


def multiclass_balanced_accuracy(rows: MulticlassRows) -> float:
    """The mean recall of the classes that occur among the labels: macro recall, unless a class is only predicted."""
    c = rows.per_class
    return _mean_recall(c.true_positives, c.true_positives + c.false_negatives)


def multiclass_log_loss(rows: MulticlassRows) -> float | None:
    """The cross entropy. Amazon's number of this name takes the softmax of the probabilities a second time."""
    return _cross_entropy(rows.likelihood.astype(np.float64)) if rows.probabilities else None


def _mean_recall(right: np.ndarray, labelled: np.ndarray) -> float:
    occurs = labelled > 0
    return float(np.mean(right[occurs] / labelled[occurs]))


def _cross_entropy(likelihood: np.ndarray) -> float:
    """``likelihood``: float64 (n,), the probability given to what happened.

    A float32 probability can be 0 or 1 by rounding; it is kept OFF either, as scikit-learn does.
    """
    return float(-np.mean(np.log(np.clip(likelihood, OFF, 1 - OFF))))


@dataclass(frozen=True)
class RegressionRows:
    """``errors``: float64 (n,), score less label. ``labels``: float32 (n,)."""

    errors: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, index: np.ndarray) -> RegressionRows:
        """The rows at ``index``, in its order and as often as it names them."""
        return RegressionRows(self.errors[index], self.labels[index])


def mse(rows: RegressionRows) -> float:
    return float(np.mean(np.square(rows.errors)))


def absolute_loss(rows: RegressionRows) -> float:
    return float(np.mean(np.abs(rows.errors)))


def rmse(rows: RegressionRows) -> float:
    return float(np.sqrt(mse(rows)))


def r2(rows: RegressionRows) -> float:
    """The share of the labels' variance that is explained; of constant labels 1 if all are hit and else 0."""
    error = mse(rows)
    variance = float(np.var(rows.labels, dtype=np.float64))
    if variance == 0:
        return float(error == 0)
    return 1 - error / variance


@dataclass(frozen=True)
class Row:
    """A row of METRICS. ``name`` is formatted with ``f_beta`` and ``accuracy_top_k``; a value of None is left out."""

    name: str
    tag: str
    value: Callable[[Any], float | None]


METRICS: dict[str, tuple[Row, ...]] = {
    BINARY: (
        Row("binary_classification_accuracy", SCORE, binary_accuracy),
        Row("binary_f_{f_beta:.3f}", SCORE, binary_f_beta),
        Row("precision", SCORE, precision),
        Row("recall", SCORE, recall),
        Row("roc_auc_score", SCORE, roc_auc),
        Row("binary_balanced_accuracy", SCORE, binary_balanced_accuracy),
        Row("binary_log_loss", SCORE, binary_log_loss),  # the tag of its multiclass sibling
    ),
    MULTICLASS: (
        Row("multiclass_accuracy", SCORE, multiclass_accuracy),
        Row("multiclass_top_k_accuracy_{accuracy_top_k}", SCORE, top_k_accuracy),
        Row("dcg", SCORE, dcg),
        Row("macro_recall", SCORE, macro_recall),
        Row("macro_precision", SCORE, macro_precision),
        Row("macro_f_{f_beta:.3f}", SCORE, macro_f_beta),
        Row("multiclass_balanced_accuracy", SCORE, multiclass_balanced_accuracy),
        Row("multiclass_log_loss", SCORE, multiclass_log_loss),  # a loss, but Amazon's logs tag it so
    ),
    REGRESSOR: (
        Row("mse", LOSS, mse),
        Row("absolute_loss", LOSS, absolute_loss),
        Row("rmse", LOSS, rmse),
        Row("r2", SCORE, r2),
        Row("mae", LOSS, absolute_loss),  # the name that most tools look for
    ),
}
"""By predictor type, in the order of the log."""


@dataclass(frozen=True)
class Terms:
    """By what metrics are taken. ``link``: of the model; ``identity`` means no probabilities. ``threshold``: a binary
    row is called positive where its score is at least this; None for other models."""

    predictor_type: str
    link: str
    threshold: float | None
    f_beta: float
    accuracy_top_k: int


def evaluate(scores: np.ndarray, labels: np.ndarray, terms: Terms) -> list[Metric]:
    """The metrics of METRICS that have a meaning here, in its order. The arguments are those of ``rows_to_judge``."""
    rows = rows_to_judge(scores, labels, terms)
    table = zip(metric_names(terms), METRICS[terms.predictor_type], strict=True)
    values = [(name, row.tag, row.value(rows)) for name, row in table]
    return [Metric(name, tag, value) for name, tag, value in values if value is not None]


def metric_names(terms: Terms) -> list[str]:
    """The names of METRICS, as the log has them."""
    settings = {"f_beta": terms.f_beta, "accuracy_top_k": terms.accuracy_top_k}
    return [row.name.format(**settings) for row in METRICS[terms.predictor_type]]


def rows_to_judge(scores: np.ndarray, labels: np.ndarray, terms: Terms) -> BinaryRows | MulticlassRows | RegressionRows:
    """What the metrics of METRICS are taken of.

    ``scores``: float32 (n,), or (n, C) of a multiclass model, as served: after the link. ``labels``: float32 (n,): 0/1,
    class number, or target in raw units. n > 0.
    """
    probabilities = terms.link != "identity"
    if terms.predictor_type == BINARY:
        if terms.threshold is None:
            raise AlgorithmError("a binary model came without a threshold")
        positive = labels == 1
        confusion = confusion_at(terms.threshold, scores, positive)
        return BinaryRows(scores, positive, confusion, probabilities, terms.f_beta)
    if terms.predictor_type == MULTICLASS:
        return _multiclass_rows(scores, labels.astype(np.int64), probabilities, terms.f_beta, terms.accuracy_top_k)
    return RegressionRows(np.subtract(scores, labels, dtype=np.float64), labels)


def _multiclass_rows(
    scores: np.ndarray, labels: np.ndarray, probabilities: bool, beta: float, top_k: int
) -> MulticlassRows:
    """``scores``: (n, C). ``labels``: int64 (n,)."""
    rows, classes = scores.shape
    ranks, predicted = np.empty(rows, np.int64), np.empty(rows, np.int64)
    likelihood = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    for block in row_blocks(scores.shape, _BLOCK):
        part, own = scores[block], likelihood[block, None]
        # Written so that a nan, which compares as false, beats the label's class and is never a hit.
        beaten = (part < own) | ((part == own) & (np.arange(classes) >= labels[block, None]))
        ranks[block] = classes + 1 - np.count_nonzero(beaten, axis=1)
        predicted[block] = np.argmax(part, axis=1)
    return MulticlassRows(ranks, likelihood, labels, predicted, classes, probabilities, beta, top_k)
