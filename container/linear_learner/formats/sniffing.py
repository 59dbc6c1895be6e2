"""What bytes look like, whatever their content type says."""

from __future__ import annotations

from linear_learner.formats.content_type import CSV, RECORDIO_PROTOBUF
from linear_learner.formats.recordio import MAGIC_BYTES

SNIFFED_BYTES = 512
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_TEXT = bytes(range(32, 127)) + b"\t\r\n"


def content_type_of(head: bytes) -> str:
    """The content type of data that nobody named, from its first bytes.

    Amazon's container reads it as recordIO; so do we, unless the bytes plainly are CSV: printable ASCII, but not JSON.
    """
    if not head or head.startswith(MAGIC_BYTES):
        return RECORDIO_PROTOBUF
    text = head.removeprefix(BYTE_ORDER_MARK)
    is_text = not text.translate(None, _TEXT) and not text.lstrip().startswith((b"{", b"["))
    return CSV if is_text else RECORDIO_PROTOBUF


def advice(head: bytes, content_type: str) -> str:
    """How to mend data that begins with ``head`` and is not ``content_type``; empty if nothing better is known."""
    looks_like = content_type_of(head)
    is_certain = looks_like == CSV or head.startswith(MAGIC_BYTES)
    return (
        f"The data looks like {looks_like}: set this content type" if is_certain and looks_like != content_type else ""
    )
