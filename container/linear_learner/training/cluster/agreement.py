"""What hosts have to know of each other's rows of a channel before they can train on them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linear_learner.data.columns import Columns
from linear_learner.data.dataset import Dataset, differing_names
from linear_learner.data.feature_ranges import MOST_RANGES, FeatureRanges
from linear_learner.data.labels import only_one_class
from linear_learner.data.stream import Stream
from linear_learner.errors import ClientError
from linear_learner.formats.schema_learner import SchemaLearner
from linear_learner.model.scaler import Measures, nothing_measured
from linear_learner.training.cluster.interface import Cluster


@dataclass(frozen=True)
class Shape:
    """What the rows of a channel have in common on all hosts. ``feature_dim`` and ``is_sparse`` are None where no host
    knows yet. ``one_label``: the label of all rows that were looked at, where they have one only."""

    feature_dim: int | None
    is_sparse: bool | None
    feature_names: tuple[str, ...] | None
    one_label: float | None = None


def agree_on_columns(columns: Columns | None, channel: str, cluster: Cluster) -> Shape:
    """By the first rows of the channel, or by all where they name only some of their columns; None on a host that has
    no rows. ClientError where hosts have different columns."""
    fact = None
    if columns is not None and columns.width is not None:
        fact = _fact(columns.width, None, columns.names, grows=columns.grows)
    return _agreed(cluster.gather(fact), channel, cluster)


def agree_on_rows(data: Dataset | None, channel: str, cluster: Cluster) -> Shape:
    """By the rows of the channel that are in memory; None on a host that has no rows."""
    fact = None
    if data is not None:
        fact = _fact(data.feature_dim, data.is_sparse, data.feature_names) | {"label": data.one_label}
    return _agreed(cluster.gather(fact), channel, cluster)


def agree_on_texts(found: SchemaLearner, cluster: Cluster) -> SchemaLearner:
    """What the hosts have found of the columns of the train channel, together. ClientError where they differ."""
    if cluster.size == 1:
        return found
    joined = SchemaLearner(found.settings)
    for name, fact in zip(cluster.names, cluster.gather(found.found()), strict=True):
        if fact is not None:
            joined.join(fact, f"host '{name}'")
    return joined


@dataclass(frozen=True)
class Totals:
    """Of the train channel on all hosts together; ``Stream`` says what is what. ``share``: this host's of the rows, or
    of the hosts where nobody knows how many rows there will be."""

    rows: int | None
    rows_seen: int
    values_per_row: float
    class_counts: np.ndarray
    share: float

    @property
    def absent_classes(self) -> list[int]:
        """Those of which there is no row, as far as all rows are known."""
        return [] if self.rows is None else np.flatnonzero(self.class_counts == 0).tolist()


def totals(train: Dataset | Stream, classes: int, cluster: Cluster) -> Totals:
    """``classes``: 0 for a regressor. ClientError where the rows of all hosts are of one class."""
    sums = cluster.sum(
        np.array(
            [
                float(train.rows is None),
                train.rows or 0,
                train.rows_seen,
                train.values_per_row * train.rows_seen,
                *train.class_counts(classes),
            ]
        )
    )
    rows_seen, counts = int(sums[2]), sums[4:].astype(np.int64)
    rows = None if sums[0] else int(sums[1])
    values_per_row = train.values_per_row if cluster.size == 1 else float(sums[3] / max(1, rows_seen))
    if rows is not None and np.count_nonzero(counts) == 1:
        raise only_one_class(train.name, float(np.flatnonzero(counts)[0]), rows)
    share = 1 / cluster.size if rows is None else (train.rows or 0) / max(1, rows)
    return Totals(rows, rows_seen, values_per_row, counts, share)


def merged(measures: Measures, cluster: Cluster) -> Measures:
    """Of the rows of all hosts."""
    if cluster.size == 1:
        return measures
    packed = measures.pack()

    def merge(parts: list[bytes]) -> bytes:
        total = nothing_measured(measures)
        for part in parts:
            total.merge(np.frombuffer(part))
        return total.pack().tobytes()

    total = nothing_measured(measures)
    total.merge(np.frombuffer(cluster.exchange(packed.tobytes(), merge)))
    return total


def merged_ranges(ranges: FeatureRanges | None, feature_dim: int, cluster: Cluster) -> FeatureRanges | None:
    """Of the rows of all hosts; None where there are too many columns. A host without rows has None, too."""
    if cluster.size == 1 or feature_dim > MOST_RANGES:
        return ranges
    own = np.zeros(1)
    if ranges is not None:
        own = np.concatenate([[float(ranges.rows)], ranges.means, ranges.minima, ranges.maxima])

    def unpacked(part: bytes) -> FeatureRanges | None:
        rows, *rest = np.frombuffer(part)
        return FeatureRanges(int(rows), *np.array(rest).reshape(3, -1)) if rows else None

    def join(parts: list[bytes]) -> bytes:
        first, *others = filter(None, map(unpacked, parts))
        for other in others:
            first = first.joined(other)
        return np.concatenate([[float(first.rows)], first.means, first.minima, first.maxima]).tobytes()

    return unpacked(cluster.exchange(own.tobytes(), join))


def _fact(
    width: int, is_sparse: bool | None, names: tuple[str, ...] | None, *, grows: bool = False
) -> dict[str, object]:
    return {"width": width, "sparse": is_sparse, "names": None if names is None else list(names), "grows": grows}


def _agreed(facts: list[dict | None], channel: str, cluster: Cluster) -> Shape:
    """The first host that differs from one before it is named with it."""
    known = [(name, fact) for name, fact in zip(cluster.names, facts, strict=True) if fact is not None]
    if not known:
        return Shape(None, None, None)
    first_name, first = known[0]
    names, named_by = first["names"], first_name
    for name, fact in known[1:]:
        problem, by = "", first_name
        if fact["width"] != first["width"] and not (fact["grows"] and first["grows"]):
            problem = f"its rows have {fact['width']} features there, and {first['width']} on host '{first_name}'"
        elif fact["sparse"] != first["sparse"]:
            kinds = ("sparse", "dense") if fact["sparse"] else ("dense", "sparse")
            problem = f"its rows are {kinds[0]} there, and {kinds[1]} on host '{first_name}'"
        elif names is not None and (why := differing_names(names, fact["names"])):
            problem, by = f"its headers differ: {why}", named_by
        if problem:
            raise ClientError(
                f"Unable to read data channel '{channel}'. The hosts have different columns: {problem}",
                where=f"host '{name}' and host '{by}'",
                fix="Please give all files of a channel the same columns in the same order",
            )
        if names is None:
            names, named_by = fact["names"], name
    labels = {fact.get("label") for _, fact in known}
    return Shape(
        max(fact["width"] for _, fact in known),
        first["sparse"],
        None if names is None else tuple(names),
        labels.pop() if len(labels) == 1 else None,
    )
