"""The hyperparameters, one row each, in the order of Amazon's documentation; hidden ones and ours at the end.

Names, ranges and defaults are those of the SageMaker Developer Guide and of the ``default-input.json`` that Amazon's
container prints. Where the guide and the SageMaker SDK disagree on a range, the wider one holds as long as it makes
sense: ``beta_1``, ``beta_2`` and ``margin`` may be 0 as the SDK says, ``huber_delta`` may not, since such a loss is 0
everywhere. What a range leaves out is refused, whether or not the hyperparameter is used in the job.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from linear_learner.hyperparameters.fields import (
    AUTO,
    REQUIRED,
    Row,
    as_text,
    boolean,
    choice,
    integer,
    number,
    text_value,
)

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"

LOSSES_OF = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss", "hinge_loss"),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
"""The losses that suit a predictor type; the first is what ``auto`` means."""

CALIBRATIONS_OF = {BINARY: ("platt", "isotonic"), MULTICLASS: ("temperature",)}
"""The ways to calibrate probabilities that suit a predictor type; the simplest comes first, and wins a tie."""

NONE = "none"
"""The value of a hyperparameter for what is not done."""

FEWEST_CLASSES = 3
"""Of a multiclass classifier; two classes are a binary classifier's."""

_BINARY_ONLY = {"predictor_type": (BINARY,)}
_MULTICLASS_ONLY = {"predictor_type": (MULTICLASS,)}
_REGRESSOR_ONLY = {"predictor_type": (REGRESSOR,)}
_CLASSIFIERS_ONLY = {"predictor_type": (BINARY, MULTICLASS)}
_WITH_BIAS = {"use_bias": (True,)}
_WITH_SCHEDULER = {"use_lr_scheduler": (True,)}
_CRITERION = "binary_classifier_model_selection_criteria"


@dataclass(frozen=True, kw_only=True)
class HyperParameters:
    """The hyperparameters of a job. ``validate`` makes one from the user's texts, ``resolve`` replaces each AUTO.

    ``given`` names what the user wrote down; everything else is a default.
    """

    predictor_type: str = choice(
        BINARY,
        MULTICLASS,
        REGRESSOR,
        default=REQUIRED,
        text="What is predicted: one of two classes, one of several, or a number.",
    )
    num_classes: int = integer(
        at_least=1,
        at_most=1_000_000,
        default=1,
        used_if=_MULTICLASS_ONLY,
        text="The number of classes, 3 or more; labels are 0 to num_classes - 1. Required for a multiclass classifier "
        "unless `text_labels` is true.",
    )
    feature_dim: int = integer(
        at_least=1, default=AUTO, text="The number of features. A given one is held against the data."
    )
    mini_batch_size: int = integer(
        at_least=1,
        default=1000,
        text="Rows of a mini-batch, after each of which the weights change. Fewer rows than that train as one batch.",
    )
    epochs: int = integer(at_least=1, default=15, text="The most passes over the training data.")
    num_models: int = integer(
        at_least=1,
        default=AUTO,
        text="Models trained side by side, of which the best is kept. The first one follows the given values, the "
        "others vary what is left to `auto`.",
    )
    loss: str = choice(
        *dict.fromkeys(loss for losses in LOSSES_OF.values() for loss in losses),
        default=AUTO,
        text="What training minimises. A binary classifier takes logistic or hinge_loss, a multiclass one "
        "softmax_loss, a regressor the others.",
    )
    optimizer: str = choice(
        "adam",
        "sgd",
        "rmsprop",
        "adagrad",
        default=AUTO,
        text="How a gradient becomes a step. `adagrad` is an addition of this container.",
    )
    learning_rate: float = number(above=0, default=AUTO, text="The size of the optimizer's steps at the start.")
    wd: float = number(at_least=0, default=AUTO, text="The strength of L2 regularisation (weight decay).")
    l1: float = number(
        at_least=0, default=AUTO, text="The strength of L1 regularisation. It makes weights exactly zero."
    )
    momentum: float = number(
        at_least=0,
        below=1,
        default=AUTO,
        used_if={"optimizer": ("sgd",)},
        text="The share of the last step that the next one keeps.",
    )
    beta_1: float = number(
        at_least=0,
        below=1,
        default=AUTO,
        used_if={"optimizer": ("adam",)},
        text="The decay of Adam's mean of the gradients.",
    )
    beta_2: float = number(
        at_least=0,
        below=1,
        default=AUTO,
        used_if={"optimizer": ("adam",)},
        text="The decay of Adam's mean of the squared gradients.",
    )
    bias_lr_mult: float = number(
        above=0, default=AUTO, used_if=_WITH_BIAS, text="The bias has this many times the learning rate of the weights."
    )
    bias_wd_mult: float = number(
        at_least=0,
        default=AUTO,
        used_if=_WITH_BIAS,
        text="The bias has this many times the L2 regularisation of the weights.",
    )
    use_lr_scheduler: bool = boolean(default=True, text="Let the learning rate fall while training goes on.")
    lr_scheduler_step: int = integer(
        at_least=1,
        default=AUTO,
        used_if=_WITH_SCHEDULER,
        text="Mini-batches from one decrease of the learning rate to the next.",
    )
    lr_scheduler_factor: float = number(
        above=0, below=1, default=AUTO, used_if=_WITH_SCHEDULER, text="What a decrease multiplies the learning rate by."
    )
    lr_scheduler_minimum_lr: float = number(
        above=0, default=AUTO, used_if=_WITH_SCHEDULER, text="The learning rate never falls below this."
    )
    init_method: str = choice(
        "uniform",
        "normal",
        default="uniform",
        text="How the weights start: uniform in (-init_scale, init_scale), or normal with mean 0 and standard "
        "deviation init_sigma. Where none of the four init_ values is given, many dense rows start near the minimum "
        "instead.",
    )
    init_scale: float = number(
        above=0, default=0.07, used_if={"init_method": ("uniform",)}, text="The half width of uniform first weights."
    )
    init_sigma: float = number(
        above=0, default=0.01, used_if={"init_method": ("normal",)}, text="The spread of normal first weights."
    )
    init_bias: float = number(default=0.0, used_if=_WITH_BIAS, text="The first value of the bias.")
    use_bias: bool = boolean(default=True, text="Give the model a bias (intercept).")
    normalize_data: bool = boolean(
        default=True, words=("auto",), text="Divide each feature by its standard deviation before training."
    )
    normalize_label: bool = boolean(
        default=AUTO, used_if=_REGRESSOR_ONLY, text="Divide the label by its standard deviation before training."
    )
    unbias_data: bool = boolean(
        default=AUTO, text="Subtract each feature's mean before training. Sparse features are never shifted."
    )
    unbias_label: bool = boolean(
        default=AUTO, used_if=_REGRESSOR_ONLY, text="Subtract the label's mean before training."
    )
    num_point_for_scaler: int = integer(
        at_least=1, default=10_000, text="Rows from which means and standard deviations are taken."
    )
    positive_example_weight_mult: float | str = number(
        above=0,
        default=1.0,
        words=("balanced", "auto"),
        used_if=_BINARY_ONLY,
        text="The weight of a row whose label is 1; the others weigh 1. `balanced` gives both classes the same total "
        "weight.",
    )
    balance_multiclass_weights: bool = boolean(
        default=False, used_if=_MULTICLASS_ONLY, text="Give all classes the same total weight."
    )
    binary_classifier_model_selection_criteria: str = choice(
        "accuracy",
        "f_beta",
        "precision_at_target_recall",
        "recall_at_target_precision",
        "loss_function",
        "f1",
        "cross_entropy_loss",
        default="accuracy",
        used_if=_BINARY_ONLY,
        text="What the threshold and the best model are chosen by. `f1` (F-beta with beta 1, whatever f_beta is) "
        "and `cross_entropy_loss` (now `loss_function`) are names of 2018.",
    )
    target_recall: float = number(
        above=0,
        below=1,
        default=0.8,
        used_if={**_BINARY_ONLY, _CRITERION: ("precision_at_target_recall",)},
        text="The recall that is held while precision is raised.",
    )
    target_precision: float = number(
        above=0,
        below=1,
        default=0.8,
        used_if={**_BINARY_ONLY, _CRITERION: ("recall_at_target_precision",)},
        text="The precision that is held while recall is raised.",
    )
    f_beta: float = number(
        above=0,
        default=1.0,
        used_if=_CLASSIFIERS_ONLY,
        text="Recall counts this many times as much as precision, in the F metric and in the criterion `f_beta`.",
    )
    accuracy_top_k: int = integer(
        at_least=1,
        default=3,
        used_if=_MULTICLASS_ONLY,
        text="The k of the top-k accuracy: a row counts where the true class is among the k best.",
    )
    num_calibration_samples: int = integer(
        at_least=1,
        default=10_000_000,
        words=("auto",),
        used_if=_BINARY_ONLY,
        text="The most rows from which the threshold is chosen.",
    )
    early_stopping_patience: int = integer(
        at_least=1,
        default=3,
        text="Epochs without an improvement after which training ends. More than epochs switches it off.",
    )
    early_stopping_tolerance: float = number(
        above=0, default=0.001, text="A relative improvement below this counts as none."
    )
    margin: float = number(
        at_least=0,
        default=1.0,
        used_if={"loss": ("hinge_loss",)},
        text="How far on the right side of the boundary a row must be to cost nothing.",
    )
    quantile: float = number(
        above=0,
        below=1,
        default=0.5,
        used_if={"loss": ("quantile_loss",)},
        text="The quantile that is predicted: a label lies below the prediction with this probability.",
    )
    loss_insensitivity: float = number(
        above=0,
        default=0.01,
        used_if={"loss": ("eps_insensitive_squared_loss", "eps_insensitive_absolute_loss")},
        text="Errors up to this size, in units of the label, cost nothing.",
    )
    huber_delta: float = number(
        above=0,
        default=1.0,
        used_if={"loss": ("huber_loss",)},
        text="Errors up to this size, in units of the label, are squared, larger ones count by their size.",
    )

    _kvstore: str = choice(
        "local",
        "device",
        "dist_sync",
        "dist_device_sync",
        "dist_sync_device",
        default=AUTO,
        hint="Hosts keep step with each other and have no GPU, so there are neither asynchronous stores nor 'nccl'",
        ignored_alone="a job on one host has nobody to share parameters with",
        text="MXNet's store of shared parameters.",
    )
    _num_kv_servers: int = integer(
        at_least=1,
        default=AUTO,
        ignored_alone="a job on one host has no parameter servers",
        text="Parameter servers of a job on several hosts.",
    )
    _num_gpus: int = integer(
        at_least=0,
        default=AUTO,
        ignored="this container trains on CPUs",
        text="GPUs to use.",
    )
    _log_level: str = choice(
        "debug", "info", "warning", "error", "critical", default="info", text="The least severe log lines to print."
    )
    _enable_profiler: bool = boolean(default=False, text="Write a profile of the job to `/opt/ml/output/data`.")
    _tuning_objective_metric: str = text_value(
        default="",
        text="Set by automatic model tuning: the metric that it watches, such as `validation:objective_loss`. The job "
        "then trains one model, and the metric must be one that it will log.",
    )
    force_dense: bool = boolean(
        default=True,
        retired=True,
        ignored="rows are trained dense or sparse, as their files hold them",
        text="Known to Amazon's first builds.",
    )
    _data_format: str = choice(
        "record",
        default="record",
        retired=True,
        ignored="the content type of a channel says its format",
        hint="Give the channel a content type instead, such as 'text/csv'",
        text="Known to Amazon's first builds.",
    )
    seed: int = integer(
        at_least=0,
        default=0,
        ours=True,
        text="The seed of first weights, shuffling and sampling. Equal seeds give equal models, bit for bit.",
    )
    label_column: str = text_value(
        default="",
        ours=True,
        text="The name of the label's column in Parquet files, and in CSV files that have a header; the first column "
        "unless it is given.",
    )
    categorical_columns: str = text_value(
        default="",
        ours=True,
        text="The columns of categories in CSV and Parquet files: names, or numbers from 1 that count the label's "
        "column too, with commas between; `auto` for each column with text. Each of their values becomes a feature "
        "(one-hot).",
    )
    text_labels: bool = boolean(
        default=False,
        ours=True,
        used_if=_CLASSIFIERS_ONLY,
        text="Labels in CSV and Parquet files are texts, the names of classes; `num_classes` may then be left out.",
    )
    positive_label: str = text_value(
        default="",
        ours=True,
        used_if={**_BINARY_ONLY, "text_labels": (True,)},
        text="The text of the label that counts as 1; the last of the two in alphabetical order unless it is given.",
    )
    memory_mb: int = integer(
        at_least=1,
        default=AUTO,
        ours=True,
        text="MiB that the job may fill with rows. A train channel that does not fit is streamed: read anew in every "
        "epoch.",
    )
    pipe_timeout: int = integer(
        at_least=1,
        default=600,
        ours=True,
        text="Seconds that a job in Pipe mode waits while neither a pipe nor a writer nor any data comes.",
    )
    missing_values: str = choice(
        "error",
        "mean",
        default="error",
        ours=True,
        text="What a missing feature is: an error, or the mean of its column in the sample of the train channel that "
        "`num_point_for_scaler` sets. The means are kept with the model and fill the rows of requests as well. A "
        "missing label is an error.",
    )
    tuning_keeps_num_models: bool = boolean(
        default=False,
        ours=True,
        text="In a tuning job, train as many models as a given `num_models` says, and log the best one's values, "
        "instead of training one.",
    )
    probability_calibration: str = choice(
        NONE,
        "platt",
        "isotonic",
        "temperature",
        default=NONE,
        words=(AUTO,),
        used_if=_CLASSIFIERS_ONLY,
        ours=True,
        text="How scores are made to agree with the frequencies in the validation channel: `platt` or `isotonic` of a "
        "binary classifier, `temperature` of a multiclass one. After it, the scores of a hinge loss are probabilities.",
    )
    correct_weighted_probabilities: bool = boolean(
        default=False,
        used_if=_CLASSIFIERS_ONLY,
        ours=True,
        text="Take what `positive_example_weight_mult` or `balance_multiclass_weights` adds to the logits out of the "
        "saved bias, so that probabilities are those of rows as they come.",
    )
    target_confidence: float | str = number(
        above=0.5,
        below=1,
        default=NONE,
        words=(NONE,),
        used_if={**_BINARY_ONLY, _CRITERION: ("precision_at_target_recall", "recall_at_target_precision")},
        ours=True,
        text="Choose the threshold so that the true recall or precision, and not only that of the validation rows, is "
        "at least the target with this confidence.",
    )
    bootstrap_samples: int = integer(
        at_least=0,
        at_most=100_000,
        default=0,
        ours=True,
        text="Bootstrap samples from which 95 % intervals of the final metrics and of the threshold are taken; 0 for "
        "none.",
    )
    _engine: str = choice(
        "native",
        "operators",
        default=AUTO,
        ours=True,
        text="What trains: the native operator or MXNet's own. For tests and benchmarks.",
    )

    given: frozenset[str] = frozenset()

    def is_auto(self, name: str) -> bool:
        """Whether hyperparameter ``name`` is (still) left to the container."""
        return bool(getattr(self, name) == AUTO)

    def as_dict(self) -> dict[str, Any]:
        """The values by name, ``given`` left out, in the order of the schema."""
        return {name: getattr(self, name) for name in ROWS}


ROWS: dict[str, Row] = {f.name: f.metadata["row"] for f in dataclasses.fields(HyperParameters) if "row" in f.metadata}
"""The schema by name."""


def defaults() -> dict[str, str]:
    """The defaults as texts: what Amazon's container prints as its ``default-input.json``, and ours.

    Required hyperparameters and those that only the builds of 2018 knew are not in it.
    """
    return {name: as_text(row.default) for name, row in ROWS.items() if row.default is not REQUIRED and not row.retired}
