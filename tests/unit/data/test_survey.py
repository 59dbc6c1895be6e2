from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.dataset import Dataset
from linear_learner.data.feature_ranges import MOST_RANGES, FeatureRanges
from linear_learner.data.survey import Survey
from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix

RANDOM = np.random.default_rng(0)
X = (RANDOM.normal([1e4, -1, 0], [1, 2, 3], (500, 3)) * (RANDOM.random((500, 3)) < 0.5)).astype(np.float32)
Y = RANDOM.integers(0, 3, 500).astype(np.float32)


def surveyed(*, sparse: bool = False, sample_rows: int | None = 50, classes: int = 3, labels: np.ndarray = Y) -> Survey:
    survey = Survey(lambda data: None, classes=classes, sample_size=1 << 20, sample_rows=sample_rows)
    for start in range(0, 500, 130):
        rows = slice(start, start + 130)
        features = CsrMatrix.from_dense(X[rows]) if sparse else X[rows]
        survey.add(Dataset("train", features, labels[rows], ()))
    return survey


@pytest.mark.parametrize("sparse", [False, True])
def test_it_knows_of_batches_what_the_whole_would_tell(sparse: bool) -> None:
    survey = surveyed(sparse=sparse)
    assert survey.rows == 500
    np.testing.assert_array_equal(survey.class_counts, np.bincount(Y.astype(int)))
    assert survey.ranges is not None
    np.testing.assert_allclose(survey.ranges.means, X.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(survey.ranges.minima, X.min(axis=0))
    np.testing.assert_array_equal(survey.ranges.maxima, X.max(axis=0))


def test_the_sample_has_as_many_rows_as_asked_for_from_the_whole_channel() -> None:
    sample = surveyed().sample()
    assert len(sample) == 50
    rows = {row.tobytes() for row in X}
    assert all(row.tobytes() in rows for row in np.asarray(sample.features))
    late = {row.tobytes() for row in X[250:]}
    assert any(row.tobytes() in late for row in np.asarray(sample.features))


def test_the_sample_has_no_more_rows_than_were_added_first() -> None:
    assert len(surveyed(sample_rows=None).sample()) == 130


def test_every_part_is_checked() -> None:
    seen: list[int] = []
    survey = Survey(lambda data: seen.append(len(data)), classes=0, sample_size=1 << 20, sample_rows=1)
    for rows in (3, 4):
        survey.add(Dataset("train", X[:rows], Y[:rows], ()))
    assert seen == [3, 4]
    assert len(survey.class_counts) == 0


def test_rows_of_one_class_are_told_at_the_end() -> None:
    with pytest.raises(ClientError, match=r"Every label of channel 'train' is 2; .*\(500 rows\)"):
        surveyed(labels=np.full(500, 2, np.float32)).check_end()
    surveyed().check_end()
    surveyed(classes=0).check_end()


def test_columns_that_no_sparse_row_uses_are_known() -> None:
    survey = Survey(lambda data: None, classes=0, sample_size=1000, sample_rows=1)
    for column in (4, 1):
        dense = np.zeros((2, 6), np.float32)
        dense[:, column] = 1
        survey.add(Dataset("train", CsrMatrix.from_dense(dense), Y[:2], ()))
    assert survey.used_columns is not None
    assert survey.used_columns.tolist() == [1, 4]
    assert surveyed().used_columns is None


def test_of_rows_larger_than_the_sample_may_be_one_is_kept() -> None:
    survey = Survey(lambda data: None, classes=0, sample_size=1, sample_rows=None)
    survey.add(Dataset("train", X[:3], Y[:3], ()))
    assert len(survey.sample()) == 1


def test_of_very_many_columns_no_ranges_are_kept() -> None:
    survey = Survey(lambda data: None, classes=0, sample_size=1000, sample_rows=1)
    survey.add(Dataset("train", np.zeros((1, MOST_RANGES + 1), np.float32), Y[:1], ()))
    assert survey.ranges is None


@pytest.mark.parametrize("shape", [(1, 1), (50_001, 3), (3_001, 700), (7, 3_000)])
def test_ranges_are_those_of_all_rows(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).normal(5, 100, shape).astype(np.float32)
    ranges = FeatureRanges.of(rows)
    np.testing.assert_allclose(ranges.means, rows.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal((ranges.minima, ranges.maxima), (rows.min(axis=0), rows.max(axis=0)))
    assert ranges.rows == len(rows)


def test_ranges_of_parts_join() -> None:
    joined = FeatureRanges.of(X[:7]).joined(FeatureRanges.of(X[7:]))
    whole = FeatureRanges.of(X)
    np.testing.assert_allclose(joined.means, whole.means, rtol=1e-12)
    np.testing.assert_array_equal((joined.minima, joined.maxima), (whole.minima, whole.maxima))
    assert joined.rows == 500
