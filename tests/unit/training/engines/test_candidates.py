from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from linear_learner.hyperparameters import resolve, validate
from linear_learner.training.engines.candidates import VARIED, Candidate, make_candidates, rates

ROWS = 1000
ALL_GIVEN = {"learning_rate": "0.1", "lr_scheduler_factor": "0.9", "wd": "0", "l1": "0"}


def candidates_for(positive_weights: tuple[float, ...] = (1.0,), sparse: bool = False, **given: str) -> list[Candidate]:
    requested = validate({"predictor_type": "binary_classifier", **given})
    resolved = resolve(requested, feature_dim=3, rows=ROWS)
    return make_candidates(requested, resolved, rows=ROWS, sparse=sparse, positive_weights=positive_weights)


def test_by_default_there_are_32_and_no_two_are_equal() -> None:
    assert len(set(candidates_for())) == 32


def test_the_first_candidate_has_the_resolved_values() -> None:
    resolved = resolve(validate({"predictor_type": "binary_classifier"}), feature_dim=3, rows=ROWS)
    first = candidates_for()[0]
    for field in dataclasses.fields(Candidate):
        if field.name not in ("positive_weight", "raw_penalty"):
            assert getattr(first, field.name) == getattr(resolved, field.name), field.name


@pytest.mark.parametrize("name", VARIED)
def test_what_the_user_gave_is_the_same_in_every_candidate_and_the_rest_varies(name: str) -> None:
    found = candidates_for(**{name: "0.0123"})
    assert {getattr(c, name) for c in found} == {0.0123}
    for other in set(VARIED) - {name}:
        assert len({getattr(c, other) for c in found}) > 1
    assert len(set(found)) == 32


def test_where_all_is_given_one_model_is_enough() -> None:
    assert len(candidates_for(**ALL_GIVEN)) == 1


def test_without_a_scheduler_its_factor_is_nothing_to_vary() -> None:
    given = {name: value for name, value in ALL_GIVEN.items() if name != "lr_scheduler_factor"}
    assert len(candidates_for(use_lr_scheduler="false", **given)) == 1


def test_two_candidates_have_penalties_for_noise_and_many_columns() -> None:
    found = [(c.wd * ROWS, c.l1) for c in candidates_for() if c.wd > 100 / ROWS]
    assert found == [(pytest.approx(300), 0), (pytest.approx(3000), 0)]


@pytest.mark.parametrize("count", [1, 5, 32, 33, 256])
def test_num_models_is_the_number_of_distinct_candidates(count: int) -> None:
    found = candidates_for(num_models=str(count))
    assert len(found) == len(set(found)) == count
    assert found[: min(count, 32)] == candidates_for()[: min(count, 32)]


def test_draws_depend_on_the_seed_only() -> None:
    assert candidates_for(num_models="40") == candidates_for(num_models="40")
    assert candidates_for(num_models="40") != candidates_for(num_models="40", seed="1")


def test_every_weight_of_positives_meets_every_learning_rate() -> None:
    found = candidates_for(positive_weights=(1.0, 3.0, 9.0))
    pairs = {(c.positive_weight, c.learning_rate) for c in found}
    assert pairs == set(itertools.product((1.0, 3.0, 9.0), {c.learning_rate for c in found}))


def test_weights_of_positives_are_tried_even_where_all_else_is_given() -> None:
    found = candidates_for(positive_weights=(1.0, 3.0, 9.0), **ALL_GIVEN)
    assert sorted(c.positive_weight for c in found) == [1.0, 3.0, 9.0]


def test_without_a_scheduler_the_learning_rate_never_changes() -> None:
    stacked = rates(candidates_for(use_lr_scheduler="false"))
    np.testing.assert_array_equal(stacked.learning_rate_at(10_000), stacked.learning_rate_at(0))


@pytest.mark.parametrize("rows", [10**6, 10**9, 10**12])
def test_the_learning_rate_halves_over_a_job_of_any_length(rows: int) -> None:
    """The factor of one decrease is as near to 1 as the job is long."""
    requested = validate({"predictor_type": "binary_classifier", "mini_batch_size": "10"})
    resolved = resolve(requested, feature_dim=3, rows=rows)
    stacked = rates(make_candidates(requested, resolved, rows=rows))
    last = stacked.learning_rate_at(15 * rows // 10)[0] / stacked.learning_rate_at(0)[0]
    assert last == pytest.approx(0.5, rel=1e-3)


def test_the_scheduler_multiplies_every_so_many_steps_down_to_a_floor() -> None:
    given = {"learning_rate": "0.1", "lr_scheduler_step": "10", "lr_scheduler_factor": "0.5"}
    stacked = rates(candidates_for(**given, lr_scheduler_minimum_lr="0.02"))
    found = [float(stacked.learning_rate_at(step)[0]) for step in (0, 9, 10, 20, 30, 1000)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.05, 0.025, 0.02, 0.02], rtol=1e-6)


def test_a_floor_above_the_learning_rate_does_not_raise_it() -> None:
    stacked = rates(candidates_for(learning_rate="0.001", lr_scheduler_minimum_lr="0.1"))
    assert float(stacked.learning_rate_at(500)[0]) == pytest.approx(0.001)


def test_of_sparse_rows_every_regularisation_is_tried_with_either_penalty() -> None:
    found = candidates_for(sparse=True)
    assert len(found) == len(set(found)) == 32
    assert not found[0].raw_penalty
    assert len({(c.wd, c.l1, c.raw_penalty) for c in found if c.wd < 100 / ROWS}) == 16
    assert [dataclasses.replace(c, raw_penalty=False) for c in found] == candidates_for()
    assert {c.raw_penalty for c in candidates_for(sparse=True, num_models="60")[32:]} == {True, False}


@pytest.mark.parametrize("name", ["wd", "l1"])
def test_a_penalty_that_the_user_gave_is_the_same_for_all_columns(name: str) -> None:
    assert not any(c.raw_penalty for c in candidates_for(sparse=True, **{name: "0.1"}))


def test_either_penalty_is_tried_at_a_learning_rate_that_the_user_gave() -> None:
    found = candidates_for(sparse=True, learning_rate="0.1", lr_scheduler_factor="0.9", num_models="16")
    assert len({(c.wd, c.l1, c.raw_penalty) for c in found}) == 16


def test_no_candidate_of_sgd_takes_steps_over_its_penalty_that_are_too_large() -> None:
    requested = validate({"predictor_type": "binary_classifier", "optimizer": "sgd"})
    resolved = resolve(requested, feature_dim=3, rows=40)
    candidates = make_candidates(requested, resolved, rows=40)
    assert max(each.wd for each in candidates) == 75
    assert max(each.learning_rate * each.wd for each in candidates) <= 1
    assert candidates[0].learning_rate == resolved.learning_rate
