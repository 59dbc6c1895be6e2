"""Files that are there once they are whole: written beside their place, and then moved to it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from linear_learner.errors import ClientError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_place(path: Path) -> None:
    """ClientError where no file can be written: there is no such folder, or ``path`` is one itself."""
    if not path.parent.is_dir():
        raise ClientError("There is no such folder", where=str(path.parent), fix="make it, or write elsewhere")
    if path.is_dir():
        raise ClientError("A folder stands where a file should", where=str(path), fix="name a file")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file once it is left without an error; else what was there before stays.
    ClientError as of ``check_place``, before anything is written.

    What is no file, such as ``/dev/null`` or a FIFO, is written to as it is and stays what it is. So does a link: the
    file that it leads to is the one that changes."""
    check_place(path)
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    path = path.resolve()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            error.filename = str(path)  # what fails is a write, which does not say where
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
