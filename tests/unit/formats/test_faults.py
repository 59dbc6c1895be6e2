from __future__ import annotations

import numpy as np
import pytest

from linear_learner.errors import ClientError
from linear_learner.formats.faults import MISSING, Fault, all_finite, error_of, is_moderate, to_float32

VALID = np.arange(12, dtype=np.float64).reshape(4, 3)
WHERE = {"first_row": 11, "place": "feature", "source": "part-0", "content_type": "text/csv"}


def with_value(row: int, column: int, value: float) -> np.ndarray:
    changed = VALID.copy()
    changed[row, column] = value
    return changed


def test_numbers_of_any_type_become_float32() -> None:
    for dtype in (np.float32, np.float64, np.int32, np.uint8):
        converted = to_float32(VALID.astype(dtype), **WHERE)
        assert converted.dtype == np.float32
        assert converted.flags.c_contiguous
        np.testing.assert_array_equal(converted, VALID)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            np.nan,
            r"Found missing \(NaN\) values \(part-0, row 13, feature 2, value 'nan'\)\. Please remove any missing",
        ),
        (
            -np.inf,
            r"Found infinite floating point values \(part-0, row 13, feature 2, value '-inf'\)\. Please remove any",
        ),
        (1e39, r"Found values beyond the range of float32 \(3.4e38\) \(part-0, row 13, feature 2, value '1e\+39'\)"),
    ],
)
def test_a_number_that_is_not_finite_is_told_with_its_place(value: float, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        to_float32(with_value(2, 1, value), **WHERE)


def test_finite_numbers_whose_sum_is_not_are_finite() -> None:
    assert all_finite(np.full(8, 3e38, np.float32))
    assert all_finite(np.array([3e38, 3e38, -3e38], np.float32))
    assert not all_finite(np.array([3e38, 3e38, np.nan], np.float32))
    assert not all_finite(np.array([np.inf, -np.inf], np.float32))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_moderate_numbers_are_finite_and_add_nothing_to_the_largest_float32(kind: type) -> None:
    largest = np.finfo(np.float32).max
    for value in (np.nan, np.inf, -np.inf, largest, 1.1e19, np.finfo(kind).max):
        assert not is_moderate(np.array([[1, 2], [3, value]], kind))
    assert is_moderate(np.array([[1, -2], [3, -9.9e18]], kind))
    assert np.float32(9.9e18) + largest == largest
    assert is_moderate(np.empty((0, 2), kind))


def test_of_many_bad_rows_the_first_few_and_the_count_are_told() -> None:
    faults = [Fault(MISSING, row, "column 2", "nan") for row in (3, 4, 7, 9)]
    error = error_of(faults, source="a.csv", content_type="text/csv")
    assert error.where == (
        "a.csv, row 3, column 2, value 'nan'; row 4, column 2, value 'nan'; row 7, column 2, value 'nan'; "
        "4 bad rows up to row 9"
    )
    assert "bad rows" not in error_of(faults[:3], source="a.csv", content_type="text/csv").where


def test_a_fault_of_another_kind_is_told_with_its_problem() -> None:
    faults = [Fault(MISSING, 3, "column 2", ""), Fault("The row has 3 columns", 5)]
    error = error_of(faults, source="a.csv", content_type="text/csv")
    assert error.where == "a.csv, row 3, column 2, value ''; row 5: The row has 3 columns"


def test_a_long_value_is_cut() -> None:
    assert str(Fault("bad", 1, "column 1", "x" * 100)) == f"row 1, column 1, value '{'x' * 37}...'"
