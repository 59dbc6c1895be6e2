"""Errors of a regressor, beside NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from linear_learner.report import regression

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.normal(10, 2, 5000).astype(np.float32)
SCORES = LABELS + RANDOM.normal(1, 0.5, 5000).astype(np.float32)


def test_quantiles_of_prediction_less_label() -> None:
    found = regression.errors(SCORES, LABELS)
    assert found["quantiles"]["0.5"] == pytest.approx(np.median(SCORES.astype(float) - LABELS))
    assert found["quantiles"]["0.05"] == pytest.approx(np.quantile(SCORES.astype(float) - LABELS, 0.05))


def test_an_outlier_does_not_flatten_the_histogram() -> None:
    found = regression.errors(np.append(SCORES, np.float32(1e9)), np.append(LABELS, np.float32(0)))
    assert max(found["histogram"]["edges"]) < 10 and sum(found["histogram"]["rows"]) == 5000


def test_points_are_few_and_rows_of_the_channel() -> None:
    points = regression.errors(SCORES, LABELS)["points"]
    assert len(points) == regression.POINTS
    assert {tuple(point) for point in points} <= set(zip(LABELS.tolist(), SCORES.tolist(), strict=True))


@pytest.mark.parametrize("score", [1e17, -3e38])
def test_one_error_however_large(score: float) -> None:
    found = regression.errors(np.array([score], np.float32), np.zeros(1, np.float32))
    assert sum(found["histogram"]["rows"]) == 1


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows_without_any_error(rows: int) -> None:
    found = regression.errors(LABELS[:rows], LABELS[:rows])
    assert sum(found["histogram"]["rows"]) == rows and found["quantiles"]["0.99"] == 0
