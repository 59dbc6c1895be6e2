"""The training rows of a channel that memory does not hold: read anew in every epoch, shuffled within large windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from linear_learner.data.ahead import made_ahead
from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.row_store import Store, store_for
from linear_learner.data.shuffling import shuffled
from linear_learner.data.stream import Stream
from linear_learner.errors import Stopped
from linear_learner.formats.csr import Rows


class StreamedEpochs:
    """Epochs over ``stream``, whose rows ``normalise`` makes what the engine sees.

    A window is ``window_size`` bytes of rows, or a mini-batch where that is more. While one trains, a thread fills the
    next; so two are held, and the first rows of a pipe count as one. The rows that a window has beyond its last full
    mini-batch go to the next one. The order of an epoch depends on ``seed``, ``epoch``, the rows and the sizes of
    windows and mini-batches.
    """

    def __init__(
        self,
        stream: Stream,
        normalise: Callable[[Dataset], Chunk],
        *,
        window_size: int,
        mini_batch_size: int,
        seed: int,
    ) -> None:
        self._stream = stream
        self._normalise = normalise
        self._window_size = window_size
        self._mini_batch_size = mini_batch_size
        self._seed = seed

    @property
    def rows(self) -> int | None:
        return self._stream.rows

    def sample(self, rows: int) -> tuple[Rows, np.ndarray]:
        """Features and labels of so many rows, of a uniform sample of those seen so far, or all of it."""
        seen = self._stream.survey.sample()
        count = min(rows, len(seen))
        chosen = np.arange(count) * len(seen) // count
        chunk = self._normalise(replace(seen, features=seen.features[chosen], labels=seen.labels[chosen]))
        return chunk.features, chunk.labels

    def go_on_after_the_first(self) -> None:
        """Where the first epoch was trained on by an earlier process: learn from its rows what they told it."""
        self._stream.learn_first_pass()

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        """The chunks of an epoch; together they visit every row once. They end early where the job is stopped."""
        try:
            yield from made_ahead(self._windows(epoch), self._stream.abandon)
        except Stopped:
            return

    def _windows(self, epoch: int) -> Iterator[Chunk]:
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, epoch])))
        window = _Window(self._window_size)
        for part in self._stream.parts(epoch, random):
            chunk = self._normalise(part)
            del part
            if window.size or bytes_of(chunk.features) < self._window_size:
                window.add(chunk)
                if window.size < self._window_size or len(window) < self._mini_batch_size:
                    continue
                chunk = window.take()
            order = shuffled(len(chunk.labels), random)
            whole = len(order) // self._mini_batch_size * self._mini_batch_size
            if whole < len(order):
                window.add(_rows_of(chunk, order[whole:]))
            if whole:
                yield replace(chunk, order=order[:whole])
        if len(window):
            chunk = window.take()
            yield replace(chunk, order=shuffled(len(chunk.labels), random))


def _rows_of(chunk: Chunk, rows: np.ndarray) -> Chunk:
    """A copy of some rows."""
    weights = None if chunk.weights is None else chunk.weights[rows]
    return Chunk(chunk.features[rows], chunk.labels[rows], np.arange(len(rows)), weights)


class _Window:
    """Rows appended until ``take``, about ``expected`` bytes. ``size``: the bytes that they take."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._clear()

    def _clear(self) -> None:
        self.size = 0
        self._features: Store | None = None
        self._labels: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def __len__(self) -> int:
        return 0 if self._features is None else len(self._features)

    def add(self, chunk: Chunk) -> None:
        """All rows of the chunk, whatever its order."""
        rows = len(chunk.labels)
        if self._features is None:
            # Room for more than comes costs nothing, growing does.
            room = (self._expected + self._expected // 4) * rows // bytes_of(chunk.features)
            self._features = store_for(chunk.features, room + rows)
        self._features.append(chunk.features, 2 * (len(self) + rows))
        self._labels.append(chunk.labels)
        if chunk.weights is not None:
            self._weights.append(chunk.weights)
        self.size += bytes_of(chunk.features)

    def take(self) -> Chunk:
        """The rows, in the order in which they came. The window is empty afterwards."""
        assert self._features is not None  # noqa: S101 (for the type checker: rows were added)
        labels = np.concatenate(self._labels)
        weights = np.concatenate(self._weights) if self._weights else None
        chunk = Chunk(self._features.finish(), labels, np.arange(len(labels)), weights)
        self._clear()
        return chunk
