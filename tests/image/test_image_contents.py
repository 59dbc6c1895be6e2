"""What is in the image, and what is not."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from containers import docker

pytestmark = pytest.mark.image

MEGABYTES_AT_MOST = 600  # of which pyarrow, for Parquet, takes 110


@pytest.fixture(scope="module")
def described(image: str) -> dict[str, Any]:
    """What `docker image inspect` says of the image."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image).stdout)[0]
    return found


def shell(image: str, command: str) -> subprocess.CompletedProcess[str]:
    """A shell command in a fresh container of the image."""
    return docker("run", "--rm", "--entrypoint", "bash", image, "-c", command)


def test_the_command_is_train_unless_another_is_given(described: dict[str, Any]) -> None:
    assert described["Config"]["Cmd"] == ["train"]


def test_the_entrypoint_is_no_shell(described: dict[str, Any]) -> None:
    """A shell as process 1 would keep SIGTERM from Python."""
    assert described["Config"]["Entrypoint"][0] == "python3"


def test_labels_of_pipelines_and_multi_model_endpoints(described: dict[str, Any]) -> None:
    prefix = "com.amazonaws.sagemaker.capabilities"
    assert described["Config"]["Labels"][f"{prefix}.accept-bind-to-port"] == "true"
    assert described["Config"]["Labels"][f"{prefix}.multi-models"] == "true"


def test_port_8080_is_exposed(described: dict[str, Any]) -> None:
    assert "8080/tcp" in described["Config"]["ExposedPorts"]


def test_output_is_not_buffered(described: dict[str, Any]) -> None:
    assert "PYTHONUNBUFFERED=1" in described["Config"]["Env"]


def test_it_is_small(described: dict[str, Any]) -> None:
    assert described["Size"] / 1e6 < MEGABYTES_AT_MOST


def test_the_native_engine_is_compiled(image: str) -> None:
    assert shell(image, "ls /opt/linear-learner/linear_learner/native/*.so").returncode == 0


def test_nothing_lies_under_opt_ml(image: str) -> None:
    assert shell(image, "test ! -e /opt/ml").returncode == 0


@pytest.mark.parametrize("compiler", ["cc", "gcc", "g++", "c++", "make"])
def test_no_compiler_is_in_it(image: str, compiler: str) -> None:
    assert shell(image, f"command -v {compiler}").returncode == 1


@pytest.mark.parametrize("command", ["train", "serve", "bash", "python3", "pip", "pip3"])
def test_commands_that_the_sagemaker_sdk_calls_are_on_the_path(image: str, command: str) -> None:
    assert shell(image, f"command -v {command}").returncode == 0


@pytest.mark.parametrize("command", ["train", "serve"])
def test_train_and_serve_run_as_commands_too(image: str, command: str) -> None:
    """SageMaker's driver script calls them from a shell, past the entrypoint."""
    done = shell(image, f"{command} --help")
    assert done.returncode == 0, done.stdout
    assert f"linear-learner {command}" in done.stdout


def test_what_was_left_out_of_packages_is_not_missed(image: str) -> None:
    code = (
        "import io, pyarrow, pyarrow.parquet, zstandard as z; from linear_learner.formats import decoder_for; "
        "f = io.BytesIO(); pyarrow.parquet.write_table(pyarrow.table({'a': [1], 'b': [2]}), f); f.seek(0); "
        "(rows,) = decoder_for('application/x-parquet')(f, label_size=1, source='', threads=1); assert len(rows) == 1; "
        "assert z.ZstdDecompressor().decompress(z.ZstdCompressor().compress(b'a')) == b'a'"
    )
    done = shell(image, f'python3 -c "{code}"')
    assert done.returncode == 0, done.stdout
