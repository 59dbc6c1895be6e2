"""How good are the models of default jobs? Beside scikit-learn's best linear model on the same rows.

    python benchmarks/quality.py                      all sets of datasets.py
    python benchmarks/quality.py --only adult,digits  some of them

For each set: rows shuffled with a fixed seed and split 60/20/20 into train, validation and test (mnist and census keep
their official test rows). Our model is what a job in /opt/ml form leaves in its model folder, with default
hyperparameters, once with the train channel shuffled and once sorted by label. scikit-learn's is the best of a range of
regularisations, chosen as ours is: by the loss on the validation rows. Of dense rows it gets standardised features. Of
sparse ones, which cannot be shifted, it gets them raw, and once more scaled as ours are; the better of both counts.
Small sets are split ten times and their numbers are means: one split of 150 rows tells nothing. Prints a Markdown table
and writes results/quality.json.

The goal: validation loss at most 0.5 % above scikit-learn's; accuracy, AUC and R2 on test at most 0.5 points below, or
no further below that than the standard error over the splits.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from datasets import BINARY, MULTICLASS, REGRESSOR, Rows, Source
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from linear_learner.formats.csr import CsrMatrix
from linear_learner.model import artifact, scaler

HERE = Path(__file__).resolve().parent
CONTAINER = HERE.parent / "container"
RESULTS = HERE / "results"

LOSS_GOAL = 1.005
SCORE_GOAL = 0.005

SMALL = 10_000
SPLITS_OF_SMALL = 10

C_VALUES = np.logspace(-3, 2, 11)
RIDGE_ALPHAS = np.logspace(-3, 5, 17)
NEWTON_WEIGHTS = 500
"""Up to so many weights scikit-learn's Newton solver is the fastest and the most exact; above, lbfgs."""

SPARSE_ITERATIONS = 300
"""On raw sparse features of very different scale lbfgs would not be done in thousands. Each C starts where the last one
ended, so that a search comes to several times as many."""

OBJECTIVE = re.compile(r"#quality_metric: host=\S+, validation \S+_objective <\S+>=(\S+)")


@dataclass(frozen=True)
class Split:
    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True)
class Outcome:
    """Of one split. ``loss``: log loss or mean squared error on validation. ``scores``: by name, on test, higher is
    better. ``seconds``: of the whole job, or of all of scikit-learn's fits. ``notes``: what else is worth knowing."""

    loss: float
    scores: dict[str, float]
    seconds: float
    notes: dict[str, Any]


def splits(rows: Rows, source: Source) -> Iterator[Split]:
    """Shuffled, the same way each time."""
    first = source.official_train or len(rows)
    cuts = [first * 4 // 5] if source.official_train else [first * 3 // 5, first * 4 // 5]
    for seed in range(SPLITS_OF_SMALL if len(rows) < SMALL else 1):
        parts = np.split(np.random.default_rng(seed).permutation(first), cuts)
        if source.official_train:
            parts.append(np.arange(first, len(rows)))
        yield Split(*(rows.take(part) for part in parts))


def measure_loss(predictor_type: str, scores: np.ndarray, labels: np.ndarray) -> float:
    """``scores``: probabilities (n,) or (n, C), or predicted targets (n,)."""
    if predictor_type == REGRESSOR:
        return float(mean_squared_error(labels, scores))
    columns = scores if scores.ndim == 2 else np.stack([1 - scores, scores], axis=1)
    # float32 probabilities add up to 1 in float32 only, and scikit-learn wants it exactly.
    columns = columns.astype(np.float64)
    columns /= columns.sum(axis=1, keepdims=True)
    return float(log_loss(labels, columns, labels=np.arange(columns.shape[1])))


def measure_scores(predictor_type: str, scores: np.ndarray, called: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """``called``: the predicted labels (n,); the scores themselves of a regressor."""
    if predictor_type == REGRESSOR:
        return {"R2": float(r2_score(labels, scores))}
    measured = {"accuracy": float(accuracy_score(labels, called))}
    if predictor_type == BINARY:
        measured["AUC"] = float(roc_auc_score(labels, scores))
    return measured


# -- ours ----------------------------------------------------------------------------------------------------------


def run_job(parts: Split, source: Source) -> Outcome:
    """Train with default hyperparameters through the command line, and judge the model that it leaves."""
    with tempfile.TemporaryDirectory(prefix="linear-learner-quality-") as folder:
        base = Path(folder)
        write_job(base, parts, source)
        log, seconds = train(base)
        model = artifact.load(base / "model")
        validation = model.predict(for_model(parts.validation.features))
        test = model.predict(for_model(parts.test.features))
        called = test.score if test.predicted_label is None else test.predicted_label
        selection = model.metadata["selection"]
        return Outcome(
            loss=measure_loss(source.predictor_type, validation.score, parts.validation.labels),
            scores=measure_scores(source.predictor_type, test.score, called, parts.test.labels),
            seconds=seconds,
            notes={
                "logged_objective": float(OBJECTIVE.findall(log)[-1]),
                "epochs": selection["epochs"],
                "best_epoch": selection["epoch"],
                "candidate": selection["candidate"],
            },
        )


def for_model(features: np.ndarray | sparse.csr_matrix) -> np.ndarray | CsrMatrix:
    if not sparse.issparse(features):
        return features
    indptr, indices = features.indptr.astype(np.int64), features.indices.astype(np.int32)
    return CsrMatrix(indptr, indices, features.data.astype(np.float32), features.shape)


def write_job(base: Path, parts: Split, source: Source) -> None:
    """The folder of a job, as SageMaker lays it out."""
    is_sparse = sparse.issparse(parts.train.features)
    hyperparameters = {"predictor_type": source.predictor_type}
    if is_sparse:
        hyperparameters["feature_dim"] = str(parts.train.features.shape[1])
    if source.predictor_type == MULTICLASS:
        hyperparameters["num_classes"] = str(source.classes)
    config = base / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    channels = {"train": parts.train, "validation": parts.validation}
    content_type = {"ContentType": "text/libsvm; index_base=1" if is_sparse else "text/csv"}
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(channels, content_type)))
    for name, rows in channels.items():
        datasets.write(base / "input/data" / name / "data", rows)


def train(base: Path) -> tuple[str, float]:
    """Runs the job in ``base``. Returns its log and how long it took, reading the data included."""
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(base)]
    start = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(CONTAINER)}, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(
            f"{done.stdout}{done.stderr}\nThe job ended with exit code {done.returncode}; its log is above"
        )
    return done.stdout, time.perf_counter() - start


# -- scikit-learn --------------------------------------------------------------------------------------------------


def best_reference(parts: Split, source: Source) -> Outcome:
    """The best by validation loss of scikit-learn's linear models, in the better form of the features. Its notes hold
    the loss of each form."""
    found = {form: best_of_form(parts, source, scaled) for form, scaled in forms(parts)}
    best = min(found.values(), key=lambda outcome: outcome.loss)
    return dataclasses.replace(
        best,
        seconds=sum(outcome.seconds for outcome in found.values()),
        notes=best.notes | {form: outcome.loss for form, outcome in found.items()},
    )


def forms(parts: Split) -> Iterator[tuple[str, list[Any]]]:
    """Name and features float64 of train, validation and test, for each form that scikit-learn gets."""
    features = [rows.features.astype(np.float64) for rows in (parts.train, parts.validation, parts.test)]
    if not sparse.issparse(features[0]):
        standard = StandardScaler().fit(features[0])
        yield "standardised", [standard.transform(part) for part in features]
        return
    yield "raw", features
    flags = {"normalize_data": True, "unbias_data": False, "normalize_label": False, "unbias_label": False}
    rows, labels = for_model(parts.train.features), parts.train.labels.reshape(-1, 1)
    ours = scaler.of_measures(scaler.measure(rows), scaler.measure(labels), **flags)
    scale = sparse.diags(1 / ours.std.astype(np.float64))
    yield "scaled", [(part @ scale).tocsr() for part in features]


def best_of_form(parts: Split, source: Source, scaled: list[Any]) -> Outcome:
    """From the middle of the regularisations to the weakest, and then to the strongest, each way until so many in a row
    are worse than the best: along such a path the loss falls and then rises, but for the noise of a small set. A fit of
    wide sparse rows takes a minute and more, so of them one has to do."""
    start = time.perf_counter()
    fits = regressions if source.predictor_type == REGRESSOR else classifications
    patience = 1 if sparse.issparse(scaled[0]) else 3
    strengths, fit = fits(scaled[0], parts.train.labels, source)
    middle = len(strengths) // 2
    best: tuple[float, str, Any] | None = None
    for way in (strengths[middle:], strengths[:middle][::-1]):
        worse = 0
        for strength in way:
            name, model = fit(strength)
            loss = measure_loss(source.predictor_type, predict(model, scaled[1], source), parts.validation.labels)
            worse = worse + 1 if best is not None and loss >= best[0] else 0
            if best is None or loss < best[0]:
                best = loss, name, model
            if worse == patience:
                break
    assert best is not None
    seconds = time.perf_counter() - start
    loss, name, model = best
    scores = measure_scores(
        source.predictor_type, predict(model, scaled[2], source), model.predict(scaled[2]), parts.test.labels
    )
    return Outcome(loss, scores, seconds, {"strength": name})


Fits = tuple[list[float], Callable[[float], tuple[str, Any]]]
"""Regularisations, the strongest first, and what fits a model with one of them, which comes with what it is called."""


def regressions(features: np.ndarray, labels: np.ndarray, source: Source) -> Fits:
    def fit(alpha: float) -> tuple[str, Any]:
        if not alpha:
            return "LinearRegression", LinearRegression().fit(features, labels)
        return f"Ridge, alpha {alpha:.3g}", Ridge(alpha=alpha).fit(features, labels)

    return [*RIDGE_ALPHAS[::-1].tolist(), 0.0], fit


def classifications(features: np.ndarray, labels: np.ndarray, source: Source) -> Fits:
    """Each starts where the one before ended."""
    outputs = source.classes if source.predictor_type == MULTICLASS else 1
    small = features.shape[1] * outputs <= NEWTON_WEIGHTS and not sparse.issparse(features)
    is_sparse = sparse.issparse(features)
    model = LogisticRegression(
        solver="newton-cholesky" if small else "lbfgs",
        tol=1e-6 if small else 1e-4,
        max_iter=SPARSE_ITERATIONS if is_sparse else 3000,
        warm_start=True,
    )

    def fit(c: float) -> tuple[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if is_sparse else "error", ConvergenceWarning)
            model.set_params(C=c).fit(features, labels)
        return f"LogisticRegression, C {c:.3g}", copy.copy(model)

    return C_VALUES.tolist(), fit


def predict(model: Any, features: np.ndarray, source: Source) -> np.ndarray:
    """Probabilities (n,) or (n, C), or predicted targets (n,)."""
    if source.predictor_type == REGRESSOR:
        return np.asarray(model.predict(features))
    probabilities = np.asarray(model.predict_proba(features))
    return probabilities[:, 1] if source.predictor_type == BINARY else probabilities


# -- report --------------------------------------------------------------------------------------------------------


OURS = ("ours", "ours_sorted")


def compare(name: str, folder: Path) -> dict[str, Any]:
    """One row of the table, as JSON values: for each kind of model its outcomes, one for each split."""
    source, rows = datasets.SETS[name], datasets.load(name, folder)
    row: dict[str, Any] = {
        "set": name,
        "features": rows.features.shape[1],
        "scikit_learn": [],
        "ours": [],
        "ours_sorted": [],
    }
    for parts in splits(rows, source):
        row["train_rows"] = len(parts.train)
        row["scikit_learn"].append(best_reference(parts, source))
        row["ours"].append(run_job(parts, source))
        by_label = parts.train.take(np.argsort(parts.train.labels, kind="stable"))
        row["ours_sorted"].append(run_job(dataclasses.replace(parts, train=by_label), source))
    row["missed"] = [reason for kind in OURS for reason in missed(row, kind)]
    return row


def missed(row: dict[str, Any], kind: str) -> list[str]:
    """What of the goal our models of this ``kind`` do not reach."""
    reasons = [f"{kind}: loss"] if loss_ratio(row, kind) > LOSS_GOAL else []
    for name in row["scikit_learn"][0].scores:
        pairs = zip(row[kind], row["scikit_learn"], strict=True)
        gains = np.array([ours.scores[name] - theirs.scores[name] for ours, theirs in pairs])
        chance = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
        if gains.mean() < -SCORE_GOAL - chance:
            reasons.append(f"{kind}: {name}")
    return reasons


def mean_loss(row: dict[str, Any], kind: str) -> float:
    return float(np.mean([outcome.loss for outcome in row[kind]]))


def loss_ratio(row: dict[str, Any], kind: str) -> float:
    return mean_loss(row, kind) / mean_loss(row, "scikit_learn")


def form_losses(row: dict[str, Any]) -> str:
    """Of sparse rows, as in ``raw 0.11, scaled 0.10``."""
    outcomes: list[Outcome] = row["scikit_learn"]
    found = [form for form in ("raw", "scaled") if form in outcomes[0].notes]
    return ", ".join(f"{form} {np.mean([outcome.notes[form] for outcome in outcomes]):.5g}" for form in found)


def test_scores(row: dict[str, Any], kind: str) -> str:
    """In points, as in ``accuracy 91.24``."""
    outcomes: list[Outcome] = row[kind]
    return ", ".join(f"{name} {100 * np.mean([o.scores[name] for o in outcomes]):.2f}" for name in outcomes[0].scores)


def mean_seconds(row: dict[str, Any], kind: str) -> str:
    return f"{np.mean([outcome.seconds for outcome in row[kind]]):.1f}"


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "set": lambda row: row["set"],
    "train rows x features": lambda row: f"{row['train_rows']:,} x {row['features']}",
    "splits": lambda row: str(len(row["ours"])),
    "validation loss: scikit-learn": lambda row: f"{mean_loss(row, 'scikit_learn'):.5g}",
    "of its forms": lambda row: form_losses(row),
    "ours": lambda row: f"{mean_loss(row, 'ours'):.5g}",
    "ratio": lambda row: f"{loss_ratio(row, 'ours'):.4f}",
    "ratio, sorted by label": lambda row: f"{loss_ratio(row, 'ours_sorted'):.4f}",
    "test: scikit-learn": lambda row: test_scores(row, "scikit_learn"),
    "test: ours": lambda row: test_scores(row, "ours"),
    "test: ours, sorted by label": lambda row: test_scores(row, "ours_sorted"),
    "seconds: scikit-learn": lambda row: mean_seconds(row, "scikit_learn"),
    "seconds: our job": lambda row: mean_seconds(row, "ours"),
    "goal": lambda row: "missed (" + "; ".join(row["missed"]) + ")" if row["missed"] else "met",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare our models with scikit-learn's best linear ones.")
    parser.add_argument("--only", metavar="A,B", help=f"some of {', '.join(datasets.SETS)}")
    parser.add_argument("--data", type=Path, default=datasets.DATA, metavar="DIR", help="the data (default: data/)")
    arguments = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    rows = []
    for name in datasets.names(arguments.only):
        rows.append(compare(name, arguments.data))
        print(f"| {' | '.join(cell(rows[-1]) for cell in COLUMNS.values())} |", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.json").write_text(json.dumps(rows, indent=2, default=dataclasses.asdict) + "\n")


if __name__ == "__main__":
    main()
