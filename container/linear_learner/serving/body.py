"""The bytes of a request: read whole within a limit, and unpacked within the same limit."""

from __future__ import annotations

import zlib
from typing import Protocol

from linear_learner.errors import ClientError

PIECE = 1 << 20


class BodyTooLarge(ClientError):  # noqa: N818 (the name of HTTP status 413)
    """The body, or what it unpacks to, is larger than this server takes."""

    def __init__(self, limit: int, what: str = "The body") -> None:
        super().__init__(
            f"{what} is larger than the limit of {limit} bytes",
            fix="send fewer rows in a request, or raise MAX_CONTENT_LENGTH",
        )


class UnsupportedEncoding(ClientError):  # noqa: N818 (named after HTTP status 415)
    """The body is packed in a way that this server cannot unpack."""


class Stream(Protocol):
    """Bytes of one request that end where the body ends, as a WSGI server's ``wsgi.input`` does."""

    def read(self, size: int, /) -> bytes: ...


def read_body(stream: Stream, length: int | None, encoding: str | None, limit: int) -> bytes:
    """The body, unpacked. ``length`` is its Content-Length, None if chunked; ``encoding`` its Content-Encoding."""
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    try:
        body = _read(stream, limit + 1 if length is None else length)
    except Exception as error:  # whatever a server raises where the client hangs up or sends malformed chunks
        raise ClientError("The body could not be read to its end", fix="send all of it") from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    if length is not None and len(body) < length:
        raise ClientError(f"The body ended after {len(body)} of {length} bytes", fix="send all of it")
    return _unpack(body, (encoding or "identity").strip().lower(), limit)


def _read(stream: Stream, size: int) -> bytes:
    """``size`` bytes, or all there are. In pieces: gunicorn's readers keep several copies of what they return."""
    piece = stream.read(min(size, PIECE))
    if len(piece) == size:
        return piece
    pieces = []
    while piece:
        pieces.append(piece)
        size -= len(piece)
        piece = stream.read(min(size, PIECE)) if size else b""
    return b"".join(pieces)


def _unpack(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedEncoding(f"content-encoding {encoding} not supported", fix="send the body plain or in gzip")
    unpacker = zlib.decompressobj(wbits=31)  # 31: a gzip header around 32 KiB windows
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise ClientError("The body is not in gzip, which its Content-Encoding names") from None
    if len(plain) > limit:
        raise BodyTooLarge(limit, "The unpacked body")
    # One member only: unpacking thousands of empty ones is work without an end.
    if not unpacker.eof or unpacker.unused_data:
        raise ClientError("The gzip body is cut off, or something follows it", fix="send one whole gzip stream")
    return plain
