"""The training rows, in a new order every epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from linear_learner.data.chunk import Chunk
from linear_learner.data.shuffling import shuffled
from linear_learner.formats.csr import Rows


class Epochs:
    """Rows in memory, already normalised, shuffled as a whole.

    ``features``: (n, d), dense or sparse, ``labels``: float32 (n,), ``weights``: float32 (n,) or None. The order of an
    epoch depends on ``seed``, ``epoch`` and n, and on nothing that happened before.
    """

    def __init__(self, features: Rows, labels: np.ndarray, weights: np.ndarray | None, seed: int) -> None:
        self._features = features
        self._labels = labels
        self._weights = weights
        self._seed = seed

    @property
    def rows(self) -> int:
        return len(self._labels)

    def sample(self, rows: int) -> tuple[Rows, np.ndarray]:
        """Features and labels of so many rows, evenly spaced, or all if there are no more."""
        count = min(rows, self.rows)
        chosen = slice(None) if count == self.rows else np.arange(count) * self.rows // count
        return self._features[chosen], self._labels[chosen]

    def go_on_after_the_first(self) -> None:
        """Of rows in memory all is known."""

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        """The chunks of an epoch; together they visit every row once. There is one: the rows stay where they are, and
        only the order in which they are visited is shuffled."""
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, epoch])))
        yield Chunk(self._features, self._labels, shuffled(self.rows, random), self._weights)
