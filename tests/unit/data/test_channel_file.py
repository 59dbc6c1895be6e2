from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from linear_learner.data.channel_file import open_channel_file
from linear_learner.errors import ClientError

DATA = b"".join(b"%d,2.5,3\n" % i for i in range(3000))


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
    ],
)
def test_gzip_is_known_by_its_bytes_whatever_the_name(file: Path, packed: bytes) -> None:
    file.write_bytes(packed)
    assert content(file) == DATA


@pytest.mark.parametrize("left", [3, 9, 10, 11, 2000, -9, -8, -1])
def test_a_gzip_file_that_is_cut_short_is_told_by_name(file: Path, left: int) -> None:
    file.write_bytes(gzip.compress(DATA)[:left])
    with pytest.raises(
        ClientError, match=r"The gzip file is cut short \(.*part-0.csv\)\. Please upload the file again"
    ):
        content(file)


@pytest.mark.parametrize("at", [20, 500, -6, -2])
def test_a_gzip_file_that_is_damaged_is_told_by_name(file: Path, at: int) -> None:
    packed = bytearray(gzip.compress(DATA))
    packed[at] ^= 0x55
    file.write_bytes(packed)
    with pytest.raises(ClientError, match=r"The gzip file is (damaged|cut short).*\(.*part-0.csv\)"):
        content(file)


def test_bytes_after_a_gzip_stream_are_told(file: Path) -> None:
    file.write_bytes(gzip.compress(DATA) + b"1,2,3\n")
    with pytest.raises(ClientError, match=r"The gzip file is damaged: Not a gzipped file .*\(.*part-0.csv\)"):
        content(file)


def test_memory_is_bounded_however_much_there_is_in_a_file(file: Path) -> None:
    file.write_bytes(gzip.compress(bytes(64 << 20)))
    tracemalloc.start()
    with open_channel_file(file) as opened:
        size = sum(map(len, iter(lambda: opened.stream.read(1 << 16), b"")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 64 << 20
    assert peak < 1 << 20
