from __future__ import annotations

import numpy as np
import pytest

from linear_learner.errors import ClientError
from linear_learner.hyperparameters import validate
from linear_learner.hyperparameters.auto import EVEN
from linear_learner.training.preparation.class_weights import class_weights, positive_weights, row_weights

COUNTS = np.array([4, 1])


@pytest.mark.parametrize(("given", "weights"), [("2.5", [2.5]), ("balanced", [4.0]), ("auto", [1.0, 2.0, 4.0])])
def test_positive_weights(given: str, weights: list[float]) -> None:
    hp = validate({"predictor_type": "binary_classifier", "positive_example_weight_mult": given})
    assert positive_weights(hp, COUNTS) == weights


def test_a_regressor_has_no_positive_examples() -> None:
    assert positive_weights(validate({"predictor_type": "regressor"}), np.zeros(0, int)) == [1.0]


def test_balanced_classes_have_the_same_total_weight_and_mean_one() -> None:
    hp = validate({"predictor_type": "multiclass_classifier", "num_classes": "4", "balance_multiclass_weights": "true"})
    labels = np.array([0, 0, 0, 1, 1, 3], np.float32)
    weights = class_weights(hp, np.bincount(labels.astype(int), minlength=4))
    assert weights is not None
    per_row = weights[labels.astype(int)]
    assert per_row.mean() == pytest.approx(1)
    assert [per_row[labels == c].sum() for c in (0, 1, 3)] == pytest.approx([2, 2, 2])


def test_classes_count_alike_unless_asked() -> None:
    hp = validate({"predictor_type": "multiclass_classifier", "num_classes": "3"})
    assert class_weights(hp, COUNTS) is None


@pytest.mark.parametrize("counts", [[5, 0], [0, 5]])
def test_the_head_of_a_stream_may_show_too_little_to_balance(counts: list[int]) -> None:
    hp = validate({"predictor_type": "binary_classifier", "positive_example_weight_mult": "balanced"})
    with pytest.raises(ClientError, match=r"The first 5 rows of channel 'train' are of one class.*Shuffle the rows"):
        positive_weights(hp, np.array(counts))


def test_a_class_that_a_stream_has_not_shown_yet_weighs_as_much_as_the_rarest() -> None:
    hp = validate({"predictor_type": "multiclass_classifier", "num_classes": "3", "balance_multiclass_weights": "true"})
    weights = class_weights(hp, np.array([6, 2, 0]), are_all=False)
    assert weights is not None
    assert weights.tolist() == pytest.approx([8 / 12, 2, 2])


@pytest.mark.parametrize(
    ("given", "mean", "largest"),
    [("1", 1, 1), ("6", 2, 6), ("0.5", 0.9, 1), ("balanced", 1.6, 4), ("auto", 1, 1)],
)
def test_the_weights_of_rows_by_which_auto_goes_are_those_of_the_base_candidate(
    given: str, mean: float, largest: float
) -> None:
    hp = validate({"predictor_type": "binary_classifier", "positive_example_weight_mult": given})
    weights = row_weights(hp, COUNTS)
    assert weights.mean == pytest.approx(mean)
    assert weights.largest == pytest.approx(largest)


def test_the_weights_of_rows_of_balanced_classes_are_one_in_the_mean() -> None:
    hp = validate({"predictor_type": "multiclass_classifier", "num_classes": "3", "balance_multiclass_weights": "true"})
    weights = row_weights(hp, np.array([6, 2, 0]))
    assert weights.mean == pytest.approx(1)
    assert weights.largest == pytest.approx(2)


@pytest.mark.parametrize("given", [{"predictor_type": "regressor"}, {"predictor_type": "binary_classifier"}])
def test_rows_that_are_not_weighted_count_one(given: dict[str, str]) -> None:
    assert row_weights(validate(given), np.zeros(2, int)) == EVEN
