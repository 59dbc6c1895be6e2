"""What hosts, which are threads here, come to know of each other's rows: the same as one host knows of all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from in_threads import together

from linear_learner.data.columns import Columns
from linear_learner.data.dataset import Dataset, without_rows
from linear_learner.data.feature_ranges import MOST_RANGES, FeatureRanges
from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.model import scaler
from linear_learner.training.cluster.agreement import agree_on_columns, agree_on_rows, merged, merged_ranges, totals
from linear_learner.training.cluster.interface import ALONE, Cluster

SPLIT = [70, 100]
"""Of 100 rows, the first host has 70, the second 30 and the third none."""


def dataset(features: Rows, labels: np.ndarray | None = None) -> Dataset:
    labels = np.arange(len(features)) % 3 if labels is None else labels
    return Dataset("train", features, labels.astype(np.float32), ())


def columns(width: int, names: tuple[str, ...] | None = None, *, grows: bool = False) -> Columns:
    found = Columns("train", None)
    features: Rows = np.zeros((1, width), np.float32)
    found.check(
        Batch(
            CsrMatrix.from_dense(features) if grows else features,
            np.zeros(1, np.float32),
            "part-0",
            feature_names=names,
            width_is_open=grows,
        )
    )
    return found


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(5, 3, (100, 4)).astype(np.float32)


def parts(rows: Rows) -> list[Rows]:
    return [rows[slice(start, stop)] for start, stop in zip([0, *SPLIT], [*SPLIT, 100], strict=True)]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_scaler_statistics_are_those_of_all_rows(is_sparse: bool, features: np.ndarray) -> None:
    rows: Rows = np.where(features > 4, features, 0)
    if is_sparse:
        rows = CsrMatrix.from_dense(np.asarray(rows))
    own = parts(rows)
    whole = scaler.measure(rows)
    for found in together(3, lambda cluster: merged(scaler.measure(own[cluster.rank]), cluster)):
        assert found.moments.count == 100
        np.testing.assert_allclose(found.moments.mean, whole.moments.mean, rtol=1e-12)
        np.testing.assert_allclose(found.moments.squares, whole.moments.squares, rtol=1e-10)
        assert (found.held is None) == (whole.held is None)
        if whole.held is not None:
            np.testing.assert_array_equal(found.held, whole.held)


def test_ranges_are_those_of_all_rows(features: np.ndarray) -> None:
    own = parts(features)

    def run(cluster: Cluster) -> FeatureRanges | None:
        rows = own[cluster.rank]
        return merged_ranges(FeatureRanges.of(rows) if len(rows) else None, 4, cluster)

    for found in together(3, run):
        assert found is not None
        assert found.rows == 100
        np.testing.assert_allclose(found.means, features.mean(axis=0, dtype=np.float64), rtol=1e-12)
        np.testing.assert_array_equal(found.minima, features.min(axis=0))
        np.testing.assert_array_equal(found.maxima, features.max(axis=0))


def test_of_too_many_columns_there_are_no_ranges() -> None:
    assert together(2, lambda cluster: merged_ranges(None, MOST_RANGES + 1, cluster)) == [None, None]


def test_rows_and_classes_are_added_up(features: np.ndarray) -> None:
    labels = np.arange(100) % 3
    own = [dataset(rows, part) for rows, part in zip(parts(features), np.split(labels, SPLIT), strict=True)]
    whole = totals(dataset(features, labels), 3, ALONE)
    for rank, found in enumerate(together(3, lambda cluster: totals(own[cluster.rank], 3, cluster))):
        assert (found.rows, found.rows_seen) == (whole.rows, whole.rows_seen) == (100, 100)
        assert found.values_per_row == whole.values_per_row == 4
        assert found.class_counts.tolist() == whole.class_counts.tolist() == [34, 33, 33]
        assert found.share == [0.7, 0.3, 0.0][rank]


def test_hosts_may_each_have_one_class_but_not_all_the_same(features: np.ndarray) -> None:
    def run(cluster: Cluster, label: int) -> list[int]:
        found = totals(dataset(features[:10], np.full(10, label)), 2, cluster)
        return [int(count) for count in found.class_counts]

    assert together(2, lambda cluster: run(cluster, cluster.rank)) == [[10, 10], [10, 10]]
    with pytest.raises(ClientError, match=r"Every label of channel 'train' is 1.*20 rows"):
        together(2, lambda cluster: run(cluster, 1))


class TestColumns:
    def test_a_host_without_rows_learns_them_from_the_others(self) -> None:
        def run(cluster: Cluster) -> tuple[object, ...]:
            found = agree_on_columns(columns(3, ("a", "b", "c")) if cluster.rank == 1 else None, "train", cluster)
            return found.feature_dim, found.feature_names

        assert together(3, run) == [(3, ("a", "b", "c"))] * 3

    def test_sparse_rows_that_name_some_columns_have_those_of_all_hosts(self) -> None:
        widths = [4, 9, 2]
        found = together(3, lambda cluster: agree_on_columns(columns(widths[cluster.rank], grows=True), "x", cluster))
        assert [shape.feature_dim for shape in found] == [9, 9, 9]

    @pytest.mark.parametrize(
        ("own", "message"),
        [
            ([columns(4), columns(5)], "its rows have 5 features there, and 4 on host 'algo-1'"),
            ([columns(2, ("a", "b")), columns(2, ("a", "c"))], "feature 2 is 'b' in the one and 'c' in the other"),
        ],
    )
    def test_different_ones_are_told_by_host(self, own: list[Columns], message: str) -> None:
        with pytest.raises(ClientError, match=f"(?s){message}.*host 'algo-2' and host 'algo-1'"):
            together(2, lambda cluster: agree_on_columns(own[cluster.rank], "train", cluster))

    def test_dense_and_sparse_rows_are_not_mixed(self, features: np.ndarray) -> None:
        own = [dataset(features), dataset(CsrMatrix.from_dense(features))]
        with pytest.raises(ClientError, match="its rows are sparse there, and dense on host 'algo-1'"):
            together(2, lambda cluster: agree_on_rows(own[cluster.rank], "train", cluster))

    def test_rows_of_one_label_everywhere_are_known_as_such(self, features: np.ndarray) -> None:
        def run(cluster: Cluster, labels: list[int]) -> float | None:
            rows = dataset(features[:5], np.full(5, labels[cluster.rank]))
            return agree_on_rows(None if cluster.rank == 2 else rows, "validation", cluster).one_label

        assert together(3, lambda cluster: run(cluster, [1, 1, 0])) == [1.0] * 3
        assert together(3, lambda cluster: run(cluster, [1, 0, 0])) == [None] * 3


def test_a_data_set_without_rows_has_all_else() -> None:
    for is_sparse in (False, True):
        empty = without_rows("train", 5, is_sparse=is_sparse, feature_names=None)
        assert (len(empty), empty.feature_dim, empty.is_sparse, empty.rows) == (0, 5, is_sparse, 0)
        assert replace(empty, name="x").class_counts(2).tolist() == [0, 0]
        assert empty.one_label is None
