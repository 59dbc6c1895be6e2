"""A model as the server holds it: with what its metadata say about its columns, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.imputation import filled
from linear_learner.formats.table_schema import TableSchema
from linear_learner.model.linear_model import LinearModel, Model
from linear_learner.model.losses import BINARY, MULTICLASS

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class ServedModel:
    """``names``: of the d features, or empty. ``means``: float64 (d,), of the training data. ``lowest``, ``highest``:
    float32 (d,), the range of the training data. ``fills``: float32 (d,), what takes the place of a missing feature;
    without them none may be missing. ``schema``: what the columns of a request mean, where some are text. None where
    the model does not carry them, as Amazon's do not. ``classes``: the texts of the labels, or empty."""

    model: Model
    names: tuple[str, ...] = ()
    means: np.ndarray | None = None
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    fills: np.ndarray | None = None
    schema: TableSchema | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return () if self.schema is None else self.schema.classes

    @classmethod
    def of(cls, model: Model) -> ServedModel:
        """A ClientError tells of metadata that do not fit the model: anyone may have written its files."""
        # Lists of Python's numbers and strings are several times as large as the arrays made of them.
        slim = replace(model, metadata={}) if isinstance(model, LinearModel) else model
        return cls(
            slim,
            names=_names(model),
            means=_numbers(model, "feature_means", np.float64),
            lowest=_numbers(model, "feature_minima", np.float32),
            highest=_numbers(model, "feature_maxima", np.float32),
            fills=_numbers(model, "feature_fills", np.float32),
            schema=_schema(model),
        )

    def filled(self, X: Rows) -> Rows:
        """Features (n, d) with something in each place; they may be changed."""
        return X if self.fills is None else filled(X, self.fills)

    def outside(self, X: Rows) -> int:
        """How many values of features (n, d) are outside the range of the training data, categories that it lacks among
        them; 0 where it is not known."""
        return self._beyond(X) + self._unseen(X)

    def _beyond(self, X: Rows) -> int:
        """How many values are below the least or above the greatest of the training data."""
        if self.lowest is None or self.highest is None:
            return 0
        if isinstance(X, CsrMatrix):
            stored, columns = X.values, X.indices
            found = np.count_nonzero((self.lowest[columns] > stored) | (self.highest[columns] < stored))
            zero_is_outside = (self.lowest > 0) | (self.highest < 0)
            zeros = len(X) * np.count_nonzero(zero_is_outside) - np.count_nonzero(zero_is_outside[columns])
            return int(found + zeros)
        return int(np.count_nonzero((self.lowest > X) | (self.highest < X)))

    def _unseen(self, X: Rows) -> int:
        """How many categories are 0 in all features of their column."""
        if self.schema is None or not self.schema.categories:
            return 0
        of_categories = self.schema.is_level
        seen = of_categories[X.indices].sum() if isinstance(X, CsrMatrix) else np.count_nonzero(X[:, of_categories])
        return max(0, len(X) * self.schema.categories - int(seen))


def _names(model: Model) -> tuple[str, ...]:
    names = model.metadata.get("feature_names")
    if names is None:
        return ()
    if not _is_row(names, model.feature_dim, {str}):
        raise _error(model, "feature_names", "strings")
    # Where two columns had one name in the training data, names say too little to match anything by.
    return tuple(names) if len(set(names)) == len(names) else ()


def _schema(model: Model) -> TableSchema | None:
    content = model.metadata.get("schema")
    if content is None:
        return None
    schema = TableSchema.of_json(content)
    classes = {BINARY: 2, MULTICLASS: model.num_classes}.get(model.predictor_type, 0)
    for what, found, expected in (
        ("features", schema.feature_dim if schema.columns else model.feature_dim, model.feature_dim),
        ("classes", len(schema.classes) or classes, classes),
    ):
        if found != expected:
            raise ClientError(
                f"schema of the model has {found} {what}, and the model {expected}", fix="train the model again"
            )
    return schema


def _numbers(model: Model, name: str, dtype: type) -> np.ndarray | None:
    values = model.metadata.get(name)
    if values is None:
        return None
    if not _is_row(values, model.feature_dim, {int, float}) or not all(abs(v) <= LARGEST for v in values):
        raise _error(model, name, "numbers")
    return np.array(values, dtype)


def _is_row(values: object, width: int, kinds: set[type]) -> bool:
    return isinstance(values, (list, tuple)) and len(values) == width and {*map(type, values)} <= kinds


def _error(model: Model, name: str, what: str) -> ClientError:
    return ClientError(f"{name} of the model is not a list of {model.feature_dim} {what}", fix="train the model again")
