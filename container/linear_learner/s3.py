"""Objects of Amazon S3 in the place of files: ``s3://bucket/key`` wherever a path is read.

``S3Path`` is a ``Path``, so that readers of files need not know. It reads in ranges, some ahead, of which few are held;
nothing is copied to the disk. What would touch the disk, or write, fails with an error that says so.
"""

from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import re
import stat
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Any, BinaryIO, NoReturn, cast

from linear_learner.aws import aws_errors, client, error_code
from linear_learner.errors import ClientError

SCHEME = "s3://"
SMALLEST_RANGE, LARGEST_RANGE = 1 << 17, 1 << 23
"""Bytes asked for at a time: few where a reader jumps about, twice as many each time while it goes straight on."""
AHEAD = 3
"""Ranges that are on their way while one is used up."""
TRIES, FIRST_PAUSE = 5, 0.2
"""How often a range is asked for whose bytes stop coming, and seconds before the second time, doubled each time."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def path(text: str) -> Path:
    """What a user gave as a path: an S3Path for ``s3://bucket/key``, else a local one."""
    return S3Path.parse(text) if text.startswith(SCHEME) else Path(text)


@dataclass(frozen=True)
class _Facts:
    """Of an object: bytes, and the tag that tells one version of it from another."""

    size: int
    etag: str


class S3Path(PosixPath):
    """``s3://bucket/key``; its parts are ``/``, the bucket, and those of the key. A folder is what objects lie below.

    Errors of AWS are raised as ours.
    """

    _facts: _Facts | None = None
    _is_prefix = False

    @classmethod
    def parse(cls, text: str) -> S3Path:
        """ClientError where the text is not the address of a bucket or of an object."""
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        parts = key.removesuffix("/").split("/") if key else []
        if not text.startswith(SCHEME) or not bucket:
            raise ClientError(f"'{text}' is not an address in S3", fix="write s3://bucket/key")
        if not _BUCKET.fullmatch(bucket):
            fix = "names have 3 to 63 lowercase letters, digits, dots and hyphens"
            raise ClientError(f"'{bucket}' is not the name of a bucket", where=text, fix=fix)
        if not all(part not in ("", ".", "..") for part in parts):
            raise ClientError(f"'{text}' has a part that is empty or only dots", fix="rename the objects")
        path = cls("/", bucket, *parts)
        path._is_prefix = text.endswith("/")
        return path

    @property
    def bucket(self) -> str:
        return self.parts[1]

    @property
    def key(self) -> str:
        return "/".join(self.parts[2:])

    @property
    def uri(self) -> str:
        """As it was written, with a slash at its end or without: AWS takes an address without one for all that begins
        so, ``s3://bucket/train`` for ``s3://bucket/train-old/part-0`` too."""
        return f"{self}/" if self._is_prefix else str(self)

    def __str__(self) -> str:
        return f"{SCHEME}{'/'.join(self.parts[1:])}"

    def __fspath__(self) -> NoReturn:
        raise ClientError("What S3 holds cannot be used here", where=str(self), fix="give a local path")

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        return self._look() is not None

    def is_dir(self) -> bool:
        if self._facts is not None:
            return False
        return any(page.get("KeyCount") for page in self._pages(MaxKeys=1, PaginationConfig={"MaxItems": 1}))

    def is_symlink(self) -> bool:
        return False

    def resolve(self, strict: bool = False) -> S3Path:
        return self

    def iterdir(self) -> Generator[S3Path, None, None]:
        for page in self._pages(Delimiter="/"):
            for folder in page.get("CommonPrefixes", []):
                yield self._child(folder["Prefix"])  # with its slash, or a part that is empty would be overlooked
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):  # what consoles write for an empty folder
                    child = self._child(entry["Key"])
                    child._facts = _Facts(entry["Size"], entry["ETag"])
                    yield child

    def glob(self, pattern: str) -> Generator[S3Path, None, None]:
        """What lies directly below and matches; ``pattern`` has no slash."""
        return (child for child in self.iterdir() if fnmatch.fnmatchcase(child.name, pattern))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """FileNotFoundError where there is no such object. Only size and kind are told."""
        return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, self._found().size, 0, 0, 0))

    def open(self, mode: str = "r", *_: Any, **__: Any) -> BinaryIO:  # type: ignore[override]
        """For reading bytes alone: mode "rb". FileNotFoundError where there is no such object."""
        if mode != "rb":
            os.fspath(self)
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, self._found()), SMALLEST_RANGE))

    def read_bytes(self) -> bytes:
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def _look(self) -> _Facts | None:
        """What is known of the object, which is asked for once; None if there is none."""
        if self._facts is None and self.key:
            from botocore.exceptions import ClientError as Refusal

            with aws_errors(str(self)):
                try:
                    found = client("s3").head_object(Bucket=self.bucket, Key=self.key)
                except Refusal as error:
                    if error_code(error) in ("404", "NoSuchKey"):
                        return None
                    raise
            self._facts = _Facts(found["ContentLength"], found["ETag"])
        return self._facts

    def _found(self) -> _Facts:
        facts = self._look()
        if facts is None:
            raise FileNotFoundError(2, "There is no such object", str(self))
        return facts

    def _pages(self, **options: Any) -> Iterator[dict[str, Any]]:
        prefix = f"{self.key}/" if self.key else ""
        with aws_errors(str(self)):
            pages = client("s3").get_paginator("list_objects_v2")
            yield from pages.paginate(Bucket=self.bucket, Prefix=prefix, **options)

    def _child(self, key: str) -> S3Path:
        return S3Path.parse(f"{SCHEME}{self.bucket}/{key}")


class _Ranges(io.RawIOBase):
    """The bytes of an object. While one range is used up, the next ones are on their way."""

    def __init__(self, source: S3Path, facts: _Facts) -> None:
        super().__init__()
        self._source = source
        self._facts = facts
        self._client = client("s3")
        self._position = 0
        self._start, self._range = -1, memoryview(b"")
        self._size = SMALLEST_RANGE
        self._pool: ThreadPoolExecutor | None = None
        self._asked_to = 0
        self._coming: deque[tuple[int, Future[bytes]]] = deque()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._facts.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, target: Any) -> int:
        if self._position >= self._facts.size:
            return 0
        at = self._position - self._start
        if not 0 <= at < len(self._range):
            self._load(len(target))
            at = 0
        room = memoryview(target).cast("B")
        size = min(len(room), len(self._range) - at)
        room[:size] = self._range[at : at + size]
        self._position += size
        return size

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._range = memoryview(b"")
        self._coming.clear()
        super().close()

    def _load(self, wanted: int) -> None:
        """Have the range that begins at the position."""
        goes_on = self._position == self._start + len(self._range)
        self._range = memoryview(b"")
        if self._coming and self._coming[0][0] == self._position:
            content = self._coming.popleft()[1].result()
        else:
            self._coming.clear()
            self._size = SMALLEST_RANGE if not goes_on else self._size
            content = self._fetch(self._position, max(self._size, min(wanted, LARGEST_RANGE)))
        self._start, self._range = self._position, memoryview(content)
        if goes_on:
            self._read_ahead()

    def _read_ahead(self) -> None:
        if not self._coming:
            self._asked_to = self._start + len(self._range)
        while len(self._coming) < AHEAD and self._asked_to < self._facts.size:
            self._size = min(2 * self._size, LARGEST_RANGE)
            self._pool = self._pool or ThreadPoolExecutor(AHEAD, "s3")
            self._coming.append((self._asked_to, self._pool.submit(self._fetch, self._asked_to, self._size)))
            self._asked_to += self._size

    def _fetch(self, start: int, size: int) -> bytes:
        """The bytes from ``start`` on, to the end of the object at the most. Those that stop coming are asked for
        again."""
        from botocore.exceptions import ClientError as Refusal
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        last = min(start + size, self._facts.size) - 1
        name = {"Bucket": self._source.bucket, "Key": self._source.key}
        with aws_errors(str(self._source)):
            for attempt in range(TRIES):
                try:
                    answer = self._client.get_object(**name, Range=f"bytes={start}-{last}")
                except Refusal as error:
                    if error_code(error) == "InvalidRange":  # it ends before the range now
                        raise self._written_anew() from None
                    raise
                if answer["ETag"] != self._facts.etag:
                    raise self._written_anew()
                try:
                    return cast(bytes, answer["Body"].read())
                except (HTTPClientError, IncompleteReadError):
                    # botocore tries again whatever fails before the first byte.
                    if attempt == TRIES - 1:
                        raise
                time.sleep(FIRST_PAUSE * 2**attempt)
        raise AssertionError("the loop returns or raises")

    def _written_anew(self) -> ClientError:
        return ClientError("The object was written anew while it was read", where=str(self._source), fix="start again")


def upload(folder: Path, target: S3Path) -> int:
    """Put the files below the folder to the same names below ``target``, hidden ones too; large ones in parts. Returns
    how many."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in files:
        put(file, target / file.relative_to(folder).as_posix())
    return len(files)


def put(file: Path, target: S3Path) -> None:
    """Put one file; large ones go in parts."""
    from boto3.exceptions import S3UploadFailedError

    with aws_errors(str(target)):
        try:
            client("s3").upload_file(str(file), target.bucket, target.key)
        except S3UploadFailedError as error:
            # boto3 hides what AWS said in the text of its own error.
            cause = error.__context__
            raise cause if cause is not None else ClientError(str(error)) from None


@contextmanager
def gathered(target: Path) -> Iterator[Path]:
    """A place on the disk for what belongs at ``target``, a file or a folder: ``target`` itself, or one that is brought
    to S3 once it is left without an error."""
    if not isinstance(target, S3Path):
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="linear-learner-") as folder:
        place = Path(folder) / target.name
        yield place
        if place.is_dir():
            upload(place, target)
        elif place.exists():
            put(place, target)


@contextmanager
def writing(target: S3Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the object, which is there once the stream is left without an error. They are sent as
    they come, in parts of which few are held."""
    reads, writes = os.pipe()
    source = _Whole(os.fdopen(reads, "rb"))
    with ThreadPoolExecutor(1, "s3") as pool:
        sent = pool.submit(_send, source, target)
        with contextlib.suppress(BrokenPipeError), os.fdopen(writes, "wb") as stream:
            # Of a broken pipe nobody reads any more, and the sender tells why.
            try:
                yield stream
            except BaseException:
                source.is_whole = False
                raise
        sent.result()


class _Whole(io.RawIOBase):
    """The bytes of a pipe; its end is an error unless all was written."""

    def __init__(self, pipe: BinaryIO) -> None:
        super().__init__()
        self.is_whole = True
        self._pipe = pipe

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._pipe.read(size)
        if not content and not self.is_whole:
            raise _Abandoned
        return content

    def close(self) -> None:
        self._pipe.close()
        super().close()


class _Abandoned(Exception):  # noqa: N818 (nothing is wrong with S3)
    """What was to be sent is not: whoever wrote it failed."""


def _send(source: _Whole, target: S3Path) -> None:
    with source, contextlib.suppress(_Abandoned), aws_errors(str(target)):
        client("s3").upload_fileobj(source, target.bucket, target.key)


def remove(target: S3Path) -> None:
    """Delete one object, if it is there."""
    with aws_errors(str(target)):
        client("s3").delete_object(Bucket=target.bucket, Key=target.key)
