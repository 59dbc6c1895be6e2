"""What bytes look like, whatever their content type says."""

from __future__ import annotations

import codecs
import re

from linear_learner.formats.content_type import CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF
from linear_learner.formats.recordio import HEADER_SIZE, MAGIC_BYTES, PART_LENGTH, header

SNIFFED_BYTES = 512
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

PARQUET_MAGIC = b"PAR1"

_UNREADABLE = {
    b"PK\x03\x04": "a zip archive or an Excel file: unpack it, or save it as CSV",
    b"BZh": "bzip2: unpack it, or pack it with gzip",
    b"\xfd7zXZ\x00": "xz: unpack it, or pack it with gzip",
    b"\xff\xfe": "text in UTF-16: encode it in UTF-8",
    b"\xfe\xff": "text in UTF-16: encode it in UTF-8",
}
"""What nobody here reads whatever its content type, by the first bytes; and what to do about it."""
_TAR = b"ustar"
_AT_IN_TAR = 257

_LIBSVM_ROW = re.compile(rb"\s*[-+.\deE]+([ \t]+(qid|\d+):[-+.\deE]+)+\s*(#|$)")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\r\n"))


def content_type_of(head: bytes) -> str:
    """The content type of data that nobody named, from its first bytes.

    Amazon's container reads it as recordIO; so do we, unless the bytes plainly are Parquet, or text: printable UTF-8,
    but not JSON. Text is CSV, or LIBSVM where the first line is a label and pairs of index and value.
    """
    if not head or head.startswith(MAGIC_BYTES):
        return RECORDIO_PROTOBUF
    if head.startswith(PARQUET_MAGIC):
        return PARQUET
    text = head.removeprefix(BYTE_ORDER_MARK)
    if not _is_text(text) or text.lstrip().startswith((b"{", b"[")):
        return RECORDIO_PROTOBUF
    return LIBSVM if _LIBSVM_ROW.match(_first_line(text)) else CSV


def _is_text(head: bytes) -> bool:
    """Whether bytes that may end within a character are UTF-8, without the control characters that text has not."""
    if len(head.translate(None, _CONTROLS)) < len(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def advice(head: bytes, content_type: str) -> str:
    """How to mend data that begins with ``head`` and is not ``content_type``; empty if nothing better is known."""
    for magic, remedy in _UNREADABLE.items():
        if head.startswith(magic):
            return f"The data looks like {remedy}"
    if head[_AT_IN_TAR:].startswith(_TAR):
        return "The data looks like a tar archive: unpack it"
    if head.lstrip().startswith((b"{", b"[")):
        return f"The data looks like JSON, not like {content_type}"
    looks_like = content_type_of(head)
    wrapped = content_type_of(first_payload(head)) if head.startswith(MAGIC_BYTES) else looks_like
    if wrapped != looks_like:
        return (
            f"The data looks like {wrapped} in records of RecordIO: set this content type, and Pipe mode with "
            "RecordWrapperType RecordIO; or write it without the records"
        )
    if looks_like == RECORDIO_PROTOBUF:
        is_certain = head.startswith(MAGIC_BYTES)
    else:
        # Of broken LIBSVM one can say no more than that it is text.
        is_certain = content_type != LIBSVM or b"," in _first_line(head)
    return (
        f"The data looks like {looks_like}: set this content type" if is_certain and looks_like != content_type else ""
    )


def first_payload(head: bytes) -> bytes:
    """As much as ``head``, with which records of RecordIO begin, shows of what the first of them holds that holds
    something: S3 has empty objects for folders. One that itself begins with the magic number is written in parts, and
    the first of these is empty."""
    while head.startswith(header(0)):
        head = head[HEADER_SIZE:]
    length = int.from_bytes(head[4:HEADER_SIZE], "little") & PART_LENGTH
    return head[HEADER_SIZE : HEADER_SIZE + length] or head[HEADER_SIZE:]


def _first_line(text: bytes) -> bytes:
    """That of a head, which may end within a line: without the part after the last blank then."""
    line, end, _ = text.lstrip().partition(b"\n")
    return line if end or len(text) < SNIFFED_BYTES else line.rpartition(b" ")[0]
