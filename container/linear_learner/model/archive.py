"""Where the files of a model are: loose in a folder, in the zip ``model_algo-1``, or in ``model.tar.gz``.

An archive may have been written by anyone. Nothing of it is ever written to disk: the files of a model are picked out
by name and read into memory, within limits. An archive with members that would leave its folder, with links or with
devices is refused as a whole.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NoReturn

from linear_learner.errors import ClientError

SYMBOL = "mx-mod-symbol.json"
PARAMS = "mx-mod-0000.params"
ADDITIONAL_PARAMS = "additional-params.json"
MANIFEST = "manifest.json"
TAR = "model.tar.gz"

MEBIBYTE = 1 << 20
LARGEST = {SYMBOL: MEBIBYTE, PARAMS: 4096 * MEBIBYTE, ADDITIONAL_PARAMS: 64 * MEBIBYTE, MANIFEST: MEBIBYTE}
"""Bytes that each file may have: 2**30 weights, and what one may note about them."""
MOST_MEMBERS = 1000
MOST_RATIO, FREE = 200, 64 * MEBIBYTE
"""An archive may unpack to FREE bytes, or to MOST_RATIO times its size: sparse weights compress very well."""

_ORDINARY = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
"""No links and devices, and no sparse files, which are larger than what unpacks."""

GZIP, ZIP = b"\x1f\x8b", b"PK"
"""What such files begin with."""
NEEDED = (SYMBOL, PARAMS, ADDITIONAL_PARAMS)


def read_files(place: Path) -> tuple[dict[str, bytes], str]:
    """The files of the model in a folder (or in one archive), and the name of where they were: loose files first, then
    ``model_algo-1`` or another ``model_<host>``, then ``model.tar.gz``. Other files are left alone.

    A ClientError says what is missing or wrong.
    """
    if place.is_file():
        with place.open("rb") as file:
            start = file.read(4)
        if start and start[:2] not in (GZIP, ZIP):
            raise ClientError(
                "The file holds no model", where=str(place), fix=f"name a {TAR}, a model_algo-1 or a folder"
            )
        return _unpacked(place, _read_tar if start[:2] == GZIP else _read_zip)
    if not place.is_dir():
        raise ClientError("There is no such folder or file", where=str(place), fix="name the folder of a trained model")
    loose = [name for name in LARGEST if (place / name).exists()]
    if set(NEEDED) <= set(loose):
        return {name: _read_loose(place, name) for name in loose}, place.name
    for archive, read in ((_zip_in(place), _read_zip), (place / TAR, _read_tar)):
        if archive is not None and archive.is_file():
            return _unpacked(archive, read)
    if loose:
        _complete(dict.fromkeys(loose, b""), str(place))
    raise ClientError(
        "No model was found",
        where=str(place),
        fix=f"put {', '.join(NEEDED)}, or model_algo-1, or {TAR} there",
    )


def files_in(folder: Path) -> list[Path]:
    """The files that hold a model, or a part of one, where this is a folder."""
    places = (*(folder / name for name in LARGEST), _zip_in(folder), folder / TAR)
    return [place for place in places if place is not None and place.is_file()]


def _unpacked(archive: Path, read: Callable[[Path], dict[str, bytes]]) -> tuple[dict[str, bytes], str]:
    if not archive.stat().st_size:
        _refuse("The file is empty", str(archive))
    return _complete(read(archive), str(archive)), archive.name


def _complete(files: dict[str, bytes], where: str) -> dict[str, bytes]:
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise ClientError(f"The model lacks {' and '.join(missing)}", where=where, fix="train or copy the model again")
    return files


def _zip_in(folder: Path) -> Path | None:
    """``model_algo-1``, or the first other ``model_*`` that is a zip file."""
    usual = folder / "model_algo-1"
    if usual.is_file():
        return usual
    for path in sorted(folder.glob("model_*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"PK\x03\x04":
                    return path
    return None


def _read_loose(folder: Path, name: str) -> bytes:
    path = folder / name
    # A link inside the folder is how Kubernetes mounts files; one that leaves it came out of someone's archive.
    if not path.resolve().is_relative_to(folder.resolve()):
        _refuse(f"{name} is a link that leaves the folder", str(folder))
    if not path.is_file():
        _refuse(f"{name} is no ordinary file", str(folder))
    _check_size(name, path.stat().st_size, str(folder))
    return path.read_bytes()


def _read_zip(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        return _unpack_zip(file, path.stat().st_size, str(path))


def _unpack_zip(file: BinaryIO, size: int, where: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    budget = _Budget(size, where)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_count(len(members), where)
            for member in members:
                mode = member.external_attr >> 16 & 0o170000
                name = _checked_name(member.filename, mode in (0, 0o100000, 0o040000), where)
                if name not in LARGEST:
                    continue
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    _refuse(f"{name} is compressed by a method that is not supported", where)
                _check_new(name, files, where)
                _check_size(name, member.file_size, where)
                with archive.open(member) as content:
                    files[name] = budget.read(content)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        _refuse(f"The zip archive cannot be read: {error}", where)
    return files


def _read_tar(path: Path) -> dict[str, bytes]:
    """The loose files in a gzipped tar file, or else those in the ``model_<host>`` that it holds."""
    where = str(path)
    budget = _Budget(path.stat().st_size, where)
    files: dict[str, bytes] = {}
    inner: dict[str, bytes] = {}
    try:
        with (
            path.open("rb") as file,
            gzip.open(file) as packed,
            tarfile.open(fileobj=_Bounded(packed, budget), mode="r|") as archive,
        ):
            for number, member in enumerate(archive):
                _check_count(number + 1, where)
                name = _checked_name(member.name, member.type in _ORDINARY, where)
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    continue
                if name in LARGEST:
                    _check_new(name, files, where)
                    _check_size(name, member.size, where)
                    files[name] = content.read()
                elif name.startswith("model_") and not set(NEEDED) <= set(files):
                    _check_size(PARAMS, member.size, where)
                    inner[name] = content.read()
            budget.read(packed)  # to the checksum at the end
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        _refuse(f"The tar archive cannot be read: {error}", where)
    if not set(NEEDED) <= set(files):
        zips = [name for name in _usual_first(inner) if inner[name][:4] == b"PK\x03\x04"]
        if zips:
            return _unpack_zip(io.BytesIO(inner[zips[0]]), len(inner[zips[0]]), f"{where}: {zips[0]}")
    return files


def _usual_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != "model_algo-1", name))


class _Budget:
    """How much an archive of ``size`` bytes may unpack to."""

    def __init__(self, size: int, where: str) -> None:
        self.total = self.left = max(FREE, MOST_RATIO * size)
        self.where = where

    def read(self, stream: IO[bytes] | gzip.GzipFile, size: int = -1) -> bytes:
        """``size`` bytes, or all that are left."""
        content = stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(content)
        if self.left < 0:
            _refuse(f"The archive unpacks to more than {self.total} bytes", self.where)
        return content


class _Bounded(io.RawIOBase):
    """A stream that may be read as far as the budget goes."""

    def __init__(self, stream: gzip.GzipFile, budget: _Budget) -> None:
        self.stream = stream
        self.budget = budget

    def read(self, size: int = -1) -> bytes:
        return self.budget.read(self.stream, size)


def _checked_name(name: str, ordinary: bool, where: str) -> str:
    """The name of a member without a leading ``./``."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        _refuse(f"The member {name!r} would leave the folder", where)
    if not ordinary:
        _refuse(f"The member {name!r} is a link or a device", where)
    return str(path)


def _check_new(name: str, files: dict[str, bytes], where: str) -> None:
    if name in files:
        _refuse(f"{name} is there twice", where)


def _check_count(count: int, where: str) -> None:
    if count > MOST_MEMBERS:
        _refuse(f"The archive has more than {MOST_MEMBERS} members", where)


def _check_size(name: str, size: int, where: str) -> None:
    if not 0 <= size <= LARGEST[name]:
        _refuse(f"{name} has {size} bytes; {LARGEST[name]} are the most", where)


def _refuse(message: str, where: str) -> NoReturn:
    raise ClientError(message, where=where, fix="train or copy the model again")
