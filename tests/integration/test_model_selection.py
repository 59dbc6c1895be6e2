"""Every model selection criterion does what its name says, at the saved threshold and on scores as they are served."""

from __future__ import annotations

import numpy as np
import pytest
from finished_job import FinishedJob, Rows, three_parts
from job_folder import JobFolder, Outcome
from saved_model import SavedModel
from sklearn import metrics


@pytest.fixture(scope="module")
def overlapping() -> dict[str, Rows]:
    """Classes that no line tells apart, so that precision has to be paid for with recall."""
    random = np.random.default_rng(7)
    labels = (random.random(4000) < 0.3).astype(float)
    return three_parts(random.normal(size=(4000, 5)) + 0.5 * labels[:, None], labels)


def chosen_by(criterion: str, rows: dict[str, Rows], job: JobFolder, **settings: object) -> tuple[SavedModel, Outcome]:
    job.hyperparameters(
        "binary_classifier", binary_classifier_model_selection_criteria=criterion, num_models=8, **settings
    )
    for name, of_channel in rows.items():
        job.channel(name, *of_channel)
    outcome = job.run()
    assert outcome.code == 0
    return SavedModel.of(outcome.model_dir), outcome


def over_all_thresholds(model: SavedModel, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at every threshold, scikit-learn's."""
    precision, recall, _ = metrics.precision_recall_curve(rows[1], model.scores(rows[0]).astype(np.float32))
    return precision, recall


@pytest.mark.parametrize("target", [0.5, 0.9])
def test_recall_is_held_and_precision_is_the_best_there_is(
    target: float, overlapping: dict[str, Rows], job: JobFolder
) -> None:
    model, outcome = chosen_by("precision_at_target_recall", overlapping, job, target_recall=target)
    assert outcome.final("validation", "recall") >= target
    precision, recall = over_all_thresholds(model, overlapping["validation"])
    best = precision[recall >= target].max()
    assert outcome.final("validation", "precision") == pytest.approx(best, abs=1e-12)
    assert outcome.found(r"criteria=(\S+),")[0] == "sampled_precision_at_target_recall"


@pytest.mark.parametrize("target", [0.4, 0.7])
def test_precision_is_held_and_recall_is_the_best_there_is(
    target: float, overlapping: dict[str, Rows], job: JobFolder
) -> None:
    model, outcome = chosen_by("recall_at_target_precision", overlapping, job, target_precision=target)
    assert outcome.final("validation", "precision") >= target
    precision, recall = over_all_thresholds(model, overlapping["validation"])
    assert outcome.final("validation", "recall") == pytest.approx(recall[precision >= target].max(), abs=1e-12)


@pytest.mark.parametrize(("criterion", "beta"), [("f_beta", 2.0), ("f_beta", 0.5), ("f1", 1.0)])
def test_f_is_the_best_there_is(criterion: str, beta: float, overlapping: dict[str, Rows], job: JobFolder) -> None:
    model, outcome = chosen_by(criterion, overlapping, job, f_beta=beta)
    precision, recall = over_all_thresholds(model, overlapping["validation"])
    with np.errstate(invalid="ignore"):
        f = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
    assert outcome.final("validation", f"binary_f_{beta:.3f}") == pytest.approx(np.nanmax(f), abs=1e-12)


def test_accuracy_is_the_best_there_is(overlapping: dict[str, Rows], job: JobFolder) -> None:
    model, outcome = chosen_by("accuracy", overlapping, job)
    features, labels = overlapping["validation"]
    scores = model.scores(features).astype(np.float32)
    accuracies = [np.mean((scores >= threshold) == labels) for threshold in [*scores, np.inf]]
    found = outcome.final("validation", "binary_classification_accuracy")
    assert found == pytest.approx(max(accuracies), abs=1e-12)
    assert np.mean(model.labels(features) == labels) == found


@pytest.mark.parametrize("criterion", ["loss_function", "cross_entropy_loss"])
def test_the_least_loss_is_chosen_with_the_neutral_threshold(
    criterion: str, overlapping: dict[str, Rows], job: JobFolder
) -> None:
    model, outcome = chosen_by(criterion, overlapping, job)
    assert model.threshold == 0.5
    objective = "binary_classification_cross_entropy_objective"
    epochs = [float(x) for x in outcome.found(rf"epoch=\d+, validation {objective} <loss>=(\S+)")]
    assert outcome.final("validation", objective) == pytest.approx(min(epochs), rel=1e-5)


def test_a_precision_out_of_reach_calls_nothing_positive(job: JobFolder) -> None:
    random = np.random.default_rng(8)
    rows = random.normal(size=(400, 3)), (random.random(400) < 0.3).astype(float)
    # Of each positive row there is a negative copy: no threshold is more precise than one half.
    rows = np.vstack([rows[0], rows[0]]), np.concatenate([rows[1], 1 - rows[1]])
    outcome = job.train(
        "binary_classifier",
        rows,
        num_models=4,
        binary_classifier_model_selection_criteria="recall_at_target_precision",
        target_precision=0.9,
    )
    assert outcome.final("train", "recall") == 0
    assert not SavedModel.of(outcome.model_dir).labels(rows[0]).any()


def test_validation_rows_of_one_class_are_no_reason_to_fail(binary: FinishedJob, job: JobFolder) -> None:
    features, labels = binary.rows["validation"]
    job.hyperparameters("binary_classifier", num_models=2).channel("train", *binary.rows["train"])
    outcome = job.channel("validation", features[labels == 1], labels[labels == 1]).run()
    assert outcome.code == 0
    assert outcome.final("validation", "binary_classification_accuracy") == 1
    # It has no meaning where all labels are equal.
    assert "roc_auc_score" not in outcome.finals("validation")
