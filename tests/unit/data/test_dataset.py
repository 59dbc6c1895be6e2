from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.dataset import Dataset, Segment, check_same_columns, in_form_of, without_rows
from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix


def dataset(name: str = "train", width: int = 2, names: tuple[str, ...] | None = None) -> Dataset:
    segments = (
        Segment(0, "a.csv", 1),
        Segment(3, "b.csv", 2, np.array([2, 5])),
        Segment(5, "b.csv", 6),
    )
    return Dataset(name, np.zeros((9, width), np.float32), np.zeros(9, np.float32), segments, names)


def test_a_row_is_found_in_its_file() -> None:
    places = [dataset().where(row) for row in range(9)]
    assert places[:3] == ["a.csv, row 1", "a.csv, row 2", "a.csv, row 3"]
    assert places[3:] == [f"b.csv, row {number}" for number in (2, 5, 6, 7, 8, 9)]


def test_batches_that_follow_each_other_are_one_segment() -> None:
    rows = np.zeros((2, 1), np.float32)
    segment = Segment(10, "a.csv", 1)
    assert segment.continues_with(14, Batch(rows, None, "a.csv", 5))
    assert not segment.continues_with(14, Batch(rows, None, "a.csv", 6))
    assert not segment.continues_with(14, Batch(rows, None, "b.csv", 5))
    assert not segment.continues_with(14, Batch(rows, None, "a.csv", 5, np.array([5, 7])))
    assert not Segment(10, "a.csv", 1, np.array([1, 2, 4, 5])).continues_with(14, Batch(rows, None, "a.csv", 5))


def test_a_data_set_knows_its_shape() -> None:
    assert len(dataset()) == 9
    assert dataset(width=3).feature_dim == 3


def test_all_channels_have_the_columns_of_train() -> None:
    check_same_columns(dataset(), [dataset("validation"), dataset("test")])
    with pytest.raises(ClientError) as raised:
        check_same_columns(dataset(), [dataset("validation"), dataset("test", width=3)])
    assert str(raised.value) == (
        "Incorrect configuration or test dataset provided. The test data dimensionality '3' doesn't match train data "
        "dimensionality '2' (a.csv). Please give the test dataset the columns of the train dataset"
    )


def test_a_host_without_rows_tells_other_columns_too() -> None:
    nothing = without_rows("test", 3, is_sparse=False, feature_names=None)
    with pytest.raises(ClientError, match=r"doesn't match train data dimensionality '2' \(channel 'test'\)"):
        check_same_columns(dataset(), [nothing])


def test_all_channels_have_the_names_of_train_where_they_have_any() -> None:
    named = dataset(names=("a", "b"))
    check_same_columns(named, [named, dataset("validation"), dataset("test", names=("a", "b"))])
    check_same_columns(dataset(), [dataset("test", names=("a", "b"))])
    with pytest.raises(ClientError) as raised:
        check_same_columns(named, [dataset("test", names=("a", "c"))])
    assert str(raised.value) == (
        "Incorrect configuration or test dataset provided. Its header differs from that of the train dataset: feature "
        "2 is 'b' in the one and 'c' in the other (a.csv). "
        "Please give the test dataset the columns of the train dataset"
    )


def test_all_channels_take_the_form_of_train() -> None:
    features = np.array([[0, 2], [0, 0], [3, 4]], np.float32)
    dense = Dataset("dense", features, np.zeros(3, np.float32), ())
    sparse = Dataset("sparse", CsrMatrix.from_dense(features), np.zeros(3, np.float32), ())
    assert in_form_of(dense, dense) is dense
    assert in_form_of(sparse, sparse) is sparse
    np.testing.assert_array_equal(in_form_of(dense, sparse).features, features)
    made_sparse = in_form_of(sparse, dense)
    assert (made_sparse.name, made_sparse.features.nnz) == ("dense", 3)
    np.testing.assert_array_equal(made_sparse.features.toarray(), features)
