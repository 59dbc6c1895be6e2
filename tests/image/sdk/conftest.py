"""Running scripts that use the real SageMaker SDK in local mode."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import docker
from environments import Sdk, python_of
from local_mode import REGION, Aws, Run, ScriptRunner, environment, run_process, without_traces
from moto.server import ThreadedMotoServer

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "local_test" / "test_dir" / "input" / "data"


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """AWS as moto plays it in this process, with the bucket of the document."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}")
    aws.client("s3").create_bucket(Bucket="my-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield aws
    server.stop()


@pytest.fixture(scope="session")
def run_script(image: str, aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> ScriptRunner:
    """Runs a script beside this file with an SDK, in a folder with the bundled data's channels. A script that fails or
    takes too long fails the test with all that was printed; its containers are removed in any case."""
    if shutil.which("docker-compose") is None and docker("compose", "version").returncode != 0:
        pytest.fail("the SageMaker SDK needs docker-compose: apt-get install docker-compose")

    def run(sdk: Sdk, script: str) -> Run:
        python = python_of(sdk)
        folder = tmp_path_factory.mktemp("sdk", numbered=True)
        shutil.copytree(DATA, folder, dirs_exist_ok=True)
        with without_traces(folder):
            exit_code, log = run_process([str(python), str(HERE / script)], environment(image, folder, aws))
        (folder / "log.txt").write_text(log)
        assert exit_code == 0, f"{script} ended with {exit_code}; it printed:\n{log}"
        return Run(json.loads((folder / "report.json").read_text()), log, folder)

    return run
