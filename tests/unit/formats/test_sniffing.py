from __future__ import annotations

import pytest

from linear_learner.formats.sniffing import advice, content_type_of

CSV, RECORDIO = "text/csv", "application/x-recordio-protobuf"


@pytest.mark.parametrize("head", [b"1,2.5\n0,-3e5", b"1\r\n2\r\n", b'"a","b"\n', b"\xef\xbb\xbf1,2\n", b"  1, nan"])
def test_printable_text_is_csv(head: bytes) -> None:
    assert content_type_of(head) == CSV


@pytest.mark.parametrize(
    "head",
    [b"", b"\x0a\x23\xd7\xce\x10\x00\x00\x00", b"\x00\x01", b"1,2\x00", b' {"instances": []}', b"[1,2]", b"\xff\xfe1"],
)
def test_all_else_is_recordio(head: bytes) -> None:
    assert content_type_of(head) == RECORDIO


def test_advice_is_given_only_where_the_bytes_are_plain() -> None:
    assert advice(b"1,2\n", RECORDIO) == f"The data looks like {CSV}: set this content type"
    assert advice(b"\x0a\x23\xd7\xce", CSV) == f"The data looks like {RECORDIO}: set this content type"
    assert advice(b"1,2\n", CSV) == ""
    assert advice(b"\x00\x01", CSV) == ""
