"""Commands on the folder of a job that lies in S3, each as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_job import FinishedJob
from job_folder import FILES, JobFolder, Outcome

from linear_learner import s3
from linear_learner.model import artifact

CONTAINER = Path(__file__).parents[2] / "container"
PLACE = "s3://a-bucket/jobs/one"


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "linear_learner.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(CONTAINER)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def objects(account: Any) -> dict[str, bytes]:
    """What lies below PLACE."""
    keys = [entry["Key"] for entry in account.list_objects_v2(Bucket="a-bucket").get("Contents", [])]
    read = {key: account.get_object(Bucket="a-bucket", Key=key)["Body"].read() for key in keys}
    return {key.removeprefix("jobs/one/"): content for key, content in read.items()}


def uploaded(job: JobFolder) -> None:
    s3.upload(job.base, s3.S3Path.parse(PLACE))


def packed(outcome: Outcome) -> bytes:
    return (outcome.model_dir / "model.tar.gz").read_bytes()


def test_a_job_in_s3_gives_the_model_of_the_same_job_on_the_disk(
    account: Any, binary: FinishedJob, job: JobFolder
) -> None:
    local = binary.again(job, num_models=4, epochs=2)
    s3.upload(job.base / "input", s3.S3Path.parse(f"{PLACE}/input"))
    code, log = run("train", "--base", PLACE)
    assert code == 0, log
    written = {key: content for key, content in objects(account).items() if not key.startswith("input/")}
    assert written["model/model.tar.gz"] == packed(local)
    assert {f"model/{name}" for name in FILES} <= set(written)


def test_why_a_job_in_s3_failed_is_written_beside_it(account: Any, job: JobFolder) -> None:
    uploaded(job.hyperparameters("regressor").file("input/data/train/part-0", b"1,2\n3,x\n"))
    code, log = run("train", "--base", PLACE)
    assert code == 2
    failure = objects(account)["output/failure"].decode()
    assert failure in log and f"{PLACE}/input/data/train/part-0, row 2" in failure


def test_a_job_in_s3_is_validated(account: Any, job: JobFolder) -> None:
    uploaded(job.hyperparameters("regressor").file("input/data/train/part-0", b"1,2\n3,4\n5,x\n"))
    before = objects(account)
    code, text = run("validate", "--json", "--base", PLACE)
    assert code == 2 and "value 'x'" in json.loads(text)["problems"][0]
    assert objects(account) == before


@pytest.mark.parametrize("name", ["loose", "model_algo-1", "model.tar.gz"])
def test_a_model_in_s3_is_loaded(account: Any, binary: FinishedJob, name: str) -> None:
    folder = binary.outcome.model_dir
    for file in folder.iterdir():
        if name in ("loose", file.name):
            s3.put(file, s3.S3Path.parse(f"{PLACE}/model/{file.name}"))
    expected = artifact.load(folder).predict(binary.rows["test"][0])
    for place in ("model",) if name == "loose" else ("model", f"model/{name}"):
        found = artifact.load(s3.path(f"{PLACE}/{place}")).predict(binary.rows["test"][0])
        assert np.array_equal(found.score, expected.score)


def test_plain_files_may_be_in_s3(account: Any, binary: FinishedJob, tmp_path: Path) -> None:
    s3.upload(binary.outcome.base / "input/data/train", s3.S3Path.parse(f"{PLACE}/rows"))
    settings = ["--predictor-type", "binary_classifier", "--epochs", "2", "--num-models", "2"]
    for train, output in ((f"{PLACE}/rows", "a"), (str(binary.outcome.base / "input/data/train"), "b")):
        code, text = run("train", "--train", train, *settings, "--output", str(tmp_path / output))
        assert code == 0, text
    tars = [(tmp_path / output / "model.tar.gz").read_bytes() for output in "ab"]
    assert tars[0] == tars[1]


def test_results_may_go_to_s3(account: Any, binary: FinishedJob, tmp_path: Path) -> None:
    rows = str(binary.outcome.base / "input/data/train")
    settings = ["--predictor-type", "binary_classifier", "--epochs", "2", "--num-models", "2"]
    for output in (f"{PLACE}/out", str(tmp_path / "out")):
        code, text = run("train", "--train", rows, *settings, "--output", output)
        assert code == 0, text
        assert f"{output}/model.tar.gz" in text
        code, text = run(
            "predict", "--model", f"{output}/model.tar.gz", "--has-label", rows, "--output", f"{output}/p.csv"
        )
        assert code == 0, text
    local = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir() if file.is_file()}
    remote = {name.removeprefix("out/"): content for name, content in objects(account).items()}
    assert remote.keys() == local.keys()
    for name in ("model.tar.gz", "p.csv"):
        assert remote[name] == local[name]


def test_a_model_in_s3_is_inspected_and_converted(account: Any, binary: FinishedJob, tmp_path: Path) -> None:
    tar = binary.outcome.model_dir / "model.tar.gz"
    s3.put(tar, s3.S3Path.parse(f"{PLACE}/model.tar.gz"))
    told = [run("inspect", place)[1] for place in (str(tar), f"{PLACE}/model.tar.gz")]
    assert told[0].replace(str(tar), "") == told[1].replace(f"{PLACE}/model.tar.gz", "")
    for form, name in (("onnx", "model.onnx"), ("linear-learner", "copy")):
        for model, out in ((str(tar), str(tmp_path / name)), (f"{PLACE}/model.tar.gz", f"{PLACE}/{name}")):
            code, text = run("convert", model, "--to", form, out)
            assert code == 0, text
    remote = objects(account)
    assert remote["model.onnx"] == (tmp_path / "model.onnx").read_bytes()
    assert remote["copy/model.tar.gz"] == (tmp_path / "copy/model.tar.gz").read_bytes()


def test_what_cannot_be_in_s3_is_told(account: Any) -> None:
    account.put_object(Bucket="a-bucket", Key="jobs/one/rows.csv", Body=b"0,1\n1,2\n")
    files = ["--train", f"{PLACE}/rows.csv", "--output", f"{PLACE}/out", "--checkpoints", f"{PLACE}/state"]
    code, text = run("train", *files, "--predictor-type", "binary_classifier")
    assert code == 2
    assert text == f"Customer Error: What S3 holds cannot be used here ({PLACE}/state). Give a local path\n"
