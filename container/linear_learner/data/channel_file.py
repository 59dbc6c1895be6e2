"""One file of a channel as a stream of its bytes, unpacked if it is packed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from linear_learner.errors import ClientError

GZIP_MAGIC = b"\x1f\x8b\x08"
"""What gzip files begin with, whatever their names; no file of a known content type does."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = tuple(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16))
"""What zstd files begin with: a frame of data, or (those of pzstd) one of notes, which is skipped."""
PACKED_MAGIC = (GZIP_MAGIC, ZSTD_MAGIC, *ZSTD_SKIPPABLE)
ZSTD_WINDOW = 1 << 27
"""The furthest that a zstd file may refer back to, which much must be held: 128 MiB, as the zstd program has it."""
_ZSTD_PIECE = 1 << 10
"""Bytes unpacked at a time. Four bytes can stand for 128 KiB, so that these give 32 MiB at the most."""
_UPLOAD_AGAIN = "Please upload the file again"


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
    """Memory stays bounded however much a file unpacks to. Reading raises ClientError where a gzip or zstd file is
    damaged."""
    with file.open("rb") as packed:
        yield unpacked(packed, str(file))


def unpacked(packed: io.BufferedReader[Any], source: str) -> ChannelFile:
    """What is in the stream, whose first bytes tell how it is packed."""
    head = packed.peek(len(ZSTD_MAGIC))
    if head.startswith(GZIP_MAGIC):
        return ChannelFile(cast(BinaryIO, _Gunzip(packed, source)), packed)
    if head.startswith((ZSTD_MAGIC, *ZSTD_SKIPPABLE)):
        return ChannelFile(io.BufferedReader(_Unzstd(packed, source)), packed)
    return ChannelFile(packed, packed)


def rejoined(head: bytes, rest: BinaryIO) -> BinaryIO:
    """``head``, and then the bytes of ``rest``: a stream whose beginning was read, as it was or with another one."""
    return io.BufferedReader(_Rejoined(head, rest))


class _Rejoined(io.RawIOBase):
    """See ``rejoined``."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        room = memoryview(target).cast("B")
        piece = self._head[: len(room)] or self._rest.read(len(room))
        self._head = self._head[len(room) :]
        room[: len(piece)] = piece
        return len(piece)


class _Gunzip(gzip.GzipFile):
    """The bytes in a gzip stream of one or more members; the end of each holds its length and checksum."""

    def __init__(self, packed: BinaryIO, source: str) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._source = source

    def seekable(self) -> bool:
        """No: it could only begin anew, once for each step back."""
        return False

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except EOFError:
            problem = "The gzip file is cut short"
        except (gzip.BadGzipFile, zlib.error) as error:
            problem = f"The gzip file is damaged: {error}"
        raise ClientError(problem, where=self._source, fix=_UPLOAD_AGAIN)


class _Unzstd(io.RawIOBase):
    """The bytes in a zstd stream of one or more frames.

    zstandard's own reader takes the end of a cut file for the end of the data, so frames are followed here.
    """

    def __init__(self, packed: BinaryIO, source: str) -> None:
        super().__init__()
        self._packed = packed
        self._source = source
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._head = b""  # of a frame that is not opened yet
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            piece = self._head + self._packed.read(_ZSTD_PIECE)
            self._head = b""
            if not piece:
                if self._frame is not None:
                    raise self._error("cut short")
                return 0
            self._ready = memoryview(self._unpacked(piece))
        room = memoryview(target).cast("B")
        size = min(len(room), len(self._ready))
        room[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpacked(self, piece: bytes) -> bytes:
        if self._frame is None:
            self._frame = self._context.decompressobj()
        try:
            data: bytes = self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise self._damaged(error) from None
        if self._frame.eof:
            self._head, self._frame = self._frame.unused_data, None
        return data

    def _damaged(self, error: zstandard.ZstdError) -> ClientError:
        reason = str(error).rpartition(": ")[2]
        if "too much memory" in reason:
            return ClientError(
                f"The zstd file refers back further than {ZSTD_WINDOW >> 20} MiB",
                where=self._source,
                fix="pack it with a smaller window (zstd --long=27 or less)",
            )
        return self._error(f"damaged: {reason}")

    def _error(self, problem: str) -> ClientError:
        return ClientError(f"The zstd file is {problem}", where=self._source, fix=_UPLOAD_AGAIN)
