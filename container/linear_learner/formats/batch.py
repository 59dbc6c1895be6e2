"""Decoded rows on their way from a channel or a request to whoever needs them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from linear_learner.formats.csr import Rows


@dataclass(frozen=True)
class Batch:
    """Some rows of one file or request, in their order.

    ``features``: (n, d), finite (but NaN where a feature is missing and may be); float32, perhaps a view into a wider
    table, so that rows are not always adjacent in memory; or sparse rows.
    ``labels``: float32 (n,), finite, or None where rows carry none.
    ``source`` names the file for errors. Rows are numbered from 1, as an editor numbers lines: ``first_row`` is the
    number of the first one and the rest follow, unless ``row_numbers``, int64 (n,), says otherwise (blank lines).
    ``feature_names``: d names, where the file has a header.
    ``width_is_open``: ``features`` are sparse and have as many columns as the last one that one of these rows names;
    other rows of the data may have more.
    """

    features: Rows
    labels: np.ndarray | None
    source: str
    first_row: int = 1
    row_numbers: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    width_is_open: bool = False

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def feature_dim(self) -> int:
        return int(self.features.shape[1])

    def numbers(self) -> np.ndarray:
        """int64 (n,): the number of each row."""
        return self.first_row + np.arange(len(self)) if self.row_numbers is None else self.row_numbers

    def take(self, rows: slice | np.ndarray) -> Batch:
        """Some of the rows, by a slice or an integer array, with their numbers."""
        features, labels = self.features[rows], None if self.labels is None else self.labels[rows]
        if self.row_numbers is None and isinstance(rows, slice) and rows.step in (None, 1):
            start = rows.indices(len(self))[0]
            return replace(self, features=features, labels=labels, first_row=self.first_row + start)
        return replace(self, features=features, labels=labels, row_numbers=self.numbers()[rows])

    def where(self, row: int) -> str:
        """The place of row ``row`` (from 0) of this batch, for an error."""
        number = self.first_row + row if self.row_numbers is None else int(self.row_numbers[row])
        return f"{self.source}, row {number}"
