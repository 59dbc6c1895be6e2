from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.model import archive
from linear_learner.model.archive import ADDITIONAL_PARAMS, MANIFEST, PARAMS, SYMBOL, read_files

FILES = {SYMBOL: b"symbol", PARAMS: b"params" * 100, ADDITIONAL_PARAMS: b"{}", MANIFEST: b"manifest"}


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return content.getvalue()


def tar_of(files: Mapping[str, bytes], *special: tarfile.TarInfo) -> bytes:
    """Gzipped; ``special`` members come first."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as target:
        for member in special:
            target.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return content.getvalue()


def tar_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


ZIP, TAR = zip_of(FILES), tar_of(FILES)


class TestForms:
    @pytest.mark.parametrize(
        ("files", "place"),
        [
            (FILES, None),
            ({"model_algo-1": ZIP}, "model_algo-1"),
            ({"model_algo-1": zip_of(FILES, zipfile.ZIP_DEFLATED)}, "model_algo-1"),
            ({"model_algo-1-0ju2e": ZIP}, "model_algo-1-0ju2e"),
            ({"model.tar.gz": TAR}, "model.tar.gz"),
            ({"model.tar.gz": tar_of({"model_algo-1": ZIP})}, "model.tar.gz"),
            ({"model.tar.gz": tar_of({"./model_algo-2": ZIP})}, "model.tar.gz"),
            ({"model.tar.gz": tar_of({f"./{name}": data for name, data in FILES.items()})}, "model.tar.gz"),
            ({"model.tar.gz": tar_of({**FILES, "model_algo-1": ZIP})}, "model.tar.gz"),
        ],
    )
    def test_each_is_found(self, tmp_path: Path, files: dict[str, bytes], place: str | None) -> None:
        assert read_files(put(tmp_path, files)) == (FILES, place or tmp_path.name)

    @pytest.mark.parametrize(("name", "content"), [("a.zip", ZIP), ("a.tgz", TAR)])
    def test_an_archive_may_be_named_itself(self, tmp_path: Path, name: str, content: bytes) -> None:
        put(tmp_path, {name: content})
        assert read_files(tmp_path / name) == (FILES, name)

    def test_the_manifest_may_be_missing(self, tmp_path: Path) -> None:
        needed = {name: data for name, data in FILES.items() if name != MANIFEST}
        assert read_files(put(tmp_path, needed))[0] == needed

    def test_loose_files_come_before_archives(self, tmp_path: Path) -> None:
        put(tmp_path, {"model_algo-1": b"broken", "model.tar.gz": b"broken", **FILES})
        assert read_files(tmp_path)[0] == FILES

    def test_an_archive_comes_before_loose_files_that_are_not_all_there(self, tmp_path: Path) -> None:
        put(tmp_path, {SYMBOL: b"left over", "model_algo-1": ZIP})
        assert read_files(tmp_path) == (FILES, "model_algo-1")

    def test_the_usual_name_comes_before_other_hosts(self, tmp_path: Path) -> None:
        other = zip_of({**FILES, SYMBOL: b"other"})
        put(tmp_path, {"model_a": other, "model_algo-1": ZIP})
        assert read_files(tmp_path) == (FILES, "model_algo-1")
        (tmp_path / "model_algo-1").unlink()
        put(tmp_path, {"model.tar.gz": tar_of({"model_a": other, "model_algo-1": ZIP})})
        (tmp_path / "model_a").unlink()
        assert read_files(tmp_path)[0] == FILES

    def test_strangers_are_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "lost+found").mkdir()
        (tmp_path / "model_folder").mkdir()
        put(tmp_path, {"output.tar.gz": b"?", "model_notes.txt": b"notes", "model_algo-1": ZIP})
        assert read_files(tmp_path)[0] == FILES

    def test_strangers_in_an_archive_too(self, tmp_path: Path) -> None:
        strangers = {"code/inference.py": b"", f"old/{SYMBOL}": b"old", "model_notes.txt": b"notes"}
        put(tmp_path, {"model.tar.gz": tar_of({**strangers, "model_algo-1": zip_of({**strangers, **FILES})})})
        assert read_files(tmp_path)[0] == FILES

    def test_a_link_inside_the_folder_is_how_volumes_are_mounted(self, tmp_path: Path) -> None:
        put(tmp_path, FILES)
        (tmp_path / "..data").mkdir()
        (tmp_path / PARAMS).rename(tmp_path / "..data" / PARAMS)
        (tmp_path / PARAMS).symlink_to(Path("..data", PARAMS))
        assert read_files(tmp_path)[0] == FILES

    def test_sparse_weights_compress_well_and_are_no_bomb(self, tmp_path: Path) -> None:
        zeros = {**FILES, PARAMS: bytes(20 << 20)}
        put(tmp_path, {"model.tar.gz": tar_of({"model_algo-1": zip_of(zeros)})})
        assert (tmp_path / "model.tar.gz").stat().st_size < (20 << 20) / archive.MOST_RATIO
        assert read_files(tmp_path)[0] == zeros


class TestMissing:
    @pytest.mark.parametrize("missing", [SYMBOL, PARAMS, ADDITIONAL_PARAMS])
    def test_a_missing_file_is_named(self, tmp_path: Path, missing: str) -> None:
        rest = {name: data for name, data in FILES.items() if name != missing}
        for files in (rest, {"model_algo-1": zip_of(rest)}, {"model.tar.gz": tar_of(rest)}):
            folder = tmp_path / str(len(files)) / next(iter(files))
            folder.mkdir(parents=True)
            with pytest.raises(ClientError, match=f"The model lacks {missing}"):
                read_files(put(folder, files))

    def test_an_empty_folder_holds_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ClientError, match=r"No model was found .*model_algo-1, or model\.tar\.gz"):
            read_files(tmp_path)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ClientError, match=r"There is no such folder or file .*nowhere"):
            read_files(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", ["model.tar.gz", "model_algo-1", "mine.tgz"])
    def test_an_empty_file_is_called_so(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        with pytest.raises(ClientError, match=rf"The file is empty \(.*{name}\)"):
            read_files(tmp_path / name)


def encrypted_zip() -> bytes:
    """With the flag that says so."""
    content = bytearray(ZIP)
    for position in range(len(content)):
        if content[position : position + 4] == b"PK\x01\x02":
            content[position + 8] |= 1
    return bytes(content)


def zip_with_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        link = zipfile.ZipInfo("innocent")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
    return content.getvalue()


def zip_with_twins() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr(SYMBOL, "a")
        target.writestr(SYMBOL, "b")
    return content.getvalue()


def sparse_tar() -> bytes:
    """A member of 2**40 bytes that takes none in the file."""
    header = bytearray(tarfile.TarInfo(PARAMS).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % 2**30
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(bytes(header) + bytes(1024))


MANY = {f"{number}.txt": b"" for number in range(archive.MOST_MEMBERS + 1)}
HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zip: not one": ("model_algo-1", lambda: b"not a zip", "zip archive cannot be read"),
    "zip: empty": ("model_algo-1", lambda: b"", "The file is empty"),
    "zip: cut": ("model_algo-1", lambda: ZIP[:-30], "zip archive cannot be read"),
    "zip: wrong checksum": ("model_algo-1", lambda: ZIP.replace(b"jsonsymbol", b"jsonSymbol"), "Bad CRC-32"),
    "zip: encrypted": ("model_algo-1", encrypted_zip, "zip archive cannot be read: .*encrypted"),
    "zip: lzma": ("model_algo-1", lambda: zip_of(FILES, zipfile.ZIP_LZMA), "compressed by a method"),
    "zip: a member above": ("model_algo-1", lambda: zip_of({"../evil": b"", **FILES}), "would leave the folder"),
    "zip: a member at the root": (
        "model_algo-1",
        lambda: zip_of({"/etc/evil": b"", **FILES}),
        "would leave the folder",
    ),
    "zip: a link": ("model_algo-1", zip_with_link, "'innocent' is a link or a device"),
    "zip: twins": ("model_algo-1", zip_with_twins, f"{SYMBOL} is there twice"),
    "zip: too many members": ("model_algo-1", lambda: zip_of(MANY), "more than 1000 members"),
    "zip: a large symbol": ("model_algo-1", lambda: zip_of({SYMBOL: bytes(2 << 20)}), "2097152 bytes; 1048576 are"),
    "zip: a bomb": (
        "model_algo-1",
        lambda: zip_of({**FILES, PARAMS: bytes(5 << 20)}, zipfile.ZIP_DEFLATED),
        "unpacks to more than 4194304 bytes",
    ),
    "tar: empty": ("model.tar.gz", lambda: b"", "The file is empty"),
    "tar: not one": ("model.tar.gz", lambda: b"not a tar", "tar archive cannot be read"),
    "tar: not gzipped": ("model.tar.gz", lambda: gzip.decompress(TAR), "tar archive cannot be read"),
    "tar: cut": ("model.tar.gz", lambda: TAR[:-30], "tar archive cannot be read"),
    "tar: gzipped nonsense": ("model.tar.gz", lambda: gzip.compress(b"nonsense" * 100), "tar archive cannot be read"),
    "tar: wrong checksum": ("model.tar.gz", lambda: TAR[:-8] + b"12345678", "tar archive cannot be read: CRC"),
    "tar: a member above": ("model.tar.gz", lambda: tar_of({"a/../../evil": b"", **FILES}), "would leave the folder"),
    "tar: a member at the root": ("model.tar.gz", lambda: tar_of({"/evil": b"", **FILES}), "would leave the folder"),
    "tar: a symbolic link": (
        "model.tar.gz",
        lambda: tar_of(FILES, tar_member("innocent", tarfile.SYMTYPE, "/etc/passwd")),
        "'innocent' is a link or a device",
    ),
    "tar: a hard link": (
        "model.tar.gz",
        lambda: tar_of(FILES, tar_member("innocent", tarfile.LNKTYPE, "/etc/passwd")),
        "'innocent' is a link or a device",
    ),
    "tar: a device": ("model.tar.gz", lambda: tar_of(FILES, tar_member("zero", tarfile.CHRTYPE)), "a link or a device"),
    "tar: a sparse file": ("model.tar.gz", sparse_tar, "is a link or a device"),
    "tar: twins": ("model.tar.gz", lambda: tar_of({f"./{SYMBOL}": b"", SYMBOL: b""}), f"{SYMBOL} is there twice"),
    "tar: too many members": ("model.tar.gz", lambda: tar_of(MANY), "more than 1000 members"),
    "tar: a large manifest": ("model.tar.gz", lambda: tar_of({MANIFEST: bytes(2 << 20)}), "2097152 bytes; 1048576 are"),
    "tar: a bomb": ("model.tar.gz", lambda: tar_of({"stranger": bytes(5 << 20)}), "unpacks to more than 4194304"),
    "tar: a zip that is none": ("model.tar.gz", lambda: tar_of({"model_algo-1": b"not a zip"}), "The model lacks"),
    "tar: a zip that is cut": (
        "model.tar.gz",
        lambda: tar_of({"model_algo-1": ZIP[:-30]}),
        r"zip archive cannot be read.*model\.tar\.gz: model_algo-1",
    ),
}


class TestHostileArchives:
    @pytest.mark.parametrize(("name", "content", "message"), HOSTILE.values(), ids=HOSTILE)
    def test_each_kind_has_its_message(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: Callable[[], bytes], message: str
    ) -> None:
        monkeypatch.setattr(archive, "FREE", 4 << 20)
        folder = tmp_path / "model"
        folder.mkdir()
        put(folder, {name: content()})
        with pytest.raises(ClientError, match=message) as error:
            read_files(folder)
        assert error.value.where.startswith(str(folder))
        assert [path.name for path in tmp_path.rglob("*")] == ["model", name]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @pytest.mark.parametrize(("name", "content"), [("model_algo-1", ZIP), ("model.tar.gz", TAR)])
    @given(data=st.data())
    def test_any_bytes_are_read_or_refused(
        self, tmp_path: Path, name: str, content: bytes, data: st.DataObject
    ) -> None:
        broken = bytearray(content if name == "model_algo-1" else gzip.decompress(content))
        for _ in range(data.draw(st.integers(1, 4))):
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
        put(tmp_path, {name: bytes(broken) if name == "model_algo-1" else gzip.compress(bytes(broken), 1)})
        with contextlib.suppress(ClientError):
            read_files(tmp_path)

    def test_a_loose_link_that_leaves_the_folder_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        folder.mkdir()
        put(folder, FILES)
        put(tmp_path, {"secret": b"{}"})
        (folder / ADDITIONAL_PARAMS).unlink()
        (folder / ADDITIONAL_PARAMS).symlink_to(tmp_path / "secret")
        with pytest.raises(ClientError, match=f"{ADDITIONAL_PARAMS} is a link that leaves the folder"):
            read_files(folder)

    def test_a_loose_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        put(tmp_path, FILES)
        (tmp_path / SYMBOL).unlink()
        os.mkfifo(tmp_path / SYMBOL)
        with pytest.raises(ClientError, match=f"{SYMBOL} is no ordinary file"):
            read_files(tmp_path)

    def test_a_loose_file_has_its_limit_too(self, tmp_path: Path) -> None:
        put(tmp_path, {**FILES, SYMBOL: bytes(archive.LARGEST[SYMBOL] + 1)})
        with pytest.raises(ClientError, match=f"{SYMBOL} has 1048577 bytes; 1048576 are the most"):
            read_files(tmp_path)
