"""What the server does before it listens; the rest is tested against a running one."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

import pytest

from linear_learner.errors import ClientError
from linear_learner.model import artifact
from linear_learner.serving import server
from linear_learner.serving.measurements import Measurements
from linear_learner.serving.server import serve
from linear_learner.serving.settings import Settings


def test_a_port_that_another_program_listens_on(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClientError, match=f"Nothing can listen on port {port}: Address already in use.* --port"):
            serve(tmp_path, Settings.from_environ(port=port))


def test_more_workers_than_any_machine_has_use_for_are_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 1025")
    # Nothing is started either way: the port is taken.
    with socket.create_server(("0.0.0.0", 0)) as other:
        settings = Settings.from_environ(port=other.getsockname()[1])
        with pytest.raises(ClientError, match=r"GUNICORN_CMD_ARGS asks for 1025 workers.* Ask for 1024 at most"):
            serve(tmp_path, settings)


def test_files_that_cannot_be_read_are_a_model_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(place: Path) -> None:
        raise PermissionError(13, "Permission denied", str(place / "model_algo-1"))

    monkeypatch.setattr(artifact, "load", load)
    application = server._application(tmp_path, Settings(), Measurements(), must_load=False)
    assert application.test_client().get("/ping").text == "unable to load model"  # type: ignore[attr-defined]
    assert f"unable to load model: [Errno 13] Permission denied: '{tmp_path}/model_algo-1'" in caplog.text
    with pytest.raises(PermissionError):
        server._application(tmp_path, Settings(), Measurements(), must_load=True)


@pytest.mark.parametrize(
    ("files", "connections"),
    [(1 << 20, server.CONNECTIONS), (100, 100 - server.OTHER_FILES), (8, 1), (resource.RLIM_INFINITY, 1000)],
)
def test_connections_are_as_many_as_files_may_be_open(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.resource, "getrlimit", lambda kind: (files, files))
    assert server._connections() == connections
