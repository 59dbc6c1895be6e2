"""Reads a channel: every file below its folder, in natural order, into one data set.

Nothing is ever written there: in local mode the folder is the user's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from linear_learner.data.channel_file import open_channel_file
from linear_learner.data.dataset import Dataset, Segment, differing_names
from linear_learner.data.row_store import RowStore
from linear_learner.environment import ChannelConfig, cpu_count
from linear_learner.errors import ClientError
from linear_learner.formats import Decoder, decoder_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import RECORDIO_PROTOBUF, parse
from linear_learner.formats.faults import MissingLabel
from linear_learner.formats.sniffing import SNIFFED_BYTES, content_type_of

HIDDEN = (".", "_")
"""Names that begin so are no data: ``.amazon.manifest``, ``_SUCCESS``, ``.ipynb_checkpoints``."""


def read_channel(channel: ChannelConfig, *, feature_dim: int | None = None) -> Dataset:
    """All rows of the channel, in memory once. ``feature_dim`` is that hyperparameter, where the user set it. All
    processors that the job may use decode.

    ClientError names channel, file and row, and ends the reading at the first bad block.
    """
    files = list_files(channel)
    content_type = channel.content_type or _sniffed(channel, files)
    decode = decoder_for(content_type, where=f"channel '{channel.name}'")
    if parse(content_type).label_size == 0:
        raise _unlabeled(channel, 0, where=f"content type '{content_type}'")
    rows = _Rows(channel, feature_dim, sum(file.stat().st_size for file in files))
    for batch, bytes_read in _batches(channel, files, decode):
        rows.add(batch, bytes_read)
    return rows.dataset()


def list_files(channel: ChannelConfig) -> list[Path]:
    """The files below the channel's folder in natural order (part-2 before part-10), those of sub-folders included and
    hidden ones left out. ClientError if there is none, or if one of them cannot be read."""
    if channel.input_mode == "Pipe":
        raise ClientError(
            "Pipe mode is not supported", where=f"channel '{channel.name}'", fix="use File or FastFile mode"
        )
    if not channel.path.is_dir():
        raise ClientError(
            f"Channel '{channel.name}' has no folder",
            where=str(channel.path),
            fix="put its files there, or take the channel out of inputdataconfig.json",
        )
    files = sorted(_visible(channel.path), key=lambda file: natural_key(file.relative_to(channel.path)))
    for file in files:
        # Opening a FIFO would wait for ever; a link to a folder could lead in a circle.
        if not file.is_file():
            what = "a link that leads to no file" if file.is_symlink() else "something that is not a file"
            raise ClientError(f"Channel '{channel.name}' holds {what}", where=str(file), fix="remove it")
        if not os.access(file, os.R_OK):
            raise ClientError(
                f"Channel '{channel.name}' holds a file that may not be read",
                where=str(file),
                fix="let all users read it (chmod a+r)",
            )
    if not files:
        raise _empty(channel)
    return files


def natural_key(path: Path) -> tuple[tuple[list[str | int], str], ...]:
    """Sorts paths folder by folder, and digits in names by the number they write."""
    return tuple((_text_and_numbers(part), part) for part in path.parts)


def _text_and_numbers(name: str) -> list[str | int]:
    """``part-10.csv`` -> ["part-", 10, ".csv"]: text and numbers take turns, so that any two lists can be compared."""
    return [int(piece) if i % 2 else piece for i, piece in enumerate(re.split("([0-9]+)", name))]


def _visible(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(HIDDEN):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _visible(entry)
        else:
            yield entry


def _sniffed(channel: ChannelConfig, files: list[Path]) -> str:
    """The content type of a channel that names none, from the first file that is not empty."""
    for file in files:
        try:
            with open_channel_file(file) as opened:
                head = opened.stream.read(SNIFFED_BYTES)
        except ClientError as error:
            raise _unreadable(channel, error.message, where=error.where, fix=error.fix) from None
        if head:
            return content_type_of(head)
    return RECORDIO_PROTOBUF


def _batches(channel: ChannelConfig, files: list[Path], decode: Decoder) -> Iterator[tuple[Batch, int]]:
    """(batch, bytes read so far) of all files. What a decoder says is told of the channel."""
    bytes_before = 0
    for file in files:
        with open_channel_file(file) as opened:
            try:
                for batch in decode(opened.stream, label_size=1, source=str(file), threads=cpu_count()):
                    yield batch, bytes_before + opened.bytes_read
            except MissingLabel as error:
                raise _unlabeled(channel, error.found, where=error.where) from None
            except ClientError as error:
                raise _unreadable(channel, error.message, where=error.where, fix=error.fix) from None
            bytes_before += opened.bytes_read


class _Rows:
    """Gathers the rows of a channel of ``size`` bytes."""

    def __init__(self, channel: ChannelConfig, feature_dim: int | None, size: int) -> None:
        self._channel = channel
        self._feature_dim = feature_dim
        self._size = size
        self._features: RowStore | None = None
        self._labels: RowStore | None = None
        self._segments: list[Segment] = []
        self._names: tuple[str, ...] | None = None
        self._named_in = ""

    def add(self, batch: Batch, bytes_read: int) -> None:
        """``bytes_read``, those of the batch among them, tell how many rows are still to come."""
        assert batch.labels is not None  # noqa: S101 (for the type checker: label_size was 1)
        start = 0 if self._features is None else len(self._features)
        expected = (start + len(batch)) * self._size // max(1, bytes_read) + len(batch)
        if self._features is None or self._labels is None:
            self._check_feature_dim(batch)
            self._features, self._labels = RowStore(batch.feature_dim, expected), RowStore(1, expected)
        elif batch.feature_dim != self._features.width:
            raise _unreadable(
                self._channel,
                f"The rows have {batch.feature_dim} features, those of the files before have {self._features.width}",
                where=batch.where(0) if len(batch) else batch.source,
                fix="Please give all files of a channel the same columns",
            )
        self._check_names(batch)
        if not len(batch):
            return
        self._features.append(batch.features, expected)
        self._labels.append(batch.labels[:, np.newaxis], expected)
        if not self._segments or not self._segments[-1].continues_with(start, batch):
            self._segments.append(Segment(start, batch.source, batch.first_row, batch.row_numbers))

    def dataset(self) -> Dataset:
        if self._features is None or self._labels is None or not len(self._features):
            raise _empty(self._channel)
        features, labels = self._features.finish(), self._labels.finish()[:, 0]
        return Dataset(self._channel.name, features, labels, tuple(self._segments), self._names)

    def _check_names(self, batch: Batch) -> None:
        """Files without a header are taken to have the columns of the others."""
        if self._names is None and batch.feature_names is not None:
            self._names, self._named_in = batch.feature_names, batch.source
        problem = differing_names(self._names, batch.feature_names)
        if problem:
            raise _unreadable(
                self._channel,
                f"Its headers differ from file to file: {problem}",
                where=f"{self._named_in}; {batch.source}",
                fix="Please give all files of a channel the same columns in the same order",
            )

    def _check_feature_dim(self, batch: Batch) -> None:
        if self._feature_dim not in (None, batch.feature_dim):
            name = self._channel.name
            raise ClientError(
                f"Incorrect configuration or {name} dataset provided. The value of feature_dim hyperparameter "
                f"'{self._feature_dim}' doesn't match {name} data dimensionality '{batch.feature_dim}'",
                where=batch.source,
                fix=f"Please set feature_dim to the number of features in {name} dataset",
            )


def _unreadable(channel: ChannelConfig, problem: str, *, where: str, fix: str) -> ClientError:
    return ClientError(f"Unable to read data channel '{channel.name}'. {problem}", where=where, fix=fix)


def _unlabeled(channel: ChannelConfig, found: int, *, where: str) -> ClientError:
    return ClientError(
        f"Labeled {channel.name} data required with label size equal 1. "
        f"Label size on {channel.name} dataset found to be {found}",
        where=where,
        fix="Please give every row exactly one label",
    )


def _empty(channel: ChannelConfig) -> ClientError:
    return ClientError(
        f"Channel '{channel.name}' has no rows",
        where=str(channel.path),
        fix="put data files there; names that begin with a dot or an underscore are skipped",
    )
