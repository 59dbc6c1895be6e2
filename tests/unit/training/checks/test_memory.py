from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from linear_learner.data.dataset import Dataset
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import resolve, validate
from linear_learner.training import job
from linear_learner.training.checks.memory import ModelSize, candidates_that_fit, fewer_notice, size_notice
from linear_learner.training.cluster.interface import ALONE
from linear_learner.training.engines.state import State
from linear_learner.training.preparation.task import prepare

GIB = 2**30
WIDE = ModelSize(outputs=1, trained_columns=10**7, feature_dim=10**7)


def test_the_size_of_an_array_is_told_without_making_it() -> None:
    state = State.zeros(7, 5, 11)
    assert State.array_bytes(7, 5, 11) == state.weights.nbytes == state.moments[0].nbytes


def test_all_candidates_fit_where_there_is_room() -> None:
    assert candidates_that_fit(32, WIDE, memory=10 * GIB, may_be_fewer=False) == 32
    assert candidates_that_fit(32, WIDE, memory=None, may_be_fewer=False) == 32
    # Five arrays of 10 million rows of 32 float32.
    assert size_notice(32, WIDE, 10 * GIB) == "32 models take 5.96 GiB of memory to train; 10.00 GiB are left."
    assert fewer_notice(32, 32, WIDE) is None


def test_fewer_are_trained_where_the_number_is_ours_to_choose() -> None:
    assert candidates_that_fit(32, WIDE, memory=6 * GIB, may_be_fewer=True) == 16
    assert fewer_notice(16, 32, WIDE) == "Training 16 models and not 32, which would take 5.96 GiB."


def test_a_job_tells_what_its_models_take_and_warns_of_fewer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    requested = validate({"predictor_type": "regressor"})
    hp = resolve(requested, feature_dim=3, rows=50)
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    task = prepare(hp, {"train": Dataset("train", features, features[:, 0].copy(), ())})
    size = ModelSize(outputs=1, trained_columns=3, feature_dim=3)
    monkeypatch.setattr(job, "available_memory", lambda: int((size.bytes_of(16) + size.bytes_of_the_model) / 0.9) + 8)
    with caplog.at_level(logging.INFO):
        assert job.models_that_fit(requested, hp, task, ALONE) == 16
    told, warned = caplog.records[-2:]
    assert told.message.startswith("16 models take 0.00 GiB") and told.levelname == "INFO"
    assert warned.message.startswith("Training 16 models and not 32") and warned.levelname == "WARNING"


def test_a_number_that_the_user_gave_is_not_lowered() -> None:
    with pytest.raises(ClientError, match=r"32 models of 10000000 features .* and 6.00 GiB .*Set num_models to 16 or"):
        candidates_that_fit(32, WIDE, memory=6 * GIB, may_be_fewer=False)


def test_a_number_beyond_all_bounds_is_told_at_once() -> None:
    with pytest.raises(ClientError, match="Set num_models to 16 or less"):
        candidates_that_fit(2**63 - 1, WIDE, memory=6 * GIB, may_be_fewer=False)


def test_of_many_small_candidates_what_is_beside_their_arrays_counts() -> None:
    with pytest.raises(ClientError, match=r"100000000 models of 1 features .* Set num_models to \d{6} or less"):
        candidates_that_fit(10**8, ModelSize(1, 1, 1), memory=10 * GIB, may_be_fewer=False)


def test_where_not_one_fits_there_is_no_way_to_train() -> None:
    with pytest.raises(ClientError, match="Use a larger instance type"):
        candidates_that_fit(32, WIDE, memory=GIB, may_be_fewer=True)


def test_what_is_kept_of_all_columns_counts_though_few_are_trained() -> None:
    with pytest.raises(ClientError, match="memory are left"):
        candidates_that_fit(32, ModelSize(1, 10, 10**9), memory=10 * GIB, may_be_fewer=True)


def test_a_model_is_as_wide_as_its_columns_once_and_for_each_output() -> None:
    memory = int(1.05 * 6 * 8 * 2 * 10**8 / 0.9)  # of one output
    assert candidates_that_fit(32, ModelSize(1, 10, 10**8), memory=memory, may_be_fewer=True) == 32
    for larger in (ModelSize(2, 10, 10**8), ModelSize(1, 10, 11 * 10**7)):
        with pytest.raises(ClientError, match="memory are left"):
            candidates_that_fit(32, larger, memory=memory, may_be_fewer=True)


def test_several_outputs_take_the_tiles_that_they_fill() -> None:
    size = ModelSize(outputs=3, trained_columns=10**6, feature_dim=10**6)
    fitting = candidates_that_fit(32, size, memory=int(1.5 * GIB), may_be_fewer=True)
    assert 0 < fitting < 32
    assert candidates_that_fit(fitting, size, memory=int(1.5 * GIB), may_be_fewer=False) == fitting


def test_several_hosts_need_room_for_what_travels() -> None:
    one, two = (
        candidates_that_fit(32, replace(WIDE, hosts=hosts), memory=10 * GIB, may_be_fewer=True) for hosts in (1, 2)
    )
    assert two < one
