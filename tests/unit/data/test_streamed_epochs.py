from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.streamed_epochs import StreamedEpochs
from linear_learner.errors import Stopped
from linear_learner.formats.csr import CsrMatrix

ROW = 4 * 2 + 16
"""Bytes of a row of two features, as windows count them."""


class Parts:
    """A stream of rows (i, -i) with the labels i, in parts of ``sizes``."""

    def __init__(self, *sizes: int, sparse: bool = False, stops_at: int | None = None) -> None:
        self.sizes, self.sparse, self.stops_at = sizes, sparse, stops_at
        self.rows = sum(sizes)
        self.abandoned = False

    def parts(self, epoch: int, random: np.random.Generator) -> Iterator[Dataset]:
        for start, size in zip(itertools.accumulate(self.sizes, initial=0), self.sizes, strict=False):
            if self.abandoned or start == self.stops_at:
                raise Stopped
            labels = np.arange(start, start + size, dtype=np.float32)
            features = np.stack([labels, -labels], axis=1)
            yield Dataset("train", CsrMatrix.from_dense(features) if self.sparse else features, labels, ())

    def abandon(self) -> None:
        self.abandoned = True


def normalise(data: Dataset) -> Chunk:
    return Chunk(data.features, data.labels, np.arange(len(data)), data.labels + 0.5)


def epochs(parts: Parts, window_rows: int = 50, mini_batch_size: int = 8, seed: int = 0) -> StreamedEpochs:
    return StreamedEpochs(
        parts,  # type: ignore[arg-type]
        normalise,
        window_size=window_rows * ROW,
        mini_batch_size=mini_batch_size,
        seed=seed,
    )


def visited(chunks: list[Chunk]) -> list[float]:
    return [float(label) for chunk in chunks for label in chunk.labels[chunk.order]]


@pytest.mark.parametrize("sizes", [(10,) * 30, (300,), (7, 120, 3, 80, 90), (3,), (64,)])
@pytest.mark.parametrize("sparse", [False, True])
def test_an_epoch_visits_every_row_once_in_full_mini_batches(sizes: tuple[int, ...], sparse: bool) -> None:
    chunks = list(epochs(Parts(*sizes, sparse=sparse)).chunks(0))
    assert sorted(visited(chunks)) == list(range(sum(sizes)))
    assert all(len(chunk.order) % 8 == 0 for chunk in chunks[:-1])
    for chunk in chunks:
        features = chunk.features.toarray() if isinstance(chunk.features, CsrMatrix) else chunk.features
        np.testing.assert_array_equal(features, np.stack([chunk.labels, -chunk.labels], axis=1))
        assert chunk.weights is not None
        np.testing.assert_array_equal(chunk.weights, chunk.labels + 0.5)


def test_no_more_rows_than_a_window_and_a_part_are_held_at_a_time() -> None:
    chunks = list(epochs(Parts(*(10,) * 100)).chunks(0))
    assert max(len(chunk.labels) for chunk in chunks) <= 60
    assert len(chunks) >= 1000 / 60


def test_a_window_holds_a_mini_batch_however_small_it_is() -> None:
    chunks = list(epochs(Parts(*(10,) * 100), window_rows=1, mini_batch_size=200).chunks(0))
    assert [len(chunk.order) for chunk in chunks] == [200] * 5


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    streamed = epochs(Parts(*(10,) * 30))
    orders = {epoch: visited(list(streamed.chunks(epoch))) for epoch in (0, 1)}
    assert visited(list(streamed.chunks(0))) == orders[0] != orders[1]
    assert visited(list(epochs(Parts(*(10,) * 30), seed=1).chunks(0))) != orders[0]


def test_rows_are_shuffled_within_a_window() -> None:
    first = next(iter(epochs(Parts(*(10,) * 30)).chunks(0)))
    assert (np.diff(first.labels[first.order]) < 0).mean() > 0.3


def test_a_stop_ends_the_epoch_with_the_windows_that_were_full() -> None:
    chunks = list(epochs(Parts(*(10,) * 30, stops_at=120)).chunks(0))
    assert 0 < len(visited(chunks)) <= 120
    assert list(epochs(Parts(10, stops_at=0)).chunks(0)) == []


def test_who_leaves_an_epoch_early_abandons_the_stream() -> None:
    parts = Parts(*(10,) * 30)
    chunks = epochs(parts).chunks(0)
    next(chunks)
    assert not parts.abandoned
    chunks.close()  # type: ignore[attr-defined]
    assert parts.abandoned


def test_an_epoch_that_is_over_abandons_nothing() -> None:
    parts = Parts(*(10,) * 30)
    list(epochs(parts).chunks(0))
    assert not parts.abandoned
