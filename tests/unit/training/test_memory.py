from __future__ import annotations

import logging

import pytest

from linear_learner.errors import ClientError
from linear_learner.training.memory import candidates_that_fit
from linear_learner.training.state import State

GIB = 2**30
WIDE = {"trained_columns": 10**7, "feature_dim": 10**7}


def test_the_size_of_an_array_is_told_without_making_it() -> None:
    state = State.zeros(7, 5, 11)
    assert State.array_bytes(7, 5, 11) == state.weights.nbytes == state.moments[0].nbytes


def test_all_candidates_fit_where_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert candidates_that_fit(32, outputs=1, memory=10 * GIB, may_be_fewer=False, **WIDE) == 32
    # Five arrays of 10 million rows of 32 float32.
    assert "32 models take 5.96 GiB of memory to train; 10.00 GiB are left" in caplog.text


def test_fewer_are_trained_where_the_number_is_ours_to_choose(caplog: pytest.LogCaptureFixture) -> None:
    assert candidates_that_fit(32, outputs=1, memory=6 * GIB, may_be_fewer=True, **WIDE) == 16
    assert "Training 16 models and not 32, which would take 5.96 GiB" in caplog.text


def test_a_number_that_the_user_gave_is_not_lowered() -> None:
    with pytest.raises(ClientError, match=r"32 models of 10000000 features .* and 6.00 GiB .*Set num_models to 16 or"):
        candidates_that_fit(32, outputs=1, memory=6 * GIB, may_be_fewer=False, **WIDE)


def test_a_number_beyond_all_bounds_is_told_at_once() -> None:
    with pytest.raises(ClientError, match="Set num_models to 16 or less"):
        candidates_that_fit(2**63 - 1, outputs=1, memory=6 * GIB, may_be_fewer=False, **WIDE)


def test_of_many_small_candidates_what_is_beside_their_arrays_counts() -> None:
    with pytest.raises(ClientError, match=r"100000000 models of 1 features .* Set num_models to \d{6} or less"):
        candidates_that_fit(10**8, outputs=1, trained_columns=1, feature_dim=1, memory=10 * GIB, may_be_fewer=False)


def test_where_not_one_fits_there_is_no_way_to_train() -> None:
    with pytest.raises(ClientError, match="Use a larger instance type"):
        candidates_that_fit(32, outputs=1, memory=GIB, may_be_fewer=True, **WIDE)


def test_what_is_kept_of_all_columns_counts_though_few_are_trained() -> None:
    with pytest.raises(ClientError, match="memory are left"):
        candidates_that_fit(32, outputs=1, trained_columns=10, feature_dim=10**9, memory=10 * GIB, may_be_fewer=True)


def test_several_outputs_take_the_tiles_that_they_fill() -> None:
    given = {"outputs": 3, "trained_columns": 10**6, "feature_dim": 10**6, "may_be_fewer": True}
    fitting = candidates_that_fit(32, memory=int(1.5 * GIB), **given)
    assert 0 < fitting < 32
    assert candidates_that_fit(fitting, memory=int(1.5 * GIB), **(given | {"may_be_fewer": False})) == fitting


def test_several_hosts_need_room_for_what_travels() -> None:
    given = {"outputs": 1, "memory": 10 * GIB, "may_be_fewer": True, **WIDE}
    assert candidates_that_fit(32, **given, hosts=2) < candidates_that_fit(32, **given)
