"""The schema against what Amazon's container prints and documents."""

from __future__ import annotations

import dataclasses
import string
import types
import typing

import pytest

from linear_learner.hyperparameters.auto import AUTO_MEANS, TrainChannel, replace_auto
from linear_learner.hyperparameters.fields import AUTO, REQUIRED, Boolean, Integer, Number
from linear_learner.hyperparameters.schema import LOSSES_OF, ROWS, HyperParameters, defaults
from linear_learner.model.losses import LOSSES

# default-input.json as logs of Amazon's container of 2020 print it; the order there is arbitrary.
PRINTED_AUTO = {
    *("feature_dim", "num_models", "loss", "optimizer", "learning_rate", "wd", "l1", "momentum", "beta_1", "beta_2"),
    *("bias_lr_mult", "bias_wd_mult", "lr_scheduler_step", "lr_scheduler_factor", "lr_scheduler_minimum_lr"),
    *("normalize_label", "unbias_data", "unbias_label", "_kvstore", "_num_kv_servers", "_num_gpus"),
}
PRINTED_DEFAULTS = {
    **dict.fromkeys(PRINTED_AUTO, "auto"),
    **dict.fromkeys(["use_lr_scheduler", "use_bias", "normalize_data"], "true"),
    **dict.fromkeys(["balance_multiclass_weights", "_enable_profiler"], "false"),
    **dict.fromkeys(["positive_example_weight_mult", "f_beta", "margin", "huber_delta"], "1.0"),
    **dict.fromkeys(["target_recall", "target_precision"], "0.8"),
    **dict.fromkeys(["accuracy_top_k", "early_stopping_patience"], "3"),
    "num_classes": "1",
    "mini_batch_size": "1000",
    "epochs": "15",
    "init_method": "uniform",
    "init_scale": "0.07",
    "init_sigma": "0.01",
    "init_bias": "0.0",
    "num_point_for_scaler": "10000",
    "binary_classifier_model_selection_criteria": "accuracy",
    "num_calibration_samples": "10000000",
    "early_stopping_tolerance": "0.001",
    "quantile": "0.5",
    "loss_insensitivity": "0.01",
    "_log_level": "info",
    "_tuning_objective_metric": "",
}


def test_defaults_are_those_that_amazon_prints_and_ours() -> None:
    ours = {name for name, row in ROWS.items() if row.ours}
    tables = {"label_column", "categorical_columns", "text_labels", "positive_label"}
    honest = {"probability_calibration", "correct_weighted_probabilities", "target_confidence", "bootstrap_samples"}
    assert ours == {"seed", *tables, *honest, "memory_mb", "pipe_timeout", "missing_values", "_engine"} | {
        "tuning_keeps_num_models"
    }
    assert {name: text for name, text in defaults().items() if name not in ours} == PRINTED_DEFAULTS


def test_keys_of_2018_are_known_but_not_among_the_printed_defaults() -> None:
    assert {name for name, row in ROWS.items() if row.retired} == {"force_dense", "_data_format"}


def test_only_predictor_type_is_required() -> None:
    assert [name for name, row in ROWS.items() if row.default is REQUIRED] == ["predictor_type"]


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.default is not REQUIRED])
def test_a_default_is_legal(name: str) -> None:
    assert ROWS[name].parse(defaults().get(name, "record" if name == "_data_format" else "true")) == ROWS[name].default


@pytest.mark.parametrize("name", ROWS)
def test_the_type_of_a_field_is_that_of_its_row(name: str) -> None:
    kind = ROWS[name].kind
    expected = int if isinstance(kind, Integer) else float if isinstance(kind, Number) else str
    expected = bool if isinstance(kind, Boolean) else expected
    hint = typing.get_type_hints(HyperParameters)[name]
    types_of_field = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
    assert expected in types_of_field
    assert types_of_field <= {expected, str}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_a_sentence_for_the_documentation(name: str) -> None:
    text = ROWS[name].text
    assert text.endswith(".")
    assert text[0] in string.ascii_uppercase
    assert "|" not in text, "it would end a cell of the table"


def test_conditions_name_values_that_can_occur_and_are_never_auto() -> None:
    conditions = [
        (name, other, value) for name, row in ROWS.items() for other, vs in row.used_if.items() for value in vs
    ]
    assert len(conditions) > 20
    for name, other, value in conditions:
        legal = (True, False) if isinstance(ROWS[other].kind, Boolean) else ROWS[other].choices
        assert value in legal, (name, other)
        assert value != AUTO
        assert ROWS[other].default != AUTO or other in ("loss", "optimizer"), f"settle() does not decide {other}"


def test_losses_are_those_that_can_be_trained() -> None:
    assert {(predictor, loss) for predictor, losses in LOSSES_OF.items() for loss in losses} == set(LOSSES)


def test_constants_of_the_losses_are_hyperparameters_of_these_losses() -> None:
    for (_, loss), row in LOSSES.items():
        for _, name in row.constants:
            assert loss in ROWS[name].used_if["loss"]


def test_auto_has_a_meaning_exactly_where_it_is_legal() -> None:
    assert set(AUTO_MEANS) == {name for name, row in ROWS.items() if AUTO in row.words or AUTO in row.choices}


def test_auto_means_a_legal_value() -> None:
    hp = replace_auto(HyperParameters(predictor_type="regressor"), AUTO_MEANS, TrainChannel(7, 5000, 7))
    for name, meaning in AUTO_MEANS.items():
        if meaning.value is not None:
            assert ROWS[name].parse(str(getattr(hp, name))) == getattr(hp, name), name


def test_hyperparameters_are_frozen() -> None:
    hp = HyperParameters(predictor_type="regressor")
    with pytest.raises(dataclasses.FrozenInstanceError):
        hp.epochs = 3  # type: ignore[misc]


def test_is_auto_tells_what_was_left_open() -> None:
    hp = HyperParameters(predictor_type="regressor", wd=0.0)
    assert hp.is_auto("l1")
    assert not hp.is_auto("wd")


def test_as_dict_holds_every_row_and_nothing_else() -> None:
    hp = HyperParameters(predictor_type="regressor", wd=0.5, given=frozenset({"wd"}))
    assert list(hp.as_dict()) == list(ROWS)
    assert hp.as_dict()["wd"] == 0.5
