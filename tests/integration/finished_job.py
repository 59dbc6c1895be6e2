"""A job that was run, with the rows that it was run on, and how good a linear model of them can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from job_folder import JobFolder, Outcome
from saved_model import SavedModel
from sklearn import linear_model, metrics
from sklearn.preprocessing import StandardScaler

Rows = tuple[np.ndarray, np.ndarray]
"""Features (n, d) and labels (n,)."""
MakeJob = Callable[[], JobFolder]

LONG = {"epochs": 60, "early_stopping_patience": 60}
"""Settings: enough to reach an optimum on a few hundred rows."""
BY_LOSS = {"binary_classifier_model_selection_criteria": "loss_function"}
"""Settings: of a binary job too it is the loss that chooses."""


@dataclass(frozen=True)
class FinishedJob:
    """``rows``: by channel, train, validation and test. ``objective``: its name in the log."""

    outcome: Outcome
    rows: dict[str, Rows]
    predictor_type: str
    objective: str

    @property
    def model(self) -> SavedModel:
        return SavedModel.of(self.outcome.model_dir)

    def again(self, job: JobFolder, *, by_label: bool = False, **settings: object) -> Outcome:
        """The same job in another folder, with other ``settings``, or with the rows of each channel sorted
        ``by_label``."""
        classes = {"num_classes": 10} if self.predictor_type == "multiclass_classifier" else {}
        job.hyperparameters(self.predictor_type, **classes, **settings)
        for name, (features, labels) in self.rows.items():
            order = np.argsort(labels, kind="stable") if by_label else np.arange(len(labels))
            job.channel(name, features[order], labels[order])
        outcome = job.run()
        assert outcome.code == 0, outcome.failure
        return outcome

    @cached_property
    def best_linear_model(self) -> tuple[float, np.ndarray]:
        """Of scikit-learn's models along a path of penalties, the one with the least validation loss: that loss, and
        its scores of the test rows, (n,) or (n, classes)."""
        scale = StandardScaler().fit(self.rows["train"][0]).transform
        (train, labels), (validation, true), (test, _) = ((scale(x), y) for x, y in self.rows.values())
        found = []
        for penalty in 10.0 ** np.arange(-2, 2.5, 0.5):
            if self.predictor_type == "regressor":
                ridge = linear_model.Ridge(alpha=10 * penalty).fit(train, labels)
                found.append((metrics.mean_squared_error(true, ridge.predict(validation)), ridge.predict(test)))
            else:
                logistic = linear_model.LogisticRegression(C=penalty, max_iter=3000).fit(train, labels)
                found.append((metrics.log_loss(true, logistic.predict_proba(validation)), logistic.predict_proba(test)))
        return min(found, key=lambda model: model[0])


def three_parts(features: np.ndarray, labels: np.ndarray) -> dict[str, Rows]:
    """Half of the rows to train on, a quarter each to validate and to test, as float32 holds them."""
    order = np.random.default_rng(0).permutation(len(labels))
    features = features.astype(np.float32).astype(float)[order]
    parts = np.split(np.arange(len(labels)), [len(labels) // 2, 3 * len(labels) // 4])
    return {
        name: (features[rows], labels[order][rows].astype(float))
        for name, rows in zip(("train", "validation", "test"), parts, strict=True)
    }
