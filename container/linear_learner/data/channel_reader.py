"""Reads a channel: the rows of all its files or of its next pipe, once or again and again."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import BinaryIO, TypeVar

import numpy as np

from linear_learner.data.channel_file import ChannelFile, rejoined
from linear_learner.data.columns import Columns, unreadable
from linear_learner.data.dataset import Dataset
from linear_learner.data.dataset_builder import DatasetBuilder
from linear_learner.data.fifo import Patience
from linear_learner.data.pace import BETWEEN_SIGNS, Pace
from linear_learner.data.part import rows_of_part
from linear_learner.data.sources import Files, Pipes, empty
from linear_learner.data.split import rows_of_split
from linear_learner.environment import ChannelConfig, cpu_count
from linear_learner.errors import ClientError, Stopped
from linear_learner.formats import LEARNERS, Learn, decoder_for
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import CSV, parse
from linear_learner.formats.csv_cells import NOT_A_NUMBER
from linear_learner.formats.faults import MISSING_REMEDY, VERIFY, MissingLabel, text_advice
from linear_learner.formats.imputation import filled
from linear_learner.formats.line_blocks import LONGEST_LINE
from linear_learner.formats.options import DEFAULTS, Destination, Options
from linear_learner.formats.schema_learner import SchemaLearner, TextSettings
from linear_learner.formats.table_schema import TableSchema
from linear_learner.formats.width import WrongWidth

Item = TypeVar("Item")
logger = logging.getLogger(__name__)

HEAD_BYTES = 1 << 24
"""Of a pipe, where categories and labels are looked for."""
HAVE_COLUMN_NAMES = tuple(LEARNERS)
"""Content types in which ``label_column`` can find the label, and columns may hold text."""


class ChannelReader:
    """Reads the channel, pass by pass: its files, or the next of its pipes.

    ``fills``: float32 (d,), what is put in the place of missing values from now on, once it is set. ``unseen``: how
    many cells of the pass so far were of no level of their column's, by its name. ``patience``: with what may keep it
    waiting. Once ``should_stop``, at first that of ``patience``, says yes, reading raises Stopped. All processors that
    the job may use decode. ClientError names channel, file and row, and ends the reading at the first bad block.
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
        self.unseen: Counter[str] = Counter()
        self._begun: Generator[tuple[ChannelFile, str], None, None] | None = None
        self._channel = channel
        self._abandoned = threading.Event()
        self._pace = Pace(BETWEEN_SIGNS)
        patience = patience or Patience()
        self.should_stop = patience.should_stop
        if channel.input_mode == "Pipe":
            self._source: Files | Pipes = Pipes(channel, Patience(patience.seconds, self._ends))
        else:
            self._source = Files(channel)
        content_type = self._source.content_type
        decoder_for(content_type, where=f"channel '{channel.name}'")
        parsed = parse(content_type)
        self._options = replace(options, index_base=parsed.index_base)
        if parsed.label_size == 0:
            raise _unlabeled(channel, 0, where=f"content type '{content_type}'", but="; or leave label_size=0 out")
        if self._source.knows_content_type:
            self._check_content_type()

    @property
    def can_begin_anew(self) -> bool:
        """Whether a pass gives its rows again where the one before was left."""
        return isinstance(self._source, Files)

    @property
    def schema(self) -> TableSchema | None:
        """What the columns mean, where some are text."""
        return self._options.schema

    @property
    def place(self) -> str:
        """Where the rows come from, for an error about all of them."""
        return self._source.place

    def learn_schema(self, settings: TextSettings) -> SchemaLearner:
        """What the columns mean. Files are read once for it. Of a pipe, which gives its rows once, it is the first
        HEAD_BYTES that tell."""
        learner = SchemaLearner(settings)
        if isinstance(self._source, Pipes):
            if self._source.knows_content_type:
                self._learner()
            with self._told_of_channel():
                head, source = self._look_ahead(self._source)
            learn = self._learner()
            with self._told_of_channel():
                self._learn(learn(io.BytesIO(head), learner, source=source), 0)
        else:
            learn, rows = self._learner(), 0
            with contextlib.closing(self._source.streams(None)) as streams:
                for opened, source in streams:
                    with self._told_of_channel():
                        rows = self._learn(learn(opened.stream, learner, source=source), rows)
        return learner

    def use_schema(self, schema: TableSchema) -> None:
        """Decode the rows by it from now on."""
        self._options = replace(self._options, schema=schema)

    def _learn(self, learning: Iterator[int], rows_before: int) -> int:
        """See all rows of a file; returns how many there are with those of the files before."""
        rows = rows_before
        for rows_of_file in learning:
            if self._ends():
                raise Stopped
            rows = rows_before + rows_of_file
            if self._pace.is_time():
                logger.info("Channel '%s': categories and labels of %d rows seen so far.", self._channel.name, rows)
        return rows

    def _look_ahead(self, pipes: Pipes) -> tuple[bytes, str]:
        """The first lines of the next pipe, and its name. The next pass gives them again."""
        streams = pipes.streams(None)
        opened, source = next(streams)
        head = opened.stream.read(HEAD_BYTES) + opened.stream.readline(LONGEST_LINE)
        logger.info("Channel '%s': its first %d bytes tell categories and labels.", self._channel.name, len(head))
        again = ChannelFile(rejoined(head, opened.stream), opened.packed)
        self._begun = _with_first((again, source), streams)
        return head, source

    def _check_content_type(self) -> None:
        """ClientError for one that has no names or no text for the settings that speak of them."""
        content_type = self._source.content_type
        if self.schema is not None:
            self._learner()
        if self._options.label_column and parse(content_type).name not in HAVE_COLUMN_NAMES:
            raise unreadable(
                self._channel.name,
                f"Its columns have no names, and label_column names the column '{self._options.label_column}'",
                where=f"content type '{content_type}'",
                fix="Please leave label_column out: every row carries its label",
            )

    def _learner(self) -> Learn:
        """ClientError for a content type whose columns hold no text."""
        content_type = self._source.content_type
        learn = LEARNERS.get(parse(content_type).name)
        if learn is not None and isinstance(self._source, Pipes) and self.schema is None and learn is not LEARNERS[CSV]:
            raise unreadable(
                self._channel.name,
                "What is in a Parquet file is told at its end, and a pipe has none to look at first",
                where=f"content type '{content_type}'",
                fix="Please use File mode, or CSV",
            )
        if learn is None:
            raise unreadable(
                self._channel.name,
                "Its columns hold numbers alone, and categorical_columns or text_labels speaks of text",
                where=f"content type '{content_type}'",
                fix="Please leave them out, or give CSV or Parquet",
            )
        return learn

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
        is_whole = self._channel.split is None and self._channel.part is None
        batches = self.batches(destination=rows if is_whole else None)
        for batch, bytes_read in batches:
            if not rows.has_room_for(batch):
                rows.close()
                following = itertools.chain([batch], (following for following, _ in batches))
                # What is missing in them is known once the caller has seen the first rows.
                return self._dataset(rows), map(self._filled, following)
            rows.add(batch, bytes_read)
        if not len(rows):
            raise empty(self._channel, self.place)
        return self._dataset(rows), None

    def _dataset(self, rows: DatasetBuilder) -> Dataset:
        return replace(rows.dataset(self._channel.name, self.columns.names), schema=self.schema)

    def batches(
        self,
        random: np.random.Generator | None = None,
        on_error: Callable[[ClientError], None] | None = None,
        destination: Destination | None = None,
    ) -> Iterator[tuple[Batch, int]]:
        """One pass: (batch, bytes read so far), each batch of the channel's columns. Files come in their order, or in
        one drawn by ``random``. Where the width is open, the first pass closes it, so that batches of later ones all
        have the columns of the channel. With ``on_error``, which is told of each file that cannot be read to its end,
        the pass goes on with the next file. ``destination``: where all rows will stay."""
        bytes_before = rows = 0
        self.unseen.clear()
        begun, self._begun = self._begun or self._source.streams(random), None
        # An error holds the frames that it came through, and the open file with them, for as long as it is looked at.
        with contextlib.closing(begun) as streams:
            for opened, source in streams:
                try:
                    for batch in self._own(self._decoded(opened.stream, source, destination), source):
                        if self._ends():
                            raise Stopped
                        self._check_width(batch)
                        self.columns.check(batch)
                        rows += len(batch)
                        if random is None and self._pace.is_time():
                            self._show_life(rows, bytes_before + opened.bytes_read)
                        yield self._filled(batch), bytes_before + opened.bytes_read
                except ClientError as error:
                    if on_error is None:
                        raise
                    on_error(error)
                bytes_before += opened.bytes_read
        if self.columns.width_is_open:
            self.columns.close()
            self._options = replace(self._options, feature_dim=self.columns.width)

    def _show_life(self, rows: int, bytes_read: int) -> None:
        size = self._source.size
        share = f", {100 * bytes_read // size} % of the bytes" if size else ""
        logger.info("Channel '%s': %d rows read so far%s.", self._channel.name, rows, share)

    def widen(self, width: int) -> None:
        """The channel has so many columns: on another host, rows name columns beyond those of the rows of this one."""
        self.columns.width = width
        self._options = replace(self._options, feature_dim=width)

    def _own(self, batches: Iterator[Batch], source: str) -> Iterator[Batch]:
        """The rows that are this channel's, and this host's."""
        split = rows_of_split(self._channel.split, batches, source)
        return rows_of_part(self._channel.part, split, source, is_pipe=not self.can_begin_anew)

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
        return self._abandoned.is_set() or self.should_stop()

    def _decoded(self, stream: BinaryIO, source: str, destination: Destination | None) -> Iterator[Batch]:
        """What a decoder says is told of the channel."""
        self._check_content_type()  # of a pipe, its first bytes may have told it only now
        decode = decoder_for(self._source.content_type, where=f"channel '{self._channel.name}'")
        with self._told_of_channel():
            options = replace(self._options, destination=destination)
            batches = decode(stream, label_size=1, source=source, threads=cpu_count(), options=options)
            schema = self._options.schema
            if schema is None or not schema.columns:
                yield from batches
                return
            for batch in batches:
                self.unseen.update(schema.unseen(batch))
                yield from schema.batches(batch)

    @contextlib.contextmanager
    def _told_of_channel(self) -> Iterator[None]:
        """What a decoder says is told of the channel."""
        try:
            yield
        except MissingLabel as error:
            raise _unlabeled(self._channel, error.found, where=error.where) from None
        except WrongWidth as error:
            raise unreadable(
                self._channel.name,
                f"The rows have {error.found} features, and the schema has {error.expected} columns",
                where=error.place,
                fix="Please give all files the same columns",
            ) from None
        except ClientError as error:
            raise unreadable(self._channel.name, error.message, where=error.where, fix=self._fix(error)) from None

    def _fix(self, error: ClientError) -> str:
        """With the settings that would take such cells."""
        if error.fix == MISSING_REMEDY and not self._options.allow_missing:
            return f"{error.fix}, or set missing_values=mean to fill in features"
        is_table = parse(self._source.content_type).name in HAVE_COLUMN_NAMES
        if is_table and error.message.endswith(NOT_A_NUMBER) and VERIFY in error.fix:
            return f"{error.fix}; or {text_advice(has_schema=self.schema is not None)}"
        return error.fix


def _with_first(first: Item, following: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """``first``, and what follows it, which is closed with it."""
    with contextlib.closing(following):
        yield first
        yield from following


def _unlabeled(channel: ChannelConfig, found: int, *, where: str, but: str = "") -> ClientError:
    return ClientError(
        f"Labeled {channel.name} data required with label size equal 1. "
        f"Label size on {channel.name} dataset found to be {found}",
        where=where,
        fix=f"Please give every row exactly one label{but}",
    )
