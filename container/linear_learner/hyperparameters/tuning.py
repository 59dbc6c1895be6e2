"""The metrics that automatic model tuning can watch: how the platform finds them in a log, and which jobs log them.

A tuning job names the one that it watches in ``_tuning_objective_metric``, as ``<channel>:<metric>``. A job that will
never log it would train, cost money and tell the tuner nothing, so it is refused before it begins.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from linear_learner.errors import ClientError
from linear_learner.hyperparameters.schema import BINARY, MULTICLASS, REGRESSOR, HyperParameters

ANY_TYPE = (BINARY, MULTICLASS, REGRESSOR)
EVERYWHERE = ("train", "validation", "test")
HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class MetricDefinition:
    """``channels`` for which Amazon defines it; ``predictor_types`` whose jobs log it. ``regex``: the platform's, with
    ``{channel}``. ``aim``: of a tuning job."""

    channels: tuple[str, ...]
    predictor_types: tuple[str, ...]
    regex: str
    aim: str = "maximize"

    def pattern(self, channel: str) -> str:
        """The platform's regular expression of ``<channel>:<name>``. Of the test channel nothing is told before the
        end of the job."""
        regex = self.regex if channel != "test" else self.regex.replace(r"epoch=\S+, ", "")
        return regex.format(channel=channel)


def _final(
    channels: tuple[str, ...], predictor_types: tuple[str, ...], name: str, aim: str = "maximize"
) -> MetricDefinition:
    tag = "score" if aim == "maximize" else "loss"
    return MetricDefinition(
        channels, predictor_types, rf"#quality_metric: host=\S+, {{channel}} {name} <{tag}>=(\S+)", aim
    )


METRIC_DEFINITIONS = {
    "progress": MetricDefinition(("train",), ANY_TYPE, r"#progress_metric: host=\S+, completed (\S+) %"),
    "throughput": MetricDefinition(
        ("train",), ANY_TYPE, r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"
    ),
    "objective_loss": MetricDefinition(
        EVERYWHERE,
        ANY_TYPE,
        r"#quality_metric: host=\S+, epoch=\S+, {channel} \S+_objective <loss>=(\S+)",
        "minimize",
    ),
    "objective_loss:final": _final(("train", "validation"), ANY_TYPE, r"\S+_objective", "minimize"),
    "binary_classification_accuracy": _final(EVERYWHERE, (BINARY,), "binary_classification_accuracy"),
    "binary_f_beta": _final(EVERYWHERE, (BINARY,), r"binary_f_\S+"),
    "precision": _final(EVERYWHERE, (BINARY,), "precision"),
    "recall": _final(EVERYWHERE, (BINARY,), "recall"),
    "roc_auc_score": _final(HELD_OUT, (BINARY,), "roc_auc_score"),
    "mse": _final(EVERYWHERE, (REGRESSOR,), "mse", "minimize"),
    "absolute_loss": _final(EVERYWHERE, (REGRESSOR,), "absolute_loss", "minimize"),
    "rmse": _final(HELD_OUT, (REGRESSOR,), "rmse", "minimize"),
    "multiclass_accuracy": _final(HELD_OUT, (MULTICLASS,), "multiclass_accuracy"),
    "multiclass_top_k_accuracy": _final(HELD_OUT, (MULTICLASS,), r"multiclass_top_k_accuracy_\S+"),
    "dcg": _final(HELD_OUT, (MULTICLASS,), "dcg"),
    "macro_precision": _final(HELD_OUT, (MULTICLASS,), "macro_precision"),
    "macro_recall": _final(HELD_OUT, (MULTICLASS,), "macro_recall"),
    "macro_f_beta": _final(HELD_OUT, (MULTICLASS,), r"macro_f_\S+"),
}
"""By the name behind the channel: what Amazon defines for this algorithm."""

TUNING_METRICS = frozenset(
    f"{channel}:{name}" for name, metric in METRIC_DEFINITIONS.items() for channel in metric.channels
)

EVERY_EPOCH = ("progress", "throughput", "objective_loss")
"""What is logged of the train channel after each epoch; all else of it is a final metric, which a job logs of its
validation channel instead where it has one."""


def is_for_one_model(hp: HyperParameters) -> bool:
    """Whether a tuning job is to train one model, as Amazon documents it: the tuner compares models of its own."""
    return bool(hp._tuning_objective_metric) and not (hp.tuning_keeps_num_models and not hp.is_auto("num_models"))


def watched_epochs(hp: HyperParameters) -> str | None:
    """The channel whose objective a tuner reads from epoch to epoch, and takes the last value of; None if it does
    not."""
    channel, _, name = hp._tuning_objective_metric.partition(":")
    return channel if name == "objective_loss" and channel in ("train", "validation") else None


def nearest(metric: str) -> str | None:
    """The defined metric that ``metric`` is the beginning of, or else the one whose name is most like it."""
    longer = [name for name in sorted(TUNING_METRICS) if metric.partition(":")[2] and name.startswith(metric)]
    return (
        longer[0] if longer else next(iter(difflib.get_close_matches(metric[:100], sorted(TUNING_METRICS), n=1)), None)
    )


def wrong_predictor_type(metric: str, predictor_type: str) -> str | None:
    """A sentence if no job of ``predictor_type`` logs ``metric``, which Amazon may or may not define."""
    channel, _, name = metric.partition(":")
    if metric not in TUNING_METRICS or predictor_type in METRIC_DEFINITIONS[name].predictor_types:
        return None
    fitting = [other for other in _names(channel) if predictor_type in METRIC_DEFINITIONS[other].predictor_types]
    return (
        f"The value '{metric}' is not valid for the '_tuning_objective_metric' hyperparameter when predictor_type is "
        f"'{predictor_type}', of which a job never logs it. Tune by one of the following: "
        + ", ".join(f"'{channel}:{other}'" for other in fitting)
        + "."
    )


def check_channels(hp: HyperParameters, channels: Collection[str]) -> None:
    """ClientError if a job with ``channels`` never logs the metric that it is to be tuned by."""
    metric = hp._tuning_objective_metric
    channel, _, name = metric.partition(":")
    if metric not in TUNING_METRICS:
        return
    if channel not in channels and channel != "train":
        others = [
            f"'{other}:{name}'" for other in METRIC_DEFINITIONS[name].channels if other in channels and other != "train"
        ]
        raise ClientError(
            f"The tuning job watches '{metric}', and the job has no channel '{channel}', so it would never log it",
            where="hyperparameter _tuning_objective_metric",
            fix=" or ".join([f"give the job a channel named '{channel}'", *(f"tune by {other}" for other in others)]),
        )
    if channel == "train" and name not in EVERY_EPOCH and "validation" in channels:
        held_out = f"validation:{name}"
        raise ClientError(
            f"The tuning job watches '{metric}', and final metrics are those of the validation channel where there is "
            "one, so the job would never log it",
            where="hyperparameter _tuning_objective_metric",
            fix=f"tune by '{held_out}', or leave the channel 'validation' out",
        )


def _names(channel: str) -> list[str]:
    return [
        name
        for name, metric in METRIC_DEFINITIONS.items()
        if channel in metric.channels and name not in EVERY_EPOCH[:2]
    ]
