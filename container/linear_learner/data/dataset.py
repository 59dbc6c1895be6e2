"""The decoded rows of a channel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch


@dataclass(frozen=True)
class Segment:
    """Rows that came from one file without a gap: row ``start`` of the data set is row ``first_row`` of ``source``.
    ``row_numbers``, int64 (n,), where rows of a file are not numbered in sequence (blank lines)."""

    start: int
    source: str
    first_row: int
    row_numbers: np.ndarray | None = None

    def where(self, row: int) -> str:
        """The place of row ``row`` of the data set."""
        at = row - self.start
        number = self.first_row + at if self.row_numbers is None else int(self.row_numbers[at])
        return f"{self.source}, row {number}"

    def continues_with(self, start: int, batch: Batch) -> bool:
        """Whether ``batch``, from row ``start`` of the data set on, needs no segment of its own."""
        if self.row_numbers is not None or batch.row_numbers is not None or self.source != batch.source:
            return False
        return self.first_row + start - self.start == batch.first_row


@dataclass(frozen=True)
class Dataset:
    """All rows of channel ``name``: features float32 (n, d), C-contiguous, and labels float32 (n,), all finite."""

    name: str
    features: np.ndarray
    labels: np.ndarray
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def feature_dim(self) -> int:
        return int(self.features.shape[1])

    def where(self, row: int) -> str:
        """File and row of row ``row`` (from 0)."""
        return self.segments[bisect_right(self.segments, row, key=lambda segment: segment.start) - 1].where(row)


def check_same_width(train: Dataset, others: Iterable[Dataset]) -> None:
    """ClientError unless all channels have as many features as the train channel."""
    for other in others:
        if other.feature_dim != train.feature_dim:
            raise ClientError(
                f"Incorrect configuration or {other.name} dataset provided. The {other.name} data dimensionality "
                f"'{other.feature_dim}' doesn't match {train.name} data dimensionality '{train.feature_dim}'",
                where=other.where(0).rpartition(",")[0],
                fix=f"Please give the {other.name} dataset the columns of the {train.name} dataset",
            )
