from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from linear_learner.data.channel_file import open_channel_file
from linear_learner.errors import ClientError

DATA = b"".join(b"%d,2.5,3\n" % i for i in range(3000))
NOTES = b"\x51\x2a\x4d\x18" + b"\x03\x00\x00\x00abc"
"""A skippable frame, as pzstd puts before each frame."""


def zstd(data: bytes, *, window_log: int = 0) -> bytes:
    """With a checksum, as the zstd program writes."""
    level = zstandard.ZstdCompressionParameters.from_level(3, window_log=window_log, write_checksum=True)
    return zstandard.ZstdCompressor(compression_params=level).compress(data)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "part-0.csv"


def content(file: Path, size: int = 1000) -> bytes:
    with open_channel_file(file) as opened:
        pieces = list(iter(lambda: opened.stream.read(size), b""))
        assert opened.bytes_read == file.stat().st_size
    return b"".join(pieces)


@pytest.mark.parametrize("data", [b"", b"1", b"\x1f\x8b", DATA])
def test_plain_bytes_are_given_as_they_are(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert content(file) == data


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(DATA),
        gzip.compress(DATA[:777]) + gzip.compress(b"") + gzip.compress(DATA[777:]),
        gzip.compress(DATA) + bytes(512),  # as tape drives fill it up
        zstd(DATA),
        zstd(DATA[:777]) + zstd(b"") + zstd(DATA[777:]),
        NOTES + zstd(DATA[:777]) + NOTES + zstd(DATA[777:]) + NOTES,
        zstd(DATA, window_log=27),
        zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compress(DATA),
    ],
)
def test_packed_files_are_known_by_their_bytes_whatever_the_name(file: Path, packed: bytes) -> None:
    file.write_bytes(packed)
    assert content(file) == DATA


PACKERS = [(gzip.compress, "gzip"), (zstd, "zstd")]


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("left", [4, 9, 10, 11, 2000, -9, -8, -4, -1])
def test_a_file_that_is_cut_short_is_told_by_name(
    file: Path, pack: Callable[[bytes], bytes], name: str, left: int
) -> None:
    file.write_bytes(pack(DATA)[:left])
    with pytest.raises(
        ClientError, match=rf"The {name} file is cut short \(.*part-0.csv\)\. Please upload the file again"
    ):
        content(file)


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("at", [20, 500, -6, -2])
def test_a_file_that_is_damaged_is_told_by_name(file: Path, pack: Callable[[bytes], bytes], name: str, at: int) -> None:
    packed = bytearray(pack(DATA))
    packed[at] ^= 0x55
    file.write_bytes(packed)
    with pytest.raises(ClientError, match=rf"The {name} file is (damaged|cut short).*\(.*part-0.csv\)"):
        content(file)


def test_bytes_after_a_gzip_stream_are_told(file: Path) -> None:
    file.write_bytes(gzip.compress(DATA) + b"1,2,3\n")
    with pytest.raises(ClientError, match=r"The gzip file is damaged: Not a gzipped file .*\(.*part-0.csv\)"):
        content(file)


@pytest.mark.parametrize("after", [b"1,2,3\n", b"1"])
def test_bytes_after_a_zstd_stream_are_told(file: Path, after: bytes) -> None:
    file.write_bytes(zstd(DATA) + after)
    with pytest.raises(ClientError, match=r"The zstd file is (damaged|cut short).*\(.*part-0.csv\)"):
        content(file)


def test_a_zstd_file_that_needs_much_memory_is_refused(file: Path) -> None:
    compressor = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    ).compressobj()
    file.write_bytes(compressor.compress(DATA) + compressor.flush())
    with pytest.raises(
        ClientError, match=r"refers back further than 128 MiB \(.*part-0.csv\)\. Pack it with a smaller"
    ):
        content(file)


@pytest.mark.parametrize(("pack", "most"), [(gzip.compress, 1 << 20), (zstd, 80 << 20)])
def test_memory_is_bounded_however_much_there_is_in_a_file(
    file: Path, pack: Callable[[bytes], bytes], most: int
) -> None:
    file.write_bytes(pack(bytes(256 << 20)))
    tracemalloc.start()
    with open_channel_file(file) as opened:
        size = sum(map(len, iter(lambda: opened.stream.read(1 << 16), b"")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 256 << 20
    assert peak < most
