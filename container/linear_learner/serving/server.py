"""gunicorn around the application, in this process: it is the master, so signals sent to the container arrive here."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from gunicorn.app.base import BaseApplication

from linear_learner.errors import ClientError, LinearLearnerError
from linear_learner.model import artifact
from linear_learner.serving.app import create_app, create_multi_model_app
from linear_learner.serving.measurements import Measurements
from linear_learner.serving.multi_model import Registry
from linear_learner.serving.settings import MOST_WORKERS, Settings

logger = logging.getLogger(__name__)

STOP_SECONDS = 25
"""For requests that run when SIGTERM comes. SageMaker kills a container 30 s after it."""
CONNECTIONS = 1000
"""At once, of one worker."""
OTHER_FILES = 32
"""That a worker has open beside its connections, and a few more."""
KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy in front keeps an idle connection (mostly 60 s), so that no request meets a closing one."""


def serve(model_dir: Path, settings: Settings, *, must_load: bool = False) -> int:
    """Answer requests until a signal says stop; returns the exit code, 0 after SIGTERM and SIGINT. With
    ``settings.multi_model`` the models are those that POST /models names, or requests name in ``model_dir``.

    A model that cannot be loaded is told by GET /ping and in the log; if it ``must_load``, it is an error here.
    """
    master = os.getpid()
    folder = Path(mkdtemp(prefix=f"linear-learner-{master}-", dir=_memory_folder()))
    try:
        logger.info("Number of server workers: %d", settings.workers)
        _Server(model_dir, folder, settings, must_load).run()
    except SystemExit as stopped:
        if os.getpid() != master:
            raise  # a worker process that ends: it must not come back into the caller's code
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    finally:
        if os.getpid() == master:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


class _Server(BaseApplication):
    """gunicorn's application interface: settings in, WSGI application out."""

    def __init__(self, model_dir: Path, folder: Path, settings: Settings, must_load: bool) -> None:
        self._model_dir = model_dir
        self._must_load = must_load
        self._folder = folder
        self._settings = settings
        # A reload (SIGHUP) starts new workers before it stops the old ones.
        self._rows = _Rows(Measurements(2 * settings.workers))
        super().__init__()

    def run(self) -> None:
        """ClientError where another program listens on the port, or gunicorn is told to start too many workers."""
        # It would start them until the machine stops.
        if self.cfg.workers > MOST_WORKERS:
            raise ClientError(
                f"GUNICORN_CMD_ARGS asks for {self.cfg.workers} workers",
                where="environment",
                fix=f"ask for {MOST_WORKERS} at most",
            )
        for address in self.cfg.address:
            if isinstance(address, tuple):
                _check_port(*address[:2])
        super().run()

    def load_config(self) -> None:
        for name, value in _gunicorn_settings(self._settings).items():
            self.cfg.set(name, value)
        for name in ("pre_fork", "post_fork", "child_exit"):
            self.cfg.set(name, getattr(self._rows, name))
        # GUNICORN_CMD_ARGS, as other SageMaker containers honour it; it overrides what is set above.
        arguments = self.cfg.parser().parse_args(self.cfg.get_cmd_args_from_env())
        for name, value in vars(arguments).items():
            if value is not None and name != "args":
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        settings, measurements = self._settings, self._rows.measurements
        if settings.multi_model:
            registry = Registry(self._folder, memory_limit=settings.models_memory, copies=self.cfg.workers)
            return create_multi_model_app(registry, self._model_dir, settings, measurements)
        return _application(self._model_dir, settings, measurements, self._must_load)


class _Rows:
    """Which row of the measurements a worker counts in: gunicorn's hooks around the fork of one, and at its end."""

    def __init__(self, measurements: Measurements) -> None:
        self.measurements = measurements
        self._taken: dict[int, int] = {}
        """Row by the age of a worker, which is gunicorn's number for it."""

    def pre_fork(self, server: Any, worker: Any) -> None:
        free = set(range(self.measurements.rows)) - set(self._taken.values())
        # With more workers than GUNICORN_CMD_ARGS should ask for, some share a row, and a count may be lost.
        self._taken[worker.age] = min(free, default=0)

    def post_fork(self, server: Any, worker: Any) -> None:
        self.measurements.use_row(self._taken[worker.age])

    def child_exit(self, server: Any, worker: Any) -> None:
        self._taken.pop(worker.age, None)


def _check_port(host: str, port: int) -> None:
    """gunicorn would try five times, and end with the same code as for a bug."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ClientError(
                f"Nothing can listen on port {port}: {error.strerror}",
                fix="stop the program that does, or give another --port",
            ) from None


def _application(
    model_dir: Path, settings: Settings, measurements: Measurements, must_load: bool
) -> Callable[..., Any]:
    """The application. Unless it ``must_load``, a model that cannot be loaded leaves one that says so: the platform
    reads /ping, and the log tells why."""
    try:
        return create_app(artifact.load(model_dir), settings, measurements)
    except (LinearLearnerError, OSError) as error:
        if must_load:
            raise
        logger.error("unable to load model: %s", error)
        return create_app(None, settings, measurements)


def _gunicorn_settings(settings: Settings) -> dict[str, Any]:
    return {
        "bind": f"0.0.0.0:{settings.port}",
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_connections": _connections(),
        "worker_class": "linear_learner.serving.worker.Worker",
        "preload_app": True,  # the model is loaded once and its memory shared
        "timeout": settings.request_seconds,
        "graceful_timeout": STOP_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        "worker_tmp_dir": _memory_folder(),  # where workers tell the master that they live; a slow disk would kill them
        "control_socket_disable": True,
    }


def _connections() -> int:
    """How many a worker may have: further ones wait. One that its limit of open files has no room for would end it."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(1, min(CONNECTIONS, limit - OTHER_FILES))


def _memory_folder() -> str | None:
    """A folder in memory, which is there even where the container's disk is read-only; None for the usual one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (names in it are made by mkdtemp)
