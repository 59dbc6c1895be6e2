"""A default job on sparse rows, 32 models, beside one model of LIBLINEAR and of Vowpal Wabbit, from files to a model.

    python benchmarks/sparse.py                           the sparse sets of datasets.py with two classes
    python benchmarks/sparse.py mails.svm clicks.svm      LIBSVM files, columns from 1, labels 0 and 1

The rows are shuffled with a fixed seed, and a fifth of them is for validation. Everyone reads the same rows from text:
ours and LIBLINEAR (in scikit-learn, with its default C) in LIBSVM's form, Vowpal Wabbit (ten passes) in its own. The
validation loss is the mean log loss of the probabilities. Vowpal Wabbit is run in the environment of peers.py, which is
made where it is not there. Prints a Markdown table and writes results/sparse.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
from peers import their_python
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from linear_learner.formats.csr import CsrMatrix
from linear_learner.model import artifact

HERE = Path(__file__).resolve().parent
CONTAINER = HERE.parent / "container"
SETS = ("spamassassin", "census", "flights_late", "hiva")

VOWPAL_WABBIT = """
import sys
from vowpalwabbit import Workspace
train, validation, predictions = sys.argv[1:]
Workspace(f"-d {train} -c -k --passes 10 -b 24 --loss_function logistic --quiet -f {train}.model").finish()
Workspace(f"-t -i {train}.model -d {validation} --link logistic --quiet -p {predictions}").finish()
"""


def ours(folder: Path, width: int) -> tuple[float, np.ndarray]:
    """Seconds of a whole job, and the probabilities (n,) of its model on the validation rows."""
    config = folder / "input/config"
    config.mkdir(parents=True)
    criterion = {"binary_classifier_model_selection_criteria": "loss_function"}
    given = {"predictor_type": "binary_classifier", "feature_dim": str(width), **criterion}
    (config / "hyperparameters.json").write_text(json.dumps(given))
    channels = ("train", "validation")
    (config / "inputdataconfig.json").write_text(
        json.dumps({name: {"ContentType": "text/libsvm; index_base=1"} for name in channels})
    )
    for name in channels:
        (folder / "input/data" / name).mkdir(parents=True)
        (folder / "input/data" / name / "rows").symlink_to(folder / f"{name}.svm")
    start = time.perf_counter()
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(folder)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(CONTAINER)}, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    rows, _ = load_svmlight_file(str(folder / "validation.svm"), n_features=width, dtype=np.float32, zero_based=False)
    rows.sort_indices()
    features = CsrMatrix(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data, rows.shape)
    return seconds, artifact.load(folder / "model").predict(features).score


def liblinear(folder: Path, width: int) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    features, labels = load_svmlight_file(str(folder / "train.svm"), n_features=width, zero_based=False)
    # The solver takes no other.
    features.indices, features.indptr = features.indices.astype(np.int32), features.indptr.astype(np.int32)
    model = LogisticRegression(solver="liblinear").fit(features, labels)
    seconds = time.perf_counter() - start
    rows, _ = load_svmlight_file(str(folder / "validation.svm"), n_features=width, zero_based=False)
    return seconds, model.predict_proba(rows)[:, 1]


def vowpal_wabbit(folder: Path, width: int) -> tuple[float, np.ndarray]:
    for name in ("train", "validation"):
        with (folder / f"{name}.svm").open() as source, (folder / f"{name}.vw").open("w") as target:
            for line in source:
                label, _, values = line.partition(" ")
                target.write(f"{2 * int(float(label)) - 1} | {values}")
    python, predictions = their_python(), folder / "predictions"
    start = time.perf_counter()
    files = [str(folder / name) for name in ("train.vw", "validation.vw")]
    subprocess.run([str(python), "-c", VOWPAL_WABBIT, *files, str(predictions)], check=True)
    return time.perf_counter() - start, np.loadtxt(predictions, ndmin=1)


WAYS = {"ours, 32 models": ours, "LIBLINEAR, 1 model": liblinear, "Vowpal Wabbit, 1 model": vowpal_wabbit}


def file_of(name: str) -> Path:
    """The LIBSVM file of a set, which is made if it is not there."""
    datasets.load(name)
    return (datasets.DATA / name).with_suffix(".svm")


def split(file: Path, folder: Path) -> tuple[int, int, np.ndarray]:
    """Write train.svm and validation.svm; returns rows, columns, and the labels of the validation rows."""
    lines = file.read_text().splitlines(keepends=True)
    width = max(int(line.split()[-1].partition(":")[0]) for line in lines if ":" in line)
    order = np.random.default_rng(0).permutation(len(lines))
    cut = len(lines) * 4 // 5
    for name, rows in (("train", order[:cut]), ("validation", order[cut:])):
        (folder / f"{name}.svm").write_text("".join(lines[i] for i in rows))
    return len(lines), width, np.array([float(lines[i].partition(" ")[0]) for i in order[cut:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    found = []
    print("| set | rows x columns | way | seconds | validation loss | AUC |\n| --- | --- | --- | --- | --- | --- |")
    for file in parser.parse_args().files or map(file_of, SETS):
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="linear-learner-sparse-") as place:
                rows, width, labels = split(file, Path(place))
                seconds, scores = way(Path(place), width)
            row = {"set": file.stem, "rows": rows, "columns": width, "way": name, "seconds": seconds}
            row |= {"loss": log_loss(labels, np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7))}
            row |= {"auc": roc_auc_score(labels, scores)}
            found.append(row)
            shape = f"{rows:,} x {width:,}"
            print(
                f"| {file.stem} | {shape} | {name} | {seconds:.1f} | {row['loss']:.4f} | {row['auc']:.4f} |", flush=True
            )
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/sparse.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
