"""One file of a channel as a stream of its bytes, unpacked if it is packed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from linear_learner.errors import ClientError

GZIP_MAGIC = b"\x1f\x8b\x08"
"""What gzip files begin with, whatever their names; no file of a known content type does."""


@dataclass(frozen=True)
class ChannelFile:
    """``stream`` gives the unpacked bytes; ``packed`` is the file as it lies on the disk."""

    stream: BinaryIO
    packed: BinaryIO

    @property
    def bytes_read(self) -> int:
        """How much of the file on the disk has been read."""
        return self.packed.tell()


@contextmanager
def open_channel_file(file: Path) -> Iterator[ChannelFile]:
    """Memory stays bounded however much a file unpacks to. Reading raises ClientError where a gzip file is damaged."""
    with file.open("rb") as packed:
        if packed.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            yield ChannelFile(cast(BinaryIO, _Gunzip(packed, str(file))), packed)
        else:
            yield ChannelFile(packed, packed)


class _Gunzip(gzip.GzipFile):
    """The bytes in a gzip stream of one or more members; the end of each holds its length and checksum."""

    def __init__(self, packed: BinaryIO, source: str) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._source = source

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except EOFError:
            problem = "The gzip file is cut short"
        except (gzip.BadGzipFile, zlib.error) as error:
            problem = f"The gzip file is damaged: {error}"
        raise ClientError(problem, where=self._source, fix="Please upload the file again")
