"""One model out of several candidates, in raw units."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from linear_learner.data.chunk import Chunk
from linear_learner.data.dataset import Dataset
from linear_learner.data.epochs import Epochs
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters, resolve, validate
from linear_learner.model.losses import LOSSES
from linear_learner.model.scaler import Scaler
from linear_learner.training.engines.state import TILE, State
from linear_learner.training.epochs.progress import Trained
from linear_learner.training.evaluation.model_selection import (
    choose,
    criterion_of,
    neutral_threshold,
    to_model,
    watcher,
)
from linear_learner.training.preparation.task import FeatureRanges, Judge, Task

CRITERION = "binary_classifier_model_selection_criteria"


def hyperparameters(predictor_type: str = "binary_classifier", **given: str) -> HyperParameters:
    return resolve(validate({"predictor_type": predictor_type, **given}), feature_dim=1, rows=8)


def task_of(hp: HyperParameters, raw: np.ndarray, labels: np.ndarray, scaler: Scaler | None = None) -> Task:
    """A task judged by the ``raw`` rows (n, d)."""
    raw = raw.astype(np.float32)
    scaler = scaler or Scaler(np.zeros(raw.shape[1], np.float32), np.ones(raw.shape[1], np.float32))
    rows = Chunk(scaler.transform(raw), labels.astype(np.float32), np.arange(len(raw)))
    return Task(
        LOSSES[hp.predictor_type, hp.loss],
        scaler,
        None,
        Epochs(rows.features, rows.labels, None, seed=0),
        "validation",
        lambda: Judge(Dataset("validation", raw, rows.labels, ()), rows),
        lambda: FeatureRanges.of(raw),
        work=1,
    )


def trained(
    weights: list[float], losses: list[float], *, bias: float = 0.0, alive: list[bool] | None = None
) -> Trained:
    """A candidate of one feature for each of ``weights``."""
    state = State.zeros(len(weights), 1, 1)
    state.set_weights(np.array([weights]), np.full(len(weights), bias))
    return Trained(
        best=state,
        loss=np.array(losses),
        best_epoch=np.zeros(len(weights), int),
        alive=np.ones(len(weights), bool) if alive is None else np.array(alive),
    )


ROWS = np.array([[-3.0], [-2], [-1], [1], [2], [3], [4], [5]])
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
"""Told apart by a positive weight; by a negative one all the wrong way round."""


class TestChoose:
    @pytest.mark.parametrize("criterion", ["loss_function", "cross_entropy_loss"])
    def test_by_loss_takes_the_least(self, criterion: str) -> None:
        hp = hyperparameters(**{CRITERION: criterion})
        choice = choose(trained([1, -1, 2], [0.5, 0.1, 0.3]), task_of(hp, ROWS, LABELS), hp)
        assert choice.candidate == 1
        assert choice.model.threshold == 0.5
        assert choice.values.tolist() == [0.5, 0.1, 0.3]

    def test_by_accuracy_takes_the_most_accurate(self) -> None:
        hp = hyperparameters()
        choice = choose(trained([-1, 1], [0.1, 0.5]), task_of(hp, ROWS, LABELS), hp)
        assert choice.candidate == 1
        assert choice.values.tolist() == [0.5, 1.0]

    def test_of_equally_accurate_ones_takes_the_one_of_the_least_loss(self) -> None:
        hp = hyperparameters()
        choice = choose(trained([1, 2, 3], [0.3, 0.1, 0.2]), task_of(hp, ROWS, LABELS), hp)
        assert choice.candidate == 1

    def test_takes_precisions_apart_by_the_rows_that_are_called_positive(self) -> None:
        """All ten positive rows are among the hundred highest scores of the first, and the 130 of the second: two rows
        of ten would make them equal, and two of a hundred do not."""
        hp = hyperparameters(**{CRITERION: "precision_at_target_recall", "target_recall": "0.999"})
        labels = np.zeros(200)
        labels[[100, 103, 106, 109, 112, 115, 118, 121, 124, 129]] = 1
        rows = np.linspace(-1, 1, 200)[:, np.newaxis]
        choice = choose(trained([1, -1], [0.5, 0.1]), task_of(hp, rows, labels), hp)
        assert choice.values.tolist() == [10 / 100, 10 / 130]
        assert choice.candidate == 0

    def test_passes_over_a_diverged_one(self) -> None:
        hp = hyperparameters()
        found = trained([1, -1], [np.inf, 0.4], alive=[False, True])
        choice = choose(found, task_of(hp, ROWS, LABELS), hp)
        assert choice.candidate == 1
        np.testing.assert_array_equal(choice.values, [np.nan, 0.5])

    @pytest.mark.parametrize("dead", [0, 1])
    def test_passes_over_a_tile_of_diverged_ones(self, dead: int) -> None:
        hp = hyperparameters()
        alive = [tile != dead for tile in (0, 1) for _ in range(TILE)]
        choice = choose(trained([1] * 2 * TILE, [0.5] * 2 * TILE, alive=alive), task_of(hp, ROWS, LABELS), hp)
        assert choice.candidate == (0 if dead else TILE)
        np.testing.assert_array_equal(choice.values, np.where(alive, 1.0, np.nan))

    def test_looks_at_no_more_rows_than_calibration_may(self) -> None:
        hp = hyperparameters(num_calibration_samples="4")
        labels = np.array([0, 1, 0, 1, 1, 0, 1, 0])  # every other one from the first on: 0, 0, 1, 1
        assert choose(trained([1], [0.5]), task_of(hp, ROWS, labels), hp).values.tolist() == [1.0]

    def test_tells_no_rows_apart_whose_probabilities_are_equal(self) -> None:
        """The scores of the first candidate are 97 to 105, and their probabilities 1 in float32."""
        hp = hyperparameters()
        found = trained([1, 1], [0.1, 0.5])
        found.best.bias[:2] = [100, 0]
        assert choose(found, task_of(hp, ROWS, LABELS), hp).values.tolist() == [0.5, 1.0]

    def test_counts_no_threshold_that_would_break_a_promise(self) -> None:
        given = {CRITERION: "recall_at_target_precision", "target_precision": "0.9"}
        values = []
        for more in ({}, {"target_confidence": "0.9"}):
            hp = hyperparameters(**given, **more)
            values.append(choose(trained([1], [0.5]), task_of(hp, ROWS, LABELS), hp).values.tolist())
        assert values == [[1.0], [0.0]]

    def test_a_regressor_knows_the_loss_alone(self) -> None:
        hp = hyperparameters("regressor")
        choice = choose(trained([1, 2], [0.5, 0.4]), task_of(hp, ROWS, LABELS), hp)
        assert (choice.candidate, choice.model.threshold) == (1, None)


class TestToModel:
    scaler = Scaler(np.array([10], np.float32), np.array([4], np.float32), label_mean=100.0, label_std=7.0)

    def test_folds_the_scaling_in(self) -> None:
        hp = hyperparameters("regressor")
        model = to_model(trained([2], [0], bias=3).best, 0, task_of(hp, ROWS, LABELS, self.scaler), hp)
        raw = np.array([[10.0], [18]], np.float32)
        assert_allclose(model.predict(raw).score, [100 + 7 * 3, 100 + 7 * (2 * 2 + 3)])

    def test_has_the_kind_of_its_task(self) -> None:
        hp = hyperparameters(loss="hinge_loss")
        model = to_model(trained([2], [0]).best, 0, task_of(hp, ROWS, LABELS), hp)
        assert (model.predictor_type, model.loss, model.link, model.threshold) == (
            "binary_classifier", "hinge_loss", "identity", 0.0
        )  # fmt: skip

    def test_tells_of_a_weight_that_raw_units_make_too_large(self) -> None:
        hp = hyperparameters("regressor")
        scaler = Scaler(np.zeros(2, np.float32), np.array([1, 1e-30], np.float32), label_std=1e20)
        state = State.zeros(1, 1, 2)
        state.set_weights(np.ones((2, 1)), np.zeros(1))
        with pytest.raises(ClientError, match=r"In raw units, the weight of feature 2 is beyond.*Scale features and"):
            to_model(state, 0, task_of(hp, np.zeros((2, 2)), LABELS[:2], scaler), hp)

    def test_tells_of_a_bias_that_raw_units_make_too_large(self) -> None:
        hp = hyperparameters("regressor")
        scaler = Scaler(np.array([1e30], np.float32), np.array([1e10], np.float32), label_std=1e25)
        with pytest.raises(ClientError, match="In raw units, the bias is beyond"):
            to_model(trained([1], [0]).best, 0, task_of(hp, ROWS, LABELS, scaler), hp)


class TestWatcher:
    def test_sees_each_candidate_at_its_own_best_threshold(self) -> None:
        hp = hyperparameters()
        criterion = criterion_of(hp)
        assert criterion is not None
        watch = watcher(task_of(hp, ROWS, LABELS), criterion)
        assert watch(trained([1, -1, 0], [0, 0, 0], bias=9).best).tolist() == [1.0, 0.5, 0.5]

    def test_takes_a_sample_of_many_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of every second row, all negative ones are told apart even by their order turned round."""
        monkeypatch.setattr("linear_learner.training.evaluation.model_selection.SAMPLED_ROWS", 4)
        hp = hyperparameters()
        labels = np.array([0, 1, 0, 1, 1, 0, 1, 0])
        criterion = criterion_of(hp)
        assert criterion is not None
        assert watcher(task_of(hp, ROWS, labels), criterion)(trained([1], [0]).best).tolist() == [1.0]


class TestCriterion:
    @pytest.mark.parametrize("name", ["accuracy", "f_beta", "f1", "precision_at_target_recall"])
    def test_of_a_binary_job_is_the_one_asked_for(self, name: str) -> None:
        criterion = criterion_of(hyperparameters(**{CRITERION: name}, target_recall="0.7"))
        assert criterion is not None and criterion.name == name

    @pytest.mark.parametrize(
        "given",
        [{CRITERION: "loss_function"}, {CRITERION: "cross_entropy_loss"}, {"predictor_type": "regressor"}],
    )
    def test_is_none_where_the_loss_decides(self, given: dict[str, str]) -> None:
        assert criterion_of(hyperparameters(**given)) is None

    def test_the_neutral_threshold_is_at_even_odds_or_a_margin_of_zero(self) -> None:
        assert neutral_threshold(LOSSES["binary_classifier", "logistic"].link) == 0.5
        assert neutral_threshold(LOSSES["binary_classifier", "hinge_loss"].link) == 0.0
