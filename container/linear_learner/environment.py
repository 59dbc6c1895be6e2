"""The only place that knows ``/opt/ml``: what the platform hands a job, and where it looks for the outcome.

    input/config/   hyperparameters.json · inputdataconfig.json · resourceconfig.json
    input/data/     a folder for each channel
    model/          the trained model
    output/         failure (why a job failed) · data/ (anything else worth keeping)

Source: "How Amazon SageMaker Provides Training Information" and "How Amazon SageMaker Processes Training Output" of
the SageMaker Developer Guide. The SDK's local mode writes fewer keys than the service; only what is needed is required.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linear_learner.errors import ClientError, LinearLearnerError

DEFAULT_BASE = Path("/opt/ml")
INPUT_MODES = ("File", "FastFile", "Pipe")
REPLICATED, SHARDED = "FullyReplicated", "ShardedByS3Key"
NOT_WRAPPED, WRAPPED = "None", "RecordIO"


@dataclass(frozen=True)
class Split:
    """Which rows of its files a channel has: a random ``share`` of them where it ``is_held_out``, or else the others.
    Equal seeds draw equal rows."""

    share: float
    seed: int
    is_held_out: bool


@dataclass(frozen=True)
class Part:
    """What one of ``of`` hosts takes of rows that each of them has: its is the ``number``-th part, from 0."""

    number: int
    of: int


@dataclass(frozen=True)
class ChannelConfig:
    """One entry of inputdataconfig.json. ``content_type`` is None where the channel names none. ``path``: a folder, or
    outside the platform perhaps one file. ``split`` is None where all rows are the channel's, ``part`` where all of
    them are this host's. ``is_sharded``: each host has files of its own. ``is_wrapped``: the platform puts the data
    that it writes into a pipe in records of RecordIO."""

    name: str
    path: Path
    content_type: str | None = None
    input_mode: str = "File"
    split: Split | None = None
    is_sharded: bool = False
    part: Part | None = None
    is_wrapped: bool = False


@dataclass(frozen=True)
class Environment:
    """The folder of a job and what its files say. Nothing is read or made before it is asked for."""

    base: Path
    job_name: str | None = None
    """TRAINING_JOB_NAME; None where no platform runs the job, so that nobody else packs model.tar.gz."""
    results: Path | None = None
    """Where model/ and output/ are, if not below ``base``."""

    @classmethod
    def from_environ(cls, base: Path | None = None) -> Environment:
        return cls(base or DEFAULT_BASE, os.environ.get("TRAINING_JOB_NAME") or None)

    @property
    def hyperparameters_file(self) -> Path:
        return self.base / "input/config/hyperparameters.json"

    @property
    def data_dir(self) -> Path:
        return self.base / "input/data"

    @property
    def model_dir(self) -> Path:
        return (self.results or self.base) / "model"

    @property
    def output_data_dir(self) -> Path:
        return (self.results or self.base) / "output/data"

    @property
    def failure_file(self) -> Path:
        return (self.results or self.base) / "output/failure"

    def checkpoint_dir(self) -> Path | None:
        """Where checkpoints are kept: LocalPath of checkpointconfig.json, or /opt/ml/checkpoints where that file names
        none or is missing but the folder is there; None where the job has no checkpoints. ClientError where no such
        folder can be made, which else were told only when the first epoch is over."""
        if self.results is not None:
            return None  # the folder of the results is gone with the process
        file, usual = self.base / "input/config/checkpointconfig.json", self.base / "checkpoints"
        if not file.exists():
            return usual if usual.is_dir() else None
        local = _read_object(file).get("LocalPath") or str(DEFAULT_BASE / "checkpoints")
        if not isinstance(local, str) or not local.isprintable() or not Path(local).is_absolute():
            raise ClientError(
                f"LocalPath {json.dumps(local)} is not the absolute path of a folder",
                where=str(file),
                fix='write {"LocalPath": "/opt/ml/checkpoints"}, or leave LocalPath out',
            )
        path = Path(local)
        folder = self.base / path.relative_to(DEFAULT_BASE) if path.is_relative_to(DEFAULT_BASE) else path
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not os.path.isdir(there):  # noqa: PTH112 (Path.is_dir raises where it may not look)
            what = "is a link that leads to no folder" if there.is_symlink() else "is no folder"
            raise ClientError(
                f"The folder for checkpoints, {folder}, cannot be made: {there} {what}",
                where=f"LocalPath of {file}",
                fix="remove it, or name another folder",
            )
        return folder

    def unwritable_folders(self) -> list[Path]:
        """Of those that a job writes to."""
        folders = {self.model_dir, self.failure_file.parent, self.checkpoint_dir() or self.model_dir}
        return sorted(folder for folder in folders if not os.access(_existing(folder), os.W_OK | os.X_OK))

    def hyperparameters(self) -> dict[str, Any]:
        """The user's hyperparameters, as they are written; their values are strings on the service."""
        return _read_object(self.hyperparameters_file)

    def channels(self) -> dict[str, ChannelConfig]:
        """The channels by name: those of inputdataconfig.json, or without that file the folders below input/data, so
        that a laptop needs no config."""
        file = self.base / "input/config/inputdataconfig.json"
        if not file.exists():
            folders = sorted(p for p in self.data_dir.glob("*") if p.is_dir()) if self.data_dir.is_dir() else []
            return {p.name: ChannelConfig(p.name, p) for p in folders}
        return {name: self._channel(name, config, file) for name, config in _read_object(file).items()}

    def _channel(self, name: str, config: Any, file: Path) -> ChannelConfig:
        """Channel ``name`` as ``file`` describes it."""
        if not isinstance(config, dict):
            raise ClientError(
                f"Channel '{name}' is not described by a JSON object",
                where=str(file),
                fix=f'write "{name}": {{"ContentType": "text/csv"}}',
            )
        content_type = config.get("ContentType")
        if not isinstance(content_type, str | None):
            raise ClientError(
                f"ContentType {json.dumps(content_type)} of channel '{name}' is not a string",
                where=str(file),
                fix='write "text/csv" or "application/x-recordio-protobuf"',
            )

        def one_of(key: str, values: tuple[str, ...]) -> str:
            """What the channel says, the first of the values if nothing."""
            found = config.get(key) or values[0]
            if found not in values:
                raise ClientError(
                    f"{key} {json.dumps(found)} of channel '{name}' is not known",
                    where=str(file),
                    fix=f"use one of: {', '.join(values)}",
                )
            return str(found)

        return ChannelConfig(
            name,
            self.data_dir / name,
            content_type,
            one_of("TrainingInputMode", INPUT_MODES),
            is_sharded=one_of("S3DistributionType", (REPLICATED, SHARDED)) == SHARDED,
            is_wrapped=one_of("RecordWrapperType", (NOT_WRAPPED, WRAPPED)) == WRAPPED,
        )

    @property
    def resources_file(self) -> Path:
        return self.base / "input/config/resourceconfig.json"

    def network_interface(self) -> str | None:
        """The name of the network interface that the hosts share, if the platform tells one. It need not exist."""
        name = _read_object(self.resources_file).get("network_interface_name") if self.resources_file.exists() else None
        return name if isinstance(name, str) and name else None

    def hosts(self) -> tuple[str, list[str]]:
        """(this host, all hosts). A job without resourceconfig.json runs on one host, algo-1."""
        file = self.resources_file
        config = _read_object(file) if file.exists() else {}
        current = config.get("current_host", "algo-1")
        hosts = config.get("hosts", [current])
        # A host's name becomes part of a file's name. Half a character, which JSON may hold, has no bytes there.
        names = [current, *hosts] if isinstance(hosts, list) and hosts else []
        if not names or not all(_is_name_of_host(name) for name in names):
            raise ClientError(
                "current_host or hosts is not what it should be",
                where=str(file),
                fix='write {"current_host": "algo-1", "hosts": ["algo-1"]}, or remove the file',
            )
        if current not in hosts or len(set(hosts)) < len(hosts):
            raise ClientError(
                f"current_host '{current}' is not one of hosts, or one of them is named twice: {', '.join(hosts)}",
                where=str(file),
                fix="list every host once",
            )
        return current, hosts

    def write_failure(self, error: Exception) -> None:
        """Write why the job failed; the user is shown its first 1,024 characters. OSError where the file cannot be
        written."""
        self.failure_file.parent.mkdir(parents=True, exist_ok=True)
        self.failure_file.write_text(failure_text(error), encoding="utf-8", errors="backslashreplace")

    def forget_failure(self) -> None:
        """Remove what an earlier job of this folder failed of: this one may succeed."""
        self.failure_file.unlink(missing_ok=True)


def failure_text(error: Exception) -> str:
    """``<kind of error>: <message>``, and below it what caused it."""
    prefix = error.prefix if isinstance(error, LinearLearnerError) else LinearLearnerError.prefix
    text = f"{prefix}: {error}" if str(error) else f"{prefix}: {type(error).__name__}"
    cause = error.__cause__ or (None if isinstance(error, LinearLearnerError) else error)
    if cause is None:
        return text
    return f"{text} (caused by {type(cause).__name__})\n\nCaused by: {cause}"


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there and that this user can see."""
    return next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))


def _is_name_of_host(name: object) -> bool:
    return isinstance(name, str) and name != "" and name.isprintable() and "/" not in name


def _read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a config file."""
    try:
        # Editors of Windows begin a text with a byte order mark.
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ClientError(
            "File not found", where=str(file), fix=f"name the job's folder with --base, or mount it at {DEFAULT_BASE}"
        ) from None
    except IsADirectoryError:
        # Docker makes a folder of a mounted file that does not exist.
        raise ClientError("A folder stands where a file should", where=str(file), fix="mount the file itself") from None
    except (ValueError, RecursionError) as error:
        raise ClientError(f"Not a JSON document: {error}", where=str(file), fix="mend the file") from None
    if not isinstance(content, dict):
        raise ClientError("Not a JSON object", where=str(file), fix='write {"name": "value", ...}')
    return content


def cpu_count() -> int:
    """CPUs to use: those this process may run on, less where a container's CPU quota (cgroup v2 or v1) is smaller, or
    OMP_NUM_THREADS says so. At least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpu_quota(Path("/sys/fs/cgroup"))
    if quota is not None:
        cpus = min(cpus, math.ceil(quota))
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit():
        cpus = min(cpus, int(wanted))
    return max(1, cpus)


CGROUP_MEMORY = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Of a control group, v2 and v1: the files with its limit, what it uses and what that is made of; and there the name of
the page cache of files that nobody reads any more."""


def total_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this container may use in all: the machine's, or less where the control group (cgroup v2 or v1) has a
    limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit_file, *_ in CGROUP_MEMORY:
        try:
            return min(machine, int((cgroup / limit_file).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # not this version, or "max": no limit
    return machine


def available_memory(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that this process may still take: what the machine has left, less where the control group (cgroup v2 or v1)
    leaves less. None where neither says."""
    left = [cgroup_memory_left(cgroup)]
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        left.append(int(fields["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass
    return min((number for number in left if number is not None), default=None)


def cgroup_memory_left(root: Path) -> int | None:
    """Bytes that the control group below ``root`` may still take, or None without a limit. The page cache of files that
    nobody reads any more is free."""
    for limit_file, used_file, stat_file, cache in CGROUP_MEMORY:
        try:
            limit = int((root / limit_file).read_text(encoding="ascii"))
            used = int((root / used_file).read_text(encoding="ascii"))
            stat = dict(line.split() for line in (root / stat_file).read_text(encoding="ascii").splitlines())
            return max(0, limit - used + int(stat[cache]))
        except (OSError, KeyError, ValueError):
            continue  # not this version, or "max": no limit
    return None


def cgroup_cpu_quota(root: Path) -> float | None:
    """CPUs that the control group below ``root`` may use, or None without a limit."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None  # "max" or -1: no limit
    return int(quota) / int(period)
