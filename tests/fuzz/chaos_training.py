"""Cuts training jobs off at random moments, starts them again until they end, and looks whether anything is lost:

    .venv/bin/python tests/fuzz/chaos_training.py --events 300

A job runs through once, undisturbed. Then it runs in another folder with checkpoints, and gets SIGKILL or SIGTERM: at
any time from its first moment to its last, while a checkpoint or the model is written, or right after a checkpoint. Of
a job on several hosts, processes on addresses below 127.0.0.0/8, one is killed; one or all get SIGTERM; or one is
frozen with SIGSTOP, so that nothing comes from it any more, as when its network is cut. The job is started again until
it ends by itself. After every event
 - each checkpoint by its proper name is whole, and the newest is no older than the newest before;
 - the model folder holds a whole model or none;
 - after SIGTERM the job ended by itself, within SOON seconds, with a model and exit code 0; or with none and 143, if it
   had not come to training, and then nothing in its folders changed;
 - no host goes on for more than SOON seconds after another was lost.
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
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONTAINER = HERE.parents[1] / "container"
sys.path[:0] = [str(HERE.parent / "integration"), str(CONTAINER)]
from hosts import Hosts  # noqa: E402 (they live with the tests of whole jobs)
from job_folder import RECORDIO, JobFolder, recordio  # noqa: E402

from linear_learner.model import artifact  # noqa: E402

SOON = 120
"""Seconds that the platform gives a job after SIGTERM."""
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

Position = tuple[int, int]
"""Of a checkpoint: epoch, and rows of it."""


class Wrong(Exception):  # noqa: N818 (it is the finding)
    """Something that must never be."""


# -- jobs

PIPED = "input/rows"
"""What comes through the pipes of a job that has any."""


def rows_of(count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(count)
    matrix = draw.normal(size=(count, features))
    return matrix, (matrix @ draw.normal(size=features) + draw.normal(size=count) > 0).astype(float)


def in_memory(base: Path) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("binary_classifier", epochs=40, early_stopping_patience=40)
    job.channel("train", *rows_of(20_000, 20)).channel("validation", *rows_of(3_000, 20))


def streamed(base: Path) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("regressor", epochs=12, memory_mb=1, num_models=16, early_stopping_patience=12)
    job.config("inputdataconfig", {"train": {"ContentType": RECORDIO}})
    job.channel("train", *rows_of(30_000, 10), content_type=RECORDIO, files=3)


def sparse(base: Path) -> None:
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


def through_pipes(base: Path) -> None:
    job = JobFolder(base / "host-0")
    job.hyperparameters("regressor", epochs=10, memory_mb=1, num_models=16, early_stopping_patience=10)
    job.config("inputdataconfig", {"train": {"ContentType": RECORDIO, "TrainingInputMode": "Pipe"}})
    job.file(PIPED, recordio(*rows_of(30_000, 10)))
    (base / "host-0/input/data").mkdir()


def two_hosts(base: Path) -> None:
    hosts = Hosts(base, 2, epochs=25, early_stopping_patience=25)
    hosts.shard("train", *rows_of(12_000, 20), shares=[2, 1]).shard("validation", *rows_of(3_000, 20), shares=[1, 1])
    hosts.describe("ShardedByS3Key", RECORDIO, "train", "validation")


KINDS: dict[str, Callable[[Path], None]] = {
    "in memory": in_memory,
    "streamed": streamed,
    "sparse": sparse,
    "through pipes": through_pipes,
    "on two hosts": two_hosts,
}
"""Each writes the input of a job: a folder for each of its hosts, of which the first keeps checkpoints and model."""


class Platform(threading.Thread):
    """Makes and fills the pipes ``train_0``, ``train_1`` and so on of a job in ``folder``, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._content = (folder / PIPED).read_bytes()
        self._folder = folder / "input/data"
        self._ends = threading.Event()
        for old in self._folder.glob("train_*"):
            old.unlink()
        self.start()

    def run(self) -> None:
        for number in itertools.count():
            if self._ends.is_set():
                return
            path = self._folder / f"train_{number}"
            os.mkfifo(path)
            with contextlib.suppress(BrokenPipeError), path.open("wb") as pipe:
                pipe.write(self._content)

    def stop(self) -> None:
        """It may wait for a reader, and gets one that leaves at once."""
        self._ends.set()
        while self.is_alive():
            for path in self._folder.glob("train_*"):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self.join(0.05)


@contextlib.contextmanager
def platform(base: Path) -> Iterator[None]:
    """Does for a job what the platform does while it runs."""
    at_work = [Platform(folder) for folder in base.glob("host-*") if (folder / PIPED).exists()]
    try:
        yield
    finally:
        for thread in at_work:
            thread.stop()


@dataclass(frozen=True)
class Undisturbed:
    """A job that ran through. ``folder``: its input alone; ``model``: the bytes of its model's files by name."""

    kind: str
    folder: Path
    model: dict[str, bytes]
    seconds: float


def run_through(kind: str, folder: Path) -> Undisturbed:
    KINDS[kind](folder / "input-only")
    whole = folder / "whole"
    shutil.copytree(folder / "input-only", whole)
    began = time.monotonic()
    with platform(whole):
        codes = [process.wait(STUCK) for process in start(whole)]
    if any(codes):
        raise Wrong(f"the undisturbed job ended with {codes}: {(whole / 'host-0/log').read_text()[-2000:]}")
    model = visible_files(whole / "host-0/model")
    return Undisturbed(kind, folder / "input-only", model, time.monotonic() - began)


def start(base: Path) -> list[subprocess.Popen[bytes]]:
    """A process for each host, in the order of their ranks."""
    own = {name: value for name, value in os.environ.items() if name != "TRAINING_JOB_NAME"}
    processes = []
    for folder in sorted(base.glob("host-*")):
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "linear_learner.cli", "train", "--base", str(folder)],
                env={**own, "PYTHONPATH": str(CONTAINER)},
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


# -- events


@dataclass
class Count:
    events: collections.Counter[str] = field(default_factory=collections.Counter)
    jobs: int = 0
    epochs_twice: int = 0
    slowest_end: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.events.values())


@dataclass
class Job:
    """One job that is cut off again and again."""

    undisturbed: Undisturbed
    base: Path
    count: Count
    draw: random.Random
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
        """Start it, and send a signal at the moment. Returns whether it ended before that."""
        before = visible_files(self.model)
        processes = start(self.base)
        try:
            if not self.wait_for(moment, after, processes):
                self.ended([process.returncode for process in processes])
                return True
            sent = time.monotonic()
            sign, victims = self.victims(processes)
            for process in victims:
                process.send_signal(sign)
            others = [process for process in processes if process not in victims or sign == signal.SIGTERM]
            if MET not in self.log:
                # They would wait ten minutes for a host that is late, and the platform stops them when one is lost.
                time.sleep(1)
                for process in others:
                    process.send_signal(signal.SIGTERM)
            codes = [process.wait(STUCK) for process in others]
            took = time.monotonic() - sent
        finally:
            for process in processes:
                process.kill()
                process.wait()
        what = self.outcome(sign, codes, took, before)
        self.check_start()
        number = f" of {len(victims)} of {len(processes)} hosts" if len(processes) > 1 else ""
        self.count.events[f"{sign.name}{number} {moment}: {what}"] += 1
        newest = check_checkpoints(self.checkpoints)
        if self.newest is not None and (newest is None or newest < self.newest):
            raise Wrong(f"the newest checkpoint was {self.newest} and is {newest}")
        told = self.epochs_told()
        if what == WITH_MODEL and (newest is None or newest[0] < told - 1):
            raise Wrong(f"{told} epochs were told of, and the newest checkpoint is {newest}")
        self.count.epochs_twice += max(0, told - (newest or (0, 0))[0])
        self.newest = newest
        return False

    def victims(self, processes: list[subprocess.Popen[bytes]]) -> tuple[signal.Signals, list[subprocess.Popen[bytes]]]:
        several = len(processes) > 1
        (sign,) = self.draw.choices([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], [5, 5, 1 if several else 0])
        one = self.draw.choice(processes)
        return sign, processes if sign == signal.SIGTERM and self.draw.random() < 0.5 else [one]

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

    def outcome(self, sign: signal.Signals, codes: list[int], took: float, before: dict[str, bytes]) -> str:
        """``codes``: of the hosts that ended by themselves or by the signal."""
        has_model = check_model(self.model)
        self.count.slowest_end = max(self.count.slowest_end, took)
        if took > SOON:
            raise Wrong(f"it took {took:.0f} s to end after {sign.name}")
        if sign != signal.SIGTERM:
            return "cut off"
        if not any(codes):
            if not has_model:
                raise Wrong("it ended with 0 after SIGTERM, and there is no model")
            return WITH_MODEL
        expected = {NO_MODEL, NOT_YET_HEARD} | ({LOST} if len(codes) > 1 else set())
        if not expected.issuperset(codes) or set(codes) == {LOST}:
            raise Wrong(f"it ended with {codes} after SIGTERM")
        if visible_files(self.model) != before:
            raise Wrong(f"it ended with {codes}, and the model changed")
        return "came too early to be heard" if NOT_YET_HEARD in codes else "ended with no model yet"

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


def chaos(folder: Path, draw: random.Random, arguments: argparse.Namespace, count: Count) -> None:
    began, kinds = time.monotonic(), arguments.only or list(KINDS)

    def is_over() -> bool:
        return count.total >= arguments.events or time.monotonic() - began > arguments.seconds

    references: dict[str, Undisturbed] = {}
    for number, kind in enumerate(itertools.cycle(draw.sample(kinds, len(kinds)))):
        if is_over():
            return
        if kind not in references:
            references[kind] = run_through(kind, folder / kind)
        undisturbed = references[kind]
        base = folder / f"job-{number}"
        shutil.copytree(undisturbed.folder, base)
        (base / "host-0/checkpoints").mkdir()
        job = Job(undisturbed, base, count, draw)
        events_before = count.total
        try:
            cut_off_until_it_ends(job, is_over)
        except Wrong:
            print(f"--- {kind}, {base}; its last log ends:\n{job.log[-3000:]}", flush=True)
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
    try:
        chaos(folder, random.Random(seed), arguments, count)
    except Wrong as found:
        wrong = found
    for name, times in sorted(count.events.items()):
        print(f"  {times:4d} {name}")
    print(
        f"seed {seed}: {count.total} events in {count.jobs} jobs that ended with the bits of the undisturbed ones; "
        f"{count.epochs_twice} epochs trained twice; {count.slowest_end:.1f} s from an event to the end at most"
    )
    if wrong is not None:
        print(f"WRONG: {wrong}; what is left lies in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
