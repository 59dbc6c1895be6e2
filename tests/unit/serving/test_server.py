"""What the server does before it listens; the rest is tested against a running one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from linear_learner.errors import ClientError
from linear_learner.serving.server import serve
from linear_learner.serving.settings import Settings


def test_a_port_that_another_program_listens_on(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClientError, match=f"Nothing can listen on port {port}: Address already in use.* --port"):
            serve(tmp_path, Settings.from_environ(port=port))
