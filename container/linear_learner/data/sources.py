"""Where the bytes of a channel come from: the files below its folder, or a pipe for every pass.

Nothing is ever written there: in local mode the folder is the user's own.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from linear_learner.data.channel_file import ChannelFile, open_channel_file, unpacked
from linear_learner.data.columns import unreadable
from linear_learner.data.fifo import Fifo, Patience
from linear_learner.data.record_wrapping import is_wrapped, unwrapped
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.formats.content_type import RECORDIO_PROTOBUF
from linear_learner.formats.sniffing import SNIFFED_BYTES, content_type_of
from linear_learner.s3 import S3Path

HIDDEN = (".", "_")
"""Names that begin so are no data: ``.amazon.manifest``, ``_SUCCESS``, ``.ipynb_checkpoints``."""

MANIFEST = ".amazon.manifest"
"""What ``LinearLearner.record_set`` of the SageMaker SDK writes beside its records."""


class EmptyChannelError(ClientError):
    """The channel has no rows on this host. Another host may have some."""


class Files:
    """Every file below the channel's folder; they hold ``size`` bytes together. FastFile mode looks the same."""

    knows_content_type = True

    def __init__(self, channel: ChannelConfig) -> None:
        self.place = str(channel.path)
        self._files = list_files(channel)
        self.size: int | None = sum(file.stat().st_size for file in self._files)
        self.content_type = channel.content_type or _sniffed(channel, self._files)

    def streams(self, random: np.random.Generator | None) -> Generator[tuple[ChannelFile, str], None, None]:
        """Each file, open, and its name; in natural order, or in one drawn by ``random``."""
        order = range(len(self._files)) if random is None else random.permutation(len(self._files))
        for number in order:
            with open_channel_file(self._files[number]) as opened:
                yield opened, str(self._files[number])


class Pipes:
    """``<channel>_0``, ``<channel>_1`` and so on, one for each pass. How much comes through them is not known, nor is,
    before the first one is open, a content type that the channel does not give."""

    size: int | None = None

    def __init__(self, channel: ChannelConfig, patience: Patience) -> None:
        self.content_type = channel.content_type or RECORDIO_PROTOBUF
        self.knows_content_type = channel.content_type is not None
        self._channel = channel
        self._patience = patience
        self._passes = 0

    @property
    def place(self) -> str:
        """The latest pipe."""
        return str(self._path(self._passes - 1))

    def streams(self, random: np.random.Generator | None) -> Generator[tuple[ChannelFile, str], None, None]:
        """The next pipe, open, and its name. What it carries comes in the order in which it comes."""
        path = self._path(self._passes)
        self._passes += 1
        with io.BufferedReader(cast(io.RawIOBase, Fifo(path, self._patience))) as packed:
            opened = unpacked(self._without_wrapping(packed, str(path)), str(path)).stream
            stream = opened if isinstance(opened, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, opened))
            if self._channel.content_type is None:
                self.content_type = content_type_of(self._head(stream)[:SNIFFED_BYTES])
                self.knows_content_type = True
            yield ChannelFile(cast(BinaryIO, stream), packed), str(path)

    def _path(self, number: int) -> Path:
        return self._channel.path.with_name(f"{self._channel.name}_{number}")

    def _without_wrapping(self, stream: io.BufferedReader[Any], source: str) -> io.BufferedReader[Any]:
        if not self._channel.is_wrapped:
            return stream
        head = self._head(stream)[:SNIFFED_BYTES]
        return unwrapped(stream, head, source) if is_wrapped(head, self._channel.content_type) else stream

    def _head(self, stream: io.BufferedReader[Any]) -> bytes:
        try:
            return stream.peek(SNIFFED_BYTES)
        except ClientError as error:
            raise unreadable(self._channel.name, error.message, where=error.where, fix=error.fix) from None


def list_files(channel: ChannelConfig) -> list[Path]:
    """The files below the channel's folder in natural order (part-2 before part-10), those of sub-folders included and
    hidden ones left out; or the one file that the channel is. ClientError if there is none, or if one of them cannot be
    read."""
    if channel.path.is_file():
        return [channel.path]
    if not channel.path.is_dir():
        raise EmptyChannelError(
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
        if not isinstance(file, S3Path) and not os.access(file, os.R_OK):
            raise ClientError(
                f"Channel '{channel.name}' holds a file that may not be read",
                where=str(file),
                fix="let all users read it (chmod a+r)",
            )
    if not files and (channel.path / MANIFEST).is_file():
        raise EmptyChannelError(
            f"Channel '{channel.name}' has a manifest, and none of the files that it lists",
            where=str(channel.path / MANIFEST),
            fix="in local mode, give the SageMaker SDK the prefix of the files, and s3_data_type='S3Prefix'",
        )
    if not files:
        raise empty(channel, str(channel.path))
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


def empty(channel: ChannelConfig, place: str) -> EmptyChannelError:
    """Of a channel whose files or pipe, at ``place``, hold no rows."""
    fix = "put data files there; names that begin with a dot or an underscore are skipped"
    if channel.path.is_file():
        fix = "the file is empty, or holds a header alone"
    elif channel.path.is_dir() and any(_visible(channel.path)):
        fix = "its files are empty, or hold a header alone"
    if channel.split is not None:
        fix = "split off another share of the rows, or give the channel files of its own"
    if channel.input_mode == "Pipe":
        fix = "check what is to write its pipe"
    return EmptyChannelError(f"Channel '{channel.name}' has no rows", where=place, fix=fix)
