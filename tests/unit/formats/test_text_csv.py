from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.formats import csv_cells, line_blocks, text_csv
from linear_learner.formats.batch import Batch
from linear_learner.formats.options import DEFAULTS, Options
from linear_learner.formats.text_csv import decode, parse_numbers

VALID = b"1,2.5,-3e2\n0,4,5.5\n1,6,7\n"
TABLE = [[1, 2.5, -300], [0, 4, 5.5], [1, 6, 7]]


def batches(data: bytes, label_size: int = 1, block_size: int = 1 << 16, options: Options = DEFAULTS) -> list[Batch]:
    return list(decode(io.BytesIO(data), label_size=label_size, source="a.csv", block_size=block_size, options=options))


def table(data: bytes, block_size: int = 1 << 16) -> np.ndarray:
    """All columns of a file, and a check that labels are the first of them."""
    features = np.concatenate([batch.features for batch in batches(data, 0, block_size)])
    if features.shape[1] > 1:
        labeled = batches(data, 1, block_size)
        np.testing.assert_array_equal(np.concatenate([batch.features for batch in labeled]), features[:, 1:])
        np.testing.assert_array_equal(np.concatenate([batch.labels for batch in labeled]), features[:, 0])
    return features


def test_the_label_is_the_first_column() -> None:
    (batch,) = batches(VALID)
    assert batch.features.dtype == batch.labels.dtype == np.float32
    np.testing.assert_array_equal(batch.features, np.array(TABLE)[:, 1:])
    np.testing.assert_array_equal(batch.labels, [1, 0, 1])


def test_a_request_has_features_only() -> None:
    (batch,) = batches(VALID, label_size=0)
    np.testing.assert_array_equal(batch.features, TABLE)
    assert batch.features.flags.c_contiguous
    assert batch.labels is None


@pytest.mark.parametrize(
    "data",
    [
        VALID[:-1],
        VALID.replace(b"\n", b"\r\n"),
        VALID.replace(b"\n", b"\r\n")[:-2],
        VALID.replace(b",", b" ,\t "),
        VALID.replace(b"\n", b"\n\n"),
        b"\n \r\n\r\n" + VALID.replace(b"\n", b"\r\n \t\r\n") + b"\n ",
        b"\xef\xbb\xbf" + VALID,
        b"\xef\xbb\xbf\n" + VALID,
        b'"1","2.5","-3e2"\n"0","4","5.5"\n1,6,"7"',
        b'"1" , " 2.5" ,\t"-3e2"\r\n"0","4","5.5"\r\n\r\n1,6," 7 "\r\n',
        b"+1,+2.5,-3E+02\n-0,4.,+.55e1\n1e0,600e-2,7.000\n",
        b"1,2.5,-300.00000000000000000000000000000001\n0e9,000004,5.5\n1,0.6e1,7e0",
    ],
)
@pytest.mark.parametrize("block_size", [1, 2, 5, 17, 1 << 16])
def test_the_same_numbers_in_other_spellings(data: bytes, block_size: int) -> None:
    np.testing.assert_array_equal(table(data, block_size), TABLE)


def test_no_rows_are_no_batches() -> None:
    for data in (b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf"):
        assert batches(data) == []


def test_one_column_is_enough_for_a_request() -> None:
    np.testing.assert_array_equal(table(b"1\n2\n\n3"), [[1], [2], [3]])
    assert parse_numbers(b"1\n\n3\n", 1) is None


def test_a_small_request_is_one_batch() -> None:
    assert len(batches(VALID[:-1])) == 1


def test_memory_is_bounded_by_the_block() -> None:
    assert max(len(batch) for batch in batches(VALID * 100, block_size=90)) <= 16


def test_rows_are_numbered_as_lines() -> None:
    (batch,) = batches(VALID)
    assert [batch.where(row) for row in range(3)] == ["a.csv, row 1", "a.csv, row 2", "a.csv, row 3"]
    (batch,) = batches(b"\n1,2\n\n \n3,4\n5,6")
    assert [batch.where(row) for row in range(3)] == ["a.csv, row 2", "a.csv, row 5", "a.csv, row 6"]
    *_, last = batches(b"\n\n1,2\n\n3,4\n5,6\n7,8", block_size=4)
    assert last.where(len(last) - 1) == "a.csv, row 7"


SPELLINGS = ("{:.9g}", "{:+.9e}", "{:.12f}", " {:.17g}", '"{:.9G}"', "{:.9g} ", ' "{:.17e}" ', "{:.40f}")


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(SPELLINGS)),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.integers(1, 100),
)
def test_floats_in_many_spellings_are_the_same_float32(rows: list, newline: bytes, block_size: int) -> None:
    texts = [[spelling.format(value) for value, spelling in row] for row in rows]
    data = newline.join(",".join(row).encode() for row in texts)
    # Python's own exact arithmetic on the digits, rounded to float64 and then to float32.
    expected = np.array([[float(Decimal(text.strip(' "'))) for text in row] for row in texts]).astype(np.float32)
    np.testing.assert_array_equal(table(data, block_size), expected)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_nine_digits_bring_a_float32_back(values: list[float]) -> None:
    data = "\n".join(f"{value:.9g},{value!r}" for value in values).encode()
    np.testing.assert_array_equal(table(data), np.array([values, values], np.float32).T)


def test_the_largest_float32_and_the_least_number_beyond_it() -> None:
    # Half a unit in the last place above the largest float32; ties go to the even one, which is infinity.
    assert table(b"1,3.4028235677973362e38\n").tolist() == [[1, float(np.finfo(np.float32).max)]]
    assert table(b"1,1e-60\n1,1.4e-45\n")[:, 1].tolist() == [0, float(np.float32(1.4e-45))]
    for cell in (b"3.4028235677973367e38", b"-1e39", b"1e999", b"1" + b"0" * 39):
        with pytest.raises(
            ClientError, match=r"Found values beyond the range of float32 .*row 1, column 2, value '-?[13]"
        ):
            batches(b"1," + cell)


@pytest.mark.parametrize("cell", [b"", b" ", b'""', b"nan", b"NaN", b"-nan", b"NA", b"null", b"None", b'" "'])
def test_a_missing_value_is_told_in_amazons_words(cell: bytes) -> None:
    for column, row in ((2, b"0," + cell + b",5.5"), (3, b"0,4," + cell)):
        with pytest.raises(ClientError) as raised:
            batches(VALID.replace(b"0,4,5.5", row))
        shown = cell.strip(b' "').decode()
        assert str(raised.value) == (
            f"Found missing (NaN) values (a.csv, row 2, column {column}, value {shown!r}). "
            "Please remove any missing (NaN) values in the input data"
        )


@pytest.mark.parametrize("cell", [b"inf", b"-Inf", b"+INFINITY"])
def test_an_infinite_value_is_told_in_amazons_words(cell: bytes) -> None:
    with pytest.raises(ClientError, match=r"Found infinite floating point values \(a.csv, row 2, column 3, value"):
        batches(VALID.replace(b"5.5", cell))


TEXT = [
    b"abc", b"1.2.3", b"1e", b"e5", b".", b"+", b"-", b"--1", b"1_000", b"0x10", b"1 2", b"1\r2", b"nan1", b"1f",
    b"\xd9\xa1", b'"1', b'1"', b'1"2"', b'"1"2', b'""1""', b"'1'", b"1\x00", b"\x001", b"\x0b1", b"1;2", b"True",
    b"nan(1)", b" + ", b" . ", b" e ", b"1 +", b'"1,5"',
]  # fmt: skip


@pytest.mark.parametrize("cell", TEXT)
def test_text_in_a_cell_is_told_with_row_column_and_value(cell: bytes) -> None:
    with pytest.raises(ClientError) as raised:
        batches(VALID.replace(b"4,5.5", cell + b",5.5"))
    shown = cell.decode().split(",")[0].strip(" ")  # of a decimal comma, in quotes, the first half is told
    assert str(raised.value) == (
        f"Requested content-type is 'text/csv'. Found a value that is not a number (a.csv, row 2, column 2, "
        f"value {shown!r}). Please verify the data matches the requested content-type"
    )


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"label,a,b\n", ("a", "b")),
        (b'"label"," a ","b, c"\r\n', ("a", "b, c")),
        (b"\xef\xbb\xbflabel,1,2\n", ("1", "2")),
        (b" \n\nlabel,a,b\n\n", ("a", "b")),
    ],
)
@pytest.mark.parametrize("block_size", [1, 9, 1 << 16])
def test_a_header_names_the_features(header: bytes, names: tuple[str, ...], block_size: int) -> None:
    decoded = batches(header + VALID, block_size=block_size)
    assert {batch.feature_names for batch in decoded} == {names}
    np.testing.assert_array_equal(np.concatenate([batch.features for batch in decoded]), np.array(TABLE)[:, 1:])
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in decoded]), [1, 0, 1])
    first = header.count(b"\n") + 1
    assert decoded[0].where(0) == f"a.csv, row {first}"
    assert decoded[-1].where(len(decoded[-1]) - 1) == f"a.csv, row {first + 2}"
    assert batches(VALID)[0].feature_names is None


@pytest.mark.parametrize("header", ["label,größe,b", "label,ü,ä"])
def test_a_header_is_in_utf8(header: str) -> None:
    assert batches(f"{header}\n".encode() + VALID)[0].feature_names == tuple(header.split(",")[1:])
    with pytest.raises(ClientError) as raised:
        batches(f"\n{header}\n".encode("latin-1") + VALID)
    assert str(raised.value) == "Found text that is not UTF-8 (a.csv, row 2). Please encode the text in UTF-8"


@pytest.mark.parametrize("block_size", [1, 30, 1 << 16])
def test_a_header_may_come_again_where_files_were_joined(block_size: int) -> None:
    data = b"label,a,b\n" + VALID + b"label,a,b\r\n" + VALID + b"\xef\xbb\xbflabel,a,b\n1,2,3\nlabel,a,b"
    decoded = batches(data, block_size=block_size)
    numbers = [batch.where(i) for batch in decoded for i in range(len(batch))]
    assert numbers == [f"a.csv, row {row}" for row in (2, 3, 4, 6, 7, 8, 10)]
    with pytest.raises(ClientError, match=r"not a number \(a.csv, row 5, column 1, value 'label'\)"):
        batches(b"label,a,b\n" + VALID + b"label,b,a\n")


@pytest.mark.parametrize("block_size", [1, 30, 1 << 16])
@pytest.mark.parametrize(
    ("header", "label_column", "position"), [(b"y,a,b\n", "y", 0), (b"a,y,b\n", "y", 1), (b'"a","b"," y "\n', "y", 2)]
)
def test_the_label_may_be_named(header: bytes, label_column: str, position: int, block_size: int) -> None:
    found = batches(header + VALID, block_size=block_size, options=Options(label_column=label_column))
    np.testing.assert_array_equal(np.concatenate([b.labels for b in found]), np.float32(TABLE)[:, position])
    features = np.concatenate([batch.features for batch in found])
    np.testing.assert_array_equal(features, np.delete(np.float32(TABLE), position, axis=1))
    assert {batch.feature_names for batch in found} == {("a", "b")}


def test_a_label_that_no_column_is_named_for_is_told() -> None:
    options = Options(label_column="target")
    with pytest.raises(ClientError, match=r"no header that names the column 'target'.*\(a.csv, row 1\).*no name twice"):
        batches(VALID, options=options)
    with pytest.raises(ClientError, match=r"no column 'target', .* \(a.csv\)\. Did you mean targte\?"):
        batches(b"a,b,targte\n" + VALID, options=options)
    # A request has no labels, and needs no header.
    assert len(batches(VALID, label_size=0, options=options)) == 1


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"y;a\n1;2\n", "The columns are separated by semicolons: write commas between them"),
        (b"y\ta\nyes\tred\n", "The columns are separated by tabs: write commas between them"),
        ("y,a\r\n1,2\r\n".encode("utf-16"), "The data looks like text in UTF-16: encode it in UTF-8"),
        (b"y,a\r1,2\r", "The lines end with carriage returns: end them with line feeds"),
        (b',y,a\n0,1,2\n"', "The first line is a header whose first column has no name, as pandas writes its index:.*"),
        (b"y,a,\n1,2,\n", "Column 3 has no name: give each column a name of its own"),
        (b"b,y,a,b\n1,2,3,4\n", "Columns 1 and 4 have the same name: give each column a name of its own"),
        (b"y,a\x07\n1,2\n", "The name of column 2 has a character that cannot be printed: .*"),
        (b"1,2,2\n", "Begin each file with the names of its columns.*"),
    ],
)
def test_what_keeps_the_first_line_from_naming_the_label_is_told(data: bytes, advice: str) -> None:
    with pytest.raises(ClientError, match=rf"no header that names the column 'y', .* \(a.csv, row 1\)\. {advice}$"):
        batches(data, options=Options(label_column="y"))


def test_a_line_with_the_name_of_the_label_is_a_header_whatever_follows() -> None:
    options = Options(label_column="y")
    (batch,) = batches(b"2020,y\n1,2\n", options=options)
    assert batch.feature_names == ("2020",)
    with pytest.raises(ClientError, match=r"not a number \(a.csv, row 2, column 1, value 'yes'\)"):
        batches(b"y,a\nyes,red\n", options=options)
    # But a number may as well be a value.
    with pytest.raises(ClientError, match="no header that names the column '2'"):
        batches(b"1,2\n3,4\n", options=Options(label_column="2"))


@pytest.mark.parametrize("name", ["Na", "NA", "None", "nan", "inf", "-Infinity"])
def test_the_label_may_be_named_by_a_word_for_a_missing_or_an_infinite_value(name: str) -> None:
    (batch,) = batches(f"Type,RI,{name},Mg\n1,1.5,1,4.5\n0,2.5,0,4\n".encode(), options=Options(label_column=name))
    assert batch.feature_names == ("Type", "RI", "Mg")
    np.testing.assert_array_equal(batch.labels, [1, 0])


def test_words_for_missing_and_infinite_values_may_name_features() -> None:
    (batch,) = batches(b"Type,RI,Na,inf\n1,1.5,1,4.5\n0,2.5,0,4\n")
    assert batch.feature_names == ("RI", "Na", "inf")


def test_mistakes_are_told_by_the_columns_of_the_file_wherever_the_label_is() -> None:
    with pytest.raises(ClientError, match=r"row 2, column 1, value 'x'"):
        batches(b"a,b,y\nx,1,2\n", options=Options(label_column="y"))


def test_missing_features_may_be_allowed() -> None:
    allowed = Options(allow_missing=True)
    (batch,) = batches(b"1,,NA\n0, nan ,2\n", options=allowed)
    np.testing.assert_array_equal(batch.features, [[np.nan, np.nan], [np.nan, 2]])
    with pytest.raises(ClientError, match=r"Found missing \(NaN\) values \(a.csv, row 2, column 1, value ''\)"):
        batches(b"1,2\n,3\n", options=allowed)
    with pytest.raises(ClientError, match=r"not a number \(a.csv, row 2, column 3, value 'x'\)"):
        batches(b"1,2,3\n1,,x\n", options=allowed)
    with pytest.raises(ClientError, match=r"infinite .* \(a.csv, row 1, column 2, value 'inf'\)"):
        batches(b"1,inf,\n", options=allowed)
    with pytest.raises(ClientError, match=r"missing \(NaN\) values \(a.csv, row 4, column 2\)"):
        batches(b"a,y\n1,2\n\n3,\n", options=Options(allow_missing=True, label_column="y"))


def test_a_header_without_rows_is_a_batch_of_none() -> None:
    (batch,) = batches(b"label,a,b\n")
    assert (batch.features.shape, batch.labels.shape, batch.feature_names) == ((0, 2), (0,), ("a", "b"))


def test_what_is_no_header_is_told_and_how_to_make_it_one() -> None:
    for data, row in (
        (b"label,a,a\n" + VALID, 1),
        (b"\n\nlabel,,b\n" + VALID, 3),
        (b"label,a\n" + VALID, 1),
        (b"1,x,3\n" + VALID, 1),
        (b"x,y,z\nu,v,w\n", 1),
    ):
        with pytest.raises(
            ClientError,
            match=rf"not a number \(a.csv, row {row}, .* if row {row} is a header line, give each column a name of",
        ):
            batches(data)


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"1;2;3\n4;5;6\n", "separated by semicolons: write commas between them"),
        (b"label;a;b\n1;2;3\n", "separated by semicolons: write commas between them"),
        (b'"label";"a"\n"1";"2"\n', "separated by semicolons: write commas between them"),
        (b"1;2,5;3\n1;2,5;3\n", "separated by semicolons: write commas between them, and points in decimals"),
        (b"label\ta\n1\t2\n", "separated by tabs: write commas between them"),
        (b"1;1,5;2,5;3\n0;2,5;3,5;4\n", "separated by semicolons: write commas between them, and points in decimals"),
        (b"1|NA|3\n", "separated by bars: write commas between them"),
        (b"1 2 3\n", "separated by spaces: write commas between them"),
        (b"label;city;a\nyes;Bonn;1.5\n", "separated by semicolons: write commas between them"),
        (b"label;city;a\nyes;Bonn;1,5\n", "separated by semicolons: write commas between them, and points in decimals"),
        (b"label\tcity\nyes\tBonn, Rhein\n", "separated by tabs: write commas between them"),
    ],
)
def test_other_separators_are_recognised(data: bytes, advice: str) -> None:
    with pytest.raises(ClientError, match=rf"row \d, column .* The columns are {advice}$"):
        batches(data)


@pytest.mark.parametrize("data", [b"label,a\r1,2\r3,4\r", b"1,2\r3,4\r"])
def test_a_table_in_one_line_is_recognised(data: bytes) -> None:
    with pytest.raises(ClientError, match=r"row 1, .* The lines end with carriage returns: end them with line feeds$"):
        batches(data)


@pytest.mark.parametrize("header", [b",label,a\n", b'"","label","a"\n'])
def test_the_index_of_pandas_is_recognised(header: bytes) -> None:
    with pytest.raises(ClientError, match=r"row 1, column 1, .* The first line is a header whose first column has no"):
        batches(header + b"0,1,2.5\n1,0,3.5\n")


@pytest.mark.parametrize("data", [b",1,2\n0,3,4\n", VALID + b",b,c\n"])
def test_a_missing_label_is_no_index(data: bytes) -> None:
    with pytest.raises(ClientError, match="Found missing") as raised:
        batches(data)
    assert "index" not in str(raised.value)


@pytest.mark.parametrize(("label_column", "row"), [("", b"nan,2,3\n"), ("b", b"1,2,nan\n")])
@pytest.mark.parametrize("allow_missing", [False, True])
def test_a_missing_label_cannot_be_filled_in(label_column: str, row: bytes, allow_missing: bool) -> None:
    options = Options(label_column=label_column, allow_missing=allow_missing)
    with pytest.raises(ClientError, match=r"row 3, .* Please remove any missing .*; a label cannot be filled in$"):
        batches(b"label,a,b\n1,2,3\n" + row, options=options)


@pytest.mark.parametrize("data", [b"a;b,a;b\n1,2\n", b"a b,a b\n2,3\n", VALID + b"1;2;3\n"])
def test_a_separator_inside_a_cell_is_not_taken_for_that_of_the_columns(data: bytes) -> None:
    with pytest.raises(ClientError, match="not a number") as raised:
        batches(data)
    assert "separated" not in str(raised.value)


def test_the_header_of_a_request_must_be_removed() -> None:
    with pytest.raises(ClientError, match=r"not a number \(a.csv, row 1, .* if row 1 is a header line, remove it"):
        batches(b"label,a,b\n" + VALID, label_size=0)


def test_text_further_down_is_no_header() -> None:
    with pytest.raises(ClientError) as raised:
        batches(VALID + b"label,a,b\n")
    assert "header" not in str(raised.value)


def test_recordio_under_the_wrong_content_type_is_recognised() -> None:
    with pytest.raises(ClientError, match=r"looks like application/x-recordio-protobuf: set this content type"):
        batches(b"\x0a\x23\xd7\xce\x10\x00\x00\x00" + bytes(20))


@pytest.mark.parametrize(("row", "width"), [(b"0,4", 2), (b"0,4,5,6", 4), (b"0,4,5.5,", 4), (b"5", 1), (b",", 2)])
def test_another_width_than_the_first_row_is_told(row: bytes, width: int) -> None:
    with pytest.raises(ClientError, match=rf"The row has {width} columns, the first one has 3 \(a.csv, row 2\)"):
        batches(VALID.replace(b"0,4,5.5", row))
    with pytest.raises(ClientError, match=rf"The row has {width} columns, the first one has 3 \(a.csv, row 2\)"):
        batches(VALID.replace(b"0,4,5.5", row), block_size=8)


def test_a_label_alone_is_not_enough() -> None:
    with pytest.raises(ClientError, match=r"The rows have a label but no features \(a.csv, row 2\)"):
        batches(b"\n1\n0\n")


def test_of_many_bad_rows_the_first_few_and_the_count_are_told() -> None:
    data = VALID + b"1,x,2\n1,2\n1,,2\n" + b"1,y,2\n" * 10
    with pytest.raises(ClientError) as raised:
        batches(data)
    assert raised.value.where == (
        "a.csv, row 4, column 2, value 'x'; row 5: The row has 2 columns, the first one has 3; "
        "row 6, column 2, value '': Found missing (NaN) values; 13 bad rows up to row 16"
    )


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "LONGEST_LINE", 100)
    assert len(batches(VALID + b"1,2," + b"3" * 30 + b"\n", block_size=10)) == 3
    with pytest.raises(ClientError, match=r"The line does not end for 1\d\d bytes \(a.csv, row 4\)"):
        batches(VALID + b"1,2," + b"3" * 1000, block_size=10)


def test_a_long_line_takes_linear_time() -> None:
    cells = 20_000
    assert table(b",".join([b"1.25"] * cells), block_size=16).shape == (1, cells)


CELLS = st.lists(st.sampled_from([*'1250.eE+- \t\r"', "1", "2", " ", ".5", "e3"]), max_size=5).map("".join)
ROWS = st.lists(st.lists(CELLS | st.sampled_from(["1", "-2.5"]), min_size=1, max_size=3), max_size=4)


@given(ROWS, st.integers(1, 40))
def test_numeric_characters_are_read_by_the_grammar_and_nothing_else(rows: list[list[str]], block_size: int) -> None:
    """The fast way and the description of a number agree on what a number is."""
    lines = [line for row in rows if (line := ",".join(row)).strip(" \t\r")]
    quoted = [text_csv._QUOTED_CELL.sub(rb"\1", line.encode()).split(b",") for line in lines]
    cells = [[cell.strip(b" \t\r") for cell in row] for row in quoted]
    good = all(csv_cells.NUMBER.fullmatch(cell) and abs(float(cell)) < 3.4e38 for row in cells for cell in row)
    good = good and len({len(row) for row in cells}) < 2
    try:
        decoded = batches("\n".join(",".join(row) for row in rows).encode(), 0, block_size)
    except ClientError:
        assert not good
    else:
        assert good
        expected = np.array([[float(cell) for cell in row] for row in cells]).astype(np.float32)
        assert [row for batch in decoded for row in batch.features.tolist()] == expected.tolist()


@given(st.binary(max_size=60), st.sampled_from([0, 1]), st.sampled_from([b"", VALID]), st.integers(1, 50))
def test_any_bytes_give_rows_or_a_client_error(data: bytes, label_size: int, head: bytes, block_size: int) -> None:
    try:
        assert all(np.isfinite(batch.features).all() for batch in batches(head + data, label_size, block_size))
    except ClientError as error:
        assert "a.csv" in str(error)


@given(st.lists(st.sampled_from([*b'01.-e,"\n\r x']), max_size=40), st.integers(1, 20))
def test_any_split_gives_the_same_rows(data: list[int], block_size: int) -> None:
    def outcome(size: int) -> object:
        try:
            decoded = batches(bytes(data), 0, size)
        except ClientError:
            return "error"
        return [(batch.where(i), row) for batch in decoded for i, row in enumerate(batch.features.tolist())]

    assert outcome(block_size) == outcome(1 << 16)


@pytest.mark.parametrize(("lines", "is_header"), [(99, True), (100, False)])
def test_as_many_lines_that_miss_values_are_passed_over_for_a_header(lines: int, is_header: bool) -> None:
    head = b"income,age,work\n" + b">50K,,a\n" * lines + b">50K,39,a\n"
    assert bool(text_csv.form_of(head, 1, 1, "", "data.csv", frozenset()).header) == is_header
