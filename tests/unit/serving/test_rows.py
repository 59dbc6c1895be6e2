"""The way from a body to rows; the decoders have their own tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats import SHARED_DECODERS
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import RECORDIO_PROTOBUF
from linear_learner.formats.options import Options
from linear_learner.formats.protobuf_record import length_delimited
from linear_learner.formats.recordio import framed
from linear_learner.serving.rows import decode

NAMES = ("age", "income", "debt")


def rows(body: str, content_type: str | None = "text/csv", names: tuple[str, ...] = NAMES) -> np.ndarray:
    return np.concatenate([batch.features for batch in decode(body.encode(), content_type, 3, names)])


@pytest.mark.parametrize(
    "header", ["debt,age,income", '"debt","age","income"', " debt , age,income\r", "\ufeffdebt,age,income"]
)
def test_columns_with_names_are_put_in_the_order_of_the_model(header: str) -> None:
    assert_array_equal(rows(f"{header}\n3,1,2\n6,4,5\n"), [[1, 2, 3], [4, 5, 6]])


def test_a_label_in_front_of_named_columns_is_skipped() -> None:
    body = "label,debt,age,income\n0,3,1,2\n1,6,4,5\n"
    assert_array_equal(rows(body, "text/csv; label_size=1"), [[1, 2, 3], [4, 5, 6]])


def test_a_word_in_the_first_row_is_no_header() -> None:
    with pytest.raises(ClientError, match=r"not a number.*row 1, column 2, value 'abc'"):
        rows("20.29,abc,3")
    for names in (NAMES, ()):  # nor is one in place of the label
        assert_array_equal(rows("abc,1,2,3\n0,1,2,3", "text/csv; label_size=1", names), [[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize(
    "label", ["", " ", "?", "nan", "inf", "1e99", '"a, b"', ' "say ""no""" ', "-", "a b", 'a"b', "\ufeff", "\ufeff'"]
)
def test_a_label_is_skipped_whatever_it_is(label: str) -> None:
    body = f"{label},1,2,3\r\n\n{label},4,5,6"
    assert_array_equal(rows(body, "text/csv; label_size=1", ()), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("no,1,2,3\n\nno,1,x,3", "row 3, column 3, value 'x'"),
        ("no,1,2\nno,1,2,3", "row 2: The row has 4 columns|The row has 4 columns, the first one has 3"),
        ('no,1,2,3\n"no,1,2,3', "row 2, column 1"),
        ("no\nyes", "row 1, column 1, value 'no'"),
    ],
)
def test_a_row_behind_a_label_is_read_as_any(body: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        rows(body, "text/csv; label_size=1", ())


def test_names_in_json() -> None:
    body = '{"instances": [{"features": {"debt": 3, "age": 1, "income": 2}}]}'
    assert_array_equal(rows(body, None), [[1, 2, 3]])


@pytest.mark.parametrize("body", ["1,2,3", "1,2,3\n", '"1", 2,3e0'])
def test_a_first_line_of_numbers_is_a_row(body: str) -> None:
    assert_array_equal(rows(body), [[1, 2, 3]])


@given(st.lists(st.sampled_from(["1", "2.5", "-", "+", ".", "e", "E", "40", ",", "\n", "-0", "1e39"]), max_size=12))
def test_one_line_is_read_as_the_decoder_of_whole_files_reads_it(pieces: list[str]) -> None:
    body = "".join(pieces).encode()

    def outcome(batches: Callable[[], Iterator[Batch]]) -> object:
        try:
            return [batch.features.tolist() for batch in batches()]
        except ClientError as error:
            return str(error)

    expected = outcome(lambda: SHARED_DECODERS["text/csv"](io.BytesIO(body), label_size=0, source="request"))
    assert outcome(lambda: decode(body, "text/csv", 3)) == expected


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3))
def test_numbers_of_one_line_are_rounded_to_the_nearest_float32(numbers: list[float]) -> None:
    with np.errstate(over="ignore"):
        expected = np.array([numbers]).astype(np.float32)
    if np.isfinite(expected).all():
        (batch,) = decode(",".join(map(repr, numbers)).encode(), "text/csv", 3)
        assert batch.features.tobytes() == expected.tobytes()


@pytest.mark.parametrize("number", [1.0, -0.0, 1e-45, 2**24 + 1, 3.4e38, 1e39, np.inf, np.nan])
@pytest.mark.parametrize(("field", "kind"), [(2, "<f4"), (3, "<f8")])
@pytest.mark.parametrize("content_type", [RECORDIO_PROTOBUF, f"{RECORDIO_PROTOBUF}; index_base=1"])
@pytest.mark.parametrize("allow_missing", [False, True])
def test_one_record_is_read_as_the_decoder_of_whole_files_reads_it(
    number: float, field: int, kind: str, content_type: str, allow_missing: bool
) -> None:
    with np.errstate(over="ignore"):
        numbers = np.array([1, number, 2], kind).tobytes()
    tensor = length_delimited(field, length_delimited(1, numbers))
    entry = length_delimited(1, b"values") + length_delimited(2, tensor)
    body = framed(length_delimited(1, entry))

    def outcome(batches: Callable[[], Iterator[Batch]]) -> object:
        try:
            return [batch.features.tobytes() for batch in batches()]
        except ClientError as error:
            return str(error)

    options = Options(allow_missing=allow_missing)
    decoder = SHARED_DECODERS[RECORDIO_PROTOBUF]
    expected = outcome(lambda: decoder(io.BytesIO(body), label_size=0, source="request", options=options))
    assert outcome(lambda: decode(body, content_type, 3, allow_missing=allow_missing)) == expected


def test_names_that_are_numbers_are_a_header_where_a_line_has_all_of_them() -> None:
    names = ("0", "1", "2")
    assert_array_equal(rows("2,0,1\n6,4,5", names=names), [[4, 5, 6]])
    assert_array_equal(rows("2,0,1", names=names), [[2, 0, 1]])  # alone, it is what is to be predicted
    assert_array_equal(rows("2,0,1\n\n", names=names), [[2, 0, 1]])
    assert_array_equal(rows("2,0,3\n6,4,5", names=names), [[2, 0, 3], [6, 4, 5]])
    with pytest.raises(ClientError, match="row 1, column 2, value 'x'"):
        rows("2,x,1\n6,4,5", names=names)
    found = np.concatenate([batch.features for batch in decode(b"1,0\n0,1\n", "text/csv", 2, ("0", "1"))])
    assert_array_equal(found, [[1, 0], [0, 1]])


def test_names_may_hold_commas_and_quotes() -> None:
    names = ("a, b", 'c "d"', "e")
    assert_array_equal(rows('"c ""d""", "a, b",e\n2,1,3', names=names), [[1, 2, 3]])


@pytest.mark.parametrize("blank", ["\n", " \t\r\n\n", "\ufeff\n"])
def test_blank_lines_may_stand_before_a_header(blank: str) -> None:
    assert_array_equal(rows(f"{blank}debt,age,income\n3,1,2\n"), [[1, 2, 3]])
    row = blank.count("\n") + 2
    with pytest.raises(ClientError, match=f"row {row}, column 2"):
        rows(f"{blank}debt,age,income\n3,x,2\n")
    with pytest.raises(ClientError, match=f"row {row - 1}, 'wealth'"):
        rows(f"{blank}debt,age,wealth\n3,1,2\n")


@pytest.mark.parametrize("row", ["NA,NA,NA", "none,null,n/a", ",,", "nan,NA,1"])
def test_a_first_row_of_missing_values_is_no_header(row: str) -> None:
    for names in (NAMES, ("0", "1", "2")):
        (batch,) = decode(f"{row}\n1,2,3\n".encode(), "text/csv", 3, names, allow_missing=True)
        assert np.isnan(batch.features).sum(axis=1).tolist() == [2 + (not row.endswith("1")), 0]


def test_a_word_for_what_is_missing_may_be_a_name() -> None:
    assert_array_equal(rows("NA,K,Ca\n3,1,2\n", names=("K", "Ca", "NA")), [[1, 2, 3]])


def test_numbers_may_be_names() -> None:
    with pytest.raises(ClientError, match="row 1"):
        rows("1,x,c\n1,2,3", names=("1", "2", "c"))
    assert_array_equal(rows("c,1,2\n3,1,2", names=("1", "2", "c")), [[1, 2, 3]])


def test_words_for_missing_and_infinite_values_may_be_names() -> None:
    assert_array_equal(rows("inf,Na,nan\n3,1,2", names=("Na", "nan", "inf")), [[1, 2, 3]])
    assert_array_equal(rows("inf,1,2\n3,1,2", names=("1", "2", "inf")), [[1, 2, 3]])


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("age,income,wealth", "row 1, 'wealth'"),
        ("age,income", "row 1, 'debt'"),
        ("age,income,debt,age", "row 1, 'a name twice'"),
        ("age,income,debt,label", "row 1, 'label'"),
    ],
)
def test_a_header_must_name_the_features_of_the_model(header: str, place: str) -> None:
    message = rf"The header does not name every .* \(request, {place}\). Name: age, income, debt; or send no header"
    with pytest.raises(ClientError, match=message):
        rows(f"{header}\n1,2,3")


def test_rows_below_a_header_keep_their_numbers() -> None:
    with pytest.raises(ClientError, match="row 3, column 2"):
        rows("debt,age,income\n1,2,3\n1,x,3")
    with pytest.raises(ClientError, match="dimension of the input: 2 does not match"):
        rows("debt,age,income\n1,2")


def test_a_header_is_in_utf8() -> None:
    header, names = "größe,alter,ort\n1,2,3", ["alter", "größe", "ort"]
    assert_array_equal(rows(header, names=names), [[2, 1, 3]])
    with pytest.raises(ClientError, match=r"Found text that is not UTF-8 \(request, row 1\). Please encode the text"):
        list(decode(header.encode("latin-1"), "text/csv", 3, names))


@pytest.mark.parametrize("names", [NAMES, ()])
@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("1;2;3", "separated by semicolons"),
        ("1 2 3", "separated by spaces"),
        ('1\t"2.5e3"\t3', "separated by tabs"),
        ('{"features": [1, 2, 3]}', "looks like JSON: set application/json"),
        ('\ufeff\n {"instances": []}', "looks like JSON: set application/json"),
    ],
)
def test_what_is_no_csv_is_not_taken_for_a_header(names: tuple[str, ...], body: str, advice: str) -> None:
    with pytest.raises(ClientError, match=f"Found a value that is not a number .*{advice}"):
        rows(body, names=names)


def test_a_model_without_names_knows_no_header() -> None:
    with pytest.raises(ClientError, match="row 1"):
        rows("age,income,debt\n1,2,3", names=())


def test_an_index_that_the_model_has_not_is_told_as_one_of_a_request() -> None:
    message = r"beyond the last feature \(request, row 1, 3 features, value '4:1'\)\. Send the features that the model"
    with pytest.raises(ClientError, match=message):
        rows("4:1", "text/libsvm")


def test_labels_are_dropped_where_the_content_type_says_that_there_are_some() -> None:
    assert_array_equal(rows("7,1,2,3", "text/csv; label_size=1"), [[1, 2, 3]])


def test_an_unknown_type_is_named_with_the_known_ones() -> None:
    message = (
        "use one of: application/json, application/jsonlines, application/x-recordio-protobuf, text/csv, text/libsvm"
    )
    with pytest.raises(UnsupportedContentType) as raised:
        decode(b"1", "text/html; charset=utf-8", 3)
    assert (raised.value.content_type, raised.value.fix) == ("text/html", message)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_below_any_header_is_rows_or_a_client_error(header: str, text: str) -> None:
    try:
        assert rows(f"{header}\n{text}\n1,2,3").shape[1] == 3
    except ClientError as error:
        assert str(error)
