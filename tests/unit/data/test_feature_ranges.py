from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data import feature_ranges
from linear_learner.data.feature_ranges import FeatureRanges, coarse_columns_notice, far_columns_notice
from linear_learner.native import columns as native


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


def far(*columns: tuple[float, float, float, float], names: tuple[str, ...] | None = None) -> str | None:
    minima, maxima, lowest, highest = np.array(columns, np.float32).T
    return far_columns_notice("validation", (minima, maxima), (lowest, highest), names)


@pytest.mark.parametrize(
    "column",
    [
        (0, 1, 0, 1),
        (-99, 101, 0, 1),
        (5, 6, 5, 5),  # a column that was constant has no weight
        (np.inf, -np.inf, 0, 1),  # without values
        (0, 1, np.inf, -np.inf),
    ],
)
def test_columns_that_go_no_further(column: tuple[float, float, float, float]) -> None:
    assert far(column) is None


@pytest.mark.parametrize("column", [(0, 102, 0, 1), (-102, 1, 0, 1), (0, 3e38, -3e38, -2.99e38)])
def test_columns_that_go_much_further(column: tuple[float, float, float, float]) -> None:
    assert far((0, 1, 0, 1), column) is not None


def test_the_notice_says_how_far_and_what_to_do() -> None:
    assert far((0, 1, 0, 1), (18, 999999, 17, 90), names=("member", "age")) == (
        "Columns of channel 'validation' go more than 100 times as far as in channel 'train': "
        "age (18 to 999999, in train 17 to 90). "
        "The rows that hold such values outweigh all others in what is measured. "
        "If they are mistakes, or stand for missing values, mend them."
    )
    assert ", and 1 more. " in str(far(*[(0, 1e9, 0, 1)] * 6))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("by_library", [True, False])
@pytest.mark.parametrize("block", [1, 9, 1 << 16])
def test_what_the_columns_hold(block: int, by_library: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_ranges, "BLOCK_VALUES", block)
    if not by_library:
        monkeypatch.setattr(native, "can_take", lambda _: False)
    features = np.random.default_rng(0).normal(5, 100, (1001, 3)).astype(kind)
    found = FeatureRanges.of(features)
    assert found.rows == 1001
    np.testing.assert_allclose(found.means, features.mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert found.minima.tolist() == features.min(axis=0).tolist()
    assert found.maxima.tolist() == features.max(axis=0).tolist()
