"""What does the report cost a training job? Beside the same job without one.

    python benchmarks/report.py
    python benchmarks/report.py --only local_test,satimage --rounds 5

Small jobs, which the report weighs on most, each a process of its own, files warm in the page cache, with and without a
report in turns. The processor time of the report, the import of what writes it included, is measured inside the job,
where a busy machine slows both alike. Prints a Markdown table of medians and writes results/report.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import decoding
import job
import quality

HERE = Path(__file__).resolve().parent

JOB = """
import sys, time

from linear_learner import openblas

openblas.prepare()
from linear_learner import cli
from linear_learner.training.ending import finishing  # and all that a job imports without a report
start = time.process_time()
from linear_learner.report import subject, writing
spent = [time.process_time() - start]
from linear_learner.training.ending import conclusion

leave = conclusion.leave_report

def leave_report(*arguments):
    start = time.process_time()
    leave(*arguments)
    spent.append(time.process_time() - start)

conclusion.leave_report = leave_report if sys.argv.pop(1) == "with" else lambda *_: None
code = cli.main()
print(sum(spent))
sys.exit(code)
"""
"""A job as container/train runs it, which prints what its report took."""


def local_test(base: Path) -> None:
    shutil.copytree(HERE.parent / "local_test/test_dir/input", base / "input")


def real(name: str) -> Callable[[Path], None]:
    def write(base: Path) -> None:
        source = datasets.SETS[name]
        quality.write_job(base, next(quality.splits(datasets.load(name), source)), source)

    return write


def synthetic(base: Path) -> None:
    job.write_job(base, {"epochs": "15"}, decoding.CSV, decoding.csv_lines(job.rows(284_000)))


JOBS = {"local_test": local_test, "satimage": real("satimage"), "adult": real("adult"), "synthetic": synthetic}


def run(base: Path, report: str) -> tuple[float, float, float]:
    """(wall seconds, processor seconds, those of the report) of a job ``with`` or ``without`` a report."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "container")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an image has its modules compiled
    wall, processor, log = job.run([sys.executable, "-c", JOB, report, "train", "--base", str(base)], environment)
    return wall, processor, float(log.splitlines()[-1])


def measure(base: Path, rounds: int) -> dict[str, Any]:
    found: dict[str, list[tuple[float, float, float]]] = {"with": [], "without": []}
    for _ in range(rounds):
        for report, times in found.items():
            times.append(run(base, report))
    pairs = list(zip(*found.values(), strict=True))
    return {
        "seconds": statistics.median(wall for wall, _, _ in found["with"]),
        "cpu_seconds": statistics.median(cpu for _, cpu, _ in found["with"]),
        "report_cpu_seconds": statistics.median(report for _, _, report in found["with"]),
        "share": statistics.median(report / cpu for _, cpu, report in found["with"]),
        "seconds_more": statistics.median(one[0] - other[0] for one, other in pairs),
        "rounds": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="A,B", help=f"some of {', '.join(JOBS)}")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(
        "| job | processor s | of the report | share | seconds | more than without it |\n|---|---:|---:|---:|---:|---:|"
    )
    report = {}
    for name in arguments.only.split(",") if arguments.only else JOBS:
        with tempfile.TemporaryDirectory(prefix="linear-learner-report-") as folder:
            JOBS[name](Path(folder))
            report[name] = row = measure(Path(folder), arguments.rounds)
        print(
            f"| {name} | {row['cpu_seconds']:.2f} | {row['report_cpu_seconds']:.3f} | {row['share']:.1%} "
            f"| {row['seconds']:.2f} | {row['seconds_more']:.3f} |",
            flush=True,
        )
    (HERE / "results").mkdir(exist_ok=True)
    facts = {"processors": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0], "jobs": report}
    (HERE / "results/report.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
