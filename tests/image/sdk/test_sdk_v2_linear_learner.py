"""SageMaker SDK v2's own class LinearLearner in local mode, as docs/sdk.md shows it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from environments import V2
from local_mode import Run, ScriptRunner

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def run(run_script: ScriptRunner) -> Run:
    return run_script(V2, "v2_linear_learner.py")


def test_it_runs_the_image_that_bears_amazons_name(run: Run) -> None:
    assert re.fullmatch(r"\d{12}\.dkr\.ecr\.\S+\.amazonaws\.com/linear-learner:1", run.report["image"])
    assert f"image: {run.report['image']}" in run.log


def test_records_are_read_without_a_content_type(run: Run) -> None:
    assert "Channel 'train': 343 rows of 30 features." in run.log


def test_the_model_goes_to_s3(run: Run) -> None:
    assert re.fullmatch(r"s3://my-bucket/models/linear-learner-\S+/output/model\.tar\.gz", run.report["model_data"])


def test_predictions_are_right(run: Run) -> None:
    assert np.mean(np.array(run.report["predicted"]) == run.report["labels"]) > 0.95


def test_an_endpoint_of_several_models_asks_the_one_that_is_named(run: Run) -> None:
    answers = run.report["answers"]
    classified = answers["classifier.tar.gz"]["predictions"]
    assert [row["predicted_label"] for row in classified] == run.report["predicted"][:3]
    assert [row.keys() for row in answers["regressor.tar.gz"]["predictions"]] == 3 * [{"score"}]
