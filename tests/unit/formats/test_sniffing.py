from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile

import pytest

from linear_learner.formats.sniffing import advice, content_type_of

CSV, RECORDIO, LIBSVM = "text/csv", "application/x-recordio-protobuf", "text/libsvm"


@pytest.mark.parametrize(
    "head", [b"1,2.5\n0,-3e5", b"1\r\n2\r\n", b'"a","b"\n', b"\xef\xbb\xbf1,2\n", b"  1, nan", "größe,京\n1,2".encode()]
)
def test_printable_text_is_csv(head: bytes) -> None:
    assert content_type_of(head) == CSV


def test_text_may_be_cut_off_within_a_character() -> None:
    text = "京,größe\n".encode()
    assert {content_type_of(text[:length]) for length in range(1, len(text))} == {CSV}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x0a\x23\xd7\xce\x10\x00\x00\x00",
        b"\x00\x01",
        b"1,2\x00",
        b' {"instances": []}',
        b"[1,2]",
        b"\xff\xfe1",
        b"gr\xf6\xdfe,1\n",
        b"1\x7f",
    ],
)
def test_all_else_is_recordio(head: bytes) -> None:
    assert content_type_of(head) == RECORDIO


@pytest.mark.parametrize(
    "head",
    [
        b"1 1:0.5\n",
        b"-1 qid:3 2:1e-3 7:1 # a\n0\n",
        b"+1\t1:2\r\n",
        b"0 " + b" ".join(b"%d:1.25" % i for i in range(99)),
    ],
)
def test_a_label_and_pairs_are_libsvm(head: bytes) -> None:
    assert content_type_of(head[:512]) == LIBSVM


@pytest.mark.parametrize("head", [b"1,1:2\n", b"1\n1 1:2\n", b"a 1:2\n", b"1 1:2,3\n", b"12:30 1:2\n"])
def test_less_than_that_is_csv(head: bytes) -> None:
    assert content_type_of(head) == CSV


def test_parquet_has_a_magic_number() -> None:
    assert content_type_of(b"PAR1\x15\x04") == "application/x-parquet"
    assert advice(b"PAR1\x15\x04", CSV) == "The data looks like application/x-parquet: set this content type"


def test_advice_is_given_only_where_the_bytes_are_plain() -> None:
    assert advice(b"1,2\n", RECORDIO) == f"The data looks like {CSV}: set this content type"
    assert advice(b"\x0a\x23\xd7\xce", CSV) == f"The data looks like {RECORDIO}: set this content type"
    assert advice(b"1,2\n", LIBSVM) == f"The data looks like {CSV}: set this content type"
    assert advice(b"1 1:2\n", CSV) == f"The data looks like {LIBSVM}: set this content type"
    assert advice(b"1 1:2 x\n", LIBSVM) == ""
    assert advice(b"1,2\n", CSV) == ""
    assert advice(b"\x00\x01", CSV) == ""


@pytest.mark.parametrize("content_type", [CSV, RECORDIO, LIBSVM])
def test_what_nobody_reads_is_told_by_name(content_type: str) -> None:
    archive, table = io.BytesIO(), b"1,2\n0,3\n"
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("train.csv"), io.BytesIO(table))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("train.csv", table)
    for head, name in {
        archive.getvalue(): "a tar archive: unpack it",
        packed.getvalue(): "a zip archive or an Excel file: unpack it, or save it as CSV",
        bz2.compress(table): "bzip2: unpack it, or pack it with gzip",
        lzma.compress(table): "xz: unpack it, or pack it with gzip",
        table.decode().encode("utf-16"): "text in UTF-16: encode it in UTF-8",
        b"\xfe\xff" + table.decode().encode("utf-16-be"): "text in UTF-16: encode it in UTF-8",
        b' {"label": 1}': f"JSON, not like {content_type}",
        b"[[1, 2]]": f"JSON, not like {content_type}",
    }.items():
        assert advice(head[:512], content_type) == f"The data looks like {name}"
