"""What a report tells, as JSON, of the channels that the model was judged on."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import brier_score_loss, confusion_matrix
from subjects import subject

from linear_learner.report import content


def details(kind: str, **changes: object) -> tuple[dict, dict]:
    """By channel: what is told, and the scores and labels."""
    made = subject(kind, **changes)
    return content.describe(made, np.ones(made.feature_dim))["details"], made.scored


def test_a_binary_model_calls_label_1_positive() -> None:
    found, scored = details("binary_classifier")
    for channel, rows in scored.items():
        at = found[channel]["thresholds"].index(0.4)
        counts = [
            found[channel]["confusion"][name][at]
            for name in ("true_negatives", "false_positives", "false_negatives", "true_positives")
        ]
        assert counts == confusion_matrix(rows.labels, rows.scores >= 0.4).ravel().tolist()
        expected = brier_score_loss(rows.labels, rows.scores)
        np.testing.assert_allclose(found[channel]["calibration"]["brier_score"], expected)


def test_margins_have_no_calibration() -> None:
    found, _ = details("binary_classifier", link="identity")
    assert [channel["calibration"] for channel in found.values()] == [None, None]


def test_a_multiclass_model_is_right_where_the_highest_score_is_the_label() -> None:
    found, scored = details("multiclass_classifier")
    for channel, rows in scored.items():
        right = int(np.count_nonzero(rows.scores.argmax(axis=1) == rows.labels))
        assert sum(found[channel]["per_class"]["right"]) == right
        bins = found[channel]["calibration"]
        np.testing.assert_allclose(np.dot(bins["observed"], bins["rows"]), right)
