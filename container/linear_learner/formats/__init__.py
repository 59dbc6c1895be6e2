"""Bytes to rows and predictions to bytes, by content type. Shared by training and serving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from linear_learner.errors import UnsupportedContentType
from linear_learner.formats import content_type as content_types
from linear_learner.formats import parquet, recordio_protobuf, text_csv, text_libsvm
from linear_learner.formats.batch import Batch
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.schema_learner import SchemaLearner


class Decoder(Protocol):
    """Bytes of one file or request -> batches of rows, all of one width, block by block in bounded memory.

    ``label_size`` 1: every row carries its label (training); 0: features only (requests), and ``labels`` is None.
    ``source`` names the data in errors. ``threads`` of them share the work. Of the ``options`` a format uses those that
    it leaves open. No rows, no batch; but a header without
    rows is a batch of none. ClientError for anything that cannot be read.
    """

    def __call__(
        self, stream: BinaryIO, *, label_size: int, source: str, threads: int = 1, options: Options = DEFAULTS
    ) -> Iterator[Batch]: ...


class Learn(Protocol):
    """Shows a learner all rows of one file, and how many it has shown so far after each of some. ClientError for what
    cannot be read as far as it has to be."""

    def __call__(self, stream: BinaryIO, learner: SchemaLearner, *, source: str) -> Iterator[int]: ...


SHARED_DECODERS: dict[str, Decoder] = {
    content_types.CSV: text_csv.decode,
    content_types.RECORDIO_PROTOBUF: recordio_protobuf.decode,
    content_types.LIBSVM: text_libsvm.decode,
}
"""By the name of the content type, lower-case and without parameters."""

CHANNEL_DECODERS: dict[str, Decoder] = {**SHARED_DECODERS, content_types.PARQUET: parquet.decode}
"""Those of channels. A request should not unpack to many times its size, so it is none of Parquet."""


LEARNERS: dict[str, Learn] = {content_types.CSV: text_csv.learn, content_types.PARQUET: parquet.learn}
"""Of the formats whose columns may hold text."""


def decoder_for(content_type: str, *, where: str = "") -> Decoder:
    """The decoder of a channel for a content type as a user writes it. UnsupportedContentType, at ``where``, if there
    is none."""
    decoder = CHANNEL_DECODERS.get(content_types.parse(content_type).name)
    if decoder is None:
        raise UnsupportedContentType(content_type, supported=CHANNEL_DECODERS, where=where)
    return decoder
