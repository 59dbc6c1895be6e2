"""What a job must bring for what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from linear_learner.data.dataset import Dataset
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import HyperParameters, resolve, validate, without_unused
from linear_learner.training.checks import requirements

CRITERION = "binary_classifier_model_selection_criteria"
RECALL = {CRITERION: "precision_at_target_recall", "target_recall": "0.9"}
PRECISION = {CRITERION: "recall_at_target_precision", "target_precision": "0.9"}


def hyperparameters(**given: str) -> HyperParameters:
    return without_unused(validate({"predictor_type": "binary_classifier", **given}))


def validation(positives: int, negatives: int) -> Dataset:
    labels = np.repeat(np.array([1, 0], np.float32), [positives, negatives])
    return Dataset("validation", np.zeros((len(labels), 1), np.float32), labels, ())


def check(positives: int, candidates: int = 1, negatives: int = 50, **given: str) -> None:
    hp = resolve(hyperparameters(epochs="2", **given), feature_dim=1, rows=1000)
    requirements.check_confidence(hp, validation(positives, negatives), candidates)


def test_a_recall_needs_as_many_positive_rows_as_would_prove_it_if_all_were_called() -> None:
    """0.9 ** 29 is 0.047 and 0.9 ** 28 is 0.052: half of an error of 0.1, for two epochs."""
    check(29, **RECALL, target_confidence="0.9")
    with pytest.raises(
        ClientError, match=r"target_recall=0.9 with target_confidence=0.9: .* at least 29 .* there are 28"
    ):
        check(28, **RECALL, target_confidence="0.9")


def test_more_models_to_choose_from_need_more_rows() -> None:
    with pytest.raises(ClientError, match="at least 62 rows of label 1"):
        check(29, candidates=32, **RECALL, target_confidence="0.9")


def test_a_precision_needs_rows_for_each_cut_that_is_looked_at() -> None:
    with pytest.raises(ClientError, match=r"target_precision=0.9 .* at least 53 rows of label 1, and there are 29"):
        check(29, **PRECISION, target_confidence="0.9")
    check(60, **PRECISION, target_confidence="0.9")


def test_rows_that_calibration_leaves_out_do_not_count() -> None:
    with pytest.raises(ClientError, match="there are 20"):
        check(60, negatives=60, **RECALL, target_confidence="0.9", num_calibration_samples="40")


def test_without_a_confidence_any_rows_will_do() -> None:
    check(0, **RECALL)
    requirements.check_confidence(resolve(hyperparameters(), feature_dim=1, rows=10), None, 32)
