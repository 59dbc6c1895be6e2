"""Two channels out of the same files: some rows, drawn at random, are held out of training."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import numpy as np

from linear_learner.environment import Split
from linear_learner.formats.batch import Batch


def rows_of_split(split: Split | None, batches: Iterable[Batch], source: str) -> Iterator[Batch]:
    """The rows of file ``source`` that ``split`` gives to its channel; all of them without one.

    Each row is drawn by itself, by the seed, the file's name without its folder, and how many rows came before it: so
    the two sides of a split are complements in every pass, whatever the order of the files and the size of batches.
    """
    if split is None:
        yield from batches
        return
    key = zlib.crc32(PurePath(source).name.encode("utf-8", "surrogateescape"))
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([split.seed, key])))
    for batch in batches:
        yield batch.take(np.flatnonzero((random.random(len(batch)) < split.share) == split.is_held_out))
