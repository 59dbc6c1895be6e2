"""The whole road on the bundled data: train, serve, ask for predictions, stop.

Run by ``make demo``. It works in a temporary copy of ``test_dir``, which is gone afterwards.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTAINER = HERE.parent / "container"
PAYLOADS = {"payload.csv": "text/csv", "payload.json": "application/json"}
SECONDS_TO_START = 60
FINAL_METRIC = re.compile(r"#quality_metric: host=\S+, test (\S+) <\w+>=(\S+)")


def train(base: Path) -> None:
    """Train on ``base`` and print the metrics on its test channel; the whole log is base/train.log."""
    log = base / "train.log"
    start = time.monotonic()
    with log.open("w") as stream:
        done = subprocess.run([CONTAINER / "train", "--base", base], stdout=stream, stderr=subprocess.STDOUT)
    text = log.read_text()
    if done.returncode != 0:
        raise SystemExit(f"{text}\ncontainer/train ended with exit code {done.returncode}; its log is above")
    print(f"   done in {time.monotonic() - start:.1f} s; on the test rows:")
    for name, value in FINAL_METRIC.findall(text):
        print(f"   {name:45s} {float(value):.4f}")
    print("   model:", ", ".join(sorted(path.name for path in (base / "model").iterdir())))


def free_port() -> int:
    """A TCP port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(base: Path, port: int) -> Iterator[str]:
    """Serve the model below ``base``; yields the server's address once it answers /ping, and stops it in the end."""
    log = base / "serve.log"
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [CONTAINER / "serve", "--base", base, "--port", str(port)], stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(f"{address}/ping"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{log.read_text()}\ncontainer/serve did not come up; its log is above")
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def answers(url: str) -> bool:
    """Whether the server says 200 by now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def predict(address: str, payload: Path, content_type: str) -> str:
    """The server's JSON answer to the rows in ``payload``."""
    request = urllib.request.Request(
        f"{address}/invocations",
        data=payload.read_bytes(),
        headers={"Content-Type": content_type, "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(response.read().decode())


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="linear-learner-demo-") as directory:
        base = Path(directory)
        shutil.copytree(HERE / "test_dir", base, dirs_exist_ok=True, ignore=shutil.ignore_patterns("model", "output"))
        print("== Training on local_test/test_dir (breast cancer, 343 rows x 30 features, label first)")
        train(base)
        port = free_port()
        print(f"== Serving the model on port {port}")
        with serving(base, port) as address:
            for name, content_type in PAYLOADS.items():
                print(f"== POST /invocations, {content_type}: three test rows, whose labels are 0, 1, 0")
                print("  ", predict(address, HERE / "payloads" / name, content_type))
        print("== Stopped the server")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main()
