"""Reading a request's bytes: whole, within the limit, unpacked within the limit."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.serving.body import BodyTooLarge, UnsupportedEncoding, read_body

LIMIT = 1000


def read(sent: bytes, length: int | None = -1, encoding: str | None = None) -> bytes:
    return read_body(io.BytesIO(sent), len(sent) if length == -1 else length, encoding, LIMIT)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
@pytest.mark.parametrize("encoding", [None, "", "identity", "Identity"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_within_the_limit_is_read_whole(size: int, encoding: str | None, chunked: bool) -> None:
    body = b"x" * size
    assert read(body, None if chunked else size, encoding) == body


def test_a_body_past_the_limit_is_refused_and_not_read() -> None:
    stream = io.BytesIO(b"x" * 5000)
    with pytest.raises(BodyTooLarge, match="The body is larger than the limit of 1000 bytes"):
        read_body(stream, 5000, None, LIMIT)
    assert stream.tell() == 0


def test_chunks_past_the_limit_are_read_no_further_than_it_takes_to_know() -> None:
    stream = io.BytesIO(b"x" * 5000)
    with pytest.raises(BodyTooLarge):
        read_body(stream, None, None, LIMIT)
    assert stream.tell() == LIMIT + 1


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(ClientError, match="The body ended after 3 of 10 bytes"):
        read(b"1,2", 10)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, as a socket may."""

    def read(self, size: int) -> bytes:
        return super().read(min(size, 7))


@pytest.mark.parametrize("length", [None, 100])
def test_a_body_that_comes_in_pieces_is_put_together(length: int | None) -> None:
    sent = bytes(range(100))
    assert read_body(Dripping(sent), length, None, LIMIT) == sent


class Broken:
    def read(self, size: int) -> bytes:
        raise OSError("chunk of size 'zz'")


def test_a_transport_that_breaks_is_the_clients_fault() -> None:
    with pytest.raises(ClientError, match="could not be read to its end"):
        read_body(Broken(), None, None, LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_gzip_is_unpacked(encoding: str) -> None:
    assert read(gzip.compress(b"1,2,3"), encoding=encoding) == b"1,2,3"


def test_what_gzip_unpacks_to_is_held_to_the_same_limit() -> None:
    assert read(gzip.compress(bytes(LIMIT)), encoding="gzip") == bytes(LIMIT)
    with pytest.raises(BodyTooLarge, match="The unpacked body is larger than the limit of 1000 bytes"):
        read(gzip.compress(bytes(LIMIT + 1)), encoding="gzip")


def test_a_gzip_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(bytes(300_000))
    assert len(bomb) <= LIMIT
    with pytest.raises(BodyTooLarge):
        read(bomb, encoding="gzip")


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"1,2,3", "The body is not in gzip"),
        (zlib.compress(b"1,2,3"), "The body is not in gzip"),
        (b"", "cut off"),
        (gzip.compress(b"1,2,3")[:-1], "cut off"),
        (gzip.compress(b"1,2,3")[:-8] + bytes(8), "The body is not in gzip"),
        (gzip.compress(b"1,2,3") + b"more", "something follows it"),
        (gzip.compress(b"1,2,3") * 2, "something follows it"),
    ],
)
def test_bad_gzip_is_refused(packed: bytes, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        read(packed, encoding="gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "nonsense"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(
        UnsupportedEncoding, match=f"content-encoding {encoding} not supported. Send the body plain or in"
    ):
        read(b"1,2,3", encoding=encoding)


@given(st.binary(max_size=2 * LIMIT))
def test_any_bytes_called_gzip_are_unpacked_or_refused(body: bytes) -> None:
    assert read(body[:LIMIT]) == body[:LIMIT]
    for packed in (body, gzip.compress(body)):
        try:
            assert read(packed, encoding="gzip") == body
        except ClientError as error:
            assert str(error)
