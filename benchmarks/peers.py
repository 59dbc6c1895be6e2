"""How does training compare with what a user would take instead? 32 tuned models, beside one model of other libraries.

    python benchmarks/peers.py                            adult, and a synthetic set of 284,000 x 30
    python benchmarks/peers.py --npz census.npz,more.npz  also files with X (n, d) and y (n,) of 0 and 1
    python benchmarks/peers.py --only ours,LIBLINEAR      some of the rivals

Rows are shuffled with a fixed seed and split 80/20 into train and validation. Each rival trains in a process of its
own, in turns, for so many rounds; fits.py beside this file says what is done and when its clock runs. Loss is the log
loss on the validation rows, over that of a LogisticRegression driven to its minimum in float64. Processor seconds
stand beside the wall time, which other work on the machine disturbs more. Prints Markdown tables and writes
results/peers.json.

The other libraries are installed on first use in a virtual environment of their own, in the user's cache folder; what
cannot be installed there is left out.

The goal: less time than one LogisticRegression of scikit-learn (lbfgs), at a loss at most 0.05 % above its minimum.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "container"))

from linear_learner import openblas  # noqa: E402

THEIR_ENVIRONMENT = dict(os.environ)
openblas.prepare()  # as the command line does; the others' newer OpenBLAS knows the processor

import datasets  # noqa: E402
import numpy as np  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linear-learner" / "peers"
PACKAGES = ("scikit-learn", "pandas", "xgboost-cpu", "vowpalwabbit", "liblinear-official", "snapml")

OURS = ("ours", "ours, chosen by loss")
RIVALS = ("LogisticRegression", "SGDClassifier", "LIBLINEAR", "XGBoost gblinear", "snapML")
SLOW = ("SGDClassifier, 32", "Vowpal Wabbit")
"""Rivals that take so much longer, or whose data does, that one round tells enough."""
REFERENCE = "optimum"

TIME_LIMIT = 900


def their_python() -> Path:
    """The interpreter of the environment with the other libraries, which is made if it is not there."""
    python = CACHE / "bin/python"
    if not python.exists():
        print(f"Installing the other libraries in {CACHE}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
        for package in PACKAGES:
            subprocess.run([str(python), "-m", "pip", "install", "-qq", package], check=False)
    return python


def arrays(name: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """X (n, d) and y (n,) of a set: a file's, the synthetic one, or one of datasets.py."""
    if name.endswith(".npz"):
        with np.load(name) as found:
            return found["X"], found["y"]
    if name == "synthetic":
        random = np.random.default_rng(0)
        features = random.standard_normal((284_000 * 5 // 4, 30), np.float32)
        scores = features @ random.standard_normal(30) + 2 * random.standard_normal(len(features))
        return features, scores > 2
    rows = datasets.load(name, data)
    return rows.features, rows.labels


def split(features: np.ndarray, labels: np.ndarray, folder: Path) -> str:
    """Write what fits.py reads; returns the shape of the train rows."""
    order = np.random.default_rng(0).permutation(len(labels))
    cut = len(labels) * 4 // 5
    for part, rows in (("train", order[:cut]), ("validation", order[cut:])):
        np.save(folder / f"{part}_X.npy", np.ascontiguousarray(features[rows], np.float32))
        np.save(folder / f"{part}_y.npy", labels[rows].astype(np.float32))
    return f"{cut:,} x {features.shape[1]}"


def fit(name: str, folder: Path) -> dict[str, Any] | None:
    """What fits.py reports; None, with the reason on stderr, where it could not train."""
    python, environment = (Path(sys.executable), os.environ) if name in OURS else (their_python(), THEIR_ENVIRONMENT)
    command = [str(python), str(HERE / "fits.py"), name, str(folder)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    except subprocess.CalledProcessError as error:
        print(f"{name} is left out: {error.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    except subprocess.TimeoutExpired:
        print(f"{name} is left out: it took more than {TIME_LIMIT} s", file=sys.stderr)
        return None
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def measure(folder: Path, names: list[str], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """The reports of each rival, round by round."""
    reports: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            if turn and (name in SLOW or name == REFERENCE or not reports[name]):
                continue
            report = fit(name, folder)
            if report is not None:
                reports[name].append(report)
    return {name: found for name, found in reports.items() if found}


def summary(reports: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    least = reports[REFERENCE][0]["loss"]
    return [
        {
            "rival": name,
            "seconds": statistics.median(report["seconds"] for report in found),
            "fastest": min(report["seconds"] for report in found),
            "cpu_seconds": statistics.median(report["cpu_seconds"] for report in found),
            "loss": found[0]["loss"],
            "above_optimum": found[0]["loss"] / least - 1,
            "rounds": len(found),
            "notes": found[0]["notes"],
        }
        for name, found in reports.items()
    ]


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{title}\n\n| | seconds | fastest | processor s | validation loss | above the optimum | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for row in rows:
        notes = ", ".join(f"{name} {value:.6g}" for name, value in row["notes"].items())
        print(
            f"| {row['rival']} | {row['seconds']:.3f} | {row['fastest']:.3f} | {row['cpu_seconds']:.3f} "
            f"| {row['loss']:.6f} | {row['above_optimum']:+.3%} | {notes} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="adult,synthetic", help="of datasets.py, by comma, and 'synthetic'")
    parser.add_argument("--npz", default="", help="more sets: files with X and y, by comma")
    parser.add_argument("--only", help="rivals, by comma ('SGDClassifier, 32' is SGDClassifier-32)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=datasets.DATA, metavar="DIR", help="where datasets.py puts sets")
    arguments = parser.parse_args()
    names = [*OURS, *RIVALS, *SLOW]
    if arguments.only:
        names = [name for name in names if name.replace(", ", "-").replace(" ", "-") in arguments.only.split(",")]
    results = []
    for name in filter(None, f"{arguments.sets},{arguments.npz}".split(",")):
        with tempfile.TemporaryDirectory(prefix="linear-learner-peers-") as folder:
            shape = split(*arrays(name, arguments.data), Path(folder))
            rows = summary(measure(Path(folder), [REFERENCE, *names], arguments.rounds))
        results.append({"set": Path(name).stem, "train": shape, "rows": rows})
        print_table(f"{Path(name).stem}, {shape} train rows", rows)
        (HERE / "results").mkdir(exist_ok=True)
        report = {"processors": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0], "sets": results}
        (HERE / "results/peers.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
