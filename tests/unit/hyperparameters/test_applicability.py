"""What a job says about hyperparameters that change nothing."""

from __future__ import annotations

import pytest

from linear_learner.hyperparameters.applicability import notices
from linear_learner.hyperparameters.schema import defaults
from linear_learner.hyperparameters.validation import validate

BINARY = {"predictor_type": "binary_classifier"}
MULTICLASS = {"predictor_type": "multiclass_classifier", "num_classes": "4"}
REGRESSOR = {"predictor_type": "regressor"}
KEEP = {"tuning_keeps_num_models": "true"}


@pytest.mark.parametrize("job", [BINARY, MULTICLASS, REGRESSOR], ids=lambda job: job["predictor_type"])
def test_nothing_is_said_of_defaults_even_if_given(job: dict[str, str]) -> None:
    assert notices(validate(job)) == []
    assert notices(validate({**defaults(), **job})) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {**BINARY, "num_classes": "2"},
            "Hyperparameter 'num_classes' is ignored: it needs predictor_type multiclass_classifier, and this job has "
            "predictor_type binary_classifier.",
        ),
        (
            {**REGRESSOR, "f_beta": "2"},
            "Hyperparameter 'f_beta' is ignored: it needs predictor_type binary_classifier or multiclass_classifier, "
            "and this job has predictor_type regressor.",
        ),
        (
            {**BINARY, "normalize_label": "true"},
            "Hyperparameter 'normalize_label' is ignored: it needs predictor_type regressor, and this job has "
            "predictor_type binary_classifier.",
        ),
        (  # loss is left to auto, which means logistic
            {**BINARY, "margin": "2"},
            "Hyperparameter 'margin' is ignored: it needs loss hinge_loss, and this job has loss logistic.",
        ),
        (
            {**REGRESSOR, "momentum": "0.5"},
            "Hyperparameter 'momentum' is ignored: it needs optimizer sgd, and this job has optimizer adam.",
        ),
        (
            {**REGRESSOR, "use_lr_scheduler": "false", "lr_scheduler_step": "7"},
            "Hyperparameter 'lr_scheduler_step' is ignored: it needs use_lr_scheduler true, and this job has "
            "use_lr_scheduler false.",
        ),
        (
            {**REGRESSOR, "use_bias": "false", "bias_lr_mult": "7"},
            "Hyperparameter 'bias_lr_mult' is ignored: it needs use_bias true, and this job has use_bias false.",
        ),
        (
            {**BINARY, "target_recall": "0.9"},
            "Hyperparameter 'target_recall' is ignored: it needs binary_classifier_model_selection_criteria "
            "precision_at_target_recall, and this job has binary_classifier_model_selection_criteria accuracy.",
        ),
        (
            {**BINARY, "_num_kv_servers": "2"},
            "Hyperparameter '_num_kv_servers' is ignored: a job on one host has no parameter servers.",
        ),
        (
            {**BINARY, "force_dense": "false"},
            "Hyperparameter 'force_dense' is ignored: rows are trained dense or sparse, as their files hold them.",
        ),
        (
            {**BINARY, "_kvstore": "dist_sync"},
            "Hyperparameter '_kvstore' is ignored: a job on one host has nobody to share parameters with.",
        ),
        ({**BINARY, "_num_gpus": "4"}, "Hyperparameter '_num_gpus' is ignored: this container trains on CPUs."),
        (
            {**MULTICLASS, "accuracy_top_k": "4"},
            "accuracy_top_k=4 makes that metric always 1: there are 4 classes.",
        ),
        (
            {**BINARY, "learning_rate": "0.001", "lr_scheduler_minimum_lr": "0.01"},
            "The learning rate stays at 0.001: lr_scheduler_minimum_lr=0.01 is not below it.",
        ),
        (
            {**REGRESSOR, "use_bias": "false", "unbias_data": "true", "unbias_label": "true"},
            "The saved model has a bias although use_bias=false: unbias_data=true and unbias_label=true subtract means "
            "before training, and the bias puts them back.",
        ),
        (
            {**BINARY, "correct_weighted_probabilities": "true"},
            "Hyperparameter 'correct_weighted_probabilities' is ignored: without positive_example_weight_mult all "
            "classes weigh the same.",
        ),
        (
            {**MULTICLASS, "correct_weighted_probabilities": "true"},
            "Hyperparameter 'correct_weighted_probabilities' is ignored: without balance_multiclass_weights all "
            "classes weigh the same.",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recall"},
            "One model is trained: this is a tuning job (_tuning_objective_metric=validation:recall).",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recall", "num_models": "8"},
            "One model is trained, not 8: this is a tuning job (_tuning_objective_metric=validation:recall).",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recall", "num_models": "1"},
            "One model is trained: this is a tuning job (_tuning_objective_metric=validation:recall).",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recall", "num_models": "8", **KEEP},
            "8 models are trained: this is a tuning job (_tuning_objective_metric=validation:recall).",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recall", **KEEP},
            "One model is trained: this is a tuning job (_tuning_objective_metric=validation:recall). "
            "tuning_keeps_num_models needs a num_models to keep.",
        ),
        (
            {**BINARY, "num_models": "8", **KEEP},
            "Hyperparameter 'tuning_keeps_num_models' is ignored: this is no tuning job.",
        ),
        (  # and nothing about a floor that is above the learning rate
            {**BINARY, "learning_rate": "0.001", "lr_scheduler_minimum_lr": "0.01", "use_lr_scheduler": "false"},
            "Hyperparameter 'lr_scheduler_minimum_lr' is ignored: it needs use_lr_scheduler true, and this job has "
            "use_lr_scheduler false.",
        ),
        (  # and nothing about the bias
            {**BINARY, "use_bias": "false", "unbias_label": "true"},
            "Hyperparameter 'unbias_label' is ignored: it needs predictor_type regressor, and this job has "
            "predictor_type binary_classifier.",
        ),
        (
            {**BINARY, "_tuning_objective_metric": "validation:recal"},
            "One model is trained: this is a tuning job (_tuning_objective_metric=validation:recal). Amazon defines no "
            "such metric for this algorithm, so the job needs its own definition. Did you mean 'validation:recall'?",
        ),
    ],
)  # fmt: skip
def test_what_changes_nothing_is_said_in_one_sentence(given: dict[str, str], sentence: str) -> None:
    assert notices(validate(given)) == [sentence]


@pytest.mark.parametrize(
    "given",
    [
        {**MULTICLASS, "loss": "hinge_loss", "margin": "0.5", "accuracy_top_k": "2", "f_beta": "2"},
        {**REGRESSOR, "optimizer": "sgd", "momentum": "0.5", "normalize_label": "false", "unbias_label": "true"},
        {**REGRESSOR, "loss": "eps_insensitive_absolute_loss", "loss_insensitivity": "0.5"},
        {**REGRESSOR, "use_bias": "false", "unbias_data": "false"},
        {**BINARY, "binary_classifier_model_selection_criteria": "precision_at_target_recall", "target_recall": "0.9"},
        {
            **BINARY,
            "_num_gpus": "0",
            "_kvstore": "local",
            "_num_kv_servers": "1",
            "seed": "4",
            "_engine": "operators",
            "l1": "0.1",
        },
        {**BINARY, "learning_rate": "0.1", "lr_scheduler_minimum_lr": "0.01"},
        {**BINARY, "use_lr_scheduler": "false", "learning_rate": "0.001"},
        {**BINARY, "use_bias": "false"},
        {**MULTICLASS, "num_classes": "3"},  # as many as the default of accuracy_top_k
        # What the job has anyway.
        {**BINARY, "momentum": "0.9", "margin": "1", "normalize_label": "false"},
    ],
)
def test_nothing_is_said_of_what_has_an_effect(given: dict[str, str]) -> None:
    assert notices(validate(given)) == []


def test_a_criterion_of_another_predictor_type_takes_its_target_with_it() -> None:
    given = {"binary_classifier_model_selection_criteria": "precision_at_target_recall", "target_recall": "0.9"}
    sentences = notices(validate({**REGRESSOR, **given}))
    assert [sentence.split("'")[1] for sentence in sentences] == list(given)
