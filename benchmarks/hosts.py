"""Does training scale over hosts? Jobs on 1, 2 and 4 hosts, what a join costs, and from these a model on paper.

    python benchmarks/hosts.py                      all of it
    python benchmarks/hosts.py --rounds 1           quickly
    python benchmarks/hosts.py --npz FILE           the jobs on the rows of a file with X and y (0/1)
    python benchmarks/hosts.py --paper              the model alone, with CONSTANTS as they are written below

Hosts are processes with addresses of their own on the loopback interface, all on one and the same processor with one
thread each, so that each of n has an n-th of it. All jobs get the same rows, recordIO in four shards, and run a fixed
number of epochs with default settings (32 models, mini-batches of 1000).

What counts is processor time, of the hosts and of their parameter servers, between the ends of the first and the last
epoch: validation, early stopping and joins are in it, start and end of the job are not. Efficiency is what one host
takes for an epoch over what all n hosts take together. Processor time hardly changes with what else the machine does,
and knows of no waiting: on one processor all waiting is for another host's work. What a network adds is in the model.

Sizes of jobs go in turns; figures are medians. Prints Markdown and writes results/hosts.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import engine  # first: it prepares OpenBLAS before NumPy is there
import numpy as np
from decoding import RECORDIO, records

from linear_learner.training.cluster.interface import ALONE
from linear_learner.training.cluster.several import Settings, Several
from linear_learner.training.engines.state import TILE
from linear_learner.training.epochs.strides import SNAPSHOTS, rows_at_once, rows_per_join

HERE = Path(__file__).resolve().parent
HOSTS = (1, 2, 4)
SHARDS = 4
SYNTHETIC = (((400_000, 30), (1, 24, 96)), ((200_000, 300), (1, 8)))
"""Rows and features to make, and how many times over jobs get the nine tenths that train."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent / "container"), "OMP_NUM_THREADS": "1"}
EPOCH_ENDS = re.compile(r"#throughput_metric: ")
JOINED = re.compile(r"Epoch \d+: (\d+) joins of the hosts, (\d+) bytes .*, ([\d.]+) % of the time")
VALIDATION = re.compile(r"#quality_metric: .*, validation \S+ <loss>=(\S+)")

SIZES = (3_000, 30_000, 300_000, 3_000_000)
"""Numbers in the joins that are measured by themselves."""
JOINS = 60


# -- jobs


@dataclass(frozen=True)
class Rows:
    """``shards``: by channel, recordIO files; ``train``: how many rows those of train have; ``times``: how often each
    of these is used, so that epochs are longer than it would take to write them."""

    name: str
    train: int
    features: int
    shards: dict[str, list[Path]]
    times: int = 1


def write_rows(folder: Path, name: str, features: np.ndarray, labels: np.ndarray) -> Rows:
    """Every tenth row validates."""
    table = np.column_stack([labels, features]).astype(np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))]
    validates = np.arange(len(table)) % 10 == 0
    shards: dict[str, list[Path]] = {}
    for channel, part in (("train", table[~validates]), ("validation", table[validates])):
        shards[channel] = [folder / f"{name}-{channel}-{i}" for i in range(SHARDS)]
        for file, rows in zip(shards[channel], np.array_split(part, SHARDS), strict=True):
            file.write_bytes(records(rows))
    return Rows(name, int((~validates).sum()), features.shape[1], shards)


def synthetic(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(features)
    table = random.standard_normal((rows, features), np.float32)
    scores = table @ random.standard_normal(features, np.float32)
    return table, scores + scores.std() * random.standard_normal(rows) > 0


def cpu_seconds(process: int) -> float:
    """What a process has had so far, all of its threads together (clock_getcpuclockid(3))."""
    return time.clock_gettime(~process << 3 | 2)


def children(process: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@dataclass
class Host:
    """A host of a job that runs. ``spent``: its processor seconds and those of its parameter servers, at the end of
    each epoch."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    spent: list[tuple[float, float]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if EPOCH_ENDS.search(line):
                servers = sum(map(cpu_seconds, children(self.process.pid)))
                self.spent.append((cpu_seconds(self.process.pid), servers))
                self.times.append(time.monotonic())

    def end(self) -> float:
        """Its processor seconds from beginning to end, with those of its children."""
        self._reader.join()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise SystemExit("".join(self.log[-20:]))
        return usage.ru_utime + usage.ru_stime


def start(base: Path, number: int, names: list[str], rows: Rows, epochs: int) -> subprocess.Popen[str]:
    (base / "input/config").mkdir(parents=True)
    described = {"ContentType": RECORDIO, "S3DistributionType": "ShardedByS3Key"}
    settings = {"predictor_type": "binary_classifier", "epochs": str(epochs), "early_stopping_patience": str(epochs)}
    for name, content in {
        "hyperparameters": settings,
        "inputdataconfig": dict.fromkeys(rows.shards, described),
        "resourceconfig": {"current_host": names[number], "hosts": names},
    }.items():
        (base / f"input/config/{name}.json").write_text(json.dumps(content))
    for channel, shards in rows.shards.items():
        (base / "input/data" / channel).mkdir(parents=True)
        for shard in shards[number :: len(names)]:
            for copy in range(rows.times if channel == "train" else 1):
                os.link(shard, base / f"input/data/{channel}/{shard.name}-{copy}")
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(base)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_job(rows: Rows, count: int, epochs: int, core: int) -> dict[str, float]:
    names = addresses(count)
    with tempfile.TemporaryDirectory(prefix="linear-learner-hosts-", dir=rows.shards["train"][0].parent) as folder:
        hosts = [Host(p) for p in on_core(core, lambda i: start(Path(folder, str(i)), i, names, rows, epochs), count)]
        try:
            whole = sum(host.end() for host in hosts)
        finally:
            for host in hosts:
                host.process.kill()
    counted = epochs - 1
    spent = np.array([np.subtract(host.spent[-1], host.spent[0]) for host in hosts]).sum(axis=0) / counted
    first = "".join(hosts[0].log)
    joined = np.array([found.groups() for found in JOINED.finditer(first)][1:], float).reshape(-1, 3)
    return {
        "cpu_of_an_epoch": float(spent.sum()),
        "cpu_of_servers": float(spent[1]),
        "wall_of_an_epoch": (hosts[0].times[-1] - hosts[0].times[0]) / counted,
        "cpu_of_the_rest": whole - float(spent.sum()) * counted,
        "joins": float(joined[:, 0].mean()) if len(joined) else 0.0,
        "bytes_sent": float(joined[:, 1].mean()) if len(joined) else 0.0,
        "share_of_joins": float(np.median(joined[:, 2])) / 100 if len(joined) else 0.0,
        "loss": min(map(float, VALIDATION.findall(first))),
    }


def addresses(count: int) -> list[str]:
    """Of the loopback interface, so that hosts of two benchmarks do not meet."""
    network = f"127.{80 + os.getpid() % 100}.{time.monotonic_ns() // 10**6 % 250}"
    return [f"{network}.{i + 1}" for i in range(count)]


def on_core(core: int, begin: Any, count: int) -> list[Any]:
    """What ``begin`` starts, held on one processor; children inherit where this thread may run."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return [begin(i) for i in range(count)]
    finally:
        os.sched_setaffinity(0, everywhere)


def measure_jobs(all_rows: list[Rows], rounds: int, epochs: int, core: int) -> dict[str, dict[int, Any]]:
    """By name of the rows and number of hosts: the medians, and ``rounds`` with all of them."""
    found: dict[str, dict[int, list[dict[str, float]]]] = {rows.name: {n: [] for n in HOSTS} for rows in all_rows}
    for _ in range(rounds):
        for rows in all_rows:
            for count in HOSTS:
                job = run_job(rows, count, epochs, core)
                found[rows.name][count].append(job)
                print(f"{rows.name}, {count} hosts: {job['cpu_of_an_epoch']:.3f} CPU s", file=sys.stderr, flush=True)
    return {
        name: {
            n: {key: statistics.median(run[key] for run in runs) for key in runs[0]} | {"rounds": runs}
            for n, runs in by_hosts.items()
        }
        for name, by_hosts in found.items()
    }


def print_jobs(found: dict[str, dict[int, Any]], all_rows: list[Rows]) -> None:
    print(
        "| rows | hosts | examples a CPU second | efficiency | CPU of an epoch | of it, servers | joins an epoch "
        "| MB an epoch, each way, of a host | loss |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for rows in all_rows:
        one = found[rows.name][1]
        for n, job in found[rows.name].items():
            job["efficiency"] = statistics.median(
                a["cpu_of_an_epoch"] / b["cpu_of_an_epoch"] for a, b in zip(one["rounds"], job["rounds"], strict=True)
            )
            count, spent = rows.train * rows.times, job["cpu_of_an_epoch"]
            print(
                f"| {count:,} x {rows.features} | {n} | {count / spent:,.0f} | {job['efficiency']:.1%} "
                f"| {1e3 * spent:.0f} ms | {job['cpu_of_servers'] / spent:.1%} "
                f"| {job['joins']:.0f} | {job['bytes_sent'] / 1e6:.2f} | {job['loss'] / one['loss'] - 1:+.3%} |",
                flush=True,
            )


# -- joins by themselves


def join_as_host(rank: int, names: list[str]) -> None:
    """In a process of its own: prints, for each of SIZES, the median seconds of a join, and the processor seconds of
    this host and of its parameter servers for one."""

    def fail(error: Exception) -> None:
        print(error, file=sys.stderr)
        os._exit(1)

    cluster = Several(Settings(names, rank, None, ["joins"], "dist_sync", len(names)), fail)
    cluster.join(lambda: False)
    found = []
    for size in SIZES:
        numbers = np.ones(size)
        for _ in range(3):
            cluster.add(numbers)
        servers = children(os.getpid())
        cpu, cpu_of_servers, times = time.process_time(), sum(map(cpu_seconds, servers)), []
        for _ in range(JOINS):
            begin = time.perf_counter()
            cluster.add(numbers)
            times.append(time.perf_counter() - begin)
            numbers.fill(1)
        own, theirs = time.process_time() - cpu, sum(map(cpu_seconds, servers)) - cpu_of_servers
        cluster.gather(None)
        found.append((statistics.median(times), own / JOINS, theirs / JOINS))
    print(json.dumps(found))
    cluster.close()


def measure_joins(rounds: int) -> list[dict[str, float]]:
    """For 2 and 4 hosts and each size, the processor seconds of the mean host, and of all servers together."""
    runs: dict[tuple[int, int], list[np.ndarray]] = {(n, size): [] for n in HOSTS[1:] for size in SIZES}
    for _ in range(rounds):
        for n in HOSTS[1:]:
            names = addresses(n)
            commands = [[sys.executable, __file__, "--host", str(rank), *names] for rank in range(n)]
            hosts = [subprocess.Popen(c, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for c in commands]
            by_host = np.array([json.loads(host.communicate()[0]) for host in hosts])
            for size, figures in zip(SIZES, by_host.transpose(1, 0, 2), strict=True):
                runs[n, size].append(np.array([figures[0, 0], figures[:, 1].mean(), figures[:, 2].sum()]))
    found = []
    print("\n| hosts | numbers | MB each way | ms of a join | CPU ms of a host | of all servers |")
    print("|---:|---:|---:|---:|---:|---:|")
    for (n, size), figures in runs.items():
        wall, own, servers = np.median(figures, axis=0)
        found.append({"hosts": n, "numbers": size, "seconds": wall, "cpu_of_host": own, "cpu_of_servers": servers})
        milliseconds = " | ".join(f"{1e3 * seconds:.2f}" for seconds in (wall, own, servers))
        print(f"| {n} | {size:,} | {8 * size / 1e6:.2f} | {milliseconds} |")
    return found


# -- rows and updates by themselves


def measure_updates(features: int, rounds: int) -> dict[str, float]:
    """Processor seconds of a row and of an update, one thread, 32 candidates: t(m) = row + update / m of two sizes m of
    a mini-batch."""
    case = engine.Case(engine.BINARY, "logistic", 4_000_000 // features, features)
    chunk, times = engine.chunk_of(case), {}
    for size in (1000, 10):
        trainer = engine.engine_of(case, "native", 1, size)
        state = engine.State.zeros(engine.CANDIDATES, 1, features)
        spent = []
        for _ in range(rounds + 1):
            before = time.process_time()
            trainer.step(chunk, state)
            spent.append((time.process_time() - before) / case.rows)
        times[size] = statistics.median(spent[1:])
    update = (times[10] - times[1000]) / (1 / 10 - 1 / 1000)
    return {"features": features, "row": times[1000] - update / 1000, "update": update}


# -- on paper


@dataclass(frozen=True)
class Constants:
    """Seconds of one processor (the virtual one of an Emerald Rapids), measured by the parts above.

    ``multiply``: of a row, for each of its features times columns of the state. ``update``: of a mini-batch, in rows.
    ``host_byte``: on a host, for each byte of a join, packing and unpacking included. ``server_byte``, ``message``: on
    a parameter server, for each byte and each host that sends. ``round_trip``: of the smallest join. ``epoch``: for
    each epoch on each host whatever the rows: its log, and the calls of joins and engine.
    """

    multiply: float = 4.2e-11
    update: float = 17
    host_byte: float = 2.0e-9
    server_byte: float = 1.5e-9
    message: float = 65e-6
    round_trip: float = 0.4e-3
    epoch: float = 30e-3


ONE_SERVER = 1_000_000
"""MXNet puts an array of fewer numbers on one parameter server, and spreads larger ones over all of them."""


@dataclass(frozen=True)
class Paper:
    """What an epoch takes on ``hosts`` hosts, seconds; overlapping reading with the rest, it is ``whole``."""

    reading: float
    rows: float
    updates: float
    joins: float
    count: int
    join_bytes: int

    @property
    def whole(self) -> float:
        return max(self.reading, self.rows + self.updates + self.joins)


def on_paper(
    hosts: int,
    rows: float,
    features: int,
    *,
    mini_batch: int = 1000,
    models: int = 32,
    processors: int = 8,
    gigabits: float = 10,
    slowest: float = 1.1,
    constants: Constants = Constants(),
) -> Paper:
    """An epoch over dense float32 rows that do not fit in memory and so come over the network each time.

    T(n) = max(bytes of the rows / (n * bandwidth),
               slowest * (rows / n + rows / mini_batch * update) * features * columns * multiply / processors
               + joins * (round_trip + n * message + bytes * host_byte + busiest * (server_byte + 2 / bandwidth))
               + epoch)

    ``mini_batch``: rows of all hosts together. ``processors``: of a host, among which the engine's work is taken to be
    shared evenly. ``gigabits`` a second of a host's network. ``slowest``: the time of the slowest host over the mean
    one's; all wait for it at each join. A join has ``bytes`` = 8 * (3 * (features + 1) * columns + models + 2 n + 2)
    each way (weights and two moments of Adam). The busiest server gets n times as many where one server has all, else
    as many.
    """
    columns, share, bandwidth = TILE * math.ceil(models / TILE), max(1, round(mini_batch / hosts)), gigabits * 1e9 / 8
    once = features * columns * constants.multiply / processors
    numbers = 3 * (features + 1) * columns + models + 2 * hosts + 2
    busiest = 8 * numbers * (hosts if numbers < ONE_SERVER else 1)
    own = math.ceil(rows / hosts)
    stride = rows_per_join(
        own, share, SNAPSHOTS, rows_at_once(features * models, share), ALONE, weights=features * columns
    )
    count = 0 if hosts == 1 else math.ceil(own / stride)
    join = constants.round_trip + hosts * constants.message + 8 * numbers * constants.host_byte
    join += busiest * (constants.server_byte + 2 / bandwidth)
    return Paper(
        reading=own * (4 * features + 40) / bandwidth,
        rows=slowest * own * once,
        updates=slowest * rows / mini_batch * constants.update * once,
        joins=count * join + constants.epoch,
        count=count,
        join_bytes=8 * numbers,
    )


def print_paper(terabytes: float = 10, features: int = 1000) -> None:
    rows = terabytes * 1e12 / (4 * features)
    print(f"\n{terabytes:g} TB, {rows:.2g} rows of {features} features, hosts of 8 processors; seconds of an epoch\n")
    print("| hosts | Gbit/s | mini-batch | reading | rows | updates | joins | epoch | efficiency |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for gigabits, mini_batch in ((10, 1000), (25, 1000), (25, 100_000)):
        alone = on_paper(1, rows, features, mini_batch=mini_batch, gigabits=gigabits, slowest=1).whole
        for hosts in (10, 30, 100, 300, 1000):
            job = on_paper(hosts, rows, features, mini_batch=mini_batch, gigabits=gigabits)
            print(
                f"| {hosts} | {gigabits} | {mini_batch:,} | {job.reading:.0f} | {job.rows:.1f} | {job.updates:.1f} "
                f"| {job.joins:.1f} ({job.count} of {job.join_bytes / 1e6:.2f} MB) | {job.whole:.0f} "
                f"| {alone / hosts / job.whole:.0%} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--npz", type=Path)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the processor of all hosts")
    parser.add_argument("--paper", action="store_true", help="the model alone")
    parser.add_argument("--host", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.host:
        rank, *names = arguments.host
        join_as_host(int(rank), names)
        return
    if arguments.paper:
        print_paper()
        return
    report: dict[str, Any] = {"processors": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="linear-learner-hosts-") as folder:
        all_rows = []
        if arguments.npz:
            with np.load(arguments.npz) as arrays:
                all_rows += [write_rows(Path(folder), arguments.npz.stem, arrays["X"], arrays["y"])]
        else:
            for shape, copies in SYNTHETIC:
                rows = write_rows(Path(folder), f"synthetic-{shape[1]}", *synthetic(*shape))
                all_rows += [replace(rows, name=f"{rows.name}-{times}", times=times) for times in copies]
        report["jobs"] = measure_jobs(all_rows, arguments.rounds, arguments.epochs, arguments.core)
        print_jobs(report["jobs"], all_rows)
    if not arguments.npz:
        report["joins"] = measure_joins(arguments.rounds)
        report["updates"] = [measure_updates(features, arguments.rounds) for features in (30, 300, 1000)]
        print("\n| features | a row | an update |\n|---:|---:|---:|")
        for each in report["updates"]:
            print(f"| {each['features']:.0f} | {1e6 * each['row']:.3f} us | {1e6 * each['update']:.1f} us |")
        print_paper()
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/hosts.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
