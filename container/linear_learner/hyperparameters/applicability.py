"""What has no effect in a job, and the sentences that tell the user so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from linear_learner.hyperparameters.auto import AUTO_MEANS, TrainChannel, replace_auto
from linear_learner.hyperparameters.fields import Row, as_text
from linear_learner.hyperparameters.schema import BINARY, MULTICLASS, ROWS, HyperParameters
from linear_learner.hyperparameters.tuning import TUNING_METRICS, is_for_one_model, nearest

_ANY_DATA = TrainChannel(feature_dim=1, rows=None, values_per_row=1)


def settle(hp: HyperParameters) -> HyperParameters:
    """``hp`` with ``loss`` and ``optimizer`` decided, on which it depends what else is used, and which do not depend on
    the data themselves."""
    return replace_auto(hp, ("loss", "optimizer"), _ANY_DATA)


def unmet(row: Row, settled: HyperParameters) -> dict[str, Any]:
    """The conditions of ``row`` that a job does not meet: the value that the job has instead, by hyperparameter."""
    values = {name: getattr(settled, name) for name in row.used_if}
    return {name: value for name, value in values.items() if value not in row.used_if[name]}


def ignored(row: Row, hosts: int) -> str:
    """Why a job on so many hosts does nothing with the hyperparameter, "" if it does."""
    return row.ignored or (row.ignored_alone if hosts == 1 else "")


def without_unused(hp: HyperParameters, hosts: int = 1) -> HyperParameters:
    """``hp``, as validated, with what has no effect in a job on so many ``hosts`` put back to its default, so that no
    reader needs to ask; and with what the number of hosts and the predictor type decide."""
    hp = settle(hp)
    unused = [name for name, row in ROWS.items() if ignored(row, hosts) or unmet(row, hp)]
    hp = replace(hp, **{name: ROWS[name].default for name in unused})
    return replace_auto(hp, ("_kvstore", "_num_kv_servers"), replace(_ANY_DATA, hosts=hosts))


def notices(hp: HyperParameters, hosts: int = 1) -> list[str]:
    """What a job logs when it starts: each hyperparameter that was given and changes nothing, or not what it says.

    ``hp`` is as validated. ``hosts``: of the job.
    """
    settled, used = settle(hp), without_unused(hp, hosts)
    without_effect = {name: why for name, row in ROWS.items() if (why := _no_effect(name, row, settled, hosts))}
    sentences = [why for name, why in without_effect.items() if _differs(name, settled)]
    return sentences + [
        sentence for say in (_tuning, _top_k, _rate_floor, _shift, _correction) if (sentence := say(used))
    ]


def _differs(name: str, settled: HyperParameters) -> bool:
    """Whether the value of ``name`` is another than the job would have without it."""
    usual = replace_auto(replace(settled, **{name: ROWS[name].default}), AUTO_MEANS, _ANY_DATA)
    return getattr(settled, name) not in (ROWS[name].default, getattr(usual, name))


def _no_effect(name: str, row: Row, settled: HyperParameters, hosts: int) -> str:
    if why := ignored(row, hosts):
        return f"Hyperparameter '{name}' is ignored: {why}."
    missing = unmet(row, settled)
    if not missing:
        return ""
    reasons = (
        f"it needs {other} {' or '.join(as_text(legal) for legal in row.used_if[other])}, and this job has "
        f"{other} {as_text(value)}"
        for other, value in missing.items()
    )
    return f"Hyperparameter '{name}' is ignored: {'; '.join(reasons)}."


def _tuning(hp: HyperParameters) -> str:
    metric = hp._tuning_objective_metric
    if not metric:
        ignored = "Hyperparameter 'tuning_keeps_num_models' is ignored: this is no tuning job."
        return ignored if hp.tuning_keeps_num_models else ""
    given = f", not {hp.num_models}" if not hp.is_auto("num_models") and hp.num_models != 1 else ""
    models = f"One model is trained{given}" if is_for_one_model(hp) else f"{hp.num_models} models are trained"
    sentence = f"{models}: this is a tuning job (_tuning_objective_metric={metric})."
    if hp.tuning_keeps_num_models and hp.is_auto("num_models"):
        sentence += " tuning_keeps_num_models needs a num_models to keep."
    if metric in TUNING_METRICS:
        return sentence
    near = nearest(metric)
    advice = f" Did you mean '{near}'?" if near else ""
    return f"{sentence} Amazon defines no such metric for this algorithm, so the job needs its own definition.{advice}"


def _top_k(hp: HyperParameters) -> str:
    if hp.predictor_type != MULTICLASS or not {"accuracy_top_k", "num_classes"} <= hp.given:
        return ""
    if hp.accuracy_top_k < hp.num_classes:
        return ""
    return f"accuracy_top_k={hp.accuracy_top_k} makes that metric always 1: there are {hp.num_classes} classes."


def _rate_floor(hp: HyperParameters) -> str:
    both = {"learning_rate", "lr_scheduler_minimum_lr"}
    if any(hp.is_auto(name) for name in both):
        return ""
    if hp.lr_scheduler_minimum_lr < hp.learning_rate:
        return ""
    return (
        f"The learning rate stays at {hp.learning_rate}: lr_scheduler_minimum_lr={hp.lr_scheduler_minimum_lr} "
        "is not below it."
    )


def _shift(hp: HyperParameters) -> str:
    asked = [name for name in ("unbias_data", "unbias_label") if getattr(hp, name) is True]
    if hp.use_bias or not asked:
        return ""
    return (
        f"The saved model has a bias although use_bias=false: {' and '.join(f'{name}=true' for name in asked)} "
        f"subtract{'s' if len(asked) == 1 else ''} means before training, and the bias puts them back."
    )


def _correction(hp: HyperParameters) -> str:
    is_binary = hp.predictor_type == BINARY
    name = "positive_example_weight_mult" if is_binary else "balance_multiclass_weights"
    weighs = hp.positive_example_weight_mult != 1 if is_binary else hp.balance_multiclass_weights
    if weighs or not hp.correct_weighted_probabilities:
        return ""
    return f"Hyperparameter 'correct_weighted_probabilities' is ignored: without {name} all classes weigh the same."
