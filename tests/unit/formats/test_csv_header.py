from __future__ import annotations

import pytest

from linear_learner.formats.csv_header import fault_of_table_header, header_names, table_header_names


@pytest.mark.parametrize(
    ("first", "names"),
    [
        (b"y,a,b", ("y", "a", "b")),
        (b'"y" , " a, b" ,\tc\r', ("y", "a, b", "c")),
        (b'y,"say ""a""",b', ("y", 'say "a"', "b")),
        (b"y,0,17", ("y", "0", "17")),
        (b"y,Na,inf", ("y", "Na", "inf")),
        (b"y,None,17", ("y", "None", "17")),
        ("y,größe,été".encode(), ("y", "größe", "été")),
    ],
)
def test_names_as_spreadsheets_write_them(first: bytes, names: tuple[str, ...]) -> None:
    assert header_names(first, b"1,2.5,-3") == names
    assert header_names(first, b"1,Berlin,3") == names
    assert header_names(first, None) == names


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"1,x,3", b"1,2,3"),  # a slip in a row of numbers
        (b"x,2.5,3", b"1,2,3"),
        (b"nan,a,b", b"1,2,3"),
        (b",a,b", b"1,2,3"),
        (b"y,a,", b"1,2,3"),
        (b"y,a,2.5", b"1,2,3"),
        (b"y,na,na", b"1,2,3"),
        (b"Na,y,a", b"1,2,3"),
        (b"y,a,a", b"1,2,3"),
        (b"y,y,a", b"1,2,3"),
        (b"y,a", b"1,2,3"),
        (b"y,a,b", b"x,y,z"),
        (b"y,a,b", b",,"),
        (b"y;a;b", b"1;2;3"),
        (b"y", b"1"),
        (b"y", None),
        (b"y,a\rb,c", b"1,2,3"),
        (b"y,a\x00,c", b"1,2,3"),
        (b"y," + b"a" * 200_000 + b",c", b"1,2,3"),
    ],
)
def test_what_gives_no_names(first: bytes, second: bytes | None) -> None:
    assert header_names(first, second) is None


@pytest.mark.parametrize(
    ("first", "second", "is_header"),
    [
        (b"income,age,work", b"<=50K,39,a", True),
        (b"income,age,work", None, True),
        (b"income,age,work", b"high,old,a", False),  # nothing tells it from a row
        (b"income,age,job", b"high,old,a", True),  # a known name does
        (b"job,0,1", b"high,old,a", True),
        (b"<=50K,39,a", b">50K,40,b", False),
        (b"income,age,age", b"<=50K,39,a", False),
        (b"income,,work", b"<=50K,39,a", False),
        (b"income,age,work", b"<=50K,39", False),
        (b"income", b"1", False),
        (b'"income, 1994","age"', b'"<=50K","39"', True),
        (b"kind,RI,Na,inf", b"float,1.52,1,4.49", True),
        (b"kind,RI,Na", None, True),
        (b"Na,kind,RI", b"1,float,1.52", False),
        (b"yes,NA,red", b"no,4.5,blue", False),  # a missing number
        (b"kind,RI,2.5", b"float,1.52,1", False),
        (b"label,0,1", b"1,red,0.5", True),
        (b"label,0,1", b"yes,4,0.5", True),
        (b"label,0,1", b"label,4,0.5", False),  # a label
        (b"label,0,1", None, False),
        (b"maybe,0,1", b"yes,4,0.5", False),  # one of the classes
        (b"label,1,2", b"yes,4,0.5", False),
        (b"label,0", b"yes,4", False),
        (b"0,1,2", b"1,red,0.5", False),
        (b"2024,0.5,red", b"1,1.5,blue", False),  # a known name that a row may hold too
        (b"2024,2025", b"red,0.5", True),  # all of them known
    ],
)
def test_headers_of_tables_with_text(first: bytes, second: bytes | None, is_header: bool) -> None:
    others = [] if second is None else [second]
    found = table_header_names(first, others, {"job", "2024", "2025"}, ("maybe", "yes"))
    assert (found is not None) == is_header


@pytest.mark.parametrize(
    ("others", "is_header"),
    [
        ([b"<=50K,NA,a", b">50K,,b", b"<=50K,39,c"], True),
        ([b"<=50K,NA,a", b">50K,old,b", b"<=50K,39,c"], False),  # a row of texts
        ([b"<=50K,NA,a", b">50K,,b"], False),
        ([b"<=50K,NA,a", b">50K,39"], False),
    ],
)
def test_a_line_that_misses_values_does_not_tell_whether_a_header_is_above(
    others: list[bytes], is_header: bool
) -> None:
    assert (table_header_names(b"income,age,work", others, set()) is not None) == is_header


@pytest.mark.parametrize(
    ("first", "others", "fault"),
    [
        (b"income,age,", [b"<=50K,39,"], "column 3 has no name"),
        (b"income,age,", [b"<=50K,,", b">50K,39,"], "column 3 has no name"),
        (b"income,age,work,age", [b"<=50K,39,a,40"], "columns 2 and 4 have the same name"),
        (b",income,age", [b"0,<=50K,39"], "column 1 has no name"),
        (b",39,a", [b">50K,40,b"], ""),
        (b"NA,age,age", [b">50K,40,41"], ""),
        (b"income,age,work", [b"<=50K,39,a"], ""),
        (b"<=50K,39,a,a", [b">50K,40,b,b"], ""),
        (b"<=50K,,a,a", [b">50K,40,b,b"], ""),
        (b"yes,red,red", [b"no,blue,blue"], ""),
        (b"yes,red,red", [], ""),
        (b"yes", [b"1"], ""),
        (b"income,kind,kind", [b"yes,red,blue"], "columns 2 and 3 have the same name"),
        (b"income,,kind", [b"yes,red,blue"], "column 2 has no name"),
        (b"0,kind,kind", [b"1,red,blue"], ""),
    ],
)
def test_what_is_wrong_with_a_line_that_looks_like_a_header(first: bytes, others: list[bytes], fault: str) -> None:
    assert fault_of_table_header(first, others, {"kind"}) == fault
