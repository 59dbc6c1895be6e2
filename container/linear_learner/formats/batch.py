"""Decoded rows on their way from a channel or a request to whoever needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of one file or request.

    ``features``: float32 (n, d). ``labels``: float32 (n,), or None where rows carry none.
    ``source`` names the file for errors; ``first_row`` is the number of the first row in it, counted from 1.
    """

    features: np.ndarray
    labels: np.ndarray | None
    source: str
    first_row: int = 1

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def feature_dim(self) -> int:
        return int(self.features.shape[1])

    def where(self, row: int) -> str:
        """The place of row ``row`` (from 0) of this batch, for an error."""
        return f"{self.source}, row {self.first_row + row}"
