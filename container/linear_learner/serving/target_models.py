"""Models that a request to an endpoint of many models names itself.

On the service it is the platform that reads the header ``X-Amzn-SageMaker-Target-Model`` and loads a model, with POST
/models, before it asks /models/NAME/invoke. The SageMaker SDK's local mode has no such platform: header and rows come
to /invocations, and the archives lie in the model folder.
"""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath

from linear_learner.errors import ClientError
from linear_learner.model.served_model import ServedModel
from linear_learner.serving.multi_model import ModelAlreadyLoaded, ModelNotLoaded, Registry

HEADER = "X-Amzn-SageMaker-Target-Model"


def name_of(header: str) -> str:
    """The name that a request wrote in the header, whose bytes WSGI hands on as Latin-1. curl writes UTF-8, as is
    everywhere else, and Python's clients Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


class TargetModels:
    """The models in ``folder``, by their paths there; each is loaded when it is first asked for."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder

    def get(self, name: str) -> ServedModel:
        """The model in the archive, or folder, ``name``. A ClientError says why there is none."""
        if not name:
            raise ClientError("The request names no model", fix=f"name its archive in the header {HEADER}")
        with contextlib.suppress(ModelNotLoaded):
            return self._registry.get(name)
        inside = self._inside(name)
        path = self._folder / inside
        if not _exists(path):
            raise ModelNotLoaded(name, fix=f"put its archive into {self._folder}, or load it with POST /models")
        # Once, however it is written: ./a and a//b are a and a/b.
        with contextlib.suppress(ModelAlreadyLoaded):  # by another thread or process, in the meantime
            self._registry.load(str(inside), str(path))
        return self._registry.get(str(inside))

    def _inside(self, name: str) -> PurePosixPath:
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts and "\0" not in name
        if not inside or not (self._folder / path).resolve().is_relative_to(self._folder.resolve()):
            raise ClientError(f"'{name}' is no name of a model in the folder", where=HEADER)
        return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than file names may be
        return False
