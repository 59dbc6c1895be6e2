"""Cuts training jobs off at random moments, starts them again until they end, and looks whether anything is lost:

    .venv/bin/python tests/fuzz/chaos_training.py --events 300

A job runs through once, undisturbed. Then it runs in another folder with checkpoints, and gets SIGKILL or SIGTERM: at
any time from its first moment to its last, while a checkpoint or the model is written, or right after a checkpoint. Of
a job on several hosts one is killed; one or all get SIGTERM; or one is cut off from the network, for good or for some
seconds: its link goes down, or its packets are dropped. Each host is a network namespace of its own (``host_network``),
which takes root and iproute2. Elsewhere hosts are addresses below 127.0.0.0/8, and one is frozen with SIGSTOP instead,
so that nothing comes from it any more. The job is started again until it ends by itself. After every event
 - each checkpoint by its proper name is whole, and the newest is no older than the newest before;
 - the model folder holds a whole model or none;
 - after SIGTERM the job ended by itself, within SOON seconds, with a model and exit code 0; or with none and 143, if it
   had not come to training, and then nothing in its folders changed;
 - where a host was lost, every other one, and one that was cut off, ended within NOTICED seconds with exit code 3, and
   its failure file says who was lost; or the network was mended in time, and the job ended as if nothing had been;
 - no process of the job is left.
The next start must go on from the newest checkpoint, and the job that ends must leave the bits of the undisturbed one.
Jobs of all KINDS take turns. It ends after --events, or after --seconds; the exit code is 0 if nothing was wrong.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONTAINER = HERE.parents[1] / "container"
sys.path[:0] = [str(HERE.parent / "integration"), str(CONTAINER)]
from host_network import LINK_DOWN, PACKETS_DROPPED, HostNetwork, NoNetworkError, host_network  # noqa: E402
from hosts import Hosts, Pipe  # noqa: E402 (they live with the tests of whole jobs)
from job_folder import RECORDIO, JobFolder, recordio  # noqa: E402

from linear_learner.model import artifact  # noqa: E402

SOON = 120
"""Seconds that the platform gives a job after SIGTERM."""
NOTICED = 60
"""Seconds after which hosts that miss another have ended."""
LONGEST_CUT = 30
"""Seconds, of one that is mended. Hosts that hear nothing for 40 give up."""
STUCK = 600
NO_MODEL = 143
NOT_YET_HEARD = -signal.SIGTERM
"""The process had not come to its first line of Python."""
MET = "Resolved hyperparameters"
"""A line of a job whose hosts have met."""
LOST = 3
"""What a host ends with that misses another."""
LOOK_AGAIN = 0.0005

AT_ANY_TIME, WITH_MODEL = "at any time", "ended with a model"
WENT_ON = "mended in time, and ended as if nothing had been"
KILL, TERM, CUT, FREEZE = "SIGKILL", "SIGTERM", "cut", "SIGSTOP in place of a cut"
MARK = "LINEAR_LEARNER_CHAOS"
"""An environment variable that all processes of a job have, with its folder."""

MOST_HOSTS = 3

Position = tuple[int, int]
"""Of a checkpoint: epoch, and rows of it."""


class Wrong(Exception):  # noqa: N818 (it is the finding)
    """Something that must never be."""


# -- jobs

PIPED = "input/rows"
"""What comes through the pipes of a job that has any."""

Names = list[str] | None
"""Of the hosts of a job that has several, the first of them its own; None for those that they choose."""


def rows_of(count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(count)
    matrix = draw.normal(size=(count, features))
    return matrix, (matrix @ draw.normal(size=features) + draw.normal(size=count) > 0).astype(float)


def in_memory(base: Path, names: Names) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("binary_classifier", epochs=40, early_stopping_patience=40)
    job.channel("train", *rows_of(20_000, 20)).channel("validation", *rows_of(3_000, 20))


def streamed(base: Path, names: Names) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("regressor", epochs=12, memory_mb=1, num_models=16, early_stopping_patience=12)
    job.config("inputdataconfig", {"train": {"ContentType": RECORDIO}})
    job.channel("train", *rows_of(30_000, 10), content_type=RECORDIO, files=3)


def sparse(base: Path, names: Names) -> None:
    job = JobFolder(base / "host-0")
    draw = np.random.default_rng(0)
    lines = []
    for _ in range(4_000):
        columns = np.sort(draw.choice(20_000, 15, replace=False))
        label = int(columns[0] + draw.normal(0, 400) > 1_200)
        lines.append(f"{label} " + " ".join(f"{column + 1}:{draw.normal():.3f}" for column in columns))
    job.hyperparameters("binary_classifier", epochs=30, feature_dim=20_000, early_stopping_patience=30)
    job.config("inputdataconfig", {"train": {"ContentType": "text/libsvm"}})
    job.file("input/data/train/part-0", "\n".join(lines).encode() + b"\n")


def through_pipes(base: Path, names: Names) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("regressor", epochs=10, memory_mb=1, num_models=16, early_stopping_patience=10)
    job.config("inputdataconfig", {"train": {"ContentType": RECORDIO, "TrainingInputMode": "Pipe"}})
    job.file(PIPED, recordio(*rows_of(30_000, 10)))
    (base / "host-0/input/data").mkdir()


def two_hosts(base: Path, names: Names) -> None:
    hosts = Hosts(base, 2, names and names[:2], epochs=25, early_stopping_patience=25)
    hosts.shard("train", *rows_of(12_000, 20), shares=[2, 1]).shard("validation", *rows_of(3_000, 20), shares=[1, 1])
    hosts.describe("ShardedByS3Key", RECORDIO, "train", "validation")


def pipes_of_three_hosts(base: Path, names: Names) -> None:
    """Of which two stream, one of them whole mini-batches, and the third has its rows in memory."""
    hosts = Hosts(base, 3, names, epochs=15, memory_mb=1, num_models=16, early_stopping_patience=15)
    hosts.describe("ShardedByS3Key", RECORDIO, "train", mode="Pipe")
    matrix, labels = rows_of(35_000, 10)
    for folder, part in zip(hosts.folders, np.split(np.arange(35_000), [18_000, 34_321]), strict=True):
        folder.file(PIPED, recordio(matrix[part], labels[part]))


KINDS: dict[str, Callable[[Path, Names], None]] = {
    "in memory": in_memory,
    "streamed": streamed,
    "sparse": sparse,
    "through pipes": through_pipes,
    "on two hosts": two_hosts,
    "through pipes on three hosts": pipes_of_three_hosts,
}
"""Each writes the input of a job: a folder for each of its hosts, of which the first keeps checkpoints and model."""


@contextlib.contextmanager
def platform(base: Path) -> Iterator[None]:
    """Does for a job what the platform does while it runs."""
    folders = [folder for folder in base.glob("host-*") if (folder / PIPED).exists()]
    pipes = [Pipe(JobFolder(folder), "train", (folder / PIPED).read_bytes()) for folder in folders]
    try:
        yield
    finally:
        for pipe in pipes:
            pipe.stop()


@dataclass(frozen=True)
class Undisturbed:
    """A job that ran through. ``folder``: its input alone; ``model``: the bytes of its model's files by name."""

    kind: str
    folder: Path
    model: dict[str, bytes]
    seconds: float


def run_through(kind: str, folder: Path, network: HostNetwork | None) -> Undisturbed:
    KINDS[kind](folder / "input-only", network and network.addresses)
    whole = folder / "whole"
    shutil.copytree(folder / "input-only", whole)
    began = time.monotonic()
    with platform(whole):
        codes = [process.wait(STUCK) for process in start(whole, network)]
    if any(codes):
        raise Wrong(f"the undisturbed job ended with {codes}: {(whole / 'host-0/log').read_text()[-2000:]}")
    model = visible_files(whole / "host-0/model")
    return Undisturbed(kind, folder / "input-only", model, time.monotonic() - began)


def start(base: Path, network: HostNetwork | None) -> list[subprocess.Popen[bytes]]:
    """A process for each host, in the order of their ranks."""
    own = {name: value for name, value in os.environ.items() if name != "TRAINING_JOB_NAME"}
    folders, processes = sorted(base.glob("host-*")), []
    for number, folder in enumerate(folders):
        on_host = network.command(number) if network is not None and len(folders) > 1 else []
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*on_host, sys.executable, "-m", "linear_learner.cli", "train", "--base", str(folder)],
                env={**own, "PYTHONPATH": str(CONTAINER), MARK: str(base)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
    return processes


# -- what must hold


def visible_files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def check_model(folder: Path) -> bool:
    """Whether there is a model; if so, all that is seen of it is whole."""
    files = visible_files(folder)
    if not files:
        return False
    artifact.load(folder)
    for name, content in files.items():
        path = folder / name
        if name.startswith("model_"):
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    raise Wrong(f"{name} is damaged")
        elif name == "model.tar.gz":
            with tarfile.open(path) as packed:
                for member in packed:
                    packed.extractfile(member).read()  # type: ignore[union-attr]
        elif name.endswith(".json"):
            json.loads(content)
    return True


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def positions(folder: Path) -> list[Position]:
    found = re.findall(r"checkpoint-(\d+)-(\d+)\.npz", " ".join(names_in(folder)))
    return sorted((int(epoch), int(rows)) for epoch, rows in found)


def check_checkpoints(folder: Path) -> Position | None:
    """The newest of them, all of which are whole."""
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                arrays[name]
    return max(positions(folder), default=None)


def check_none_is_left(base: Path) -> None:
    """Of the job's processes, once those of its hosts have ended. The kernel takes a moment to end their children."""
    mark, end = f"{MARK}={base}".encode(), time.monotonic() + 5
    while True:
        left = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    left.append((path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        if not any(left):  # a process that has ended and was not waited for has no command line
            return
        if time.monotonic() > end:
            raise Wrong(f"processes are left: {'; '.join(left)}")
        time.sleep(0.1)


# -- events


@dataclass
class Count:
    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    events: collections.Counter[str] = field(default_factory=collections.Counter)
    jobs: int = 0
    epochs_twice: int = 0
    slowest_end: collections.defaultdict[str, float] = field(default_factory=lambda: collections.defaultdict(float))
    """Seconds from an event of a kind until all hosts had ended."""

    @property
    def total(self) -> int:
        return self.kinds.total()


@dataclass(frozen=True)
class Event:
    """``hosts``: to whom it happens. ``way``: of a cut. ``seconds``: until it is mended, None for good."""

    kind: str
    hosts: list[int]
    way: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        if self.kind != CUT:
            return self.kind
        return f"{CUT} ({self.way}, {'for good' if self.seconds is None else 'for a while'})"


@dataclass
class Job:
    """One job that is cut off again and again."""

    undisturbed: Undisturbed
    base: Path
    count: Count
    draw: random.Random
    network: HostNetwork | None
    newest: Position | None = None

    @property
    def checkpoints(self) -> Path:
        return self.base / "host-0/checkpoints"

    @property
    def model(self) -> Path:
        return self.base / "host-0/model"

    @property
    def log(self) -> str:
        return (self.base / "host-0/log").read_text()

    def attempt(self, moment: str, after: float) -> bool:
        """Start it, and let something happen to it at the moment. Returns whether it ended by itself."""
        before = visible_files(self.model)
        processes = start(self.base, self.network)
        try:
            if not self.wait_for(moment, after, processes):
                self.ended([process.returncode for process in processes])
                return True
            event = self.next_event(len(processes))
            had_met = MET in self.log
            self.happen(event, processes)
            codes, took = self.ends(event, processes, had_met)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            self.mend()
        check_none_is_left(self.base)
        what = self.outcome(event, codes, took, before, had_met)
        self.check_start()
        number = f" of {len(event.hosts)} of {len(processes)} hosts" if len(processes) > 1 else ""
        self.count.kinds[event.kind] += 1
        self.count.events[f"{event}{number} {moment}: {what}"] += 1
        if what == WENT_ON:
            self.ended(list(codes.values()))
            return True
        newest = check_checkpoints(self.checkpoints)
        if self.newest is not None and (newest is None or newest < self.newest):
            raise Wrong(f"the newest checkpoint was {self.newest} and is {newest}")
        told = self.epochs_told()
        if what == WITH_MODEL and (newest is None or newest[0] < told - 1):
            raise Wrong(f"{told} epochs were told of, and the newest checkpoint is {newest}")
        self.count.epochs_twice += max(0, told - (newest or (0, 0))[0])
        self.newest = newest
        return False

    def next_event(self, hosts: int) -> Event:
        draw = self.draw
        kinds = [KILL, TERM]
        if hosts > 1:
            kinds += 2 * [FREEZE if self.network is None else CUT]
        kind, one = draw.choice(kinds), [draw.randrange(hosts)]
        if kind == TERM and draw.random() < 0.5:
            return Event(kind, list(range(hosts)))
        if kind != CUT:
            return Event(kind, one)
        seconds = draw.uniform(1, LONGEST_CUT) if draw.random() < 0.5 else None
        return Event(kind, one, draw.choice([LINK_DOWN, PACKETS_DROPPED]), seconds)

    def happen(self, event: Event, processes: list[subprocess.Popen[bytes]]) -> None:
        signals = {KILL: signal.SIGKILL, TERM: signal.SIGTERM, FREEZE: signal.SIGSTOP}
        for number in event.hosts:
            if event.kind == CUT:
                assert self.network is not None
                self.network.cut(number, event.way)
            else:
                processes[number].send_signal(signals[event.kind])

    def ends(
        self, event: Event, processes: list[subprocess.Popen[bytes]], had_met: bool
    ) -> tuple[dict[int, int], float]:
        """By host: the exit codes of those that have to end by themselves, or by SIGTERM; and how long they took."""
        gone = event.hosts if event.kind in (KILL, FREEZE) else []
        others = {number: process for number, process in enumerate(processes) if number not in gone}
        if event.seconds is None and not had_met:
            # They would wait ten minutes for a host that is late, and the platform stops them when one is lost.
            time.sleep(1)
            for process in others.values():
                process.send_signal(signal.SIGTERM)
        took, is_mended, last = 0.0, event.seconds is None, time.monotonic()
        while any(process.poll() is None for process in others.values()):
            if took > STUCK:
                raise Wrong(f"a host has not ended {STUCK} s after {event} of {event.hosts}")
            if not is_mended and took >= (event.seconds or 0):
                self.mend()
                is_mended = True
            time.sleep(0.05)
            now = time.monotonic()
            # However long it was: a busy machine may have frozen this process, and those that it waits for.
            took, last = took + min(now - last, 1.0), now
        return {number: process.returncode for number, process in others.items()}, took

    def mend(self) -> None:
        if self.network is not None:
            for number in range(len(self.network.addresses)):
                self.network.mend(number)

    def wait_for(self, moment: str, after: float, processes: list[subprocess.Popen[bytes]]) -> bool:
        """Whether the moment came before the job's end. ``after``: seconds, of the moment 'at any time'."""
        signs = {
            "while a checkpoint is written": (self.checkpoints, ".part"),
            "after a checkpoint": (self.checkpoints, ".npz"),
            "while the model is written": (self.model, ".partial"),
        }
        end = time.monotonic() + after
        folder, suffix = signs.get(moment, (None, ""))
        leftovers = names_in(folder) if folder else set()
        while any(process.poll() is None for process in processes):
            if folder is None:
                if time.monotonic() >= end:
                    return True
            elif any(name.endswith(suffix) for name in names_in(folder) - leftovers):
                return True
            time.sleep(LOOK_AGAIN)
        return False

    def outcome(self, event: Event, codes: dict[int, int], took: float, before: dict[str, bytes], had_met: bool) -> str:
        """``codes``: of the hosts that ended by themselves or by SIGTERM."""
        has_model = check_model(self.model)
        if codes and not any(codes.values()):
            if not has_model:
                raise Wrong(f"it ended with 0 after {event}, and there is no model")
            if event.seconds is not None:
                return WENT_ON
            self.check_soon(event, took)
            return WITH_MODEL
        self.check_soon(event, took)
        if event.kind != TERM and (had_met or not codes):
            for number, code in codes.items():
                self.check_loss_is_told(event, number, code)
            return "cut off"
        found = set(codes.values())
        expected = {NO_MODEL, NOT_YET_HEARD} | ({LOST} if len(list(self.base.glob("host-*"))) > 1 else set())
        if not expected.issuperset(found) or (found == {LOST} and event.kind == TERM):
            raise Wrong(f"it ended with {codes} after {event}")
        if event.kind != TERM:
            return "cut off before the hosts had met"
        if visible_files(self.model) != before:
            raise Wrong(f"it ended with {codes}, and the model changed")
        return "came too early to be heard" if NOT_YET_HEARD in found else "ended with no model yet"

    def check_soon(self, event: Event, took: float) -> None:
        self.count.slowest_end[event.kind] = max(self.count.slowest_end[event.kind], took)
        if took > (SOON if event.kind == TERM else NOTICED + (event.seconds or 0)):
            raise Wrong(f"it took {took:.0f} s to end after {event}")

    def check_loss_is_told(self, event: Event, number: int, code: int) -> None:
        """Host ``number`` ended with ``code`` where one was lost. The one that was cut off misses another, and so may
        any where the network was mended meanwhile."""
        if code == 0:
            return
        file = self.base / f"host-{number}/output/failure"
        failure = file.read_text() if file.exists() else "nothing"
        (gone,) = event.hosts
        names = [json.loads(path.read_text())["current_host"] for path in self.configs()]
        missed = names if event.seconds is not None else names[:gone] + names[gone + 1 :]
        if number != gone and event.seconds is None:
            missed = [names[gone]]
        if code != LOST or not any(failure.startswith(f"Platform Error: Host '{name}' was lost") for name in missed):
            raise Wrong(f"host {number} ended with {code} after {event} of host {gone} ({names[gone]}): {failure}")

    def configs(self) -> list[Path]:
        return sorted(self.base.glob("host-*/input/config/resourceconfig.json"))

    def check_start(self) -> None:
        """It must have gone on from the newest checkpoint that there was."""
        text = self.log
        found = re.search(r"Going on from \S*checkpoint-(\d+)-(\d+)\.npz", text)
        if "cannot be read" in text:
            raise Wrong("a checkpoint could not be read")
        trains = "#progress_metric" in text
        if trains and (found is None) != (self.newest is None):
            raise Wrong(f"the newest checkpoint is {self.newest}, and the job did not go on from it")
        if found is not None and (int(found[1]), int(found[2])) != self.newest:
            raise Wrong(f"the newest checkpoint is {self.newest}, and the job went on from {found[0]}")

    def epochs_told(self) -> int:
        """How many epochs are over, by the log of this attempt."""
        return (self.newest or (0, 0))[0] + len(re.findall("#progress_metric", self.log))

    def ended(self, codes: list[int]) -> None:
        self.check_start()
        if any(codes):
            raise Wrong(f"it ended with {codes}")
        found = visible_files(self.model)
        wanted = self.undisturbed.model
        different = [name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)]
        if different:
            raise Wrong(f"{', '.join(sorted(different))} differ from those of the undisturbed job")
        strange = [path.name for path in self.model.iterdir() if path.name.startswith(".")]
        strange += [path.name for path in self.checkpoints.iterdir() if path.suffix != ".npz"]
        if strange or len(positions(self.checkpoints)) > 2:
            raise Wrong(f"the job has ended and left {strange or positions(self.checkpoints)}")
        self.count.jobs += 1


MOMENTS = {
    AT_ANY_TIME: 5,
    "while a checkpoint is written": 2,
    "after a checkpoint": 2,
    "while the model is written": 1,
}
"""With their shares."""


def cut_off_until_it_ends(job: Job, is_over: Callable[[], bool]) -> None:
    """Once it is over, the job is left alone until it ends."""
    for number in itertools.count(1):
        (moment,) = job.draw.choices(list(MOMENTS), list(MOMENTS.values()))
        # A job that is cut off at its very beginning again and again would never end.
        after = job.draw.uniform(0, 1 + 0.1 * number) * job.undisturbed.seconds
        if is_over():
            moment, after = AT_ANY_TIME, float("inf")
        with platform(job.base):
            ended = job.attempt(moment, after)
        if ended:
            return


def chaos(
    folder: Path, draw: random.Random, arguments: argparse.Namespace, count: Count, network: HostNetwork | None
) -> None:
    began, kinds = time.monotonic(), arguments.only or list(KINDS)

    def is_over() -> bool:
        return count.total >= arguments.events or time.monotonic() - began > arguments.seconds

    references: dict[str, Undisturbed] = {}
    for number, kind in enumerate(itertools.cycle(draw.sample(kinds, len(kinds)))):
        if is_over():
            return
        if kind not in references:
            references[kind] = run_through(kind, folder / kind, network)
        undisturbed = references[kind]
        base = folder / f"job-{number}"
        shutil.copytree(undisturbed.folder, base)
        (base / "host-0/checkpoints").mkdir()
        job = Job(undisturbed, base, count, draw, network)
        events_before = count.total
        try:
            cut_off_until_it_ends(job, is_over)
        except Wrong:
            for log in sorted(base.glob("host-*/log")):
                print(f"--- {kind}, {log}; it ends:\n{log.read_text()[-3000:]}", flush=True)
            raise
        print(f"{kind}: cut off {count.total - events_before} times, and the same bits in the end", flush=True)
        shutil.rmtree(base)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no more events after so long")
    parser.add_argument("--only", choices=KINDS, action="append", help="jobs of this kind alone (may be repeated)")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    count, wrong = Count(), None
    folder = Path(tempfile.mkdtemp(prefix="linear-learner-chaos-"))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(NO_MODEL))  # so that what was begun is cleared away
    with contextlib.ExitStack() as stack:
        network = None
        try:
            network = stack.enter_context(host_network(MOST_HOSTS))
        except NoNetworkError as why:
            print(f"No network namespaces ({why}): hosts are frozen with SIGSTOP instead of cut off.", flush=True)
        try:
            chaos(folder, random.Random(seed), arguments, count, network)
        except Wrong as found:
            wrong = found
        except (SystemExit, KeyboardInterrupt):
            shutil.rmtree(folder)
            raise
    for name, times in sorted(count.events.items()):
        print(f"  {times:4d} {name}")
    kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(count.kinds.items()))
    slowest = ", ".join(f"{seconds:.1f} s after {kind}" for kind, seconds in sorted(count.slowest_end.items()))
    print(
        f"seed {seed}: {count.total} events ({kinds}) in {count.jobs} jobs that ended with the bits of the undisturbed "
        f"ones; {count.epochs_twice} epochs trained twice; all hosts had ended at most {slowest}"
    )
    if wrong is not None:
        print(f"WRONG: {wrong}; what is left lies in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
