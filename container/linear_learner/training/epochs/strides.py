"""How an epoch is cut: into calls of the engine, snapshots for the average, and stretches between which hosts join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from linear_learner.data.chunk import Chunk
from linear_learner.training.cluster.interface import Cluster

SNAPSHOTS, FEWEST_SNAPSHOTS = 16, 2
"""How many times an epoch the weights are taken for its average, at most and at least."""

VALUES_PER_SNAPSHOT = 4
"""Stored values of sparse rows, for each of their columns, that are worth a snapshot. It passes over all weights, and a
mini-batch only over those it touches; so snapshots never take most of the time, however wide the rows are."""

MINI_BATCHES_PER_SNAPSHOT = 64
"""The same in an epoch whose length is not known before its end."""

WORK_AT_ONCE = 1e10
"""Values times columns of the state in one call of an engine: what a slow processor does in a few seconds, and how long
a stop, a checkpoint or a sign of life may have to wait."""

UPDATE_IN_ROWS = 4
"""An update costs about as much as so many rows of its mini-batch."""

JOINS_A_SNAPSHOT = 4
"""How often several hosts join, for each snapshot that one host takes."""

QUICKLY_JOINED, JOINS_IN_A_CALL = 1 << 18, 100
"""Joining takes a millisecond or two up to QUICKLY_JOINED weights, and longer with more. Hosts then join at most
JOINS_IN_A_CALL times in as many rows as one call of the engine takes, but at least once for each snapshot."""


def rows_at_once(work: float, mini_batch_size: int) -> int:
    """The most for one call of the engine: whole mini-batches. ``work``: of a row, in values times columns of its
    state."""
    rows = WORK_AT_ONCE / max(work * (1 + UPDATE_IN_ROWS / mini_batch_size), 1)
    return max(1, int(rows) // mini_batch_size) * mini_batch_size


def snapshots_of_sparse_rows(values: float, columns: int) -> int:
    """How many snapshots an epoch is worth whose rows store so many values in so many columns."""
    worth = int(values / max(columns, 1)) // VALUES_PER_SNAPSHOT
    return min(max(worth, FEWEST_SNAPSHOTS), SNAPSHOTS)


def rows_per_snapshot(rows: int | None, mini_batch_size: int, snapshots: int) -> int:
    """So that an epoch of ``rows`` rows comes to about so many snapshots."""
    if rows is None:
        return MINI_BATCHES_PER_SNAPSHOT * mini_batch_size
    mini_batches = -(-rows // mini_batch_size)
    return -(-mini_batches // snapshots) * mini_batch_size


def rows_per_join(
    rows: int | None, mini_batch_size: int, snapshots: int, rows_at_once: int | None, cluster: Cluster, *, weights: int
) -> int:
    """Of this host, which has ``rows``: as many mini-batches as on every other one.

    An epoch comes to JOINS_A_SNAPSHOT times ``snapshots`` joins, or to fewer where there are many ``weights``. Hosts
    never wait for each other for longer than a call of the engine takes.
    """
    mini_batches = None if rows is None else -(-rows // mini_batch_size)
    at_once = None if rows_at_once is None else rows_at_once // mini_batch_size
    facts = cluster.gather([mini_batches, at_once])
    most = min((most for _, most in facts if most is not None), default=None)
    each = [count for count, _ in facts]
    if None in each:
        stretch = MINI_BATCHES_PER_SNAPSHOT
    else:
        longest, shortest = (-(-max(each) // joins) for joins in (snapshots, JOINS_A_SNAPSHOT * snapshots))
        worth_it = most // JOINS_IN_A_CALL if most is not None and weights > QUICKLY_JOINED else 0
        stretch = max(1, min(longest, max(shortest, worth_it)))
    return (stretch if most is None else min(stretch, most)) * mini_batch_size


def pieces_of(chunks: Iterator[Chunk], stride: int, at_once: int | None, done: int) -> Iterator[Chunk]:
    """The chunks without the first ``done`` rows, cut into pieces of at most ``at_once`` rows: as many strides of
    ``stride`` rows as that takes, or parts of a stride. Where a piece ends depends on none of those before, so that a
    pass that was cut off after one goes on with the same ones: sparse rows that are cut elsewhere come to other
    bits."""
    rows = 0
    for chunk in chunks:
        start = min(max(done - rows, 0), len(chunk.order))
        rows += start
        while start < len(chunk.order):
            if at_once is None:
                stop = len(chunk.order)
            elif at_once < stride:
                into = rows % stride
                stop = start + min(stride - into, at_once - into % at_once)
            else:
                piece_rows = at_once // stride * stride
                stop = start + piece_rows - rows % piece_rows
            piece = replace(chunk, order=chunk.order[start:stop])
            rows += len(piece.order)
            start = stop
            yield piece
