"""The user's texts -> HyperParameters, or one error that lists everything wrong with them.

All values arrive as texts on the service; a file written by hand may hold JSON numbers and booleans, and some clients
quote twice. The sentences are those of Amazon's built-in algorithms where those have one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.fields import AUTO, REQUIRED, OutOfRangeError, Row, WrongTypeError
from linear_learner.hyperparameters.schema import (
    BINARY,
    CALIBRATIONS_OF,
    FEWEST_CLASSES,
    LOSSES_OF,
    MULTICLASS,
    NONE,
    ROWS,
    HyperParameters,
)
from linear_learner.hyperparameters.tuning import wrong_predictor_type

_LONGEST_SHOWN = 60


def validate(raw: Mapping[str, Any]) -> HyperParameters:
    """The hyperparameters that ``raw`` (the content of hyperparameters.json) gives, AUTO where it leaves them open.

    Legal spellings of a value: ``"0.1"``, ``0.1``, ``"'0.1'"``, ``"\\"0.1\\""``, with blanks around it; booleans in any
    case. Integers are what int() parses ("10", not "10.0").
    Raises one ClientError with a sentence for each unknown name, missing value, illegal value and pair that does not
    fit together, in this order.
    """
    values: dict[str, Any] = {}
    errors = [unknown(name) for name in raw if name not in ROWS]
    errors += [_missing(name) for name, row in ROWS.items() if row.default is REQUIRED and name not in raw]
    for name, row in ROWS.items():
        if name in raw:
            try:
                values[name] = _parse(row, raw[name])
            except (WrongTypeError, OutOfRangeError) as error:
                errors.append(_illegal(name, row, raw[name], error))
    errors += _misfits(values, raw)
    if errors:
        raise ClientError(_joined(errors))
    return HyperParameters(**values, given=frozenset(values))


def _parse(row: Row, value: Any) -> Any:
    text = plain_text(value)
    if text is None:
        raise WrongTypeError
    return row.parse(text)


def plain_text(value: Any) -> str | None:
    """The text of a JSON text, number or boolean without blanks and quotes around it; None for anything else."""
    if isinstance(value, bool | int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].strip()
    return text


def _misfits(values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
    """Values that are legal alone, but not with this predictor_type. Illegal ones are not in ``values``."""
    predictor = values.get("predictor_type")
    if predictor is None:
        return []
    errors = []
    metric = values.get("_tuning_objective_metric", "")
    if sentence := wrong_predictor_type(metric, predictor):
        errors.append(sentence)
    suitable = (AUTO, *LOSSES_OF[predictor])
    if values.get("loss", AUTO) not in suitable:
        errors.append(f"{_not_one_of('loss', raw['loss'], suitable)} when predictor_type is '{predictor}'.")
    if predictor == MULTICLASS:
        if "num_classes" not in raw:
            if not values.get("text_labels"):  # they tell how many there are
                errors.append(
                    f"{_required('num_classes')} when predictor_type is '{predictor}'. Give the number of classes, or "
                    "text_labels=true where labels are texts."
                )
        elif values.get("num_classes", FEWEST_CLASSES) < FEWEST_CLASSES:
            errors.append(
                f"The value {shown(raw['num_classes'])} is not valid for the 'num_classes' hyperparameter which "
                f"expects an integer of at least {FEWEST_CLASSES} when predictor_type is '{predictor}'. For two "
                f"classes use predictor_type '{BINARY}'."
            )
    return errors + _probability_misfits(values, raw)


def _probability_misfits(values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
    """What is asked of the probabilities of a classifier, and is not to be had. Without an effect elsewhere."""
    errors = []
    predictor, method = values["predictor_type"], values.get("probability_calibration", NONE)
    suitable = (NONE, AUTO, *CALIBRATIONS_OF.get(predictor, (method,)))
    if method not in suitable:
        problem = _not_one_of("probability_calibration", raw["probability_calibration"], suitable)
        errors.append(f"{problem} when predictor_type is '{predictor}'.")
    if values.get("correct_weighted_probabilities") and values.get("loss") == "hinge_loss":
        errors.append(
            "The value 'true' is not valid for the 'correct_weighted_probabilities' hyperparameter when loss is "
            "'hinge_loss', whose scores are no probabilities that weights could shift. Use probability_calibration."
        )
    if (
        method == "isotonic"
        and values.get("target_confidence", NONE) != NONE
        and values.get("binary_classifier_model_selection_criteria") == "recall_at_target_precision"
    ):
        errors.append(
            "The value 'isotonic' is not valid for the 'probability_calibration' hyperparameter when target_confidence "
            "is given for a target_precision: its steps are laid by the rows on which the precision is counted. Use "
            "'platt'."
        )
    return errors


def unknown(name: str) -> str:
    """The sentence about a hyperparameter that there is not."""
    sentence = f"Additional hyperparameters are not allowed ({shown(name)} was unexpected)."
    return sentence + _nearest(name, ROWS)


def _missing(name: str) -> str:
    return f"{_required(name)}. Give one of the following: {_quoted(ROWS[name].choices)}."


def _required(name: str) -> str:
    return f"No value(s) were specified for '{name}' which are required hyperparameter(s)"


def _illegal(name: str, row: Row, value: Any, error: ValueError) -> str:
    why = f" {error}." if str(error) else ""
    if row.choices:
        return f"{_not_one_of(name, value, row.choices)}.{why}{_nearest(plain_text(value) or '', row.choices)}"
    expects = f"one of the following: {_quoted(row.words)}; or {row.kind.legal}" if row.words else row.kind.legal
    if isinstance(error, WrongTypeError):
        return (
            f"The value for hyperparameter '{name}' should be of type {row.kind.type_name}, but provided "
            f"{shown(value)}. It expects {expects}."
        )
    return f"The value {shown(value)} is not valid for the '{name}' hyperparameter which expects {expects}.{why}"


def _not_one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    return (
        f"The value {shown(value)} is not valid for the '{name}' hyperparameter which accepts one of the following: "
        f"{_quoted(choices)}"
    )


def _nearest(word: str, known: Iterable[str]) -> str:
    # The slice keeps an absurdly long name from costing seconds.
    near = difflib.get_close_matches(word[:100].lower(), list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def shown(value: Any) -> str:
    """A value of the user in quotes, short, on one line, and printable whatever it holds."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) > _LONGEST_SHOWN:
        text = text[:_LONGEST_SHOWN] + "..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text) + "'"


def _joined(errors: list[str]) -> str:
    if len(errors) == 1:
        return errors[0]
    lines = (f"{number}. {error}" for number, error in enumerate(errors, 1))
    return "\n".join([f"{len(errors)} hyperparameters are wrong.", *lines])
