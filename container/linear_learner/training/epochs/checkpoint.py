"""Checkpoints: the whole state of training in a file, so that a job that was cut off goes on where it was.

A checkpoint is a NumPy ``.npz`` file, a zip of arrays in ``.npy`` form, that is written and read without pickle. Its
name says how far training has come, ``checkpoint-<epoch>-<rows of that epoch>.npz``; what is in it, ``Progress.pack``
says. Array ``job`` holds what it belongs to, JSON in UTF-8.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from linear_learner.errors import ClientError, PlatformError
from linear_learner.training.epochs.progress import Progress

logger = logging.getLogger(__name__)

KEPT = 2
"""Checkpoints that stay: the second is there for the case that the first cannot be read."""

SECONDS_BETWEEN = 60
"""Of an epoch that takes longer, a checkpoint is written about as often."""

SHARE_OF_TIME = 0.03
"""At most so much of a job's time goes into checkpoints: where a state is so large that writing it takes long, it is
written less often."""
NOTHING = 0.05
"""Seconds of writing that nobody minds, however short an epoch is."""

MOST_SHOWN, MOST_CHARACTERS = 10, 80
"""Of a list and of any value, where what differs is told: the rows by class may be millions of numbers."""

NAME = "checkpoint-{epoch:06d}-{rows:015d}.npz"
FORMAT = 2


class Checkpoints:
    """The checkpoints of one job in ``folder``, which is made if it is missing.

    ``job``: what training depends on, as JSON values by name. Only a job of which all of it is equal goes on from a
    checkpoint, since any other would end with a model that neither of them stands for.
    """

    def __init__(self, folder: Path, job: Mapping[str, object], clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._job = {"format": FORMAT, **json.loads(json.dumps(job))}
        self._written = clock()
        self._took = 0.0
        self._clock = clock

    def due(self, *, epoch_is_over: bool = False) -> bool:
        """Whether one should be written now: inside an epoch if the last one was long ago, and after each epoch, unless
        too much time would go into it."""
        since = self._clock() - self._written
        is_cheap = self._took < since * SHARE_OF_TIME
        if epoch_is_over:
            return is_cheap or self._took < NOTHING
        return is_cheap and since > SECONDS_BETWEEN

    def save(self, progress: Progress) -> None:
        """Write a checkpoint aside and rename it, so that a file of that name is always whole; then remove all but the
        newest, and what a killed job was writing. PlatformError where it cannot be written."""
        began = self._clock()
        path = self._folder / NAME.format(epoch=progress.epoch, rows=progress.current.rows)
        part = path.with_suffix(".part")
        job = np.frombuffer(json.dumps(self._job).encode(), np.uint8)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(part, {"job": job, **progress.pack()})
            part.replace(path)
            for old in [*self._newest_first()[KEPT:], *self._folder.glob("checkpoint-*.part")]:
                old.unlink(missing_ok=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise PlatformError(
                f"The checkpoint could not be written: {error.strerror or error}",
                where=str(self._folder),
                fix="free or mend the disk; the job goes on from the checkpoints that are there",
            ) from error
        self._written = self._clock()
        self._took = self._written - began

    def restore(self, progress: Progress) -> Path | None:
        """Bring ``progress`` to where the newest readable checkpoint is, and return its path; None if there is none.
        ClientError where that one is of another job."""
        for path in self._newest_first():
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    packed = {name: arrays[name] for name in arrays.files}
            # RuntimeError: a damaged zip file may say that it is encrypted, or packed in an unknown way. TypeError: the
            # file is no zip file but one array, as NumPy writes it.
            except (OSError, ValueError, EOFError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
                logger.warning("The checkpoint %s cannot be read (%s); an older one is looked for.", path, error)
                continue
            self._check_job(path, packed.get("job", np.empty(0, np.uint8)))
            try:
                progress.unpack(packed)
            except (KeyError, ValueError) as error:
                raise _of_another_job(path, f"its arrays differ: {error}") from None
            return path
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(filter(Path.is_file, self._folder.glob("checkpoint-*-*.npz")), reverse=True)

    def _check_job(self, path: Path, job: np.ndarray) -> None:
        try:
            found = json.loads(job.tobytes())
        except ValueError:
            found = {}
        differences = list(_differences(found if isinstance(found, dict) else {}, self._job))
        if differences:
            raise _of_another_job(path, "; ".join(differences[:3]))


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """As ``numpy.savez`` does, which copies every array piece by piece and takes twice as long."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = np.lib.format.header_data_from_array_1_0(array)
                np.lib.format.write_array_header_1_0(member, header)
                member.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _differences(found: Mapping[str, object], wanted: Mapping[str, object]) -> Iterator[str]:
    """The numbers of all models, which would fill a page, come last and are not told."""
    for name in sorted((found.keys() | wanted.keys()) - {"models"}):
        there, here = found.get(name), wanted.get(name)
        if there != here:
            if isinstance(there, list) and isinstance(here, list) and len(there) == len(here) > MOST_SHOWN:
                first = next(i for i, (one, other) in enumerate(zip(there, here, strict=True)) if one != other)
                name, there, here = f"{name}[{first}]", there[first], here[first]
            yield f"{name} was {_shown(there)} there and is {_shown(here)} here"
    if found.get("models") != wanted.get("models"):
        yield "its models differ"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


def _of_another_job(path: Path, reason: str) -> ClientError:
    return ClientError(
        f"The checkpoint is of another job: {reason}",
        where=str(path),
        fix="start with the hyperparameters and data of that job, or remove its checkpoints to start anew",
    )
