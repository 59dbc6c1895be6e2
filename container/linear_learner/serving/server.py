"""gunicorn around the application, in this process: it is the master, so signals sent to the container arrive here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from linear_learner.errors import LinearLearnerError
from linear_learner.model import artifact
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

logger = logging.getLogger(__name__)

STOP_SECONDS = 25
"""For requests that run when SIGTERM comes. SageMaker kills a container 30 s after it."""
KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy in front keeps an idle connection (mostly 60 s), so that no request meets a closing one."""


def serve(model_dir: Path, settings: Settings) -> int:
    """Answer requests until a signal says stop; returns the exit code, 0 after SIGTERM and SIGINT."""
    master = os.getpid()
    try:
        _Server(model_dir, settings).run()
    except SystemExit as stopped:
        if os.getpid() != master:
            raise  # a worker process that ends: it must not come back into the caller's code
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    return 0


class _Server(BaseApplication):
    """gunicorn's application interface: settings in, WSGI application out."""

    def __init__(self, model_dir: Path, settings: Settings) -> None:
        self._model_dir = model_dir
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in _gunicorn_settings(self._settings).items():
            self.cfg.set(name, value)
        # GUNICORN_CMD_ARGS, as other SageMaker containers honour it; it overrides what is set above.
        arguments = self.cfg.parser().parse_args(self.cfg.get_cmd_args_from_env())
        for name, value in vars(arguments).items():
            if value is not None and name != "args":
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        return _application(self._model_dir, self._settings)


def _application(model_dir: Path, settings: Settings) -> Callable[..., Any]:
    """The application. A model that cannot be loaded leaves one that says so: the platform reads /ping, and the log
    tells why."""
    try:
        return create_app(artifact.load(model_dir), settings)
    except LinearLearnerError as error:
        logger.error("unable to load model: %s", error)
        return create_app(None, settings)


def _gunicorn_settings(settings: Settings) -> dict[str, Any]:
    return {
        "bind": f"0.0.0.0:{settings.port}",
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_class": "linear_learner.serving.worker.Worker",
        "preload_app": True,  # the model is loaded once and its memory shared
        "timeout": settings.request_seconds,
        "graceful_timeout": STOP_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        "control_socket_disable": True,
    }
