from __future__ import annotations

import pytest

from linear_learner.errors import ClientError
from linear_learner.formats.content_type import ContentType, parse


def test_a_plain_content_type_is_its_name() -> None:
    assert parse("text/csv") == ContentType("text/csv")


@pytest.mark.parametrize(
    "text",
    ["text/csv; label_size=1", "Text/CSV;Label_Size=1", ' text/csv ;label_size = "1"; ', "csv;label_size=1"],
)
def test_case_spaces_and_quotes_do_not_matter(text: str) -> None:
    parsed = parse(text)
    assert parsed == ContentType("text/csv", {"label_size": "1"})
    assert parsed.label_size == 1


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("csv", "text/csv"),
        ("CSV", "text/csv"),
        ("recordio-protobuf", "application/x-recordio-protobuf"),
        ("RecordIO", "application/x-recordio-protobuf"),
        ("LibSVM", "text/libsvm"),
        ("text/x-libsvm", "text/libsvm"),
        ("Parquet", "application/x-parquet"),
        ("application/vnd.apache.parquet", "application/x-parquet"),
    ],
)
def test_short_forms_are_accepted(short: str, name: str) -> None:
    assert parse(short).name == name


def test_label_size_is_none_where_it_is_not_given() -> None:
    assert parse("text/csv; charset=utf-8").label_size is None


@pytest.mark.parametrize("value", ["2", "-1", "one", ""])
def test_other_label_sizes_are_refused(value: str) -> None:
    with pytest.raises(ClientError, match=f"label_size '{value}' of content type 'text/csv' is neither 0 nor 1"):
        _ = parse(f"text/csv; label_size={value}").label_size


def test_index_base_is_1_unless_it_is_given() -> None:
    assert parse("text/libsvm").index_base == 1
    assert parse("libsvm; index_base=0").index_base == 0
    with pytest.raises(ClientError, match="index_base '2' of content type 'text/libsvm' is neither 0 nor 1"):
        _ = parse("libsvm; index_base=2").index_base


def test_a_parameter_needs_a_value() -> None:
    with pytest.raises(ClientError, match=r"has a parameter 'header' without a value\. Write key=value"):
        parse("text/csv; header")


def test_a_charset_with_other_digits_is_refused() -> None:
    assert parse("text/csv; charset=UTF-8").parameters == {"charset": "UTF-8"}
    with pytest.raises(ClientError, match=r"charset 'utf-16'.*Use utf-8"):
        parse("text/csv; charset=utf-16")
