"""How does the server compare with those that people put in front of a scikit-learn model?

MLflow's scoring server, MLServer, Multi Model Server (which SageMaker's inference toolkit runs) and FastAPI serve the
same logistic regression, each with a process for each CPU and installed in a virtual environment of its own below
data/venvs, which is made on first use. One row a request, as JSON in each server's own form; ours gets it as CSV too.
wrk on the loopback interface, in turns; medians; beside them the processor time of all processes of a server, which
other work on the machine disturbs less. Every server's answer is compared with scikit-learn's first. Prints
Markdown and writes results/serving_peers.json. A server that cannot be installed or started is left out by name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving import CONTAINER, HERE, JOB, WRK_SCRIPT, cpu_count

PYTHON = shutil.which("python3.11") or sys.executable
VENVS = HERE.parent / "data/venvs"
SECONDS_TO_START = 90

FIT = """\
import sys, joblib, numpy
from sklearn.linear_model import LogisticRegression
rows = numpy.loadtxt(sys.argv[1], delimiter=",")
model = LogisticRegression(max_iter=10_000).fit(rows[:, 1:], rows[:, 0])
joblib.dump(model, sys.argv[2])
"""
FASTAPI = """\
import joblib, numpy
from fastapi import FastAPI
from pydantic import BaseModel
class Rows(BaseModel):
    rows: list[list[float]]
model = joblib.load("model.joblib")
app = FastAPI()
@app.get("/ping")
def ping(): return "ok"
@app.post("/invocations")
def answer(rows: Rows): return {"predictions": model.predict(numpy.array(rows.rows)).tolist()}
"""
MLFLOW = """\
import joblib, mlflow.sklearn
mlflow.sklearn.save_model(joblib.load("model.joblib"), "mlflow-model", serialization_format="cloudpickle")
"""
MMS = """\
import json, joblib, numpy
model = None
def handle(data, context):
    global model
    if model is None:
        model = joblib.load(context.system_properties["model_dir"] + "/model.joblib")
    if data is None:
        return None
    return [json.dumps(model.predict(numpy.array(d["body"]["rows"])).tolist()) for d in data]
"""
MMS_CONFIG = """\
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
default_workers_per_model={workers}
model_store={folder}/store
load_models=m.mar
"""


@dataclass(frozen=True)
class Server:
    """``packages`` of its virtual environment; ``start`` tells what to run, in which folder its files are written;
    ``path``, ``body`` of a request and how its answer holds the predicted label."""

    packages: tuple[str, ...]
    prepare: Callable[[Path, Path, int, int], list[str]]
    path: str
    body: Callable[[list[float]], object]
    label: Callable[[Any], float]


def fastapi(binaries: Path, folder: Path, port: int, workers: int) -> list[str]:
    (folder / "peer.py").write_text(FASTAPI)
    return [str(binaries / "uvicorn"), "peer:app", f"--port={port}", f"--workers={workers}", "--log-level=warning"]


def mlflow(binaries: Path, folder: Path, port: int, workers: int) -> list[str]:
    subprocess.run([binaries / "python", "-c", MLFLOW], cwd=folder, check=True, capture_output=True)
    command = f"models serve -m mlflow-model -p {port} -w {workers} --env-manager local"
    return [str(binaries / "mlflow"), *command.split()]


def mlserver(binaries: Path, folder: Path, port: int, workers: int) -> list[str]:
    settings = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": workers}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False, **settings}))
    model = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "./model.joblib"}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(binaries / "mlserver"), "start", "."]


def multi_model_server(binaries: Path, folder: Path, port: int, workers: int) -> list[str]:
    for name in ("code", "store"):
        (folder / name).mkdir()
    (folder / "code/service.py").write_text(MMS)
    shutil.copy(folder / "model.joblib", folder / "code")
    flags = "--model-name m --model-path code --handler service:handle --export-path store --runtime python"
    subprocess.run([binaries / "model-archiver", *flags.split()], cwd=folder, check=True, capture_output=True)
    config = MMS_CONFIG.format(port=port, management=port + 1, workers=workers, folder=folder)
    (folder / "config.properties").write_text(config)
    return [str(binaries / "multi-model-server"), *["--start", "--foreground", "--mms-config", "config.properties"]]


def v2(row: list[float]) -> object:
    return {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


PEERS = {
    "FastAPI": Server(
        ("fastapi", "uvicorn[standard]", "scikit-learn"),
        fastapi,
        "/invocations",
        lambda row: {"rows": [row]},
        lambda answer: answer["predictions"][0],
    ),
    "MLflow": Server(
        ("mlflow", "scikit-learn"),
        mlflow,
        "/invocations",
        lambda row: {"inputs": [row]},
        lambda answer: answer["predictions"][0],
    ),
    "MLServer": Server(
        # MLServer 1.7's worker processes do not start under a newer uvloop.
        ("mlserver", "mlserver-sklearn", "scikit-learn", "uvloop<0.22"),
        mlserver,
        "/v2/models/m/infer",
        v2,
        lambda answer: answer["outputs"][0]["data"][0],
    ),
    "Multi Model Server": Server(
        ("multi-model-server", "sagemaker-inference", "scikit-learn"),
        multi_model_server,
        "/predictions/m",
        lambda row: {"rows": [row]},
        lambda answer: answer[0],
    ),
}


def venv(name: str, packages: tuple[str, ...]) -> Path:
    """The folder of commands of a virtual environment with ``packages``, made if there is none."""
    place = VENVS / name.replace(" ", "-").lower()
    if not (place / "ready").exists():
        print(f"installing {name}", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([PYTHON, "-m", "venv", place], check=True)
        flags = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([place / "bin/pip", "install", *flags, *packages], check=True)
        (place / "ready").touch()
    return place / "bin"


@contextmanager
def running(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process group of its own, which ends with it."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):  # some leave children behind
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)


def ask(url: str, body: bytes, content_type: str) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def first_answer(process: subprocess.Popen[bytes], url: str, body: bytes, content_type: str) -> Any:
    """RuntimeError where there is none in time."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return ask(url, body, content_type)
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no answer from {url}")


def cpu_seconds(group: int) -> float:
    """Processor time that the processes of a group have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:13])) if int(fields[2]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def wrk(
    group: int, url: str, body: bytes, content_type: str, folder: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    (folder / "body").write_bytes(body)
    (folder / "post.lua").write_text(WRK_SCRIPT % (content_type, folder / "body"))
    flags = [f"-c{arguments.connections}", f"-d{arguments.seconds}s", "-t1", "-s", str(folder / "post.lua")]
    before = cpu_seconds(group)
    output = subprocess.run(["wrk", *flags, url], check=True, capture_output=True, text=True).stdout
    cpu = (cpu_seconds(group) - before) * 1e3
    requests, microseconds, p50, p99, errors = map(float, output.splitlines()[-1].split())
    speed = {"requests/s": requests / microseconds * 1e6, "p50 ms": p50 / 1e3, "p99 ms": p99 / 1e3}
    return {**speed, "CPU ms/request": cpu / max(1, requests), "errors": errors}


def measure(base: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    workers = cpu_count()
    train = JOB / "input/data/train/train.csv"
    line = (JOB / "input/data/test/test.csv").read_text().splitlines()[0].partition(",")[2]
    row = [float(cell) for cell in line.split(",")]
    shutil.copytree(JOB / "input", base / "job/input")
    subprocess.run([CONTAINER / "train", "--base", base / "job"], check=True, capture_output=True)
    targets: dict[str, tuple[int, str, bytes, str]] = {}
    with ExitStack() as stack:
        (base / "ours").mkdir()
        ours = [str(CONTAINER / "serve"), "--base", str(base / "job"), "--port", str(arguments.port)]
        process = stack.enter_context(running(ours, base / "ours", {"NUM_WORKERS": str(workers)}))
        url = f"http://127.0.0.1:{arguments.port}/invocations"
        json_body = json.dumps({"instances": [{"features": row}]}).encode()
        expected = first_answer(process, url, json_body, "application/json")["predictions"][0]["predicted_label"]
        targets["ours, CSV"] = process.pid, url, line.encode(), "text/csv"
        targets["ours, JSON"] = process.pid, url, json_body, "application/json"
        for number, (name, peer) in enumerate(PEERS.items(), 1):
            folder, port = base / peer.prepare.__name__, arguments.port + 10 * number
            try:
                folder.mkdir()
                binaries = venv(name, peer.packages)
                subprocess.run([binaries / "python", "-c", FIT, train, folder / "model.joblib"], check=True)
                command = peer.prepare(binaries, folder, port, workers)
                environ = {"PATH": f"{binaries}:{os.environ['PATH']}", "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
                process = stack.enter_context(running(command, folder, environ))
                url, body = f"http://127.0.0.1:{port}{peer.path}", json.dumps(peer.body(row)).encode()
                label = peer.label(first_answer(process, url, body, "application/json"))
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            if label != expected:
                sys.exit(f"{name} predicts {label}, ours {expected}")
            targets[name] = process.pid, url, body, "application/json"
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
        for name in [*targets] * arguments.rounds:
            rounds[name].append(wrk(*targets[name], base, arguments))
    return [
        {
            "server": name,
            **{key: round(statistics.median(r[key] for r in results), 2) for key in results[0]},
            "errors": int(sum(r["errors"] for r in results)),
        }
        for name, results in rounds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("seconds", 4), ("connections", 16), ("port", 18200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="linear-learner-peers-") as folder:
        rows = measure(Path(folder), arguments)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/serving_peers.json").write_text(json.dumps(rows, indent=2) + "\n")
    for cells in [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]:
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
