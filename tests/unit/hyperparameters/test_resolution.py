"""What a job trains with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.applicability import without_unused
from linear_learner.hyperparameters.auto import EVEN, RowWeights
from linear_learner.hyperparameters.fields import AUTO, as_text
from linear_learner.hyperparameters.resolution import resolve
from linear_learner.hyperparameters.schema import ROWS, HyperParameters
from linear_learner.hyperparameters.validation import validate

BINARY = {"predictor_type": "binary_classifier"}
MULTICLASS = {"predictor_type": "multiclass_classifier", "num_classes": "4"}
REGRESSOR = {"predictor_type": "regressor"}


def resolved(given: dict[str, Any], feature_dim: int = 7, rows: int | None = 5000) -> HyperParameters:
    return resolve(without_unused(validate(given)), feature_dim=feature_dim, rows=rows)


def test_values_that_amazons_model_0_was_seen_to_have() -> None:
    # The 2018 values of the SageMaker guide, and model 0 of the 2018 to 2020 logs, where ours do not follow the data.
    expected = {
        "num_models": 32,
        "optimizer": "adam",
        "l1": 0.0,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "bias_lr_mult": 10.0,
        "bias_wd_mult": 0.0,
        "lr_scheduler_step": 10,
        "lr_scheduler_minimum_lr": 1e-5,
        "num_calibration_samples": 10_000_000,
        "feature_dim": 7,
    }
    hp = resolved(BINARY)
    assert {name: getattr(hp, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("job", "loss"), [(BINARY, "logistic"), (MULTICLASS, "softmax_loss"), (REGRESSOR, "squared_loss")]
)
def test_auto_loss_is_that_of_the_predictor_type(job: dict[str, str], loss: str) -> None:
    assert resolved(job).loss == loss


@pytest.mark.parametrize(
    ("optimizer", "narrow", "wide"),
    [("adam", 0.2, 0.01), ("rmsprop", 0.06, 0.003), ("adagrad", 1.0, 0.05), ("sgd", 0.2, 2 / 720)],
)
def test_auto_learning_rate_is_that_of_the_optimizer_and_smaller_for_wide_rows(
    optimizer: str, narrow: float, wide: float
) -> None:
    given = {**BINARY, "optimizer": optimizer}
    assert resolved(given).learning_rate == pytest.approx(narrow)
    assert resolved(given, feature_dim=720).learning_rate == pytest.approx(wide, rel=0.01)
    assert resolved({**given, "learning_rate": "0.3"}).learning_rate == 0.3


@pytest.mark.parametrize(
    ("loss", "share"),
    [("squared_loss", 1 / 8), ("eps_insensitive_squared_loss", 1 / 8), ("auto", 1 / 8), ("huber_loss", 1)],
)
def test_sgd_learns_more_slowly_from_squared_losses_which_are_steep(loss: str, share: float) -> None:
    assert resolved({**REGRESSOR, "optimizer": "sgd", "loss": loss}).learning_rate == pytest.approx(0.2 * share)
    assert resolved({**REGRESSOR, "loss": loss}).learning_rate == pytest.approx(0.2)


def test_auto_wd_weighs_a_hundredth_of_a_row() -> None:
    assert resolved(BINARY, rows=1000).wd == 1e-5


@pytest.mark.parametrize("given", [{}, {"epochs": "3"}, {"mini_batch_size": "10"}, {"lr_scheduler_step": "100"}])
def test_auto_lr_scheduler_factor_halves_the_learning_rate_over_the_job(given: dict[str, str]) -> None:
    hp = resolved({**BINARY, **given})
    updates = hp.epochs * -(-5000 // hp.mini_batch_size)
    assert hp.lr_scheduler_factor ** (updates / hp.lr_scheduler_step) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given", "decay"),
    [
        ({**REGRESSOR, "epochs": "15"}, 0.5),
        ({**REGRESSOR, "epochs": "5"}, 0.5),
        ({**REGRESSOR, "epochs": "240"}, 0.25),
        ({**REGRESSOR, "epochs": "240", "mini_batch_size": "5000"}, 0.5),
        ({**REGRESSOR, "epochs": "1920", "mini_batch_size": "313"}, 0.5 / 2),
        ({**BINARY, "epochs": "240"}, 0.5),
    ],
)
def test_the_learning_rate_of_a_long_job_of_a_regressor_falls_further(given: dict[str, str], decay: float) -> None:
    hp = resolved(given)
    updates = hp.epochs * -(-5000 // hp.mini_batch_size)
    assert hp.lr_scheduler_factor ** (updates / hp.lr_scheduler_step) == pytest.approx(decay)


@pytest.mark.parametrize(
    ("rows", "given", "size"),
    [
        (150_000, {}, 1000),
        (3200, {}, 25),
        (20, {}, 1),
        (3200, {"mini_batch_size": "1000"}, 1000),
        (20, {"mini_batch_size": "1000"}, 20),
        (None, {}, 1000),
    ],
)
def test_mini_batches_are_small_enough_for_the_data(rows: int | None, given: dict[str, str], size: int) -> None:
    """A given size is only lowered to the number of rows; the default also to make 128 updates an epoch."""
    assert resolved({**BINARY, **given}, rows=rows).mini_batch_size == size


@pytest.mark.parametrize(("rows", "size"), [(150_000, 1000), (3200, 25), (300, 8), (5, 5)])
def test_mini_batches_of_a_regressor_under_sgd_have_some_rows(rows: int, size: int) -> None:
    assert resolved({**REGRESSOR, "optimizer": "sgd"}, rows=rows).mini_batch_size == size
    given = {**REGRESSOR, "optimizer": "sgd", "mini_batch_size": "2"}
    assert resolved(given, rows=rows).mini_batch_size == 2


@pytest.mark.parametrize("predictor_type", ["binary_classifier", "regressor"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_auto_normalisation(predictor_type: str, use_bias: bool) -> None:
    hp = resolved({"predictor_type": predictor_type, "use_bias": use_bias, "normalize_data": "auto"})
    regressor = predictor_type == "regressor"
    assert hp.normalize_data is True
    assert hp.normalize_label is regressor
    assert hp.unbias_data is use_bias
    assert hp.unbias_label is (regressor and use_bias)


def test_given_normalisation_is_kept() -> None:
    given = {"normalize_data": "false", "normalize_label": "false", "unbias_data": "false", "unbias_label": "false"}
    hp = resolved({**REGRESSOR, **given})
    assert not any(getattr(hp, name) for name in given)


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({**BINARY, "normalize_label": "true"}, "normalize_label", False),
        ({**BINARY, "unbias_label": "true"}, "unbias_label", False),
        ({**BINARY, "num_classes": "2"}, "num_classes", 1),
        ({**BINARY, "balance_multiclass_weights": "true"}, "balance_multiclass_weights", False),
        ({**REGRESSOR, "positive_example_weight_mult": "balanced"}, "positive_example_weight_mult", 1.0),
        ({**BINARY, "use_bias": "false", "init_bias": "3"}, "init_bias", 0.0),
        ({**BINARY, "momentum": "0.5"}, "momentum", 0.9),
    ],
)
def test_what_has_no_effect_goes_back_to_its_default(given: dict[str, str], name: str, value: Any) -> None:
    assert getattr(resolved(given), name) == value


def test_what_goes_with_an_auto_optimizer_is_kept() -> None:
    assert resolved({**BINARY, "beta_1": "0.5"}).beta_1 == 0.5


@pytest.mark.parametrize("num_models", ["auto", "8"])
def test_a_tuning_job_trains_one_model(num_models: str) -> None:
    given = {**BINARY, "num_models": num_models}
    assert resolved({**given, "_tuning_objective_metric": "validation:recall"}).num_models == 1
    assert resolved(given).num_models != 1


@pytest.mark.parametrize(("num_models", "trained"), [("auto", 1), ("8", 8)])
def test_a_tuning_job_keeps_a_given_number_where_it_is_told_to(num_models: str, trained: int) -> None:
    given = {**BINARY, "num_models": num_models, "tuning_keeps_num_models": "true"}
    assert resolved({**given, "_tuning_objective_metric": "validation:recall"}).num_models == trained


@pytest.mark.parametrize(
    ("given", "used"), [("auto", "local"), ("local", "local"), ("device", "local"), ("dist_sync", "local")]
)
def test_a_job_on_one_host_has_a_local_store(given: str, used: str) -> None:
    assert resolved({**BINARY, "_kvstore": given})._kvstore == used


@pytest.mark.parametrize("given", ["auto", "0", "8"])
def test_there_are_no_gpus(given: str) -> None:
    assert resolved({**BINARY, "_num_gpus": given})._num_gpus == 0


@pytest.mark.parametrize(
    ("given", "rows", "used"), [(1000, 5000, 1000), (1000, 227, 227), (1000, None, 1000), (1000, 0, 1)]
)
def test_a_mini_batch_has_no_more_rows_than_there_are(given: int, rows: int | None, used: int) -> None:
    assert resolved({**BINARY, "mini_batch_size": given}, rows=rows).mini_batch_size == used


def test_a_wrong_feature_dim_is_refused_in_amazons_words() -> None:
    assert resolved({**BINARY, "feature_dim": "7"}).feature_dim == 7
    with pytest.raises(ClientError) as raised:
        resolved({**BINARY, "feature_dim": "8"})
    assert str(raised.value) == (
        "Incorrect configuration or train dataset provided. The value of feature_dim hyperparameter '8' doesn't match "
        "train data dimensionality '7'. Please set feature_dim to the number of features in train dataset."
    )


@pytest.mark.parametrize("mult", ["auto", "balanced", "2.5"])
def test_what_depends_on_the_labels_is_left_to_training(mult: str) -> None:
    used = resolved({**BINARY, "positive_example_weight_mult": mult}).positive_example_weight_mult
    assert used == (2.5 if mult == "2.5" else mult)


LEFT_TO_TRAINING = {"positive_example_weight_mult", "memory_mb", "probability_calibration", "_engine"}
OPEN = sorted(name for name, row in ROWS.items() if AUTO in row.words)


@given(
    st.sampled_from([BINARY, MULTICLASS, REGRESSOR]), st.sets(st.sampled_from(OPEN)), st.sampled_from(["true", "false"])
)
def test_no_auto_is_left_and_every_value_is_legal(job: dict[str, str], names: set[str], use_bias: str) -> None:
    hp = resolved({**job, **dict.fromkeys(names, "auto"), "use_bias": use_bias})
    assert {name for name in ROWS if hp.is_auto(name)} <= LEFT_TO_TRAINING
    for name, value in hp.as_dict().items():
        assert ROWS[name].parse(as_text(value)) == value


@given(st.sampled_from([BINARY, MULTICLASS, REGRESSOR]), st.sampled_from(["adam", "sgd", "auto"]))
def test_resolving_again_changes_nothing(job: dict[str, str], optimizer: str) -> None:
    hp = resolved({**job, "optimizer": optimizer})
    assert resolve(hp, feature_dim=7, rows=5000) == hp


def test_the_given_object_stays_as_it_was() -> None:
    hp = validate(BINARY)
    resolve(hp, feature_dim=7, rows=10)
    assert hp == validate(BINARY)
    assert hp.is_auto("wd")


@pytest.mark.parametrize(("values_per_row", "expected"), [(None, 10000**-0.7), (50.0, 50**-0.7), (0.1, 0.2)])
def test_the_learning_rate_of_sparse_rows_follows_what_they_hold(values_per_row: float | None, expected: float) -> None:
    hp = validate({"predictor_type": "regressor"})
    resolved = resolve(hp, feature_dim=10000, rows=5000, values_per_row=values_per_row)
    assert resolved.learning_rate == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "times"),
    [(EVEN, 1), (RowWeights(50, 100), 50), (RowWeights(2, 10_000), 10), (RowWeights(0.1, 1), 0.1)],
)
def test_weighted_rows_change_the_learning_rate_of_sgd_and_the_penalty_as_they_do_the_loss(
    weights: RowWeights, times: float
) -> None:
    given = validate({**BINARY, "optimizer": "sgd", "mini_batch_size": "1000"})
    plain = resolve(given, feature_dim=20, rows=5000)
    weighted = resolve(given, feature_dim=20, rows=5000, weights=weights)
    assert weighted.learning_rate == pytest.approx(plain.learning_rate / times)
    assert weighted.wd == pytest.approx(plain.wd * weights.mean)
    adam = validate(BINARY)
    assert resolve(adam, feature_dim=20, rows=5000, weights=weights).learning_rate == pytest.approx(20**-0.7)


def test_a_given_learning_rate_and_wd_stay_what_they_are_where_rows_are_weighted() -> None:
    given = validate({**BINARY, "optimizer": "sgd", "learning_rate": "0.3", "wd": "0.1"})
    hp = resolve(given, feature_dim=20, rows=5000, weights=RowWeights(50, 100))
    assert (hp.learning_rate, hp.wd) == (0.3, 0.1)


def test_the_learning_rate_of_sgd_leaves_room_for_a_given_penalty() -> None:
    hp = resolved({**BINARY, "optimizer": "sgd", "wd": "50"})
    assert hp.learning_rate == pytest.approx(1 / (1 / 0.2 + 50))
    assert resolved({**BINARY, "wd": "50"}).learning_rate == pytest.approx(0.2)


@pytest.mark.parametrize("loss", ["absolute_loss", "eps_insensitive_absolute_loss", "quantile_loss"])
def test_more_epochs_do_not_keep_the_learning_rate_of_a_loss_with_a_kink_large(loss: str) -> None:
    few, many = (resolved({**REGRESSOR, "loss": loss, "epochs": str(epochs)}) for epochs in (15, 200))
    assert many.lr_scheduler_factor == few.lr_scheduler_factor
