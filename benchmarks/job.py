"""What does a whole training job cost, from its files to its model? Beside Amazon's log, and beside a script.

    python benchmarks/job.py

Two jobs, each the wall time of a `train` process of its own, start and imports included, files warm in the page cache:

- recordIO, 199,364 x 30 float32, 32 models, mini-batches of 200, 10 epochs, train channel only: the shape and settings
  of a job of Amazon's container that took 197 s on 4 processors (ml.m4.xlarge), by its own log.
- CSV, 284,000 x 31, 32 models, up to 15 epochs, in turns with a process that calls pandas.read_csv and fits one
  LogisticRegression of scikit-learn on standardised features. It writes no model. Its environment is that of peers.py.

Prints a Markdown table, with where the time of each job went by its own log, and writes results/job.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import decoding
import numpy as np
from peers import THEIR_ENVIRONMENT, their_python

HERE = Path(__file__).resolve().parent
AMAZON_SECONDS = 197

SCRIPT = """
import sys
import numpy as np, pandas
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
table = pandas.read_csv(sys.argv[1], header=None, dtype=np.float32).to_numpy()
model = LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(table[:, 1:]), table[:, 0])
print(model.coef_[0, 0])
"""


def rows(count: int) -> np.ndarray:
    """float32 (count, 31), a label of 0 or 1 first."""
    random = np.random.default_rng(0)
    table = random.standard_normal((count, 31), np.float32)
    scores = table[:, 1:] @ random.standard_normal(30) + 2 * random.standard_normal(count)
    table[:, 0] = scores > 2
    return table


def write_job(base: Path, hyperparameters: dict[str, str], content_type: str, pieces: Any) -> Path:
    """The folder of a job with one train file, which is returned."""
    config, file = base / "input/config", base / "input/data/train/part-0"
    config.mkdir(parents=True)
    file.parent.mkdir(parents=True)
    settings = {"predictor_type": "binary_classifier", "num_models": "32", **hyperparameters}
    (config / "hyperparameters.json").write_text(json.dumps(settings))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {"ContentType": content_type}}))
    with file.open("wb") as stream:
        stream.writelines(pieces)
    return file


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """(wall seconds, processor seconds, stdout) of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\n{command[0]} ended with exit code {done.returncode}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def train(base: Path) -> tuple[float, float, str]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "container")}
    return run([sys.executable, "-m", "linear_learner.cli", "train", "--base", str(base)], environment)


def phases(log: str) -> dict[str, float]:
    """Seconds by name from the last line of a job's log."""
    metrics = json.loads(re.findall(r"^#metrics (.*)$", log, re.MULTILINE)[-1])["Metrics"]
    return {name: spread["sum"] / 1e3 for name, spread in metrics.items() if name != "epochs"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    python, found = their_python(), {"amazon": [], "csv": [], "script": []}  # type: ignore[var-annotated]
    with tempfile.TemporaryDirectory(prefix="linear-learner-job-") as folder:
        amazon, csv = Path(folder, "amazon"), Path(folder, "csv")
        settings = {"mini_batch_size": "200", "epochs": "10"}
        write_job(amazon, settings, decoding.RECORDIO, [decoding.records(rows(199_364))])
        file = write_job(csv, {"epochs": "15"}, decoding.CSV, decoding.csv_lines(rows(284_000)))
        for _ in range(arguments.rounds):
            found["amazon"].append(train(amazon))
            found["csv"].append(train(csv))
            found["script"].append(run([str(python), "-c", SCRIPT, str(file)], THEIR_ENVIRONMENT))
    names = {
        "amazon": f"recordIO, 199,364 x 30, 32 models, batch 200, 10 epochs (Amazon's log: {AMAZON_SECONDS} s)",
        "csv": "CSV, 284,000 x 31, 32 models, up to 15 epochs",
        "script": "the same CSV: pandas.read_csv and one LogisticRegression",
    }
    report = {}
    print("| whole process | seconds | fastest | processor s | of it |\n|---|---:|---:|---:|---|")
    for name, times in found.items():
        wall, cpu = (statistics.median(column) for column in list(zip(*times, strict=True))[:2])
        spent = phases(sorted(times)[len(times) // 2][2]) if name != "script" else {}
        report[name] = {"seconds": [t[0] for t in times], "cpu_seconds": [t[1] for t in times], "phases": spent}
        parts = ", ".join(f"{part} {seconds:.2f}" for part, seconds in spent.items())
        print(f"| {names[name]} | {wall:.2f} | {min(t[0] for t in times):.2f} | {cpu:.2f} | {parts} |")
    (HERE / "results").mkdir(exist_ok=True)
    facts = {"processors": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0], "jobs": report}
    (HERE / "results/job.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
