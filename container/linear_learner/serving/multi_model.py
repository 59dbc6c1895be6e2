"""The models of a multi-model endpoint, shared by all worker processes.

The platform loads and unloads models by name, and any worker may get any of its calls. So what is loaded is written in
one small file, which workers change under a lock, and a counter in shared memory tells the others to read it again. A
model's numbers are loaded by each worker when it is first asked for them. A worker that dies loses nothing but its
copies: the one that replaces it reads the file.

Memory is budgeted when a model is loaded, for the copies of all workers, so that no later request finds it gone.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from linear_learner.errors import ClientError, PlatformError
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.served_model import ServedModel

OVERHEAD_BYTES = 1 << 16
"""What a model takes beside its numbers, generously."""
NAME_BYTES = 120
"""Of one feature's name, or the text of one class, beside its characters."""
LEVEL_BYTES = 150
"""Of a category's level, with its number and one more name of its feature, beside its characters."""
OPAQUE_FACTOR = 4
"""Memory of a model that MXNet evaluates, in sizes of its files."""


class ModelNotLoaded(ClientError):  # noqa: N818 (HTTP status 404)
    """No model of that name is loaded."""

    def __init__(self, name: str, fix: str = "load it with POST /models") -> None:
        super().__init__(f"Model '{name}' is not loaded", fix=fix)


class ModelAlreadyLoaded(ClientError):  # noqa: N818 (HTTP status 409)
    """A model of that name is loaded."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Model '{name}' is already loaded", fix=f"unload it first with DELETE /models/{name}")


class NoMemoryLeft(ClientError):  # noqa: N818 (HTTP status 507)
    """One more model would exceed the budget."""


@dataclass(frozen=True)
class Entry:
    """A loaded model. ``serial`` differs between two loads of the same name; ``size``: bytes of one copy in memory."""

    name: str
    url: str
    serial: int
    size: int


class Registry:
    """The loaded models. Made once, before worker processes are forked; then safe in any process and thread."""

    def __init__(self, folder: Path, *, memory_limit: int, copies: int) -> None:
        """``folder``: an empty one of our own. ``memory_limit``: bytes for all models in ``copies`` processes."""
        self._file = folder / "models.json"
        self._lock_file = folder / "lock"
        self._memory_limit = memory_limit
        self._copies = copies
        self._file.write_text("[]", encoding="utf-8")
        self._lock_file.touch()
        # Shared with all processes forked from this one. Odd while the file is being changed, so that it stays odd, and
        # everyone reads the file each time, if the process that changes it dies between file and counter.
        self._generation = memoryview(mmap.mmap(-1, 8)).cast("Q")
        self._seen = 0
        self._entries: dict[str, Entry] = {}
        self._models: dict[str, tuple[int, ServedModel]] = {}
        """This process's copies by name, with the serial number of the entry that they belong to."""
        self._threads = threading.RLock()
        self._loading: dict[str, threading.Lock] = {}

    def entries(self) -> list[Entry]:
        """All loaded models, by name."""
        with self._threads:
            self._refresh()
            return [self._entries[name] for name in sorted(self._entries)]

    def entry(self, name: str) -> Entry:
        with self._threads:
            self._refresh()
            if name not in self._entries:
                raise ModelNotLoaded(name)
            return self._entries[name]

    def load(self, name: str, url: str) -> Entry:
        """Load the model in the folder ``url``. A ClientError says why it cannot be, and leaves all else as it was."""
        self._check_room(self.entries(), name, _largest_file(url))
        served = _load(url)
        size = _memory_of(served, url)
        with self._exclusively() as (entries, serial):
            self._check_room([*entries.values()], name, size)
            entries[name] = entry = Entry(name, url, serial, size)
        with self._threads:
            self._models[name] = (serial, served)
        return entry

    def unload(self, name: str) -> Entry:
        """Forget a model. Requests that run on it end as they began."""
        with self._exclusively() as (entries, _):
            if name not in entries:
                raise ModelNotLoaded(name)
            return entries.pop(name)

    def get(self, name: str) -> ServedModel:
        """A loaded model, to predict with."""
        with self._threads:
            entry = self.entry(name)
            served = self._copy_of(entry)
            if served is not None:
                return served
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:  # one thread loads, the others find its copy
            served = self._copy_of(entry)
            return served if served is not None else self._load_copy(entry)

    def _copy_of(self, entry: Entry) -> ServedModel | None:
        serial, served = self._models.get(entry.name, (0, None))
        return served if serial == entry.serial else None

    def _load_copy(self, entry: Entry) -> ServedModel:
        try:
            served = _load(entry.url)
        except ClientError as error:
            # It could be read when it was loaded: whoever asks now did nothing wrong.
            raise PlatformError(f"The files of model '{entry.name}' are gone or changed: {error}") from error
        finally:
            self._loading.pop(entry.name, None)
        with self._threads:
            self._models[entry.name] = (entry.serial, served)
        return served

    def _check_room(self, entries: Sequence[Entry], name: str, size: int) -> None:
        """That ``name`` is free, and that a model of ``size`` bytes fits beside the others."""
        if any(entry.name == name for entry in entries):
            raise ModelAlreadyLoaded(name)
        taken = self._copies * (size + sum(entry.size for entry in entries))
        if taken > self._memory_limit:
            raise NoMemoryLeft(
                f"{len(entries)} models are loaded; with '{name}' they would take {taken} bytes of memory, "
                f"{self._memory_limit} are set aside",
                fix="unload some",
            )

    def _refresh(self) -> None:
        """Read the file if it has changed, and drop the copies of models that are no longer loaded."""
        generation = self._generation[0]
        if generation == self._seen and generation % 2 == 0:
            return
        entries = [Entry(**entry) for entry in json.loads(self._file.read_text(encoding="utf-8"))]
        self._entries = {entry.name: entry for entry in entries}
        self._seen = generation
        self._models = {e.name: self._models[e.name] for e in entries if self._copy_of(e) is not None}

    @contextmanager
    def _exclusively(self) -> Iterator[tuple[dict[str, Entry], int]]:
        """The entries, for one thread of one process at a time to change, and a serial number never given before. What
        was changed is written when the block ends without an error."""
        with self._lock_file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given up when the file is closed
            serial = (self._generation[0] | 1) + 2
            self._generation[0] = serial
            entries = {entry.name: entry for entry in self.entries()}
            try:
                yield entries, serial
                new = self._file.with_suffix(".new")
                new.write_text(json.dumps([asdict(entry) for entry in entries.values()]), encoding="utf-8")
                new.replace(self._file)
            finally:
                self._generation[0] = serial + 1


def _largest_file(url: str) -> int:
    """The least that the model in a folder, or in one archive, can take: in a folder it may be loose, in a zip and in a
    tar at once."""
    place = Path(url)
    try:
        files = [place] if place.is_file() else place.glob("*")
        return max((file.stat().st_size for file in files), default=0)
    except (OSError, ValueError):  # whatever is wrong with the folder is told when the model is loaded
        return 0


def _load(url: str) -> ServedModel:
    try:
        return ServedModel.of(artifact.load(Path(url)))
    except OSError as error:
        raise ClientError(f"The folder cannot be read: {error.strerror}", where=url) from error


def _memory_of(served: ServedModel, url: str) -> int:
    """Bytes of one copy of a model in memory."""
    model = served.model
    if not isinstance(model, LinearModel):
        return OVERHEAD_BYTES + OPAQUE_FACTOR * _largest_file(url)
    arrays = [model.weights, model.bias, served.means, served.lowest, served.highest, served.fills]
    if model.probability_map is not None:
        arrays += [model.probability_map.scores, model.probability_map.probabilities]
    numbers = sum(array.nbytes for array in arrays if array is not None)
    names = sum(NAME_BYTES + len(name) for name in (*served.names, *served.classes))
    columns = () if served.schema is None else served.schema.columns
    levels = sum(LEVEL_BYTES + 2 * len(level) for column in columns for level in column.levels or ())
    return OVERHEAD_BYTES + numbers + names + levels
