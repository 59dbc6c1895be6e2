"""The part of a channel that one of several hosts takes, where each of them has all of its files."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from linear_learner.environment import Part
from linear_learner.formats.batch import Batch


def rows_of_part(part: Part | None, batches: Iterable[Batch], source: str, *, is_pipe: bool) -> Iterator[Batch]:
    """Every ``part.of``-th row of file or pipe ``source``; all of them without a part.

    Which, depends on how many rows of the file came before it, and on the file's name, so that many small files are
    shared out as well: the parts are disjoint and complete in every pass, whatever the order of the files and the size
    of batches. The name of a pipe is another in every pass and does not count.
    """
    if part is None:
        yield from batches
        return
    name = "" if is_pipe else PurePath(source).name
    before = zlib.crc32(name.encode("utf-8", "surrogateescape"))
    for batch in batches:
        own = range((part.number - before) % part.of, len(batch), part.of)
        before += len(batch)
        yield batch.take(slice(own.start, None, part.of))
