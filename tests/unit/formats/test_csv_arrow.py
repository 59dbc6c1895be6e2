"""What pyarrow reads of plain lines is what plain Python reads, and what is not plain is left to that."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.formats import csv_arrow
from linear_learner.formats.csv_texts import TextCoder, TextColumns, columns_with_text, show
from linear_learner.formats.schema_learner import SchemaLearner, TextSettings
from linear_learner.formats.table_schema import Column, TableSchema

SCHEMA = TableSchema((Column("n"), Column("t", ("", "a", "b,c", "é"))), ("a", "b"))
HEADER = b"y,n,t"
COLUMNS = TextColumns(3, (1, 2), 0, HEADER, "a.csv")
PIECES = [
    *(b"a", b"b", b"1", b"-2.5", b",", b",", b"\n", b"\n", b'"', b'"', b" ", b"\t", b"\r\n", b"\r", b"\0"),
    *(b'"b,c"', b"a,1,b\n"),
]
LINE = st.lists(st.sampled_from([b"a", b"b", b"1", b'"a"', b'"b,c"', b" a ", b"", b'""', "é".encode(), b"\xe9"]))


def coder(first_line: int = 1) -> TextCoder:
    return TextCoder(SCHEMA, COLUMNS, first_line=first_line, allow_missing=True)


def outcome(text: bytes) -> list[list[str]] | str:
    """The cells, about which spaces do not count, or the error."""
    try:
        lines = coder()(text).decode("utf-8", "replace").split("\n")
        return [[cell.strip() for cell in line.split(",")] for line in lines]
    except Exception as error:
        return str(error)


def both(text: bytes) -> tuple[object, object]:
    """By plain Python, and by pyarrow as far as it goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_arrow, "LEAST_BYTES", 1 << 62)
        slow = outcome(text)
        patch.setattr(csv_arrow, "LEAST_BYTES", 0)
        return slow, outcome(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map(lambda pieces: b"".join(pieces) + b"\n"))
@example(b'a,1,"b,c"\n')
@example(b'a,1,"b\nb,2,c"\n')
@example(b'a,1,""a"\n')
@example(b'a,1, "b,c"\n')
@example(b"a,1,a\r\n\r\nb,2,b\r\n")
@example(b"a,1\r2,b\n\n")
def test_any_text_gives_the_same_lines_or_the_same_error(text: bytes) -> None:
    slow, fast = both(text)
    assert fast == slow


@settings(max_examples=200, deadline=None)
@given(
    st.lists(LINE.map(lambda cells: b",".join((cells * 3)[:3])), min_size=1, max_size=8),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_tables_give_the_same_lines(lines: list[bytes], end: bytes) -> None:
    slow, fast = both(b"".join(line + end for line in lines))
    assert fast == slow


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE.map(lambda cells: b",".join((cells * 3)[:3])), min_size=1, max_size=8))
def test_the_same_is_learnt(lines: list[bytes]) -> None:
    found = []
    for least in (0, 1 << 62):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_arrow, "LEAST_BYTES", least)
            learner = SchemaLearner(TextSettings(("auto",), text_labels=True))
            text = b"".join(line + b"\n" for line in lines)
            try:
                with_text = columns_with_text(text, 1, COLUMNS)
                learner.begin(("n", "t"), COLUMNS.features, with_text, "a.csv")
                show(learner, text, 1, COLUMNS)
                found.append((with_text, learner.schema()))
            except ClientError as error:  # of what is not UTF-8
                found.append(str(error))
    assert found[0] == found[1]


PLAIN = b'a,1,"b,c"\nb, 2,a\n'


@pytest.mark.parametrize("text", [PLAIN, HEADER + b"\r\n" + PLAIN, b"a,1,\nb,2,zzz\n", PLAIN.replace(b"\n", b"\r\n")])
def test_plain_lines_are_read_by_it(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_arrow, "LEAST_BYTES", 0)
    assert coder()._plain(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        *(b'a,1,"b"c\n', b"a,1,b\n\n", b"\na,1,b\n", b"a,1,b\rc\n", b'a,1, "b"\n', b'a,1,"b""c"\n', b"a,1,\0\n"),
        *(b"a,1\n", b"a,1,b,c\n", b'a,"1,2",b\n', b"zzz,1,b\n", PLAIN + HEADER + b"\n" + PLAIN, b'a,1,"b\nb,2,c"\n'),
        *(b'a,1,b\nb,2,"c\n', b'a",1,"b\n', b"a,1," + b"x" * (csv_arrow.LONGEST_CELL + 1) + b"\n"),
    ],
)
def test_what_is_not_plain_is_left_to_python(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_arrow, "LEAST_BYTES", 0)
    assert coder()._plain(text) is None


@pytest.mark.parametrize("least", [0, 1 << 62])
def test_text_that_is_no_utf8_is_told(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_arrow, "LEAST_BYTES", least)
    with pytest.raises(
        ClientError, match=r"text that is not UTF-8 \(a\.csv, row 8\)\. Please encode the text in UTF-8"
    ):
        coder(7)(b"a,1,a\na,1,caf\xe9\n")
    # What UTF-8 itself says by that sign is text like any other.
    assert coder()("a,1,\ufffd\n".encode()) == b"0,1,-1\n"
