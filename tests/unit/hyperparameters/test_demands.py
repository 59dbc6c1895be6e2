"""What hyperparameters ask of a job."""

from __future__ import annotations

import pytest

from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters, check_demands, validate, without_unused

CRITERION = "binary_classifier_model_selection_criteria"


def hyperparameters(hosts: int = 1, **given: str) -> HyperParameters:
    return without_unused(validate({"predictor_type": "binary_classifier", **given}), hosts)


@pytest.mark.parametrize(
    "given",
    [
        {"probability_calibration": "auto"},
        {"probability_calibration": "platt"},
        {CRITERION: "precision_at_target_recall", "target_confidence": "0.9"},
    ],
)
def test_held_out_rows_are_needed(given: dict[str, str]) -> None:
    name = next(name for name in given if name in ("probability_calibration", "target_confidence"))
    with pytest.raises(ClientError, match=f"{name}={given[name]} needs rows .* no channel 'validation'.*Add the"):
        check_demands(hyperparameters(**given), {"train", "test"}, hosts=1)
    check_demands(hyperparameters(**given), {"train", "validation"}, hosts=1)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"correct_weighted_probabilities": "true", "bootstrap_samples": "100"},
        {"target_confidence": "0.9"},  # without an effect: the criterion is accuracy
        {"predictor_type": "regressor", "probability_calibration": "auto"},
    ],
)
def test_otherwise_they_are_not(given: dict[str, str]) -> None:
    check_demands(hyperparameters(**given), {"train"}, hosts=1)


def test_a_metric_that_is_watched_needs_its_channel() -> None:
    watching = hyperparameters(_tuning_objective_metric="test:recall")
    with pytest.raises(ClientError, match="no channel 'test', so it would never log it"):
        check_demands(watching, {"train"}, hosts=1)
    check_demands(watching, {"train", "test"}, hosts=1)


@pytest.mark.parametrize(
    ("given", "hosts", "store"),
    [
        ({}, 1, "local"),
        ({"_kvstore": "dist_sync"}, 1, "local"),
        ({}, 2, "dist_sync"),
        ({"_kvstore": "dist_device_sync"}, 2, "dist_device_sync"),
    ],
)
def test_the_store_joins_hosts_where_there_are_several(given: dict[str, str], hosts: int, store: str) -> None:
    hp = hyperparameters(hosts, **given)
    check_demands(hp, {"train"}, hosts)
    assert hp._kvstore == store


@pytest.mark.parametrize("store", ["local", "device"])
def test_a_store_of_one_host_is_refused_on_several(store: str) -> None:
    with pytest.raises(ClientError, match=f"'{store}' does not join the 3 hosts.*_kvstore"):
        check_demands(hyperparameters(3, _kvstore=store), {"train"}, hosts=3)
