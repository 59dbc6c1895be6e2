"""What a job has to know of a channel that it does not hold as a whole, gathered while the rows pass by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.feature_ranges import MOST_RANGES, FeatureRanges
from linear_learner.data.labels import only_one_class
from linear_learner.data.reservoir import Reservoir
from linear_learner.formats.csr import CsrMatrix


class Survey:
    """Sees every row of the channel once. ``check`` raises ClientError for rows with a bad label; rows of later passes
    need it, too, since what comes through a pipe may differ.

    ``classes``: how many there are, 0 for a regressor; ``class_counts`` is int64 (classes,). The sample has as many
    rows as take ``sample_size`` bytes, ``sample_rows`` at most, and never more than are added first. ``ranges``: of
    the rows so far; None for more than MOST_RANGES columns. ``is_shard``: other hosts have other rows of the channel.
    """

    def __init__(
        self,
        check: Callable[[Dataset], None],
        *,
        classes: int,
        sample_size: int,
        sample_rows: int | None,
        is_shard: bool = False,
    ) -> None:
        self.rows = 0
        self.ranges: FeatureRanges | None = None
        self.class_counts = np.zeros(classes, np.int64)
        self.check = check
        self._is_shard = is_shard
        self._sample_rows = sample_rows
        self._sample_size = sample_size
        self._name = ""
        self._sample: Reservoir | None = None
        self._is_used: np.ndarray | None = None

    def add(self, data: Dataset) -> None:
        """The next rows of the channel, one at least. Nothing of ``data`` is held."""
        self.check(data)
        self.rows += len(data)
        self.class_counts += data.class_counts(len(self.class_counts))
        if data.feature_dim <= MOST_RANGES:
            ranges = FeatureRanges.of(data.features)
            self.ranges = ranges if self.ranges is None else self.ranges.joined(ranges)
        if isinstance(data.features, CsrMatrix):
            if self._is_used is None:
                self._is_used = np.zeros(data.feature_dim, bool)
            self._is_used[data.features.indices] = True
        if self._sample is None:
            size = max(1, len(data) * self._sample_size // bytes_of(data.features))
            if self._sample_rows is not None:
                size = min(size, self._sample_rows)
            first, rest = np.arange(min(size, len(data))), slice(size, None)
            self._name = data.name
            self._sample = Reservoir(data.features[first], data.labels[first])
            self._sample.add(data.features[rest], data.labels[rest])
        else:
            self._sample.add(data.features, data.labels)

    def sample(self) -> Dataset:
        """A uniform sample of the rows so far; their places are not known any more."""
        assert self._sample is not None  # noqa: S101 (for the type checker: rows were added)
        return Dataset(self._name, *self._sample.rows(), ())

    def check_end(self) -> None:
        """All rows were added. ClientError where they are of one class, and no other host has any."""
        present = np.flatnonzero(self.class_counts)
        if len(present) == 1 and not self._is_shard:
            raise only_one_class(self._name, float(present[0]), self.rows)

    @property
    def used_columns(self) -> np.ndarray | None:
        """int64 (u,): the columns in which any of the sparse rows so far has something, None where that is all of
        them."""
        if self._is_used is None or self._is_used.all():
            return None
        return np.flatnonzero(self._is_used)
