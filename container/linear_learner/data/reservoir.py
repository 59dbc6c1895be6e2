"""A sample of rows of which nobody knows how many there will be."""

from __future__ import annotations

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows


class Reservoir:
    """A uniform sample: each row seen is in it with the same probability (algorithm R of Vitter 1985).

    It begins as the first rows, ``features`` (n, d) and ``labels`` (n,), which it overwrites, and keeps their number.
    The same rows in the same order give the same sample.
    """

    def __init__(self, features: Rows, labels: np.ndarray) -> None:
        self.seen = len(labels)
        self._features = features
        self._labels = labels
        self._random = np.random.default_rng(0)
        # Sparse rows cannot be overwritten: those that come in wait here, and row i is row _at[i] of all.
        self._waiting: list[CsrMatrix] = []
        self._at = np.arange(self.seen)

    def add(self, features: Rows, labels: np.ndarray) -> None:
        """The next rows, (m, d) and (m,)."""
        size = len(self._labels)
        places = self._random.integers(0, np.arange(self.seen, self.seen + len(labels)) + 1)
        self.seen += len(labels)
        drawn = np.flatnonzero(places < size)
        places = places[drawn]
        # Where a place is drawn twice, the later row stays.
        self._labels[places] = labels[drawn]
        if not isinstance(features, CsrMatrix):
            self._features[places] = features[drawn]  # type: ignore[index]
            return
        waiting = sum(map(len, self._waiting))
        self._at[places] = size + waiting + np.arange(len(drawn))
        self._waiting.append(features[drawn])
        if waiting > size:
            self._settle()

    def rows(self) -> tuple[Rows, np.ndarray]:
        """Features (n, d) and labels (n,) of the sample so far."""
        self._settle()
        return self._features, self._labels

    def _settle(self) -> None:
        if isinstance(self._features, CsrMatrix) and self._waiting:
            self._features = CsrMatrix.concatenate([self._features, *self._waiting])[self._at]
            self._waiting, self._at = [], np.arange(len(self._labels))
