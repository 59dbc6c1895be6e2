"""The command line: what it takes, what it says, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from linear_learner import __version__
from linear_learner.cli import COMMANDS, main
from linear_learner.environment import Environment


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests find the handler of SIGTERM, and the environment, as they were."""
    handler = signal.getsignal(signal.SIGTERM)
    with patch.dict(os.environ):
        yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a command was run with; each ends with 3."""
    calls: list[Any] = []

    def run(*arguments: Any, **_: Any) -> int:
        calls.append(arguments)
        return 3

    monkeypatch.setattr("linear_learner.training.job.run", run)
    monkeypatch.setattr("linear_learner.serving.server.serve", run)
    monkeypatch.delenv("TRAINING_JOB_NAME", raising=False)
    monkeypatch.delenv("SAGEMAKER_BIND_TO_PORT", raising=False)
    return calls


def test_train_runs_the_job_of_a_folder_and_ends_with_its_code(ran: list[Any], tmp_path: Path) -> None:
    assert main(["train", "--base", str(tmp_path)]) == 3
    ((env, _),) = ran
    assert env == Environment(tmp_path)


def test_train_hears_sigterm_before_the_job_begins(
    ran: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(env: Environment, should_stop: Callable[[], bool]) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 7 if should_stop() else 0

    monkeypatch.setattr("linear_learner.training.job.run", run)
    assert main(["train", "--base", str(tmp_path)]) == 7


def test_sigterm_after_the_job_makes_no_failure_of_it(ran: list[Any], tmp_path: Path) -> None:
    main(["train", "--base", str(tmp_path)])
    ((_, should_stop),) = ran
    assert not should_stop()
    # Once it is over the signal is of no account.
    os.kill(os.getpid(), signal.SIGTERM)
    assert not should_stop()


def test_train_takes_the_platforms_folder_by_default(ran: list[Any]) -> None:
    main(["train"])
    ((env, _),) = ran
    assert env == Environment(Path("/opt/ml"))


def test_validate_tells_whether_a_job_can_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "input/data/train").mkdir(parents=True)
    (tmp_path / "input/data/train/part-0").write_text("0,1\n1,2\n")
    (tmp_path / "input/config/hyperparameters.json").write_text('{"predictor_type": "binary_classifier"}')
    assert main(["validate", "--base", str(tmp_path)]) == 0
    assert "No problems: the job can run." in capsys.readouterr().out
    (tmp_path / "input/data/train/part-0").write_text("0,1\n1,x\n")
    assert main(["validate", "--base", str(tmp_path), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"] and "value 'x'" in answer["problems"][0]
    assert not (tmp_path / "output").exists() and not (tmp_path / "model").exists()


def test_validate_warns_of_folders_that_cannot_be_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "output").mkdir()
    asked = []

    def access(path: Path, mode: int) -> bool:
        asked.append(path)
        return path.exists() and (path != tmp_path / "output" or mode == os.F_OK)

    monkeypatch.setattr("linear_learner.environment.os.access", access)
    main(["validate", "--base", str(tmp_path), "--json"])
    assert (
        f"{tmp_path / 'output'} cannot be written to by this user." in json.loads(capsys.readouterr().out)["warnings"]
    )
    assert tmp_path in asked  # where the folder of the model is to be made


@pytest.mark.parametrize(
    ("name", "settings", "channels", "told"),
    [
        (b"gr\xf6\xdfe.csv", {}, {"train": {}}, r"gr\udcf6\udcdfe.csv, row 2, column 2, value 'x'"),
        (b"a.csv", {"label_column": "\ud83d"}, {"train": {}}, r"names the column '\ud83d'"),
        (b"a.csv", {}, {"train": {"ContentType": "text/\ud83d"}}, r"ContentType ('text/\ud83d', '1.0')"),
        (b"a.csv", {}, {"train": {}, "x\ud83d": {}}, r"'x\ud83d'"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "train"])
def test_what_has_no_bytes_in_utf8_is_told_with_escapes(
    name: bytes, settings: dict[str, str], channels: Any, told: str, command: str, tmp_path: Path
) -> None:
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (tmp_path / "input/data/train").mkdir(parents=True)
    (tmp_path / "input/data/train" / os.fsdecode(name)).write_text("0,1\n1,x\n")
    (config / "hyperparameters.json").write_text(json.dumps({"predictor_type": "regressor", **settings}))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    done = subprocess.run(
        [sys.executable, "-m", "linear_learner.cli", command, "--base", str(tmp_path)],
        cwd=Path(__file__).parents[2] / "container",
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},  # as Python has it, but where no locale is set
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert told in done.stdout
    assert done.stderr == ""
    if command == "train":
        assert (tmp_path / "output/failure").read_text(encoding="utf-8") in done.stdout


def test_serve_answers_for_the_model_of_a_folder(ran: list[Any], tmp_path: Path) -> None:
    assert main(["serve", "--base", str(tmp_path), "--port", "8123"]) == 3
    ((model_dir, settings, *_),) = ran
    assert model_dir == tmp_path / "model"
    assert settings.port == 8123


def test_serve_takes_the_platforms_port_by_default(ran: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    main(["serve"])
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9000")
    main(["serve"])
    assert [settings.port for _, settings, *_ in ran] == [8080, 9000]


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "train" in text and "train a model on files, or run a job's folder" in text
    assert "serve" in text and "answer requests with a trained model" in text


@pytest.mark.parametrize("command", ["train", "serve"])
def test_help_of_a_command_names_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--base DIR" in text and "/opt/ml" in text
    assert ("--port N" in text) == (command == "serve")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"linear-learner {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "required: COMMAND"),
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--base"], "expected one argument"),
        (["train", "--bas", "x"], "unrecognized arguments: --bas x. Did you mean --base?"),
        (["train", "--train", "x", "--epoch=3"], "unrecognized arguments: --epoch=3. Did you mean --epochs?"),
        (["train", "--port", "1"], "unrecognized arguments: --port 1"),
        (["serve", "--port", "http"], "'http' is not a port: give a number from 1 to 65535"),
        (["serve", "--port", "65536"], "'65536' is not a port"),
        (["serve", "--port", "0"], "'0' is not a port"),
    ],
)
def test_wrong_arguments_are_told_with_the_usage(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("usage: linear-learner") and sentence in text


def test_a_mistake_in_the_environment_is_told_without_a_traceback(
    ran: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUM_WORKERS", "many")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err.startswith("Customer Error: NUM_WORKERS is 'many' (environment)")
    assert ran == []


def test_ctrl_c_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("linear_learner.training.checks.job_check.check_job", interrupt)
    assert main(["validate", "--base", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_the_module_runs_as_a_command_without_mxnet_and_flask() -> None:
    """--version is there at once."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['linear-learner', '--version']\n"
        "try: runpy.run_module('linear_learner.cli', run_name='__main__')\n"
        "except SystemExit as ended: print(ended.code, [m for m in ('mxnet', 'flask', 'numpy') if m in sys.modules])\n"
    )
    command = [sys.executable, "-c", code]
    folder = Path(__file__).parents[2] / "container"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"linear-learner {__version__}\n0 []\n"


def test_every_help_is_there_at_once() -> None:
    """Nothing that takes long is imported for it, and nothing in it is a format of argparse by mistake."""
    code = (
        "import sys\n"
        "from linear_learner.cli import COMMANDS, main\n"
        "for command in COMMANDS:\n"
        "    try: main([command.__name__.rpartition('.')[2], '--help'])\n"
        "    except SystemExit as ended: print('ended', ended.code)\n"
        "heavy = ('mxnet', 'flask', 'numpy', 'boto3', 'pyarrow', 'onnx')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    folder = Path(__file__).parents[2] / "container"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count("usage: linear-learner ") == done.stdout.count("ended 0") == len(COMMANDS)
    assert done.stdout.endswith("[]\n")


def test_what_the_machine_cannot_do_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(arguments: Any) -> int:
        raise OSError(28, "No space left on device", "/a/file")

    monkeypatch.setattr("linear_learner.commands.inspect.run", full)
    assert main(["inspect", "model"]) == 3
    assert capsys.readouterr().err == "Platform Error: No space left on device (/a/file)\n"


@pytest.mark.parametrize("content", ["no archive", None])
def test_serve_ends_where_what_it_is_to_load_is_no_model(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "data.csv"
    model.mkdir() if content is None else model.write_text(content)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["serve", "--model", str(model), "--port", str(port)]) == 2
    assert str(model) in capsys.readouterr().err


def test_serve_ends_where_the_model_it_is_to_load_is_not_there(
    ran: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--model", str(tmp_path / "absent")]) == 2
    assert "There is no such file or folder (--model " in capsys.readouterr().err
    assert not ran
