"""How fast does the server start, how much memory does it take, and how much load does it bear?

Start: from exec of container/serve to the first 200 of /ping, the median of several. Memory: what is resident (RSS) of
the master and of each worker, and their proportional share (PSS), since workers share what was loaded before the fork.
Load: wrk on the loopback interface, which takes its part of the same processors, in turns with an empty Flask endpoint
on the same worker class and settings; medians. Processor time of the server stands beside it, which other work on the
machine disturbs less. Ours writes its access log, to /dev/null. Bulk: one CSV body of 100 MB under the settings of
batch transform, the best of three, and the most memory that its worker ever held. Prints Markdown and writes
results/serving.json.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONTAINER, JOB = HERE.parent / "container", HERE.parent / "local_test/test_dir"
sys.path.insert(0, str(CONTAINER))

from linear_learner.environment import cpu_count  # noqa: E402
from linear_learner.formats.recordio import header, padded  # noqa: E402
from linear_learner.serving.server import KEEP_ALIVE_SECONDS  # noqa: E402
from linear_learner.serving.settings import Settings  # noqa: E402

PORTS = {"ours": 18080, "empty Flask": 18081}

EMPTY_APP = """\
import flask
app = flask.Flask("empty", static_folder=None)
@app.get("/ping")
@app.post("/invocations")
def answer():
    return "{}"
"""
WRK_SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "%s"
wrk.body = io.open("%s", "rb"):read("*a")
done = function(summary, latency)
  local e = summary.errors
  local told = {summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout}
  io.write(table.concat(told, " "), "\\n")
end
"""


def request_bodies() -> dict[str, tuple[str, bytes]]:
    """Content type and bytes by name, of rows of the bundled data without their labels."""
    lines = [line.partition(",")[2] for line in (JOB / "input/data/test/test.csv").read_text().splitlines()]
    return {
        "CSV, 1 row": ("text/csv", lines[0].encode()),
        "JSON, 1 row": ("application/json", b'{"instances": [{"features": [%s]}]}' % lines[0].encode()),
        "recordIO, 1 row": ("application/x-recordio-protobuf", record([*map(float, lines[0].split(","))])),
        "CSV, 1000 rows": ("text/csv", "\n".join(lines[i % len(lines)] for i in range(1000)).encode()),
    }


def record(row: list[float]) -> bytes:
    """One framed Record with dense float32 features."""
    payload = field(1, field(1, b"values") + field(2, field(2, field(1, struct.pack(f"<{len(row)}f", *row)))))
    return header(len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


def field(number: int, content: bytes) -> bytes:
    length = [len(content)] if len(content) < 0x80 else [len(content) & 0x7F | 0x80, len(content) >> 7]
    return bytes([number << 3 | 2, *length]) + content


def flask_command(workers: int) -> list[str]:
    flags = f"--preload --no-control-socket --worker-tmp-dir=/dev/shm --keep-alive={KEEP_ALIVE_SECONDS}".split()
    flags += [f"--workers={workers}", f"--threads={Settings.threads}", f"--timeout={Settings.request_seconds}"]
    flags += [f"--bind=0.0.0.0:{PORTS['empty Flask']}", "--worker-class=linear_learner.serving.worker.Worker"]
    return [sys.executable, "-m", "gunicorn", *flags, "empty:app"]


@contextmanager
def running(command: list[str], server: str, folder: Path, workers: int, **more: str) -> Iterator[tuple[int, float]]:
    """(process id of the master, seconds from exec to the first 200 of /ping)."""
    environ = os.environ | {"PYTHONPATH": f"{CONTAINER}:{folder}", "NUM_WORKERS": str(workers), **more}
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not is_ready(server):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                sys.exit(f"this did not start: {' '.join(command)}")
            time.sleep(0.005)
        yield process.pid, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()


def is_ready(server: str) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", PORTS[server], timeout=10)) as connection, suppress(OSError):
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    return False


def proc(master: int, name: str) -> list[str]:
    """A file below /proc of the master and then of each of its workers."""
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return [Path(f"/proc/{process}/{name}").read_text() for process in (master, *workers)]


def memory(master: int) -> dict[str, list[float] | bool]:
    """MB (10^6 bytes), the master first and then its workers, and whether MXNet is in any of them."""
    mapped = any("libmxnet" in maps for maps in proc(master, "maps"))
    sizes = [dict(re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.M)) for rollup in proc(master, "smaps_rollup")]
    return {name: [round(1.024e-3 * int(kb[name]), 1) for kb in sizes] for name in ("Rss", "Pss")} | {"MXNet": mapped}


def cpu_seconds(master: int) -> float:
    """Processor time that the master and its workers have used."""
    stats = [stat.rpartition(")")[2].split() for stat in proc(master, "stat")]
    return sum(int(ticks) for stat in stats for ticks in stat[11:13]) / os.sysconf("SC_CLK_TCK")


def load(folder: Path, masters: dict[str, int], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each body and server: medians of rounds that were run in turns."""
    rows = []
    for name, (content_type, body) in request_bodies().items():
        (folder / "body").write_bytes(body)
        (folder / "post.lua").write_text(WRK_SCRIPT % (content_type, folder / "body"))
        rounds: dict[str, list[dict[str, float]]] = {server: [] for server in masters}
        for server, master in [*masters.items()] * arguments.rounds:
            rounds[server].append(wrk(server, master, folder / "post.lua", arguments))
        for server, results in rounds.items():
            middle = {key: round(statistics.median(r[key] for r in results), 2) for key in results[0]}
            rows.append({"body": name, "server": server, **middle, "errors": sum(r["errors"] for r in results)})
    return rows


def wrk(server: str, master: int, script: Path, arguments: argparse.Namespace) -> dict[str, float]:
    flags = [f"-c{arguments.connections}", f"-d{arguments.seconds}s", "-t1", "-s", str(script)]
    url, before = f"http://127.0.0.1:{PORTS[server]}/invocations", cpu_seconds(master)
    output = subprocess.run(["wrk", *flags, url], check=True, capture_output=True, text=True).stdout
    requests, microseconds, p50, p99, errors = map(float, output.splitlines()[-1].split())
    cpu = (cpu_seconds(master) - before) * 1e3 / max(1, requests)
    speed = {"requests/s": round(requests / microseconds * 1e6), "p50 ms": p50 / 1e3, "p99 ms": p99 / 1e3}
    return {**speed, "CPU ms/request": cpu, "errors": int(errors)}


def bulk(master: int) -> dict[str, float]:
    """One body as large as batch transform sends."""
    block = b"".join(line.partition(b",")[2] for line in (JOB / "input/data/test/test.csv").open("rb"))
    body = block * (Settings.from_environ({"SAGEMAKER_BATCH": "true"}).body_limit // len(block))
    rows, best = body.count(b"\n"), {"seconds": float("inf")}
    for _ in range(3):
        cpu, begun = cpu_seconds(master), time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", PORTS["ours"], timeout=600)) as connection:
            connection.request("POST", "/invocations", body, {"Content-Type": "text/csv", "Accept": "text/csv"})
            response = connection.getresponse()
            if response.read().count(b"\n") != rows - 1:
                sys.exit(f"{rows} rows have another number of answers (status {response.status})")
        seconds = time.perf_counter() - begun
        if seconds < best["seconds"]:
            best = {"seconds": round(seconds, 2), "CPU seconds": round(cpu_seconds(master) - cpu, 2)}
    peaks = [int(re.search(r"VmHWM:\s+(\d+)", status)[1]) for status in proc(master, "status")]
    return {"MB": len(body) / 1e6, "rows": rows, **best, "rows/s": rows / best["seconds"], "peak MB": max(peaks) / 1024}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    base, workers = folder / "job", cpu_count()
    shutil.copytree(JOB / "input", base / "input")
    subprocess.run([str(CONTAINER / "train"), "--base", str(base)], check=True, capture_output=True)
    (folder / "empty.py").write_text(EMPTY_APP)
    ours = [str(CONTAINER / "serve"), "--base", str(base), "--port", str(PORTS["ours"])]
    report: dict[str, Any] = {"workers": workers, "arguments": vars(arguments), "load before": os.getloadavg()}
    starts: list[float] = []
    while len(starts) < arguments.starts:
        with running(ours, "ours", folder, workers) as (_, seconds):
            starts.append(round(seconds, 3))
    report["start seconds"] = {"median": statistics.median(starts), "all": starts}
    flask = flask_command(workers)
    with (
        running(ours, "ours", folder, workers) as (master, _),
        running(flask, "empty Flask", folder, workers) as (other, _),
    ):
        report["MB at start"] = memory(master)
        if shutil.which("wrk"):
            report["load"] = load(folder, {"ours": master, "empty Flask": other}, arguments)
            report["MB after load"] = memory(master)
    with running(ours, "ours", folder, 1, SAGEMAKER_BATCH="true") as (master, _):
        report["bulk"] = {name: round(value, 2) for name, value in bulk(master).items()}
    return {**report, "load after": os.getloadavg()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("starts", 7), ("rounds", 5), ("seconds", 5), ("connections", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    if not shutil.which("wrk"):
        print("wrk is missing, so no load is measured: apt-get install wrk", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="linear-learner-serving-") as folder:
        report = measure(Path(folder), parser.parse_args())
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/serving.json").write_text(json.dumps(report, indent=2) + "\n")
    rows = report.pop("load", [{}])
    print("".join(f"{name}: {json.dumps(value)}\n" for name, value in report.items()))
    for cells in [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]:
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
