"""CSV in the C++ library, held against Python's own float() and against a few lines of plain Python."""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.native import decoders
from linear_learner.native.decoders import BadRows, CsvRows, decode_csv

pytestmark = pytest.mark.skipif(not decoders.available(), reason="the native library is not built")

PAD = b"0" * 40 + b",0\n"
"""The vector code looks 33 bytes back, so a block's first bytes are not its business."""


def is_refused(block: bytes, **how: Any) -> bool:
    try:
        decode_csv(block, **{"label_size": 1, "columns": 3, **how})
    except BadRows:
        return True
    return False


def same(one: CsvRows, other: CsvRows) -> bool:
    return (
        one.features.tobytes() == other.features.tobytes()
        and one.features.shape == other.features.shape
        and (one.labels is None) == (other.labels is None)
        and (one.labels is None or one.labels.tobytes() == other.labels.tobytes())
        and one.lines == other.lines
        and np.array_equal(one.row_numbers, other.row_numbers)
    )


class TestRows:
    BLOCK = b"1,2,3\n0,-4.5,5e-3\n"

    def test_the_first_cell_is_the_label(self) -> None:
        rows = decode_csv(self.BLOCK, label_size=1, columns=3)
        assert rows.features.dtype == rows.labels.dtype == np.float32
        np.testing.assert_array_equal(rows.features, np.float32([[2, 3], [-4.5, 5e-3]]))
        np.testing.assert_array_equal(rows.labels, [1, 0])
        assert (rows.lines, rows.row_numbers) == (2, None)

    def test_a_request_has_features_alone(self) -> None:
        rows = decode_csv(self.BLOCK, label_size=0, columns=3)
        np.testing.assert_array_equal(rows.features, np.float32([[1, 2, 3], [0, -4.5, 5e-3]]))
        assert rows.labels is None

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_object_with_bytes_will_do(self, kind: type) -> None:
        how = {"label_size": 1, "columns": 3}
        assert same(decode_csv(kind(self.BLOCK), **how), decode_csv(self.BLOCK, **how))

    @pytest.mark.parametrize(
        "block",
        [
            b"1,2,3\n0,-4.5,5e-3",
            b"1,2,3\r\n0,-4.5,5e-3\r\n",
            b"1,2,3\r\n0,-4.5,5e-3\r",
            b" 1 ,\t2,3 \n0, -4.5 ,5e-3\t\n",
            b'"1","2","3"\n"0","-4.5","5e-3"\n',
            b'"1" , " 2 ",3\n0,\t"-4.5"\t,"5e-3" \r\n',
            b"+1,+2,+3\n+0,-4.5,+5E-3\n",
            b"1.,2.0,3e0\n0,-.45e+1,0.005\n",
            b"0001,2,3\n-0,-4.500000000000000000000000000000000000000000000000,.5e-2\n",
        ],
    )
    @pytest.mark.parametrize("portable", [False, True])
    @pytest.mark.parametrize("before", [b"", b"0" * 40 + b",0,0\n"])
    def test_the_same_rows_written_in_other_ways(self, block: bytes, portable: bool, before: bytes) -> None:
        skipped = 1 if before else 0
        rows = decode_csv(before + block, label_size=1, columns=3, portable=portable)
        np.testing.assert_array_equal(rows.features[skipped:], np.float32([[2, 3], [-4.5, 5e-3]]))
        np.testing.assert_array_equal(rows.labels[skipped:], [1, 0])

    @pytest.mark.parametrize("portable", [False, True])
    def test_blank_lines_are_skipped_and_counted(self, portable: bool) -> None:
        rows = decode_csv(b"\n1,2\n \t\r\n\r\n3,4\n\n" + b"5,6\n" * 20, label_size=1, columns=2, portable=portable)
        assert rows.lines == 26
        np.testing.assert_array_equal(rows.row_numbers, [2, 5, *range(7, 27)])
        np.testing.assert_array_equal(rows.labels, [1, 3, *[5] * 20])

    @pytest.mark.parametrize(("block", "lines"), [(b"", 0), (b"\n \n", 2), (b"\n ", 2)])
    def test_no_row_at_all(self, block: bytes, lines: int) -> None:
        rows = decode_csv(block, label_size=1, columns=3)
        assert (len(rows.features), len(rows.labels), rows.lines) == (0, 0, lines)

    def test_a_label_without_features_is_left_to_the_caller(self) -> None:
        assert decode_csv(b"1\n0\n", label_size=1, columns=1).features.shape == (2, 0)

    def test_lines_like_the_header_are_skipped(self) -> None:
        block = b"y,a,b\r\n1,2,3\ny,a,b\n4,5,6\n"
        rows = decode_csv(block, label_size=1, columns=3, header=b"y,a,b")
        np.testing.assert_array_equal(rows.labels, [1, 4])
        np.testing.assert_array_equal(rows.row_numbers, [2, 4])
        assert is_refused(block, header=b"y,a,c")

    @pytest.mark.parametrize("portable", [False, True])
    @pytest.mark.parametrize("cell", [b"", b" ", b'""', b"nan", b"NaN", b"-nan", b"NA", b"n/a", b"null", b"None"])
    def test_missing_features_are_nan_if_they_may_be(self, cell: bytes, portable: bool) -> None:
        block = b"1,2,3\n" * 9 + b"1," + cell + b",3\n"
        assert is_refused(block, portable=portable)
        rows = decode_csv(block, label_size=1, columns=3, allow_missing=True, portable=portable)
        np.testing.assert_array_equal(rows.features[-1], [np.nan, 3])
        label = b"1,2,3\n" * 9 + cell + b",2,3\n"
        assert is_refused(label, allow_missing=True, portable=portable)

    @pytest.mark.parametrize("portable", [False, True])
    def test_a_blank_line_is_not_a_missing_cell(self, portable: bool) -> None:
        block = b"1\n" * 30 + b'\n \r\n""\n""\n-1\n'
        rows = decode_csv(block, label_size=0, columns=1, allow_missing=True, portable=portable)
        np.testing.assert_array_equal(rows.features[30:, 0], [np.nan, np.nan, -1])
        np.testing.assert_array_equal(rows.row_numbers[30:], [33, 34, 35])


# fmt: off
NO_NUMBERS = [
    "abc", "1.2.3", "1e", "1e+", "e5", ".", "-", "+", "-.", "+-1", "--1", "1-", "1_000", "0x10", "15;", "1d5", "1f",
    "12a", "1e5.0", "١", "infx", "nanx", "--inf", "+na", '"1"2', '1"', '""1""', "1 2", "1\0", "1\r2", "\xa01",
]
# fmt: on


class TestNumbers:
    """float32(float(text)), bit by bit."""

    @staticmethod
    def check(texts: list[str]) -> None:
        with np.errstate(over="ignore"):
            expected = np.array([float(text) for text in texts], np.float64).astype(np.float32)
        finite = np.isfinite(expected)
        for after in (",1", ", 1\r", '," +1"'):
            for portable in (False, True):
                block = PAD + "".join(f"{text}{after}\n" for text in np.array(texts)[finite]).encode()
                decoded = decode_csv(block, label_size=0, columns=2, portable=portable).features[1:, 0]
                wrong = decoded.view(np.uint32) != expected[finite].view(np.uint32)
                assert not wrong.any(), np.array(texts)[finite][wrong]
        for text in np.array(texts)[~finite]:
            assert is_refused(PAD + f"{text},1\n".encode(), label_size=0, columns=2)

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
    def test_as_python_writes_float64(self, numbers: list[float]) -> None:
        self.check([repr(number) for number in numbers])
        self.check([f"{number:.18e}" for number in numbers])

    @given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
    def test_as_numpy_writes_float32(self, numbers: list[float]) -> None:
        self.check([str(np.float32(number)) for number in numbers])
        self.check([f"{number:.6f}" for number in numbers])

    @given(st.lists(st.integers(0, 0x7F7FFFFE), min_size=1, max_size=20), st.sampled_from(["", "1", "0001", "e0"]))
    def test_half_way_between_two_float32(self, bits: list[int], after: str) -> None:
        pairs = [struct.unpack("<2f", struct.pack("<2I", b, b + 1)) for b in bits]
        halves = [(Decimal(low) + Decimal(high)) / 2 for low, high in pairs]
        self.check([f"{half:f}" + ("" if "e" not in after and "." not in f"{half:f}" else after) for half in halves])
        self.check([f"{half:.30e}" for half in halves])

    @given(
        st.lists(
            st.from_regex(r"\A[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?\Z"),
            min_size=1,
            max_size=50,
        )
    )
    def test_any_text_that_is_a_number(self, texts: list[str]) -> None:
        self.check(texts)

    def test_the_ends_of_the_range(self) -> None:
        self.check(["0", "-0", "0.0", "-0e5", "0e999", "0e-999", "1e-45", "7e-46", "7.006492321624085e-46", "-1e-400"])
        self.check(["1.1754943e-38", "3.4028234e38", "3.4028235e38", "3.4028235677973366e+38", "3.4028236e38"])
        self.check(["1e39", "-1e309", "1e99999999999", "1e-99999999999"])
        self.check(["16777217", "16777219", "33554433.0", "9" * 38, "0" * 500 + "1.5", "0." + "0" * 500 + "1e500"])
        self.check(["1" + "0" * 400 + "e-400", "0." + "0" * 30 + "1", "1e-64", "1e64", "5e-324", "1.", ".1"])

    @pytest.mark.parametrize("cell", NO_NUMBERS)
    @pytest.mark.parametrize("portable", [False, True])
    def test_what_is_no_number(self, cell: str, portable: bool) -> None:
        encoded = cell.encode()
        for block in (b"0,1\n" + encoded + b",1\n", PAD + b"1," + encoded + b"\n"):
            for allow_missing in (False, True):
                assert is_refused(block, label_size=0, columns=2, allow_missing=allow_missing, portable=portable)

    @pytest.mark.parametrize("cell", [b"inf", b"-Infinity", b'" +INF "'])
    def test_what_is_infinite(self, cell: bytes) -> None:
        assert is_refused(b"1,2\n0," + cell, columns=2, allow_missing=True)


class TestBadRows:
    @pytest.mark.parametrize(
        "line",
        [
            b"0,x4,5",
            b'0, "4 x"\t,5',
            b"0,, 5",
            b"NaN,4,5",
            b"0,4,-inf",
            b"0,4,1e39",
            b"0,4",
            b"0,4,5,",
            b"0,4,",
            b'0,"4,5',
            b'0,4,"5',
            b'0,4,"5""',
            b'0,"4,5",6',
            b'0,"4,5"',
            b'0,"4"5,6',
            b'0,"4""5",6',
            b'0,"""4""",6',
        ],
    )
    @pytest.mark.parametrize("portable", [False, True])
    def test_one_makes_the_block_bad(self, line: bytes, portable: bool) -> None:
        for before in (0, 1, 20):
            good = b"1,2,3\n" * before
            for end in (b"", b"\r\n", b"\n1,6,7\n"):
                assert is_refused(good + line + end, portable=portable)
                assert not is_refused(good + b"0,4,5" + end, portable=portable)

    def test_a_block_of_another_width(self) -> None:
        block = b"1,2\n3,4\n"
        assert [columns for columns in range(1, 5) if not is_refused(block, columns=columns)] == [2]

    @pytest.mark.parametrize("columns", [0, -1])
    def test_rows_have_a_column_at_least(self, columns: int) -> None:
        with pytest.raises(ValueError, match="sizes"):
            decode_csv(b"1,2\n", label_size=0, columns=columns)

    def test_a_wide_first_row_does_not_take_memory_for_many_short_ones(self) -> None:
        wide = b",".join([b"1"] * 100_000) + b"\n"
        assert is_refused(wide + b"1\n" * 1_000_000, columns=100_000)


NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def plain_rows(block: bytes, columns: int) -> list[list[float]] | None:
    """The rows of a block in a few lines of Python; None if any is bad."""
    rows = []
    for line in block.split(b"\n"):
        if not line.strip(b" \t\r"):
            continue
        cells = [cell.strip(b" \t\r") for cell in line.split(b",")]
        cells = [cell[1:-1].strip(b" \t\r") if re.fullmatch(rb'"[^"]*"', cell) else cell for cell in cells]
        if len(cells) != columns or not all(NUMBER.fullmatch(cell) for cell in cells):
            return None
        rows.append([float(cell) for cell in cells])
    return rows if all(abs(value) < 3.4e38 for row in rows for value in row) else None


CELLS = st.sampled_from(
    ["0", "1", "2.5", "-3", "+4", "1e5", "6.02e23", "0.000000123456789012345", '"7"', " 8", "9\t", "123456789"]
)
ODD_CELLS = st.sampled_from(["", "x", '"', '""', '"1,2"', "nan", "inf", "1e39", "\r", "-", ".", '"1', "1 1"])
LINES = st.lists(st.one_of(CELLS, CELLS, CELLS, ODD_CELLS), max_size=4).map(",".join)
GOOD_LINES = st.one_of(st.lists(CELLS, min_size=3, max_size=3).map(",".join), st.sampled_from(["", " ", "1,2,3\r"]))


class TestBlocks:
    """However the work is done, the answer is the same."""

    @settings(deadline=None)
    @given(st.lists(GOOD_LINES, max_size=60), st.lists(LINES, max_size=2), st.booleans())
    def test_against_plain_python(self, good: list[str], odd: list[str], ends: bool) -> None:
        block = "\n".join([*good, *odd]).encode() + b"\n" * ends
        expected = plain_rows(block, 3)
        for portable in (False, True):
            try:
                rows = decode_csv(block, label_size=1, columns=3, portable=portable)
            except BadRows:
                assert expected is None
            else:
                table = np.array(expected, np.float64).reshape(-1, 3).astype(np.float32)
                np.testing.assert_array_equal(rows.labels, table[:, 0])
                np.testing.assert_array_equal(rows.features, table[:, 1:])

    @settings(deadline=None)
    @given(st.binary(max_size=300) | st.text('0123456789.,,,\n\n\r-+eE" \tinfa', max_size=300).map(str.encode))
    def test_of_any_bytes_both_ways_make_the_same(self, block: bytes) -> None:
        width = block.lstrip(b"\n").partition(b"\n")[0].count(b",") + 1
        for prefix, columns in ((b"", width), (PAD, 2)):
            answers: list[object] = []
            for portable in (False, True):
                try:
                    rows = decode_csv(prefix + block, label_size=0, columns=columns, portable=portable)
                    answers.append((rows.features.tobytes(), rows.features.shape, rows.lines, str(rows.row_numbers)))
                except BadRows:
                    answers.append("refused")
            assert answers[0] == answers[1]

    @given(st.integers(1, 64), st.data())
    def test_any_split_at_line_breaks_gives_the_same_rows(self, size: int, data: st.DataObject) -> None:
        lines = data.draw(st.lists(GOOD_LINES, max_size=40))
        text = "\n".join([*lines, "1,2,3"]).encode()
        whole = decode_csv(text, label_size=1, columns=3)
        parts, start, before = [], 0, 0
        while start < len(text):
            end = text.find(b"\n", start + size) + 1 or len(text)
            rows = decode_csv(text[start:end], label_size=1, columns=3)
            numbers = np.arange(1, rows.lines + 1) if rows.row_numbers is None else rows.row_numbers
            parts.append((rows, numbers + before))
            start, before = end, before + rows.lines
        assert np.concatenate([rows.features for rows, _ in parts]).tobytes() == whole.features.tobytes()
        numbers = np.arange(1, whole.lines + 1) if whole.row_numbers is None else whole.row_numbers
        np.testing.assert_array_equal(np.concatenate([found for _, found in parts]), numbers)

    @pytest.mark.parametrize("width", [2, 16, 17, 18, 33, 34, 50, 5000])
    @pytest.mark.parametrize("largest", [9, 11, 300])
    def test_rows_of_small_integers(self, width: int, largest: int) -> None:
        table = np.random.default_rng(width).integers(0, largest, size=(max(5, 20_000 // width // 10), width))
        block = "\n".join(",".join(map(str, row)) for row in table).encode()
        rows = decode_csv(block, label_size=1, columns=width)
        np.testing.assert_array_equal(rows.labels, table[:, 0])
        np.testing.assert_array_equal(rows.features, table[:, 1:])

    def test_a_cell_among_single_digits_that_is_none(self) -> None:
        good = ",".join(["7"] * 40)
        for at in (0, 1, 8, 15, 16, 31, 39):
            cells = ["7"] * 40
            cells[at] = "x"
            assert is_refused(f"{good}\n{good}\n{','.join(cells)}\n".encode(), columns=40)

    @pytest.mark.parametrize("label_size", [0, 1])
    @pytest.mark.parametrize("shorts", range(1, 40))
    def test_short_lines_among_long_ones_of_single_digits(self, shorts: int, label_size: int) -> None:
        """Sixteen cells are looked at together, which goes beyond the end of a short line, even to the last one."""
        good, how = ",".join("1" * 40), {"label_size": label_size, "columns": 40}
        for header in (b"", b"1", b"1,1"):
            short = header.decode()
            block = "\n".join([*[good] * 100, short, good, *[short] * shorts]).encode() + b"\n"
            found = [decode_csv(block, header=header, portable=portable, **how) for portable in (True, False)]
            assert same(*found)
            assert (len(found[0].features), found[0].lines) == (101, 102 + shorts)
            assert not header or all(is_refused(block, portable=portable, **how) for portable in (True, False))
