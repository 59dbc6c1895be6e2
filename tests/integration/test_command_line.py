"""The command line on plain files, as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

from linear_learner.cli import main
from linear_learner.commands.predict import ACCEPTED
from linear_learner.model import artifact
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

PACKAGES = Path(__file__).parents[2] / "container"


def environment() -> dict[str, str]:
    """In which this project's command runs, and not as a platform's job."""
    kept = {name: value for name, value in os.environ.items() if name != "TRAINING_JOB_NAME"}
    return {**kept, "PYTHONPATH": str(PACKAGES)}


def linear_learner(line: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command, as one types it, run to its end."""
    command = [sys.executable, "-m", "linear_learner.cli", *shlex.split(line)]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.csv and test.csv, label first, and named.csv with a header and the label last."""
    folder = tmp_path_factory.mktemp("data")
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    np.savetxt(folder / "train.csv", np.column_stack([y_train, X_train]), delimiter=",", fmt="%.17g")
    np.savetxt(folder / "test.csv", np.column_stack([y_test, X_test]), delimiter=",", fmt="%.17g")
    names = [*(f"measure {i}" for i in range(X.shape[1])), "benign"]
    table = np.column_stack([X_train, y_train])
    np.savetxt(folder / "named.csv", table, delimiter=",", fmt="%.17g", header=",".join(names), comments="")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path) -> subprocess.CompletedProcess[str]:
    """A job with a split and a test file; its model is in out/."""
    options = "--split 0.25 --predictor-type binary_classifier --num_models 4 --mini-batch-size 50"
    return linear_learner(f"train --train train.csv --test test.csv {options} --output out", data)


def test_train_takes_names_that_are_not_utf8(tmp_path: Path) -> None:
    data, out = (tmp_path / os.fsdecode(name) for name in (b"gr\xf6\xdfe.csv", b"out-\xe9"))
    command = [sys.executable, "-m", "linear_learner.cli", "train", "--train", str(data), "--output", str(out)]
    command += ["--predictor-type", "regressor", "--epochs", "1", "--num-models", "2"]

    def train(rows: str) -> int:
        data.write_text(rows)
        strict = {**environment(), "PYTHONIOENCODING": "utf-8:strict"}
        return subprocess.run(command, env=strict, capture_output=True, timeout=120).returncode

    assert train("1,2,3\n4,5,6\n7,8,1\n") == 0
    assert artifact.load(out / "model.tar.gz").feature_dim == 2
    assert train("1,2,3\n4,x,6\n") == 2
    told = (out / "failure").read_text(encoding="utf-8")
    assert r"gr\udcf6\udcdfe.csv, row 2, column 2, value 'x'" in told
    log = (out / "train.log").read_text(encoding="utf-8")
    assert log.endswith(f"{told}\n") and "Traceback" not in log


def test_train_on_a_file_writes_a_good_model_and_says_where_it_is(
    trained: subprocess.CompletedProcess[str], data: Path
) -> None:
    assert trained.returncode == 0, trained.stderr
    model = artifact.load(data / "out/model.tar.gz")
    rows = np.loadtxt(data / "test.csv", delimiter=",")
    predictions = model.predict(rows[:, 1:].astype(np.float32))
    assert predictions.predicted_label is not None
    accuracy = accuracy_score(rows[:, 0], predictions.predicted_label)
    assert accuracy > 0.93
    # What the summary says of the test rows is true of the model in the file.
    shown = {line.split()[0]: line.split()[1:] for line in trained.stdout.splitlines() if line.startswith("  binary")}
    assert float(shown["binary_classification_accuracy"][1]) == pytest.approx(accuracy, rel=1e-5)
    auc = next(line.split()[2] for line in trained.stdout.splitlines() if "roc_auc_score" in line)
    assert float(auc) == pytest.approx(roc_auc_score(rows[:, 0], predictions.score), rel=1e-5)
    assert "Of 4 models the best by the validation rows is model " in trained.stdout
    assert "model    out/model.tar.gz" in trained.stdout
    assert "linear-learner predict --model out/model.tar.gz --has-label test.csv" in trained.stdout


def test_the_log_of_the_platform_is_in_a_file_and_not_on_the_terminal(
    trained: subprocess.CompletedProcess[str], data: Path
) -> None:
    log = (data / "out/train.log").read_text()
    assert "#quality_metric: host=algo-1, epoch=0, validation binary_classification_cross_entropy_objective" in log
    assert "#quality_metric" not in trained.stdout + trained.stderr
    assert "The log is in out/train.log" in trained.stderr


def test_a_split_repeats_and_a_label_is_found_by_its_name(data: Path, tmp_path: Path) -> None:
    options = (
        "--label-column benign --split 0.25 --predictor-type binary_classifier --num-models 2 --epochs 2 --margin 2"
    )
    for out in ("a", "b"):
        done = linear_learner(f"train --train {data}/named.csv {options} --output {tmp_path}/{out}")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a/model.tar.gz").read_bytes() == (tmp_path / "b/model.tar.gz").read_bytes()
    assert artifact.load(tmp_path / "a").metadata["feature_names"][0] == "measure 0"
    assert "--label-column benign" in done.stdout
    assert "Hyperparameter 'margin' is ignored" in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--predictor-type regressor --loss logistic", "'logistic' is not valid for the 'loss'"),
        ("--predictor-type regressor --content-type text/libsvm", "set this content type"),
    ],
)
def test_what_is_wrong_with_a_job_is_told_once_without_a_traceback(
    data: Path, tmp_path: Path, options: str, sentence: str
) -> None:
    done = linear_learner(f"train --train {data}/train.csv {options} --output {tmp_path}/out")
    assert done.returncode == 2
    assert done.stderr.count(sentence) == 1 and "Customer Error: " in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert not (tmp_path / "out/model.tar.gz").exists()


@pytest.mark.parametrize("output", ["", "--output train.csv"])
def test_a_model_needs_a_place(data: Path, output: str) -> None:
    done = linear_learner(f"train --train train.csv --predictor-type regressor {output}", data)
    assert done.returncode == 2
    assert done.stderr.startswith("Customer Error: ") and done.stderr.count("\n") == 1


def test_validate_looks_at_plain_files(data: Path) -> None:
    options = "--split 0.5 --predictor-type binary_classifier"
    done = linear_learner(f"validate --train {data}/train.csv {options}")
    assert done.returncode == 0
    assert "validation: " in done.stdout and "No problems: the job can run." in done.stdout
    done = linear_learner(f"validate --train {data}/named.csv {options}")
    assert done.returncode == 2
    assert "labels" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("accept", ["csv", "json", "jsonlines", "recordio"])
def test_predict_answers_as_the_server_does(
    trained: subprocess.CompletedProcess[str], data: Path, tmp_path: Path, accept: str
) -> None:
    rows = (data / "test.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("".join(row.partition(",")[2] + "\n" for row in rows))
    done = linear_learner(f"predict --model {data}/out rows.csv --accept {accept} --output answer", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(rows)} rows are predicted in answer\n"
    app = create_app(artifact.load(data / "out"), Settings.from_environ(port=None))
    answer = app.test_client().post(
        "/invocations",
        data=(tmp_path / "rows.csv").read_bytes(),
        content_type="text/csv",
        headers={"Accept": ACCEPTED[accept]},
    )
    assert answer.status_code == 200
    newline = b"\n" if accept in ("csv", "jsonlines") else b""
    assert (tmp_path / "answer").read_bytes() == answer.data + newline


def test_predict_scores_labelled_rows(trained: subprocess.CompletedProcess[str], data: Path) -> None:
    done = linear_learner(f"predict --model {data}/out/model.tar.gz {data}/test.csv --has-label --threshold 0.9")
    assert done.returncode == 0, done.stderr
    answer = np.loadtxt(done.stdout.splitlines(), delimiter=",")
    labels = np.loadtxt(data / "test.csv", delimiter=",")[:, 0]
    assert_array_equal(answer[:, 1], answer[:, 0] >= 0.9)
    shown = {line.split()[0]: line.split()[1] for line in done.stderr.splitlines()}
    accuracy = accuracy_score(labels, answer[:, 1])
    assert float(shown["binary_classification_accuracy"]) == pytest.approx(accuracy, rel=1e-5)
    assert float(shown["roc_auc_score"]) == pytest.approx(roc_auc_score(labels, answer[:, 0]), rel=1e-5)


def test_predict_in_a_pipe_ends_cleanly_when_nobody_reads_on(
    trained: subprocess.CompletedProcess[str], data: Path, tmp_path: Path
) -> None:
    row = (data / "test.csv").read_text().partition("\n")[0].partition(",")[2]
    (tmp_path / "many.csv").write_text(f"{row}\n" * 100_000)
    command = f"{sys.executable} -m linear_learner.cli predict --model {data}/out - < {tmp_path}/many.csv"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 1"], env=environment(), capture_output=True, timeout=120
    )
    assert done.returncode == 141
    assert done.stdout.count(b"\n") == 1 and done.stderr == b""


def test_a_dash_is_standard_output_and_an_ending_is_overruled(
    trained: subprocess.CompletedProcess[str],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "named.parquet"
    predicted = f"predict --model {data}/out --has-label {data}/test.csv --output"
    assert main(shlex.split(f"{predicted} {written} --accept csv")) == 0
    capfd.readouterr()
    assert main(shlex.split(f"{predicted} -")) == 0
    assert capfd.readouterr().out == written.read_text()
    assert list(tmp_path.iterdir()) == [written]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--model absent test.csv", "There is no such folder or file (absent)"),
        ("--model train.csv test.csv", "The file holds no model (train.csv)"),
        ("--model out absent.csv", "There is no such file or folder (absent.csv)"),
        ("--model out test.csv", "If its first column is the label, add --has-label"),
        ("--model out test.csv --label-column y", "The file has no header that names the column 'y'"),
        ("--model out test.csv --outputs luck", "There is no output 'luck' (--outputs)"),
        ("--model out train.csv --has-label --output absent/file", "There is no such folder (absent)"),
        ("--model out train.csv --has-label --output p.csv.gz", "Predictions are not packed (--output p.csv.gz)"),
        (
            "--model out train.csv --has-label --output p.SVM",
            "Predictions are not written as text/libsvm (--output p.SVM)",
        ),
        (
            "--model out test.csv out/../train.csv --has-label --output train.csv",
            "The predictions would take the place of the data (--output train.csv)",
        ),
        (
            "--model out/model_algo-1 train.csv --has-label --output out/model_algo-1",
            "The predictions would take the place of the model (--output out/model_algo-1)",
        ),
        (
            "--model out train.csv --has-label --output out/model_algo-1",
            "The predictions would take the place of the model (--output out/model_algo-1)",
        ),
        (
            "--model out . --output below.csv",
            "The predictions would be read as data of . the next time (--output below.csv)",
        ),
    ],
)
def test_what_predict_cannot_do_is_told_in_a_line(
    trained: subprocess.CompletedProcess[str],
    data: Path,
    line: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(data)
    assert main(shlex.split(f"predict {line}")) in (2, 3)
    told = capsys.readouterr()
    assert sentence in told.err and told.err.count("\n") == 1
    assert told.out == ""


def test_ctrl_c_ends_a_command_without_a_traceback(trained: subprocess.CompletedProcess[str], data: Path) -> None:
    command = [sys.executable, "-m", "linear_learner.cli", "predict", "--model", str(data / "out"), "-"]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    # Tests that run in the background ignore the signal, and so would the command.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, env=environment(), stdin=pipe, stdout=nowhere, stderr=pipe, preexec_fn=heard
    ) as running:
        assert running.stdin is not None and running.stderr is not None
        # More than a pipe holds: once all is written the command reads rows, and waits for more.
        row = (data / "test.csv").read_bytes().partition(b"\n")[0].partition(b",")[2] + b"\n"
        running.stdin.write(row * 2000)
        running.stdin.flush()
        time.sleep(0.5)  # a signal that comes between two reads is heard after the next one alone
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert running.stderr.read() == b"Interrupted.\n"


@pytest.mark.parametrize(
    ("form", "name"), [("python", "model.py"), ("scikit-learn", "model.json"), ("amazon", "m.tar.gz")]
)
def test_a_trained_model_converted_gives_the_same_scores(
    trained: subprocess.CompletedProcess[str], data: Path, tmp_path: Path, form: str, name: str
) -> None:
    done = linear_learner(f"convert {data}/out/model.tar.gz --to {form} {tmp_path}/{name}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = np.loadtxt(data / "test.csv", delimiter=",")[:, 1:]
    scores = artifact.load(data / "out").predict(rows.astype(np.float32)).score
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", fmt="%.9g")
    if form == "python":
        command = [sys.executable, "-I", str(tmp_path / name)]
        with (tmp_path / "rows.csv").open() as text:
            answer = subprocess.run(command, stdin=text, capture_output=True, text=True, check=True).stdout
        found = np.loadtxt(answer.splitlines(), delimiter=",")[:, 0]
    elif form == "scikit-learn":
        content = json.loads((tmp_path / name).read_text())
        estimator = LogisticRegression()
        estimator.coef_, estimator.intercept_ = np.array(content["coef_"]), np.array(content["intercept_"])
        estimator.classes_ = np.array(content["classes_"])
        found = estimator.predict_proba(rows.astype(np.float32))[:, 1]
    else:
        found = artifact.load(tmp_path / name).predict(rows.astype(np.float32)).score
    assert_allclose(found, scores, rtol=0, atol=1e-6)


def test_inspect_tells_what_training_did(trained: subprocess.CompletedProcess[str], data: Path) -> None:
    done = linear_learner(f"inspect {data}/out/model_algo-1 --json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["predictor_type"], found["features"]) == ("binary_classifier", 30)
    assert found["training"]["selection"]["candidates"] == 4
    assert len(found["coefficients"]) == 10


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("inspect train.csv", "The file holds no model (train.csv)"),
        ("convert out --to python absent/model.py", "There is no such folder (absent)"),
        (
            "convert out/model.tar.gz --to c out/../out/model.tar.gz",
            "The converted model would take the place of the model (out/../out/model.tar.gz). Name another file",
        ),
        (
            "convert out --to c out/model_algo-1",
            "The converted model would take the place of the model (out/model_algo-1). Name another file",
        ),
        ("convert broken.json --to c model.c", "This is no JSON document"),
    ],
)
def test_models_that_cannot_be_read_or_written_are_told_in_a_line(
    trained: subprocess.CompletedProcess[str],
    data: Path,
    line: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (data / "broken.json").write_text('{"coef_": ')
    monkeypatch.chdir(data)
    assert main(shlex.split(line)) in (2, 3)
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1
