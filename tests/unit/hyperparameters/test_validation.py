"""What users write, right and wrong."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.fields import AUTO, LARGEST_NUMBER, Boolean, Choice, Integer, Number, Text, as_text
from linear_learner.hyperparameters.schema import ROWS, HyperParameters, defaults
from linear_learner.hyperparameters.validation import validate

BINARY = {"predictor_type": "binary_classifier"}
MULTICLASS = {"predictor_type": "multiclass_classifier", "num_classes": "4"}
REGRESSOR = {"predictor_type": "regressor"}


# --- what is accepted


def test_what_is_not_given_has_its_default() -> None:
    assert validate(BINARY) == HyperParameters(predictor_type="binary_classifier", given=frozenset(BINARY))


def test_printed_defaults_may_be_given_word_for_word() -> None:
    hp = validate({**BINARY, **defaults()})
    assert hp.as_dict() == validate(BINARY).as_dict()
    assert hp.given == {*BINARY, *defaults()}


@pytest.mark.parametrize(
    "written", ["0.1", 0.1, " 0.1 ", '"0.1"', "'0.1'", ' "0.1" ', '" 0.1 "', "1e-1", "\t0.10\n", "+.1"], ids=repr
)
def test_spellings_of_a_number(written: Any) -> None:
    assert validate({**BINARY, "learning_rate": written}).learning_rate == 0.1


@pytest.mark.parametrize("written", ["True", "true", "TRUE", True, '"true"', "'True'", " true "], ids=repr)
def test_spellings_of_true(written: Any) -> None:
    assert validate({**BINARY, "balance_multiclass_weights": written}).balance_multiclass_weights is True


@pytest.mark.parametrize("written", ["False", "false", False, '"false"'], ids=repr)
def test_spellings_of_false(written: Any) -> None:
    assert validate({**BINARY, "use_bias": written}).use_bias is False


@pytest.mark.parametrize("written", ["10", 10, "'10'", " 10", "+10", "010"], ids=repr)
def test_spellings_of_an_integer(written: Any) -> None:
    value = validate({**BINARY, "epochs": written}).epochs
    assert value == 10
    assert isinstance(value, int)


@pytest.mark.parametrize("written", ["adam", "'adam'", '"adam"', " adam ", "' adam '"])
def test_spellings_of_a_word(written: str) -> None:
    assert validate({**BINARY, "optimizer": written}).optimizer == "adam"


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        # What the SageMaker SDK's LinearLearner class can send, at the edges of its own checks.
        ("beta_1", "0.0", 0.0),
        ("beta_2", "0.0", 0.0),
        ("margin", "0.0", 0.0),
        ("momentum", "0.0", 0.0),
        ("l1", "0.0005953224641699573", 0.0005953224641699573),
        ("num_classes", "2", 2),
        ("accuracy_top_k", "1000000", 1_000_000),
        ("binary_classifier_model_selection_criteria", "f1", "f1"),
        ("binary_classifier_model_selection_criteria", "cross_entropy_loss", "cross_entropy_loss"),
        ("positive_example_weight_mult", "balanced", "balanced"),
        ("positive_example_weight_mult", "auto", AUTO),
        ("positive_example_weight_mult", "1e-05", 1e-5),
        ("unbias_data", "True", True),
        ("normalize_data", "auto", AUTO),
        ("num_calibration_samples", "auto", AUTO),
        # Hidden ones, as Amazon's own logs show them.
        ("_num_gpus", "auto", AUTO),
        ("_num_gpus", "0", 0),
        ("_kvstore", "dist_sync", "dist_sync"),
        ("_log_level", "debug", "debug"),
        ("_enable_profiler", "true", True),
        ("_tuning_objective_metric", "test:binary_f_beta", "test:binary_f_beta"),
        ("_tuning_objective_metric", "", ""),
        ("force_dense", "true", True),
        ("_data_format", "record", "record"),
        # Ours.
        ("seed", "0", 0),
        ("_engine", "native", "native"),
        ("optimizer", "adagrad", "adagrad"),
    ],
)
def test_values_of_amazons_jobs_and_our_additions(name: str, written: str, value: Any) -> None:
    hp = validate({**BINARY, name: written})
    assert getattr(hp, name) == value
    assert hp.given == {"predictor_type", name}


@pytest.mark.parametrize(
    ("job", "losses"),
    [
        (BINARY, ["auto", "logistic", "hinge_loss"]),
        (MULTICLASS, ["auto", "softmax_loss", "hinge_loss"]),
        (
            REGRESSOR,
            [
                *("auto", "squared_loss", "absolute_loss", "quantile_loss", "huber_loss"),
                *("eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"),
            ],
        ),
    ],
)
def test_losses_that_suit_a_predictor_type(job: dict[str, str], losses: list[str]) -> None:
    every_loss = set(ROWS["loss"].choices)
    for loss in losses:
        assert validate({**job, "loss": loss}).loss == loss
    for loss in every_loss - set(losses):
        with pytest.raises(ClientError, match=f"'{loss}' is not valid for the 'loss'.*when predictor_type is"):
            validate({**job, "loss": loss})


# --- what is refused, with the whole sentence

NOT_ONE_OF = "The value '{}' is not valid for the '{}' hyperparameter which accepts one of the following: {}."
EXPECTS = "The value '{}' is not valid for the '{}' hyperparameter which expects {}."
OF_TYPE = "The value for hyperparameter '{}' should be of type {}, but provided '{}'. It expects {}."
UNKNOWN = "Additional hyperparameters are not allowed ('{}' was unexpected)."

MISTAKES: list[tuple[dict[str, Any], str]] = [
    # names
    ({"mini_batch_siz": "10"}, UNKNOWN.format("mini_batch_siz") + " Did you mean 'mini_batch_size'?"),
    ({"Epochs": "10"}, UNKNOWN.format("Epochs") + " Did you mean 'epochs'?"),
    ({"learning-rate": "0.1"}, UNKNOWN.format("learning-rate") + " Did you mean 'learning_rate'?"),
    ({"num_gpus": "1"}, UNKNOWN.format("num_gpus") + " Did you mean '_num_gpus'?"),
    ({"qqqq": "1"}, UNKNOWN.format("qqqq")),
    ({" wd ": "1"}, UNKNOWN.format(" wd ") + " Did you mean 'wd'?"),
    ({"given": "1"}, UNKNOWN.format("given")),
    # words
    (
        {"predictor_type": "regresor"},
        NOT_ONE_OF.format("regresor", "predictor_type", "'binary_classifier', 'multiclass_classifier', 'regressor'")
        + " Did you mean 'regressor'?",
    ),
    (
        {"optimizer": "Adam"},
        NOT_ONE_OF.format("Adam", "optimizer", "'auto', 'adam', 'sgd', 'rmsprop', 'adagrad'") + " Did you mean 'adam'?",
    ),
    (
        {"optimizer": "RMSPROP"},
        NOT_ONE_OF.format("RMSPROP", "optimizer", "'auto', 'adam', 'sgd', 'rmsprop', 'adagrad'")
        + " Did you mean 'rmsprop'?",
    ),
    (
        {"init_method": "xavier"},
        NOT_ONE_OF.format("xavier", "init_method", "'uniform', 'normal'"),
    ),
    (
        {"init_method": "auto"},
        NOT_ONE_OF.format("auto", "init_method", "'uniform', 'normal'"),
    ),
    (
        {"_kvstore": "dist_async"},
        NOT_ONE_OF.format(
            "dist_async", "_kvstore", "'auto', 'local', 'device', 'dist_sync', 'dist_device_sync', 'dist_sync_device'"
        )
        + " Hosts keep step with each other and have no GPU, so there are neither asynchronous stores nor 'nccl'."
        + " Did you mean 'dist_sync'?",
    ),
    (
        {"_data_format": "csv"},
        NOT_ONE_OF.format("csv", "_data_format", "'record'")
        + " Give the channel a content type instead, such as 'text/csv'.",
    ),
    (
        {"_log_level": "trace"},
        NOT_ONE_OF.format("trace", "_log_level", "'debug', 'info', 'warning', 'error', 'critical'"),
    ),
    ({"_engine": "gpu"}, NOT_ONE_OF.format("gpu", "_engine", "'auto', 'native', 'operators'")),
    # booleans
    ({"use_bias": "yes"}, NOT_ONE_OF.format("yes", "use_bias", "'true', 'false'")),
    ({"use_bias": 1}, NOT_ONE_OF.format("1", "use_bias", "'true', 'false'")),
    ({"use_bias": "auto"}, NOT_ONE_OF.format("auto", "use_bias", "'true', 'false'")),
    ({"unbias_data": "maybe"}, NOT_ONE_OF.format("maybe", "unbias_data", "'auto', 'true', 'false'")),
    # integers
    ({"epochs": "10.0"}, OF_TYPE.format("epochs", "integer", "10.0", "an integer of at least 1")),
    ({"epochs": 10.0}, OF_TYPE.format("epochs", "integer", "10.0", "an integer of at least 1")),
    ({"epochs": "ten"}, OF_TYPE.format("epochs", "integer", "ten", "an integer of at least 1")),
    ({"epochs": ""}, OF_TYPE.format("epochs", "integer", "", "an integer of at least 1")),
    ({"epochs": None}, OF_TYPE.format("epochs", "integer", "null", "an integer of at least 1")),
    ({"epochs": [15]}, OF_TYPE.format("epochs", "integer", "[15]", "an integer of at least 1")),
    ({"epochs": "auto"}, OF_TYPE.format("epochs", "integer", "auto", "an integer of at least 1")),
    ({"epochs": True}, OF_TYPE.format("epochs", "integer", "true", "an integer of at least 1")),
    ({"epochs": "0"}, EXPECTS.format("0", "epochs", "an integer of at least 1")),
    (
        {"feature_dim": "0"},
        EXPECTS.format("0", "feature_dim", "one of the following: 'auto'; or an integer of at least 1"),
    ),
    (
        {"num_models": "many"},
        OF_TYPE.format("num_models", "integer", "many", "one of the following: 'auto'; or an integer of at least 1"),
    ),
    ({"num_classes": "1000001"}, EXPECTS.format("1000001", "num_classes", "an integer from 1 to 1000000")),
    ({"seed": "-1"}, EXPECTS.format("-1", "seed", "an integer of at least 0")),
    ({"mini_batch_size": "-5"}, EXPECTS.format("-5", "mini_batch_size", "an integer of at least 1")),
    (
        {"seed": "9223372036854775808"},
        EXPECTS.format("9223372036854775808", "seed", "an integer of at least 0") + " It does not fit 64 bits.",
    ),
    # numbers
    (
        {"learning_rate": "0"},
        EXPECTS.format("0", "learning_rate", "one of the following: 'auto'; or a number greater than 0"),
    ),
    (
        {"learning_rate": "0,1"},
        OF_TYPE.format("learning_rate", "float", "0,1", "one of the following: 'auto'; or a number greater than 0"),
    ),
    ({"wd": "-1e-9"}, EXPECTS.format("-1e-9", "wd", "one of the following: 'auto'; or a number of at least 0")),
    (
        {"wd": "nan"},
        EXPECTS.format("nan", "wd", "one of the following: 'auto'; or a number of at least 0") + " It must be finite.",
    ),
    ({"init_bias": math.inf}, EXPECTS.format("Infinity", "init_bias", "a finite number") + " It must be finite."),
    (
        {"momentum": "1"},
        EXPECTS.format("1", "momentum", "one of the following: 'auto'; or a number of at least 0 and less than 1"),
    ),
    (
        {"lr_scheduler_factor": "1.0"},
        EXPECTS.format(
            "1.0", "lr_scheduler_factor", "one of the following: 'auto'; or a number greater than 0 and less than 1"
        ),
    ),
    ({"target_recall": "1"}, EXPECTS.format("1", "target_recall", "a number greater than 0 and less than 1")),
    ({"huber_delta": "0"}, EXPECTS.format("0", "huber_delta", "a number greater than 0")),
    (
        {"positive_example_weight_mult": "balance"},
        OF_TYPE.format(
            "positive_example_weight_mult",
            "float",
            "balance",
            "one of the following: 'balanced', 'auto'; or a number greater than 0",
        ),
    ),
    # texts
    (
        {"_tuning_objective_metric": None},
        OF_TYPE.format("_tuning_objective_metric", "string", "null", "any text"),
    ),
    # pairs
    (
        {"loss": "squared_loss"},
        "The value 'squared_loss' is not valid for the 'loss' hyperparameter which accepts one of the following: "
        "'auto', 'logistic', 'hinge_loss' when predictor_type is 'binary_classifier'.",
    ),
    (
        {"predictor_type": "multiclass_classifier"},
        "No value(s) were specified for 'num_classes' which are required hyperparameter(s) when predictor_type is "
        "'multiclass_classifier'. Give the number of classes, or text_labels=true where labels are texts.",
    ),
    (
        {"predictor_type": "multiclass_classifier", "num_classes": "2"},
        "The value '2' is not valid for the 'num_classes' hyperparameter which expects an integer of at least 3 when "
        "predictor_type is 'multiclass_classifier'. For two classes use predictor_type 'binary_classifier'.",
    ),
    (
        {"probability_calibration": "temperature"},
        "The value 'temperature' is not valid for the 'probability_calibration' hyperparameter which accepts one of "
        "the following: 'none', 'auto', 'platt', 'isotonic' when predictor_type is 'binary_classifier'.",
    ),
    (
        {"predictor_type": "multiclass_classifier", "num_classes": "3", "probability_calibration": "platt"},
        "The value 'platt' is not valid for the 'probability_calibration' hyperparameter which accepts one of the "
        "following: 'none', 'auto', 'temperature' when predictor_type is 'multiclass_classifier'.",
    ),
    (
        {"predictor_type": "multiclass_classifier", "text_labels": "true", "probability_calibration": "platt"},
        "The value 'platt' is not valid for the 'probability_calibration' hyperparameter which accepts one of the "
        "following: 'none', 'auto', 'temperature' when predictor_type is 'multiclass_classifier'.",
    ),
    (
        {"loss": "hinge_loss", "correct_weighted_probabilities": "true"},
        "The value 'true' is not valid for the 'correct_weighted_probabilities' hyperparameter when loss is "
        "'hinge_loss', whose scores are no probabilities that weights could shift. Use probability_calibration.",
    ),
    (
        {
            "probability_calibration": "isotonic",
            "target_confidence": "0.9",
            "binary_classifier_model_selection_criteria": "recall_at_target_precision",
        },
        "The value 'isotonic' is not valid for the 'probability_calibration' hyperparameter when target_confidence is "
        "given for a target_precision: its steps are laid by the rows on which the precision is counted. Use 'platt'.",
    ),
    (
        {"target_confidence": "0.5"},
        EXPECTS.format(
            "0.5", "target_confidence", "one of the following: 'none'; or a number greater than 0.5 and less than 1"
        ),
    ),
]


@pytest.mark.parametrize(
    "given",
    [
        {"probability_calibration": "isotonic", "target_confidence": "0.9"},
        {
            "probability_calibration": "isotonic",
            "target_confidence": "0.9",
            "binary_classifier_model_selection_criteria": "precision_at_target_recall",
        },
        {"loss": "hinge_loss", "correct_weighted_probabilities": "false", "probability_calibration": "platt"},
        {"predictor_type": "multiclass_classifier", "num_classes": "3", "probability_calibration": "temperature"},
        {"predictor_type": "regressor", "probability_calibration": "platt"},
    ],
)
def test_what_goes_together_or_has_no_effect_is_no_mistake(given: dict[str, str]) -> None:
    validate({**BINARY, **given})


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[str(change) for change, _ in MISTAKES])
def test_a_mistake_is_told_in_one_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as raised:
        validate({**BINARY, **change})
    assert str(raised.value) == message


def test_predictor_type_is_required() -> None:
    with pytest.raises(ClientError) as raised:
        validate({})
    assert str(raised.value) == (
        "No value(s) were specified for 'predictor_type' which are required hyperparameter(s). Give one of the "
        "following: 'binary_classifier', 'multiclass_classifier', 'regressor'."
    )


def test_all_mistakes_are_told_at_once_names_first() -> None:
    with pytest.raises(ClientError) as raised:
        validate({"epochs": "0", "loss": "logistc", "bogus_name": "1", "wd": "-1", "seeds": "4"})
    lines = str(raised.value).split("\n")
    assert lines[0] == "6 hyperparameters are wrong."
    assert [re.search(r"'(\w+)' (was unexpected|which are)|'(\w+)' hyperparameter", line)[0] for line in lines[1:]] == [
        "'bogus_name' was unexpected",
        "'seeds' was unexpected",
        "'predictor_type' which are",
        "'epochs' hyperparameter",
        "'loss' hyperparameter",
        "'wd' hyperparameter",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == ["1.", "2.", "3.", "4.", "5.", "6."]


def test_a_value_of_an_unfitting_pair_is_told_once() -> None:
    with pytest.raises(ClientError) as raised:
        validate({"predictor_type": "multiclass_classifier", "num_classes": "none", "loss": "none"})
    assert len(str(raised.value).split("\n")) == 3


def test_a_value_is_shown_short_and_printable() -> None:
    with pytest.raises(ClientError) as raised:
        validate({**BINARY, "optimizer": "a\nb\ud800" + "x" * 5000, "\x00": "1"})
    message = str(raised.value)
    assert "'a\\nb\\ud800xxx" in message
    assert "'\\x00' was unexpected" in message
    assert len(message) < 500
    message.encode("utf-8")


def test_a_very_long_name_is_refused_quickly() -> None:
    with pytest.raises(ClientError, match=r"'x{60}\.\.\.' was unexpected"):
        validate({**BINARY, "x" * 1_000_000: "1"})


# --- in general


def legal_values(name: str) -> st.SearchStrategy[Any]:
    """Legal values of a hyperparameter, made from its row but not with its parser."""
    row = ROWS[name]
    match row.kind:
        case Integer(low, high):
            values: st.SearchStrategy[Any] = st.integers(low, high or 2**63 - 1)
        case Number(above, at_least, below):
            values = st.floats(
                next((end for end in (above, at_least) if end is not None), -LARGEST_NUMBER),
                LARGEST_NUMBER if below is None else below,
                exclude_min=above is not None,
                exclude_max=below is not None,
            )
        case Boolean():
            values = st.booleans()
        case Choice(choices):
            values = st.sampled_from(choices)
        case _:
            values = st.sampled_from(["", "validation:objective_loss"])
    return st.one_of(values, st.sampled_from(row.words)) if row.words else values


def spellings(value: Any) -> st.SearchStrategy[Any]:
    """The ways to write a value down."""
    text = as_text(value)
    texts = [text, str(value), f" {text}\n", f'"{text}"', f"'{text}'", f' "{text}" ', json.dumps(text)]
    return st.sampled_from([*texts, value])


JOBS = st.sampled_from([BINARY, MULTICLASS, REGRESSOR])
SUITS_A_PREDICTOR_TYPE = {"predictor_type", "num_classes", "loss", "probability_calibration"}


@given(st.data())
@settings(max_examples=150)
def test_any_legal_value_in_any_spelling_is_read_as_itself(data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(set(ROWS) - SUITS_A_PREDICTOR_TYPE)), max_size=8))
    values = {name: data.draw(legal_values(name), name) for name in names}
    job = data.draw(JOBS)
    hp = validate({**job, **{name: data.draw(spellings(value), name) for name, value in values.items()}})
    assert {name: getattr(hp, name) for name in values} == values
    assert hp.given == {*job, *values}
    for name, value in values.items():
        assert type(getattr(hp, name)) is type(value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(JOBS, st.dictionaries(st.sampled_from(sorted(ROWS)) | st.text(max_size=20), JSON_VALUES, max_size=6))
@settings(max_examples=150)
def test_whatever_is_written_is_read_or_refused_by_name(job: dict[str, str], change: dict[str, Any]) -> None:
    try:
        hp = validate({**job, **change})
    except ClientError as error:
        str(error).encode("utf-8")
        assert "hyperparameter" in str(error)
    else:
        assert hp.given == {*job, *change}
        assert set(change) <= set(ROWS)


@given(st.text(max_size=40))
@settings(max_examples=100)
def test_any_text_is_read_or_refused(text: str) -> None:
    for name, row in ROWS.items():
        try:
            validate({**BINARY, name: text})
        except ClientError as error:
            assert f"'{name}'" in str(error)
        else:
            assert isinstance(row.kind, Text) or text.strip()


@given(st.sets(st.sampled_from(sorted(name for name in ROWS if not isinstance(ROWS[name].kind, Text))), min_size=1))
def test_no_mistake_is_left_out(names: set[str]) -> None:
    with pytest.raises(ClientError) as raised:
        validate({**BINARY, **dict.fromkeys(names, "?")})
    lines = str(raised.value).split("\n")
    assert len(lines) == (1 if len(names) == 1 else len(names) + 1)
    for name in names:
        assert sum(f"'{name}'" in line.split(" accepts ")[0] for line in lines) == 1
