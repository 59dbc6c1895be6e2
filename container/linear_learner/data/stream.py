"""A train channel that memory does not hold as a whole: it is read again in every epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.columns import unseen_notice
from linear_learner.data.dataset import Dataset
from linear_learner.data.survey import Survey
from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch

logger = logging.getLogger(__name__)


class Stream:
    """The rows of the channel, pass by pass. ``survey`` has seen those that were read so far.

    ``head``: the first rows, as many as fit in memory; ``rest`` those that follow in the pass that has begun. Files are
    surveyed to their end before the first epoch, and then read anew. What came through a pipe is gone: its rows are
    surveyed while the first epoch trains on them, so that ``rows`` is None until that is over. ``window_size``: the
    bytes of rows that may be held at a time, beside as many that are being read.
    """

    def __init__(
        self, reader: ChannelReader, head: Dataset, rest: Iterator[Batch], survey: Survey, *, window_size: int
    ) -> None:
        self.name = head.name
        self.survey = survey
        self.window_size = window_size
        self.rows: int | None = None
        self.feature_dim = head.feature_dim
        self.feature_names = head.feature_names
        self.fills = head.fills
        self.schema = head.schema
        self.is_sparse = head.is_sparse
        self.values_per_row = head.values_per_row
        self._reader = reader
        survey.add(head)
        self._first_pass: Iterator[Dataset] | None = self._surveyed(head, rest)
        if reader.can_begin_anew:
            self.learn_first_pass()

    @property
    def rows_seen(self) -> int:
        """How many rows were read so far."""
        return self.survey.rows

    @property
    def used_columns(self) -> np.ndarray | None:
        """int64 (u,): the columns in which any of the sparse rows so far has something, None where that is all."""
        return self.survey.used_columns

    def class_counts(self, classes: int) -> np.ndarray:
        """int64 (classes,): how many of the rows so far are of each of the job's classes."""
        return self.survey.class_counts

    def parts(self, epoch: int, random: np.random.Generator) -> Iterator[Dataset]:
        """The rows of an epoch, some at a time, to write over at will. Files come in an order drawn by ``random``."""
        if self._first_pass is not None:
            first_pass, self._first_pass = self._first_pass, None
            yield from first_pass
            return
        rows = 0
        for batch, _ in self._reader.batches(random):
            if len(batch):  # a file may be a header alone, or hold none of this host's rows
                rows += len(batch)
                data = Dataset.of_batch(self.name, batch)
                self.survey.check(data)
                yield data
        if not rows:
            raise ClientError(
                f"Channel '{self.name}' has no rows in epoch {epoch}, and {self.rows} in the first",
                where=self._reader.place,
                fix="give every epoch the same rows",
            )
        if rows != self.rows:
            logger.warning(
                "Channel '%s' has %d rows in epoch %d, and %s in the first.", self.name, rows, epoch, self.rows
            )

    def learn_first_pass(self) -> None:
        """Survey what is left of the first pass, on whose rows no epoch will train. Stopped once the job is to end."""
        first_pass, self._first_pass = self._first_pass, None
        for _ in first_pass or ():
            pass

    def abandon(self) -> None:
        """End the pass at hand, and any waiting for it. Nothing can be read any more."""
        self._reader.abandon()

    def _surveyed(self, head: Dataset, rest: Iterator[Batch]) -> Iterator[Dataset]:
        yield head
        del head
        for batch in rest:
            data = Dataset.of_batch(self.name, batch)
            if len(data):
                self.survey.add(data)
                yield data
        self.rows = self.survey.rows
        if notice := unseen_notice(f"Channel '{self.name}'", self._reader.unseen):
            logger.warning("%s", notice)
        self.survey.check_end()
