"""What a model consists of, for the forms that write it out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.model.linear_model import LinearModel, Model
from linear_learner.model.losses import BINARY, MULTICLASS
from linear_learner.model.served_model import ServedModel

LARGEST = sys.float_info.max
"""What an infinite threshold is written as."""
NUMBERS_A_LINE = 6
"""In source text."""


@dataclass(frozen=True, eq=False)
class Parts:
    """score = link(x @ weights + bias). ``weights``: float32 (d, C); ``bias``: float32 (C,). ``names``: of the d
    features, or empty. ``classes``: the texts of the labels, or empty where they are numbers. ``class_count``: 0 of a
    regressor. ``threshold``: None unless binary. ``fills``: float32 (d,), or None."""

    predictor_type: str
    loss: str
    link: str
    weights: np.ndarray
    bias: np.ndarray
    threshold: float | None
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fills: np.ndarray | None = None

    @property
    def feature_dim(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """C."""
        return int(self.weights.shape[1])

    @property
    def class_count(self) -> int:
        return {BINARY: 2, MULTICLASS: self.outputs}.get(self.predictor_type, 0)

    @classmethod
    def of(cls, model: Model) -> Parts:
        """ClientError for a model that is no linear one, or whose metadata do not fit it."""
        if not isinstance(model, LinearModel):
            raise ClientError("The graph of this model is none of a linear model", fix="serve it as it is")
        if model.probability_map is not None:
            raise ClientError(
                "The probabilities of this model follow isotonic calibration, for which this form has no place",
                fix="serve it as it is, or train with probability_calibration=platt",
            )
        served = ServedModel.of(model)
        threshold = model.threshold if model.predictor_type == BINARY else None
        return cls(
            model.predictor_type,
            model.loss,
            model.link,
            model.weights,
            model.bias,
            None if threshold is None else min(max(float(threshold), -LARGEST), LARGEST),
            served.names,
            served.classes,
            served.fills,
        )


def lines_of(values: np.ndarray) -> Iterator[list[float]]:
    """The ``values`` (n,) in pieces, as a line of source text holds them."""
    for start in range(0, len(values), NUMBERS_A_LINE):
        yield values[start : start + NUMBERS_A_LINE].tolist()
