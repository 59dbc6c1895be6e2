"""How fast is the training engine? Beside MXNet's own operators, and beside the machine's best matrix product.

    python benchmarks/engine.py               all cases
    python benchmarks/engine.py --quick       the first case, few rounds

An epoch is one pass over the rows with 32 candidates, Adam, mini-batches of 1000, all rows shuffled. Both engines start
from the same state, and their losses after each epoch are compared. In every round each of them runs two epochs, of
which the second counts, since in a job an epoch follows another and finds in the caches what that left; and NumPy's
product of two 3000 x 3000 float32 matrices runs once, so that what else the machine does hits all alike. Figures are
medians, and their share is that of the fastest product. A machine whose clock changes between rounds makes that share
smaller than it is, so that of the fastest epoch stands beside it. Operations are counted as 4 * rows * features *
candidates * outputs (two products; the loss and the update come free). Prints Markdown and writes results/engine.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "container"))

from linear_learner import openblas  # noqa: E402

openblas.prepare()  # before NumPy is there

import numpy as np  # noqa: E402

from linear_learner.data.chunk import Chunk  # noqa: E402
from linear_learner.environment import cpu_count  # noqa: E402
from linear_learner.model.losses import BINARY, LOSSES, MULTICLASS, REGRESSOR  # noqa: E402
from linear_learner.training.engines.engine import Engine, make_engine  # noqa: E402
from linear_learner.training.engines.state import Objective, Rates, State  # noqa: E402

CANDIDATES = 32
MINI_BATCH = 1000
PRODUCT = 3000
"""Rows and columns of the matrices whose product shows what the machine can do."""


@dataclass(frozen=True)
class Case:
    predictor_type: str
    loss: str
    rows: int
    features: int
    outputs: int = 1

    @property
    def operations(self) -> float:
        return 4.0 * self.rows * self.features * CANDIDATES * self.outputs


CASES = (
    Case(BINARY, "logistic", 284_000, 30),
    Case(BINARY, "logistic", 40_000, 784),
    Case(MULTICLASS, "softmax_loss", 20_000, 784, outputs=10),
    Case(REGRESSOR, "squared_loss", 284_000, 30),
    Case(BINARY, "hinge_loss", 284_000, 30),
    Case(REGRESSOR, "huber_loss", 284_000, 30),
)


def chunk_of(case: Case) -> Chunk:
    """Rows whose labels have noise. Without it the loss of a regression falls to 1e-7, and what float32 rounding leaves
    of such a number differs from engine to engine by a thousandth, and as much from float64."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((case.rows, case.features), np.float32)
    scores = features @ rng.standard_normal((case.features, case.outputs), np.float32)
    scores += scores.std() * rng.standard_normal(scores.shape, np.float32)
    labels = {
        BINARY: lambda: scores[:, 0] > 0,
        MULTICLASS: lambda: scores.argmax(axis=1),
        REGRESSOR: lambda: scores[:, 0] / scores.std(),
    }[case.predictor_type]()
    return Chunk(features, labels.astype(np.float32), rng.permutation(case.rows))


def engine_of(case: Case, name: str, threads: int, mini_batch: int = MINI_BATCH) -> Engine:
    def same(value: float) -> np.ndarray:
        return np.full(CANDIDATES, value, np.float32)

    rates = Rates(
        learning_rate=np.geomspace(0.001, 0.03, CANDIDATES).astype(np.float32),
        lr_scheduler_step=np.full(CANDIDATES, 10),
        lr_scheduler_factor=same(0.99),
        lr_scheduler_minimum_lr=same(1e-5),
        wd=same(1e-5),
        l1=same(1e-6),
        momentum=same(0.9),
        beta_1=same(0.9),
        beta_2=same(0.999),
        bias_lr_mult=same(10),
        bias_wd_mult=same(0),
        positive_weight=same(1),
        raw_penalty=same(0),
    )
    loss = LOSSES[case.predictor_type, case.loss]
    constants = {keyword: 1.0 for keyword, _ in loss.constants}
    return make_engine(name, Objective(loss, case.outputs, "adam", mini_batch, True, constants), rates, threads)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    outcome = work()
    return time.perf_counter() - start, outcome


def measure(case: Case, rounds: int) -> dict[str, Any]:
    chunk, threads = chunk_of(case), cpu_count()
    names = {"native": ("native", threads), "one thread": ("native", 1), "operators": ("operators", threads)}
    engines = {name: engine_of(case, *settings) for name, settings in names.items()}
    states = {name: State.zeros(CANDIDATES, case.outputs, case.features) for name in engines}
    matrix = np.random.default_rng(1).standard_normal((PRODUCT, PRODUCT), np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in (*engines, "product")}
    apart = 0.0
    for number in range(rounds):
        sums = {}
        for name, engine in engines.items():
            # The operators take seconds an epoch: half the rounds are enough to know.
            if name == "operators" and number >= (rounds + 1) // 2:
                continue
            for _ in range(2):
                spent, sums[name] = timed(lambda e=engine, s=states[name]: e.step(chunk, s))  # type: ignore[misc]
            seconds[name].append(spent)
        if "operators" in sums:
            apart = max(apart, float(np.max(np.abs(sums["native"] / sums["operators"] - 1))))
        seconds["product"].append(timed(lambda: matrix @ matrix)[0])
    median = {name: statistics.median(times) for name, times in seconds.items()}
    machine = 2.0 * PRODUCT**3 / min(seconds["product"])
    return {
        "case": f"{case.loss}, {case.rows:,} x {case.features}" + (f", {case.outputs} classes" * (case.outputs > 1)),
        "native_ms": 1e3 * median["native"],
        "operators_ms": 1e3 * median["operators"],
        "times_faster": median["operators"] / median["native"],
        "losses_apart": apart,
        "gflops": case.operations / median["native"] / 1e9,
        "sgemm_gflops": machine / 1e9,
        "share_of_sgemm": case.operations / median["native"] / machine,
        "best_share_of_sgemm": case.operations / min(seconds["native"]) / machine,
        "one_thread_ms": 1e3 * median["one thread"],
        "threads": threads,
        "scaling": median["one thread"] / median["native"],
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first case, few rounds")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{cpu_count()} processors, load average {load:.1f}\n")
    print(
        "| 32 candidates, Adam, mini-batch 1000 | native | operators | faster | losses apart | GFLOP/s | of sgemm | ",
        end="",
    )
    print("at best | 1 thread | scaling |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    found = []
    for case in CASES[: 1 if arguments.quick else None]:
        row = measure(case, 3 if arguments.quick else arguments.rounds)
        found.append(row)
        print(
            f"| {row['case']} | {row['native_ms']:.1f} ms | {row['operators_ms']:.0f} ms | {row['times_faster']:.0f} x "
            f"| {row['losses_apart']:.0e} | {row['gflops']:.0f} | {row['share_of_sgemm']:.0%} "
            f"| {row['best_share_of_sgemm']:.0%} | {row['one_thread_ms']:.1f} ms | {row['scaling']:.2f} x |",
            flush=True,
        )
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "engine.json").write_text(json.dumps({"load_average": load, "cases": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
