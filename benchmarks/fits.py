"""One way to train a binary classifier on arrays in memory, in a process of its own. peers.py runs this file.

    python fits.py NAME FOLDER     prints a JSON object: seconds, processor seconds, validation loss, what was done

FOLDER holds train_X.npy, float32 (n, d), raw, train_y.npy, float32 (n,) of 0 and 1, and the same of validation. The
clock starts when the arrays are in memory and everything is imported, and stops when there is a model: where several
are trained, when the best one by the validation rows is known. Every other library gets the rows standardised and in
the form it wants, with the clock standing still; ours standardises with the clock running. All may use all processors.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "container"))

CPUS = len(os.sched_getaffinity(0))
GRID = 32
"""Models that a grid tries: as many as a default job of ours."""


@dataclass
class Rows:
    features: np.ndarray
    labels: np.ndarray


@dataclass
class Clock:
    """What was spent inside ``with clock.running()``."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Any:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


Fit = Callable[[Rows, Rows, Clock], np.ndarray]
"""Trains on the first rows and returns the probabilities of label 1, (n,), of the second, the validation rows."""


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities.astype(np.float64))
    return float(-np.mean(np.log(np.clip(likelihood, 1e-15, None))))


def sigmoid(scores: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-scores.astype(np.float64)))


def standardised(train: Rows, validation: Rows) -> tuple[np.ndarray, np.ndarray]:
    mean, std = train.features.mean(axis=0, dtype=np.float64), train.features.std(axis=0, dtype=np.float64)
    std[std == 0] = 1
    scaled = [((rows.features - mean) / std).astype(np.float32) for rows in (train, validation)]
    return scaled[0], scaled[1]


# -- ours ----------------------------------------------------------------------------------------------------------


def ours(train: Rows, validation: Rows, clock: Clock, **hyperparameters: str) -> np.ndarray:
    """What a job does between its data and its artifact: the scaler, 32 candidates, the choice, the threshold."""
    from linear_learner import hyperparameters as parameters
    from linear_learner.data.dataset import Dataset
    from linear_learner.environment import Environment
    from linear_learner.native import library
    from linear_learner.training import job
    from linear_learner.training.cluster.interface import ALONE
    from linear_learner.training.ending import finishing
    from linear_learner.training.evaluation import model_selection
    from linear_learner.training.logs.log_lines import Reporter, Timers
    from linear_learner.training.training_job import TrainingJob

    channels = {
        name: Dataset(name, rows.features.copy(), rows.labels, ())
        for name, rows in (("train", train), ("validation", validation))
    }
    rows = len(train.labels)
    timers = Timers()
    library.operator()  # MXNet is loaded with the clock standing still
    with clock.running():
        given = parameters.validate({"predictor_type": "binary_classifier", **hyperparameters})
        requested = parameters.without_unused(given)
        hp = parameters.resolve(requested, feature_dim=train.features.shape[1], rows=rows)
        task = job.prepare(hp, channels)
        candidates = job.make_candidates(requested, hp, rows=rows)
        env, log = Environment(Path("/nowhere")), Reporter("algo-1")
        trained = job.train_candidates(
            TrainingJob(env, hp, channels, task, candidates, log, lambda: False, ALONE), timers
        )
        choice = model_selection.choose(trained, task, hp)
        chosen = candidates[choice.candidate]
        model = finishing.finish_model(choice.model, chosen, len(candidates), task, hp).model
    clock.notes = {
        "models": len(candidates),
        "epochs": len(trained.epochs),
        "in epochs": round(sum(timers.spent()["update.time"]) / 1e3, 4),
        "least loss of a model": float(np.min(trained.loss)),
    }
    return model.predict(validation.features).score


def ours_by_loss(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    return ours(train, validation, clock, binary_classifier_model_selection_criteria="loss_function")


# -- the others ----------------------------------------------------------------------------------------------------


def logistic_regression(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    scaled, held_out = standardised(train, validation)
    with clock.running():
        model = LogisticRegression(max_iter=1000).fit(scaled, train.labels)
    clock.notes = {"iterations": int(model.n_iter_[0])}
    return model.predict_proba(held_out)[:, 1]


def optimum(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    """LogisticRegression driven to its minimum in float64: what the losses of all are measured by."""
    from sklearn.linear_model import LogisticRegression

    scaled, held_out = standardised(train, validation)
    with clock.running():
        model = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
        model.fit(scaled.astype(np.float64), train.labels)
    return model.predict_proba(held_out.astype(np.float64))[:, 1]


def sgd_classifier(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    from sklearn.linear_model import SGDClassifier

    scaled, held_out = standardised(train, validation)
    with clock.running():
        model = SGDClassifier(loss="log_loss", random_state=0).fit(scaled, train.labels)
    clock.notes = {"epochs": int(model.n_iter_)}
    return model.predict_proba(held_out)[:, 1]


def sgd_grid(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    """Two learning rates, two penalties, eight strengths, 15 epochs each (a job's default); a thread for each processor
    (fit releases the GIL)."""
    from sklearn.linear_model import SGDClassifier

    scaled, held_out = standardised(train, validation)
    grid = [
        {"alpha": alpha, "penalty": penalty, **rate}
        for alpha in np.logspace(-8, -1, GRID // 4)
        for penalty in ("l2", "l1")
        for rate in ({"learning_rate": "optimal"}, {"learning_rate": "adaptive", "eta0": 0.01})
    ]

    def fit(settings: dict[str, Any]) -> tuple[float, np.ndarray]:
        model = SGDClassifier(loss="log_loss", max_iter=15, tol=None, random_state=0, **settings)
        model.fit(scaled, train.labels)
        probabilities = model.predict_proba(held_out)[:, 1]
        return log_loss(probabilities, validation.labels), probabilities

    with clock.running():
        with ThreadPoolExecutor(CPUS) as pool:
            found = list(pool.map(fit, grid))
        best = min(found, key=lambda pair: pair[0])
    clock.notes = {"models": len(grid)}
    return best[1]


def vowpal_wabbit(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    """Ten passes over its own binary cache, which is made before; its defaults otherwise."""
    from vowpalwabbit import Workspace

    def lines(features: np.ndarray, labels: np.ndarray) -> Any:
        for row, label in zip(features, labels, strict=True):
            values = " ".join(f"{i}:{value:.6g}" for i, value in enumerate(row.tolist()))
            yield f"{1 if label == 1 else -1} | {values}\n"

    scaled, held_out = standardised(train, validation)
    with tempfile.TemporaryDirectory(prefix="linear-learner-peers-") as folder:
        text, cache = Path(folder) / "train.txt", Path(folder) / "cache"
        with text.open("w") as file:
            file.writelines(lines(scaled, train.labels))
        flags = "--loss_function logistic --quiet --bit_precision 18 --holdout_off"
        Workspace(f"{flags} --data {text} --cache_file {cache} --passes 1").finish()
        with clock.running():
            model = Workspace(f"{flags} --cache_file {cache} --passes 10")
        scores = [model.predict(line.split(" ", 1)[1]) for line in lines(held_out, validation.labels)]
        model.finish()
    clock.notes = {"passes": 10}
    return sigmoid(np.array(scores))


def liblinear(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    """-s 0, L2-regularised logistic regression in the primal, with a bias; its defaults otherwise."""
    from liblinear.liblinearutil import parameter, problem
    from liblinear.liblinearutil import train as fit
    from scipy.sparse import csr_matrix

    scaled, held_out = standardised(train, validation)
    signs = np.where(train.labels == 1, 1.0, -1.0)
    data = problem(signs, csr_matrix(scaled.astype(np.float64)), 1.0)
    with clock.running():
        model = fit(data, parameter("-s 0 -c 1 -B 1 -q"))
    weights, bias = model.get_decfun()
    scores = held_out.astype(np.float64) @ np.array(weights) + bias
    return sigmoid(scores * (1 if model.get_labels()[0] == 1 else -1))


def gblinear(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    """Coordinate descent on all processors, 100 rounds, or until five of them do not better the validation loss."""
    import xgboost

    scaled, held_out = standardised(train, validation)
    rows = xgboost.DMatrix(scaled, train.labels)
    held_out_rows = xgboost.DMatrix(held_out, validation.labels)
    settings = {"booster": "gblinear", "objective": "binary:logistic", "nthread": CPUS, "verbosity": 0}
    with clock.running():
        model = xgboost.train(
            settings, rows, 100, evals=[(held_out_rows, "validation")], early_stopping_rounds=5, verbose_eval=False
        )
    clock.notes = {"rounds": model.num_boosted_rounds()}
    return model.predict(held_out_rows)


def snapml(train: Rows, validation: Rows, clock: Clock) -> np.ndarray:
    import snapml as library

    scaled, held_out = standardised(train, validation)
    with clock.running():
        model = library.LogisticRegression(fit_intercept=True, n_jobs=CPUS, max_iter=1000).fit(scaled, train.labels)
    return np.asarray(model.predict_proba(held_out))[:, 1]


FITS: dict[str, Fit] = {
    "ours": ours,
    "ours, chosen by loss": ours_by_loss,
    "LogisticRegression": logistic_regression,
    "optimum": optimum,
    "SGDClassifier": sgd_classifier,
    "SGDClassifier, 32": sgd_grid,
    "Vowpal Wabbit": vowpal_wabbit,
    "LIBLINEAR": liblinear,
    "XGBoost gblinear": gblinear,
    "snapML": snapml,
}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    train, validation = (
        Rows(np.load(folder / f"{part}_X.npy"), np.load(folder / f"{part}_y.npy")) for part in ("train", "validation")
    )
    clock = Clock()
    probabilities = FITS[name](train, validation, clock)
    report = {
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "loss": log_loss(probabilities, validation.labels),
        "notes": clock.notes,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
