"""Reads a channel: every file below its folder, in natural order, once or again and again.

Nothing is ever written there: in local mode the folder is the user's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from linear_learner.data.channel_file import open_channel_file
from linear_learner.data.columns import Columns, unreadable
from linear_learner.data.dataset import Dataset, Segment
from linear_learner.data.row_store import RowStore, Store, store_for
from linear_learner.environment import ChannelConfig, cpu_count
from linear_learner.errors import ClientError
from linear_learner.formats import decoder_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import RECORDIO_PROTOBUF, parse
from linear_learner.formats.faults import MissingLabel
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.sniffing import SNIFFED_BYTES, content_type_of

HIDDEN = (".", "_")
"""Names that begin so are no data: ``.amazon.manifest``, ``_SUCCESS``, ``.ipynb_checkpoints``."""


def read_channel(channel: ChannelConfig, *, feature_dim: int | None = None, options: Options = DEFAULTS) -> Dataset:
    """All rows of the channel, in memory once. ``feature_dim`` is that hyperparameter, where the user set it. All
    processors that the job may use decode.

    ClientError names channel, file and row, and ends the reading at the first bad block.
    """
    reader = ChannelReader(channel, feature_dim=feature_dim, options=options)
    rows = _Rows(reader.size)
    for batch, bytes_read in reader.batches():
        rows.add(batch, bytes_read)
    if not len(rows):
        raise _empty(channel)
    return rows.dataset(channel.name, reader.columns.names)


class ChannelReader:
    """Reads the channel, as often as it is asked to. ``size``: bytes of its files."""

    def __init__(self, channel: ChannelConfig, *, feature_dim: int | None = None, options: Options = DEFAULTS) -> None:
        self.columns = Columns(channel.name, feature_dim)
        self._channel = channel
        self._files = list_files(channel)
        self.size = sum(file.stat().st_size for file in self._files)
        content_type = channel.content_type or _sniffed(channel, self._files)
        self._decode = decoder_for(content_type, where=f"channel '{channel.name}'")
        parsed = parse(content_type)
        self._options = replace(options, index_base=parsed.index_base)
        if parsed.label_size == 0:
            raise _unlabeled(channel, 0, where=f"content type '{content_type}'")

    def batches(self) -> Iterator[tuple[Batch, int]]:
        """One pass: (batch, bytes read so far), each batch of the channel's columns. Where the width is open, the first
        pass closes it, so that batches of later ones all have the columns of the channel."""
        bytes_before = 0
        for file in self._files:
            with open_channel_file(file) as opened:
                for batch in self._decoded(opened.stream, str(file)):
                    self.columns.check(batch)
                    yield batch, bytes_before + opened.bytes_read
                bytes_before += opened.bytes_read
        if self.columns.width_is_open:
            self.columns.close()
            self._options = replace(self._options, feature_dim=self.columns.width)

    def _decoded(self, stream: BinaryIO, source: str) -> Iterator[Batch]:
        """What a decoder says is told of the channel."""
        try:
            yield from self._decode(stream, label_size=1, source=source, threads=cpu_count(), options=self._options)
        except MissingLabel as error:
            raise _unlabeled(self._channel, error.found, where=error.where) from None
        except ClientError as error:
            raise unreadable(self._channel.name, error.message, where=error.where, fix=error.fix) from None


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
            raise unreadable(channel.name, error.message, where=error.where, fix=error.fix) from None
        if head:
            return content_type_of(head)
    return RECORDIO_PROTOBUF


class _Rows:
    """Gathers rows from ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._features: Store | None = None
        self._labels: RowStore | None = None
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return 0 if self._features is None else len(self._features)

    def add(self, batch: Batch, bytes_read: int) -> None:
        """``bytes_read``, those of the batch among them, tell how many rows are still to come."""
        if not len(batch):
            return
        assert batch.labels is not None  # noqa: S101 (for the type checker: label_size was 1)
        start = len(self)
        expected = (start + len(batch)) * self._size // max(1, bytes_read) + len(batch)
        if self._features is None or self._labels is None:
            self._features, self._labels = store_for(batch.features, expected), RowStore(1, expected)
        self._features.append(batch.features, expected)
        self._labels.append(batch.labels[:, np.newaxis], expected)
        if not self._segments or not self._segments[-1].continues_with(start, batch):
            self._segments.append(Segment(start, batch.source, batch.first_row, batch.row_numbers))

    def dataset(self, name: str, feature_names: tuple[str, ...] | None) -> Dataset:
        """At least one row was added."""
        assert self._features is not None and self._labels is not None  # noqa: S101 (for the type checker)
        features, labels = self._features.finish(), self._labels.finish()[:, 0]
        return Dataset(name, features, labels, tuple(self._segments), feature_names)


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
