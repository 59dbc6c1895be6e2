"""Normalised rows, weights and the objective, from raw channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from in_threads import together
from numpy.testing import assert_allclose, assert_array_equal

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.formats.csr import CsrMatrix
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.engines.state import State
from linear_learner.training.evaluation.model_selection import to_model
from linear_learner.training.preparation.task import (
    Task,
    fit_scaler,
    make_objective,
    own_mini_batch_size,
    prepare,
    row_weights,
)


def dataset(name: str, labels: np.ndarray, seed: int = 0) -> Dataset:
    """Three features with means of 10, 20, 30 and spreads of 1, 2, 3."""
    features = np.random.default_rng(seed).normal([10, 20, 30], [1, 2, 3], (len(labels), 3)).astype(np.float32)
    return Dataset(name, features, labels.astype(np.float32), ())


def regression(name: str, rows: int = 50, seed: int = 0) -> Dataset:
    return dataset(name, np.random.default_rng(seed + 1).normal(100, 7, rows), seed)


def hyperparameters(predictor_type: str = "regressor", **given: str) -> HyperParameters:
    return resolve(validate({"predictor_type": predictor_type, **given}), feature_dim=3, rows=50)


def prepared(*datasets: Dataset, **given: str) -> Task:
    return prepare(hyperparameters(**given), {data.name: data for data in datasets})


def chunk_of(task: Task) -> Chunk:
    """The train channel as the engine sees it."""
    return next(task.train.chunks(0))


class TestPrepare:
    def test_warns_of_columns_that_float32_holds_little_of(self, caplog: pytest.LogCaptureFixture) -> None:
        train = regression("train")
        prepared(train)
        assert not caplog.records
        prepared(replace(train, features=train.features + np.float32([0, 1e8, 0]), feature_names=("a", "b", "c")))
        (record,) = caplog.records
        assert "channel 'train'" in record.getMessage() and ": b (1" in record.getMessage()

    def test_warns_of_columns_that_go_much_further_in_validation(self, caplog: pytest.LogCaptureFixture) -> None:
        train, validation = regression("train"), regression("validation", 20, seed=5)
        prepared(train, validation)
        assert not caplog.records
        validation.features[7, 2] = 999999
        prepared(train, validation)
        (record,) = caplog.records
        assert "channel 'validation'" in record.getMessage() and ": 3 (" in record.getMessage()

    def test_normalises_by_the_train_channel(self) -> None:
        train, validation = regression("train"), regression("validation", 20, seed=5)
        raw, labels, others = train.features.astype(float), train.labels.astype(float), validation.features.copy()
        task = prepared(train, validation)
        mean, std = raw.mean(axis=0), raw.std(axis=0)
        assert_allclose(chunk_of(task).features, (raw - mean) / std, atol=1e-5)
        assert_allclose(task.judge().rows.features, (others - mean) / std, atol=1e-5)
        assert_allclose(chunk_of(task).labels, (labels - labels.mean()) / labels.std(), atol=1e-5)
        assert_allclose(task.judge().rows.labels, (validation.labels - labels.mean()) / labels.std(), atol=1e-5)

    def test_rows_that_lie_apart_in_memory_become_adjacent(self) -> None:
        """As a host's every other row of a block does."""
        train, validation = regression("train"), regression("validation", 20, seed=5)
        apart = replace(train, features=np.repeat(train.features, 2, axis=0)[::2])
        features = chunk_of(prepared(apart, validation)).features
        assert isinstance(features, np.ndarray) and features.flags.c_contiguous
        np.testing.assert_array_equal(features, chunk_of(prepared(train, validation)).features)

    def test_remembers_what_the_train_channel_held_in_raw_units(self) -> None:
        train = regression("train")
        raw = train.features.astype(float)
        ranges = prepared(train, regression("validation", 20, seed=5)).ranges()
        assert_allclose(ranges.means, raw.mean(axis=0))
        assert_array_equal(ranges.minima, raw.min(axis=0))
        assert_array_equal(ranges.maxima, raw.max(axis=0))

    def test_validation_judges(self) -> None:
        validation = regression("validation", 20, seed=5)
        raw = validation.features.copy()
        task = prepared(regression("train"), validation)
        assert task.judge_channel == "validation"
        assert_array_equal(task.judge().raw.features, raw)
        assert_array_equal(task.judge().rows.order, np.arange(20))

    def test_without_validation_train_judges_and_keeps_its_raw_rows(self) -> None:
        train = regression("train")
        raw = train.features.copy()
        task = prepared(train)
        assert task.judge_channel == "train"
        assert task.judge().rows.features is chunk_of(task).features
        assert_array_equal(task.judge().raw.features, raw)

    def test_with_validation_the_train_channel_is_held_once(self) -> None:
        train = regression("train")
        task = prepared(train, regression("validation", 20))
        assert chunk_of(task).features is train.features

    def test_labels_of_classes_stay_as_they_are(self) -> None:
        labels = np.arange(50) % 2
        task = prepared(dataset("train", labels), predictor_type="binary_classifier")
        assert_array_equal(chunk_of(task).labels, labels)
        assert task.loss.name == "logistic"

    def test_rows_weigh_by_their_class_where_asked(self) -> None:
        labels = np.array([0] * 6 + [1] * 2 + [2] * 2)
        given = {"predictor_type": "multiclass_classifier", "num_classes": "3"}
        assert chunk_of(prepared(dataset("train", labels), **given)).weights is None
        task = prepared(dataset("train", labels), **given, balance_multiclass_weights="true")
        assert chunk_of(task).weights is not None and task.class_weights is not None
        sums = np.bincount(labels, weights=chunk_of(task).weights)
        assert_allclose(sums, [10 / 3] * 3, rtol=1e-6)
        assert_allclose(task.class_weights, [10 / 18, 10 / 6, 10 / 6], rtol=1e-6)


class TestFitScaler:
    def test_takes_a_sample_from_the_whole_channel(self) -> None:
        """Sorted rows are no trap: the head alone would have a mean of 0."""
        features = np.repeat(np.arange(10, dtype=np.float32), 100)[:, None]
        train = Dataset("train", features, np.zeros(1000, np.float32), ())
        found, _ = fit_scaler(hyperparameters(num_point_for_scaler="100"), train)
        assert found.mean[0] == pytest.approx(4.5, abs=0.2)
        assert found.std[0] == pytest.approx(features.std(), abs=0.2)

    @pytest.mark.parametrize("name", ["normalize_data", "unbias_data", "normalize_label", "unbias_label"])
    def test_leaves_out_what_is_switched_off(self, name: str) -> None:
        found, _ = fit_scaler(hyperparameters(**{name: "false"}), regression("train"))
        plain = {
            "normalize_data": bool((found.std == 1).all()),
            "unbias_data": bool((found.mean == 0).all()),
            "normalize_label": found.label_std == 1,
            "unbias_label": found.label_mean == 0,
        }
        assert plain == {other: other == name for other in plain}


class TestMakeObjective:
    @pytest.mark.parametrize(
        ("loss", "given", "keyword", "expected"),
        [
            ("huber_loss", {"huber_delta": "14"}, "delta", 14),
            ("eps_insensitive_squared_loss", {"loss_insensitivity": "14"}, "epsilon", 14),
            ("eps_insensitive_absolute_loss", {"loss_insensitivity": "14"}, "epsilon", 14),
        ],
    )
    def test_constants_in_units_of_the_label_are_scaled_with_it(
        self, loss: str, given: dict[str, str], keyword: str, expected: float
    ) -> None:
        train = regression("train")
        hp = hyperparameters(loss=loss, **given)
        objective = make_objective(hp, prepare(hp, {"train": train}))
        std = float(train.labels.astype(float).std())
        assert objective.constants == {keyword: pytest.approx(expected / std, rel=1e-6)}

    def test_a_quantile_has_no_unit(self) -> None:
        hp = hyperparameters(loss="quantile_loss", quantile="0.9")
        assert make_objective(hp, prepare(hp, {"train": regression("train")})).constants == {"quantile": 0.9}

    @pytest.mark.parametrize(
        ("given", "outputs"),
        [
            ({"predictor_type": "binary_classifier"}, 1),
            ({"predictor_type": "regressor"}, 1),
            ({"predictor_type": "multiclass_classifier", "num_classes": "3"}, 3),
        ],
    )
    def test_classes_have_an_output_each(self, given: dict[str, str], outputs: int) -> None:
        hp = hyperparameters(**given, optimizer="sgd", mini_batch_size="8", use_bias="false")
        objective = make_objective(hp, prepare(hp, {"train": dataset("train", np.arange(50) % 2)}))
        assert objective.outputs == outputs
        assert (objective.optimizer, objective.mini_batch_size, objective.use_bias) == ("sgd", 8, False)


def test_row_weights_are_those_of_their_classes() -> None:
    weights = row_weights(np.array([2, 0, 2], np.float32), np.array([0.5, 1, 3], np.float32))
    assert weights is not None
    assert weights.tolist() == [3, 0.5, 3]
    assert row_weights(np.zeros(3, np.float32), None) is None


class TestSparseRows:
    DENSE = np.array([[0, 2, 0, 0], [0, 0, 0, -1], [0, 4, 0, 3], [0, 0, 0, 0]], np.float32)

    def task(self) -> Task:
        labels = np.array([0, 1, 1, 0], np.float32)
        validation = np.array([[5, 1, 0, 0], [0, 0, 0, 2]], np.float32)
        channels = {
            "train": Dataset("train", CsrMatrix.from_dense(self.DENSE), labels, ()),
            "validation": Dataset("validation", CsrMatrix.from_dense(validation), labels[:2], ()),
        }
        return prepare(hyperparameters("binary_classifier", mini_batch_size="2"), channels)

    def test_columns_that_no_row_of_train_holds_are_left_out(self) -> None:
        task = self.task()
        assert task.columns.tolist() == [1, 3]
        assert task.trained_columns == 2
        judge = task.judge()
        np.testing.assert_allclose(
            judge.rows.features.toarray(), [[1 / task.scaler.std[1], 0], [0, 2 / task.scaler.std[3]]]
        )
        np.testing.assert_array_equal(judge.raw.features.toarray(), [[5, 1, 0, 0], [0, 0, 0, 2]])
        (chunk,) = task.train.chunks(0)
        assert chunk.features.shape == (4, 2)

    def test_columns_that_rows_of_any_host_hold_are_trained_on_all(self) -> None:
        hp, labels = hyperparameters("binary_classifier", mini_batch_size="2"), np.array([0, 1], np.float32)

        def columns(cluster: Cluster) -> list[int]:
            own = self.DENSE[[0, 3] if cluster.is_first else [1, 3]]
            task = prepare(hp, {"train": Dataset("train", CsrMatrix.from_dense(own), labels, ())}, cluster)
            assert task.columns is not None
            return task.columns.tolist()

        assert together(2, columns) == [[1, 3]] * 2

    def test_penalty_factors_are_those_of_the_columns_that_are_trained(self) -> None:
        task = self.task()
        _, of_all = fit_scaler(hyperparameters(), Dataset("train", CsrMatrix.from_dense(self.DENSE), np.ones(4), ()))
        assert len(of_all) == 4
        np.testing.assert_array_equal(task.penalty_factors, of_all[[1, 3]])
        np.testing.assert_array_equal(
            make_objective(hyperparameters("binary_classifier"), task).penalty_factors, task.penalty_factors
        )
        assert prepared(regression("train")).penalty_factors is None

    def test_ranges_count_what_is_not_stored_as_zeros(self) -> None:
        ranges = self.task().ranges()
        np.testing.assert_allclose(ranges.means, self.DENSE.mean(axis=0))
        np.testing.assert_array_equal(ranges.minima, self.DENSE.min(axis=0))
        np.testing.assert_array_equal(ranges.maxima, self.DENSE.max(axis=0))

    def test_the_model_has_all_columns_and_weights_of_zero_for_those_left_out(self) -> None:
        task = self.task()
        best = State.zeros(1, 1, 2)
        best.set_weights(np.array([[3.0], [4.0]]), np.array([0.5]))
        model = to_model(best, 0, task, hyperparameters("binary_classifier"))
        np.testing.assert_allclose(
            model.weights[:, 0], [0, 3 / task.scaler.std[1], 0, 4 / task.scaler.std[3]], rtol=1e-6
        )
        rows = task.judge()
        np.testing.assert_allclose(model.raw_scores(rows.raw.features), best.scores(rows.rows.features), rtol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "size", "share", "own"),
    [
        ("adam", 1000, 1.0, 1000),
        ("adam", 1000, 0.25, 250),
        ("adam", 1000, 0.0, 1),
        ("sgd", 1000, 0.25, 250),
        ("sgd", 100, 0.1, 32),
        ("sgd", 20, 0.5, 20),
    ],
)
def test_a_host_takes_its_share_of_every_mini_batch(optimizer: str, size: int, share: float, own: int) -> None:
    hp = replace(hyperparameters(optimizer=optimizer), mini_batch_size=size)
    assert own_mini_batch_size(hp, share) == own
