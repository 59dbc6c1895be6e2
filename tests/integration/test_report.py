"""The report of a whole job, beside its log and its model."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest
from finished_job import FinishedJob, MakeJob
from job_folder import FILES, JobFolder, Outcome
from sklearn import metrics

FOLDER = "output/data"


def numbers(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((outcome.base / FOLDER / "metrics.json").read_text(encoding="utf-8"))
    return found


def coefficients(outcome: Outcome) -> list[dict[str, str]]:
    with (outcome.base / FOLDER / "coefficients.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def weights(outcome: Outcome, features: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """(d + 1, C) from coefficients.csv, the bias first: raw, and standardised."""
    raw, standardised = np.zeros((2, features + 1, outputs))
    for line in coefficients(outcome):
        place = int(line["feature"]), int(line["class"] or 0)
        raw[place], standardised[place] = float(line["coefficient"]), float(line["standardised"] or 0)
    return raw, standardised


def test_scores_are_those_of_the_log(finished: FinishedJob) -> None:
    found = numbers(finished.outcome)["metrics"]
    assert found == {channel: finished.outcome.finals(channel) for channel in ("validation", "test")}


def test_the_choice_is_that_of_the_model(finished: FinishedJob) -> None:
    found, facts = numbers(finished.outcome), finished.outcome.facts
    assert found["choice"]["candidate"] == facts["selection"]["candidate"]
    assert found["choice"]["epoch"] == facts["selection"]["epoch"]
    assert found["choice"]["candidate"] in found["choice"]["tied"]
    assert found["hyperparameters"]["given"]["predictor_type"] == finished.predictor_type
    assert len(found["candidates"]) == 32 and found["epochs"] == len(found["candidates"][0]["train_loss"])


def test_the_loss_of_the_chosen_candidate_is_in_the_units_of_the_log(finished: FinishedJob) -> None:
    found = numbers(finished.outcome)
    chosen = found["candidates"][found["choice"]["candidate"]]
    loss = chosen["judge_loss"][chosen["best_epoch"]]
    assert loss == pytest.approx(finished.outcome.final("validation", finished.objective), rel=1e-3)
    assert 0.005 < chosen["train_loss"][chosen["best_epoch"]] / loss < 200  # labels of the regressor deviate by 77


def test_coefficients_answer_as_the_model_does(finished: FinishedJob) -> None:
    features, _ = finished.rows["test"]
    model = finished.model
    raw, standardised = weights(finished.outcome, features.shape[1], model.weights.shape[1])
    np.testing.assert_array_equal(raw[1:].astype(np.float32), model.weights.astype(np.float32))
    np.testing.assert_allclose(raw[0], model.bias.ravel(), rtol=1e-6)
    deviations = np.std(finished.rows["train"][0], axis=0)
    np.testing.assert_allclose(standardised[1:], raw[1:] * deviations[:, np.newaxis], rtol=1e-3, atol=1e-7)


def test_counts_at_every_threshold_are_those_of_the_scores(binary: FinishedJob) -> None:
    found = numbers(binary.outcome)["details"]
    for channel in ("validation", "test"):
        features, labels = binary.rows[channel]
        scores = binary.model.scores(features)
        for i, threshold in enumerate(found[channel]["thresholds"]):
            names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
            counts = [found[channel]["confusion"][name][i] for name in names]
            # Scores may be rounded the other way, and near 1 several lie that close to each other.
            nearby = [
                metrics.confusion_matrix(labels, scores >= threshold + shift, labels=[0, 1]).ravel()
                for shift in (-1e-5, 1e-5)
            ]
            assert (np.min(nearby, axis=0) <= counts).all() and (counts <= np.max(nearby, axis=0)).all()


def test_the_page_is_there_and_the_log_says_where(finished: FinishedJob) -> None:
    page = finished.outcome.base / FOLDER / "report.html"
    assert finished.outcome.found(r"The report is in (\S+) \(") == [str(page)]
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_report_that_cannot_be_written_costs_a_warning_and_no_model(job: JobFolder, regression: FinishedJob) -> None:
    job.file(FOLDER, b"not a folder")
    outcome = regression.again(job, num_models=1, epochs=1)
    assert "WARNING" in outcome.log and "The report could not be written" in outcome.log
    assert {file.name for file in outcome.model_dir.iterdir()} >= FILES


@pytest.mark.parametrize("kind", ["binary_classifier", "multiclass_classifier", "regressor"])
def test_a_job_with_a_train_channel_alone(kind: str, make_job: MakeJob) -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((60, 3))
    labels = {"regressor": features[:, 0], "binary_classifier": features[:, 0] > 0}.get(kind, np.arange(60) % 3)
    settings = {"num_classes": 3} if kind == "multiclass_classifier" else {}
    outcome = make_job().train(kind, (features, labels.astype(float)), num_models=2, epochs=2, **settings)
    assert list(numbers(outcome)["metrics"]) == ["train"]
    assert (outcome.base / FOLDER / "report.html").exists()
