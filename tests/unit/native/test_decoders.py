"""CSV in the C++ library, held against Python's own float() and against a few lines of plain Python."""

from __future__ import annotations

import re
import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.native import decoders
from linear_learner.native.decoders import BadRows, CsvRows, Kind, Problem, csv_columns, decode_csv

pytestmark = pytest.mark.skipif(not decoders.available(), reason="the native library is not built")

PAD = b"0" * 40 + b",0\n"
"""The vector code looks 33 bytes back, so a block's first bytes are not its business."""


def problems(block: bytes, **how: object) -> tuple[Problem, ...]:
    with pytest.raises(BadRows) as caught:
        decode_csv(block, **{"label_size": 1, **how})
    return caught.value.problems


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
        rows = decode_csv(self.BLOCK, label_size=1)
        assert rows.features.dtype == rows.labels.dtype == np.float32
        np.testing.assert_array_equal(rows.features, np.float32([[2, 3], [-4.5, 5e-3]]))
        np.testing.assert_array_equal(rows.labels, [1, 0])
        assert (rows.lines, rows.row_numbers) == (2, None)

    def test_a_request_has_features_alone(self) -> None:
        rows = decode_csv(self.BLOCK, label_size=0)
        np.testing.assert_array_equal(rows.features, np.float32([[1, 2, 3], [0, -4.5, 5e-3]]))
        assert rows.labels is None

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_object_with_bytes_will_do(self, kind: type) -> None:
        assert same(decode_csv(kind(self.BLOCK), label_size=1), decode_csv(self.BLOCK, label_size=1))

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
        rows = decode_csv(before + block, label_size=1, portable=portable)
        np.testing.assert_array_equal(rows.features[skipped:], np.float32([[2, 3], [-4.5, 5e-3]]))
        np.testing.assert_array_equal(rows.labels[skipped:], [1, 0])

    @pytest.mark.parametrize("portable", [False, True])
    def test_blank_lines_are_skipped_and_counted(self, portable: bool) -> None:
        rows = decode_csv(b"\n1,2\n \t\r\n\r\n3,4\n\n" + b"5,6\n" * 20, label_size=1, portable=portable)
        assert rows.lines == 26
        np.testing.assert_array_equal(rows.row_numbers, [2, 5, *range(7, 27)])
        np.testing.assert_array_equal(rows.labels, [1, 3, *[5] * 20])

    @pytest.mark.parametrize(("block", "lines"), [(b"", 0), (b"\n \n", 2), (b"\n ", 2)])
    def test_no_row_at_all(self, block: bytes, lines: int) -> None:
        rows = decode_csv(block, label_size=1)
        assert (len(rows.features), len(rows.labels), rows.lines) == (0, 0, lines)

    def test_a_label_without_features_is_left_to_the_caller(self) -> None:
        assert decode_csv(b"1\n0\n", label_size=1).features.shape == (2, 0)

    def test_lines_like_the_header_are_skipped(self) -> None:
        block = b"y,a,b\r\n1,2,3\ny,a,b\n4,5,6\n"
        rows = decode_csv(block, label_size=1, header=b"y,a,b")
        np.testing.assert_array_equal(rows.labels, [1, 4])
        np.testing.assert_array_equal(rows.row_numbers, [2, 4])
        assert csv_columns(b"y,a\n1,2,3\n", header=b"y,a") == 3
        assert [p.row for p in problems(block, header=b"y,a,c")] == [1, 3]

    @pytest.mark.parametrize("portable", [False, True])
    @pytest.mark.parametrize("cell", [b"", b" ", b'""', b"nan", b"NaN", b"-nan", b"NA", b"n/a", b"null", b"None"])
    def test_missing_features_are_nan_if_they_may_be(self, cell: bytes, portable: bool) -> None:
        block = b"1,2,3\n" * 9 + b"1," + cell + b",3\n"
        assert problems(block, portable=portable)[0].kind == Kind.MISSING
        rows = decode_csv(block, label_size=1, allow_missing=True, portable=portable)
        np.testing.assert_array_equal(rows.features[-1], [np.nan, 3])
        label = b"1,2,3\n" * 9 + cell + b",2,3\n"
        assert problems(label, allow_missing=True, portable=portable)[0].column == 1

    @pytest.mark.parametrize("portable", [False, True])
    def test_a_blank_line_is_not_a_missing_cell(self, portable: bool) -> None:
        block = b"1\n" * 30 + b'\n \r\n""\n""\n-1\n'
        rows = decode_csv(block, label_size=0, allow_missing=True, portable=portable)
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
                decoded = decode_csv(block, label_size=0, portable=portable).features[1:, 0]
                wrong = decoded.view(np.uint32) != expected[finite].view(np.uint32)
                assert not wrong.any(), np.array(texts)[finite][wrong]
        for text in np.array(texts)[~finite]:
            assert problems(PAD + f"{text},1\n".encode(), label_size=0)[0].kind == Kind.OUT_OF_RANGE

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
            assert [p.kind for p in problems(block, label_size=0, portable=portable)] == [Kind.NOT_A_NUMBER]

    @pytest.mark.parametrize("cell", [b"inf", b"-Infinity", b'" +INF "'])
    def test_what_is_infinite(self, cell: bytes) -> None:
        assert [p.kind for p in problems(b"1,2\n0," + cell)] == [Kind.INFINITE]


class TestProblems:
    VALID = b"1,2,3\n0,4,5\n1,6,7\n"

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (b"0,x4,5", (Kind.NOT_A_NUMBER, 2, b"x4", 0, 0)),
            (b'0, "4 x"\t,5', (Kind.NOT_A_NUMBER, 2, b"4 x", 0, 0)),
            (b"0,, 5", (Kind.MISSING, 2, b"", 0, 0)),
            (b"NaN,4,5", (Kind.MISSING, 1, b"NaN", 0, 0)),
            (b"0,4,-inf", (Kind.INFINITE, 3, b"-inf", 0, 0)),
            (b"0,4,1e39", (Kind.OUT_OF_RANGE, 3, b"1e39", 0, 0)),
            (b"0,4", (Kind.WRONG_WIDTH, 0, b"0,4", 3, 2)),
            (b"0,4,5,", (Kind.WRONG_WIDTH, 0, b"0,4,5,", 3, 4)),
            (b'0,"4,5', (Kind.UNTERMINATED_QUOTE, 2, b'"4,5', 0, 0)),
            (b'0,4,"5""', (Kind.UNTERMINATED_QUOTE, 3, b'"5""', 0, 0)),
            (b'0,"4,5",6', (Kind.NOT_A_NUMBER, 2, b"4,5", 0, 0)),
        ],
    )
    @pytest.mark.parametrize("portable", [False, True])
    def test_each_kind_says_where_it_is(self, line: bytes, expected: tuple, portable: bool) -> None:
        for before in (1, 20):
            block = b"1,2,3\n" * before + line + b"\r\n1,6,7\n"
            (problem,) = problems(block, portable=portable)
            text = block[problem.offset : problem.offset + problem.length]
            assert (problem.kind, problem.column, text, problem.expected, problem.found) == expected
            assert problem.row == before + 1

    def test_one_problem_a_row_the_first_few_of_many(self) -> None:
        block = self.VALID + b"x,y,z\n1,2,3\n" * 500
        with pytest.raises(BadRows, match="500 bad rows") as caught:
            decode_csv(block, label_size=1)
        assert [p.row for p in caught.value.problems] == [4, 6, 8, 10, 12, 14, 16, 18]
        assert (caught.value.count, caught.value.last_row) == (500, 1002)

    def test_the_width_can_be_that_of_earlier_blocks(self) -> None:
        assert [(p.row, p.expected, p.found) for p in problems(b"1,2\n1,2,3\n", columns=3)] == [(1, 3, 2)]

    def test_a_wide_first_row_does_not_take_memory_for_many_short_ones(self) -> None:
        wide = b",".join([b"1"] * 100_000) + b"\n"
        assert problems(wide + b"1\n" * 1_000_000)[0].kind == Kind.WRONG_WIDTH


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
        for prefix in (b"", PAD):
            answers = []
            for portable in (False, True):
                try:
                    rows = decode_csv(prefix + block, label_size=0, portable=portable)
                    answers.append((rows.features.tobytes(), rows.features.shape, rows.lines, str(rows.row_numbers)))
                except BadRows as bad:
                    answers.append((bad.problems, bad.count, bad.last_row))
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
        rows = decode_csv(block, label_size=1)
        np.testing.assert_array_equal(rows.labels, table[:, 0])
        np.testing.assert_array_equal(rows.features, table[:, 1:])

    def test_a_cell_among_single_digits_that_is_none(self) -> None:
        good = ",".join(["7"] * 40)
        for at in (0, 1, 8, 15, 16, 31, 39):
            cells = ["7"] * 40
            cells[at] = "x"
            (problem,) = problems(f"{good}\n{good}\n{','.join(cells)}\n".encode())
            assert (problem.row, problem.column) == (3, at + 1)

    @pytest.mark.parametrize("label_size", [0, 1])
    @pytest.mark.parametrize("shorts", range(1, 40))
    def test_short_lines_among_long_ones_of_single_digits(self, shorts: int, label_size: int) -> None:
        """Sixteen cells are looked at together, which goes beyond the end of a short line, even to the last one."""
        good = ",".join("1" * 40)
        block = "\n".join([*[good] * 100, "1,1", good, *["1"] * shorts]).encode() + b"\n"
        found = []
        for portable in (True, False):
            with pytest.raises(BadRows) as bad:
                decode_csv(block, label_size=label_size, columns=40, portable=portable)
            found.append((bad.value.problems, bad.value.count, bad.value.last_row))
        assert found[0] == found[1]
        assert found[0][1] == shorts + 1
