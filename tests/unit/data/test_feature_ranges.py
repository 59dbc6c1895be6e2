from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.feature_ranges import coarse_columns_notice


def notice(*columns: tuple[float, float], names: tuple[str, ...] | None = None) -> str | None:
    minima, maxima = np.array(columns).T
    return coarse_columns_notice("train", minima, maxima, names)


@pytest.mark.parametrize(
    "column",
    [
        (0, 1e-30),
        (-1e8, 1e8),
        (5, 5),  # a constant column is none that varies too little
        (1.7e9, 1.7e9 + 64 * 128),  # seconds, of two hours and a quarter
        (1e8, 1e8 + 1000),
        (np.inf, -np.inf),  # without values
    ],
)
def test_columns_that_float32_holds(column: tuple[float, float]) -> None:
    assert notice(column) is None


@pytest.mark.parametrize("column", [(1.7e9, 1.7e9 + 3600), (-1e8 - 100, -1e8), (1 + 1e-6, 1 + 2e-6)])
def test_columns_of_which_it_keeps_little(column: tuple[float, float]) -> None:
    assert notice((0, 1), column) is not None


def test_the_notice_says_which_and_what_to_do() -> None:
    assert notice((0, 1), (1.7e9, 1.7e9 + 3600), names=("age", "time")) == (
        "Columns of channel 'train' vary less than the float32 numbers that hold them can tell: "
        "time (1.7e+09 to 1.7000036e+09 in steps of 128). "
        "Subtract a constant from each, here and in the rows to predict."
    )
    assert "vary less than the float32 numbers that hold them can tell: 2 (" in str(notice((0, 1), (1e8, 1e8 + 9)))
    assert ", and 2 more. " in str(notice(*[(1e8, 1e8 + 9)] * 7))
