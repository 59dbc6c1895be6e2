"""Which metrics a tuning job can watch, and which of them a job will log."""

from __future__ import annotations

import pytest

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.tuning import (
    METRIC_DEFINITIONS,
    TUNING_METRICS,
    check_channels,
    nearest,
    watched_epochs,
)
from linear_learner.hyperparameters.validation import validate

JOBS = {
    "binary_classifier": {"predictor_type": "binary_classifier"},
    "multiclass_classifier": {"predictor_type": "multiclass_classifier", "num_classes": "4"},
    "regressor": {"predictor_type": "regressor"},
}
ALL = {"train", "validation", "test"}


def test_they_are_those_of_amazons_definitions() -> None:
    assert {"test:binary_f_beta", "validation:objective_loss:final", "train:progress", "test:dcg"} <= TUNING_METRICS
    assert "test:progress" not in TUNING_METRICS
    assert "train:multiclass_accuracy" not in TUNING_METRICS


@pytest.mark.parametrize("metric", sorted(TUNING_METRICS))
@pytest.mark.parametrize("predictor_type", JOBS)
def test_only_a_metric_of_the_predictor_type_is_legal(metric: str, predictor_type: str) -> None:
    job = {**JOBS[predictor_type], "_tuning_objective_metric": metric}
    if predictor_type in METRIC_DEFINITIONS[metric.partition(":")[2]].predictor_types:
        assert validate(job)._tuning_objective_metric == metric
    else:
        with pytest.raises(ClientError, match=f"'{metric}' is not valid.*of which a job never logs it. Tune by"):
            validate(job)


def test_the_metrics_that_would_do_are_named() -> None:
    with pytest.raises(ClientError, match="'test:objective_loss', 'test:mse', 'test:absolute_loss', 'test:rmse'"):
        validate({**JOBS["regressor"], "_tuning_objective_metric": "test:recall"})


def test_it_is_told_with_all_other_mistakes() -> None:
    with pytest.raises(ClientError, match=r"(?s)2 hyperparameters are wrong.*test:mse.*hinge_loss"):
        validate({**JOBS["binary_classifier"], "_tuning_objective_metric": "test:mse", "loss": "huber_loss"})


@pytest.mark.parametrize(
    ("metric", "channels", "problem"),
    [
        ("validation:recall", {"train"}, "has no channel 'validation'"),
        ("validation:recall", {"train", "test"}, "tune by 'test:recall'"),
        ("validation:objective_loss", {"train", "test"}, "has no channel 'validation'"),
        ("test:objective_loss", {"train", "validation"}, "has no channel 'test'.*tune by 'validation:objective_loss'"),
        ("train:recall", ALL, "final metrics are those of the validation channel.*Tune by 'validation:recall'"),
        ("train:objective_loss:final", ALL, "Tune by 'validation:objective_loss:final'"),
        ("train:recall", {"train", "test"}, None),
        ("train:objective_loss", ALL, None),
        ("train:throughput", ALL, None),
        ("validation:recall", ALL, None),
        ("test:recall", ALL, None),
        ("validation:of_my_own", {"train"}, None),
        ("", {"train"}, None),
    ],
)
def test_a_metric_needs_its_channel(metric: str, channels: set[str], problem: str | None) -> None:
    hp = validate({**JOBS["binary_classifier"], "_tuning_objective_metric": metric})
    if problem is None:
        check_channels(hp, channels)
    else:
        with pytest.raises(ClientError, match=problem):
            check_channels(hp, channels)


@pytest.mark.parametrize(
    ("metric", "channel"),
    [
        ("train:objective_loss", "train"),
        ("validation:objective_loss", "validation"),
        ("test:objective_loss", None),
        ("validation:objective_loss:final", None),
        ("validation:recall", None),
        ("", None),
    ],
)
def test_only_the_objective_is_read_from_epoch_to_epoch(metric: str, channel: str | None) -> None:
    assert watched_epochs(validate({**JOBS["binary_classifier"], "_tuning_objective_metric": metric})) == channel


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("validation:roc", "validation:roc_auc_score"),
        ("validation:objctive_loss", "validation:objective_loss"),
        ("nothing at all", None),
    ],
)
def test_what_a_metric_that_is_none_may_have_meant(given: str, near: str | None) -> None:
    assert nearest(given) == near
