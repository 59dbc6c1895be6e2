"""Reads a channel: the rows of all its files or of its next pipe, once or again and again."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from linear_learner.data.columns import Columns, unreadable
from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import DatasetBuilder
from linear_learner.data.fifo import Patience, Stopped
from linear_learner.data.sources import Files, Pipes, empty
from linear_learner.data.split import rows_of_split
from linear_learner.environment import ChannelConfig, cpu_count
from linear_learner.errors import ClientError
from linear_learner.formats import decoder_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV, PARQUET, parse
from linear_learner.formats.faults import MISSING, MissingLabel
from linear_learner.formats.imputation import filled
from linear_learner.formats.options import DEFAULTS, Options

HAVE_COLUMN_NAMES = (CSV, PARQUET)
"""Content types in which ``label_column`` can find the label."""


def read_channel(channel: ChannelConfig, *, feature_dim: int | None = None, options: Options = DEFAULTS) -> Dataset:
    """All rows of the channel, in memory once. ``feature_dim`` is that hyperparameter, where the user set it. All
    processors that the job may use decode.

    ClientError names channel, file and row, and ends the reading at the first bad block.
    """
    return ChannelReader(channel, feature_dim=feature_dim, options=options).read()[0]


class ChannelReader:
    """Reads the channel, pass by pass: its files, or the next of its pipes.

    ``fills``: float32 (d,), what is put in the place of missing values from now on, once it is set. ``patience``: with
    what may keep it waiting. Once its ``should_stop`` says yes, reading raises Stopped.
    """

    def __init__(
        self,
        channel: ChannelConfig,
        *,
        feature_dim: int | None = None,
        options: Options = DEFAULTS,
        patience: Patience | None = None,
    ) -> None:
        self.columns = Columns(channel.name, feature_dim)
        self.fills: np.ndarray | None = None
        self._channel = channel
        self._abandoned = threading.Event()
        patience = patience or Patience()
        self._should_stop = patience.should_stop
        if channel.input_mode == "Pipe":
            self._source: Files | Pipes = Pipes(channel, Patience(patience.seconds, self._ends))
        else:
            self._source = Files(channel)
        content_type = self._source.content_type
        decoder_for(content_type, where=f"channel '{channel.name}'")
        parsed = parse(content_type)
        self._options = replace(options, index_base=parsed.index_base)
        if parsed.label_size == 0:
            raise _unlabeled(channel, 0, where=f"content type '{content_type}'")
        if options.label_column and parsed.name not in HAVE_COLUMN_NAMES:
            raise unreadable(
                channel.name,
                f"Its columns have no names, and label_column names the column '{options.label_column}'",
                where=f"content type '{content_type}'",
                fix="Please leave label_column out: every row carries its label",
            )

    @property
    def can_begin_anew(self) -> bool:
        """Whether a pass gives its rows again where the one before was left."""
        return isinstance(self._source, Files)

    @property
    def place(self) -> str:
        """Where the rows come from, for an error about all of them."""
        return self._source.place

    def learn_columns(self) -> None:
        """Read the first rows, where they can be read again, so that what is wrong with them is told at once; or all
        rows, where only they tell how many columns there are."""
        if self.can_begin_anew:
            for _ in self.batches():
                if not self.columns.width_is_open:
                    break

    def read(self, limit: int | None = None) -> tuple[Dataset, Iterator[Batch] | None]:
        """The rows of a pass, as many as take no more than ``limit`` bytes, and what follows them; None if nothing
        does."""
        rows = DatasetBuilder(self._source.size, limit)
        batches = self.batches()
        for batch, bytes_read in batches:
            if not rows.has_room_for(batch):
                following = itertools.chain([batch], (following for following, _ in batches))
                # What is missing in them is known once the caller has seen the first rows.
                return rows.dataset(self._channel.name, self.columns.names), map(self._filled, following)
            rows.add(batch, bytes_read)
        if not len(rows):
            raise empty(self._channel, self.place)
        return rows.dataset(self._channel.name, self.columns.names), None

    def batches(
        self,
        random: np.random.Generator | None = None,
        on_error: Callable[[ClientError], None] | None = None,
    ) -> Iterator[tuple[Batch, int]]:
        """One pass: (batch, bytes read so far), each batch of the channel's columns. Files come in their order, or in
        one drawn by ``random``. Where the width is open, the first pass closes it, so that batches of later ones all
        have the columns of the channel. With ``on_error``, which is told of each file that cannot be read to its end,
        the pass goes on with the next file."""
        bytes_before = 0
        for opened, source in self._source.streams(random):
            try:
                for batch in rows_of_split(self._channel.split, self._decoded(opened.stream, source), source):
                    if self._ends():
                        raise Stopped
                    self._check_width(batch)
                    self.columns.check(batch)
                    yield self._filled(batch), bytes_before + opened.bytes_read
            except ClientError as error:
                if on_error is None:
                    raise
                on_error(error)
            bytes_before += opened.bytes_read
        if self.columns.width_is_open:
            self.columns.close()
            self._options = replace(self._options, feature_dim=self.columns.width)

    def _filled(self, batch: Batch) -> Batch:
        return batch if self.fills is None else replace(batch, features=filled(batch.features, self.fills))

    def _check_width(self, batch: Batch) -> None:
        if batch.width_is_open and not self.can_begin_anew:
            raise ClientError(
                "The rows name only some of their columns, and a pipe cannot be searched for the last one",
                where=f"channel '{self._channel.name}'",
                fix="set feature_dim",
            )

    def abandon(self) -> None:
        """End the pass at hand, and any waiting for it. Nothing can be read any more."""
        self._abandoned.set()

    def _ends(self) -> bool:
        return self._abandoned.is_set() or self._should_stop()

    def _decoded(self, stream: BinaryIO, source: str) -> Iterator[Batch]:
        """What a decoder says is told of the channel."""
        decode = decoder_for(self._source.content_type, where=f"channel '{self._channel.name}'")
        try:
            yield from decode(stream, label_size=1, source=source, threads=cpu_count(), options=self._options)
        except MissingLabel as error:
            raise _unlabeled(self._channel, error.found, where=error.where) from None
        except ClientError as error:
            can_fill = error.message == MISSING and not self._options.allow_missing
            fix = f"{error.fix}, or set missing_values=mean to fill in features" if can_fill else error.fix
            raise unreadable(self._channel.name, error.message, where=error.where, fix=fix) from None


def _unlabeled(channel: ChannelConfig, found: int, *, where: str) -> ClientError:
    return ClientError(
        f"Labeled {channel.name} data required with label size equal 1. "
        f"Label size on {channel.name} dataset found to be {found}",
        where=where,
        fix="Please give every row exactly one label",
    )
