"""Fuzzes POST /invocations of a running server, with damaged bodies of every content type and odd headers:

    .venv/bin/python tests/fuzz/fuzz_server.py --requests 100000

It ends after that many requests, or after --seconds. The exit code is 0 if no answer was a 5xx or missing, every good
request in between got its right answer, no worker died and none grew by more than GROWTH_MB after the first tenth.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONTAINER = HERE.parents[1] / "container"
sys.path[:0] = [str(HERE.parent / "unit" / "formats"), str(CONTAINER)]
import record_judge as judge  # noqa: E402 (it lives with the tests of the plain decoder)

from linear_learner.formats import SHARED_DECODERS  # noqa: E402
from linear_learner.formats.encoders import ENCODERS  # noqa: E402
from linear_learner.formats.json_records import JSON_DECODERS  # noqa: E402
from linear_learner.model import artifact  # noqa: E402
from linear_learner.model.linear_model import LinearModel  # noqa: E402
from linear_learner.serving.answers import OUTPUTS  # noqa: E402

GROWTH_MB = 16
THREADS = 4
GOOD_EVERY = 50
"""Of how many requests one is good and its answer is checked."""
GOOD_BODY, GOOD_ANSWER = b"3,3,1", b'{"predictions": [{"score": 0.5, "predicted_label": 1.0}]}'

CONTENT_TYPES = [*SHARED_DECODERS, *JSON_DECODERS]
PARAMETERS = ["", "", "; label_size=0", "; label_size=1", "; label_size=x", "; charset=utf-16", ";;", "; a"]
TOKENS = [
    b"NaN", b"Infinity", b"-1e999", b"1e-999", b"9" * 400, b"0x1p3", b"1_0", b"null", b"true", b'"a"', b"[" * 3000,
    b'{"a":' * 3000, b"\0", b"\xff\xfe", "é٣".encode(), b",", b",,", b"\n\n", b"\r", b'"', b"{", b"}", b"]", b"-",
    b"a,b,c", b'"keys"', b'"shape"', b"[18446744073709551616]", b'"\\ud800"', b"\x0a\x23\xd7\xce", b"\xff" * 9,
    b" " * 1000, b"1:2",
]  # fmt: skip


def examples() -> dict[str, list[bytes]]:
    """Good bodies by content type."""
    sparse = judge.Record()
    tensor = sparse.features["values"].float32_tensor
    tensor.keys.extend([0, 2])
    tensor.values.extend([1.5, 2.0])
    tensor.shape.append(3)
    records = [
        judge.record([1, 2, 3]),
        judge.record([1, 2, 3], 1, kind="float64"),
        judge.record([1, 2, 3], kind="int32"),
    ]
    forms = [
        {"features": [1.5, -2, 3e8]},
        {"data": {"features": {"values": [1, 2, 3]}}},
        {"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1, 2]}}, "configuration": {}},
        {"features": {"a": 1, "b": 2, "c": 3}},
    ]
    documents = [{"instances": [form]} for form in forms] + [{"instances": forms}]
    lines = [[form] for form in forms] + [forms]
    files = [*records, sparse], [sparse, sparse], *([record] for record in [*records, sparse])
    return {
        "text/csv": [b"1,2,3", b"1.5,-2,3e8\n4,5,6\n", b"c,a,b\n1,2,3", b'"1",2,3\r\n4,5,6\r\n', b""],
        "application/json": [json.dumps(document).encode() for document in documents],
        "application/jsonlines": [b"\n".join(json.dumps(form).encode() for form in each) for each in lines],
        "application/x-recordio-protobuf": [
            *(judge.file_of(*each) for each in files),
            sparse.SerializeToString(),
        ],
        "text/libsvm": [b"1:1 3:3\n", b"0 1:1 2:2\n1 3:-2.5\n"],
    }


class Fuzzer:
    """Random requests from one seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._examples = examples()

    def request(self) -> tuple[object, dict[str, str]]:
        pick = self._random.choice
        content_type = pick([*self._examples])
        body = self._damaged(pick(self._examples[content_type]))
        headers = {"Content-Type": content_type}
        if self._random.random() < 0.2:
            headers["Content-Type"] = pick([pick(CONTENT_TYPES) + pick(PARAMETERS), self._text()])
        if self._random.random() < 0.5:
            headers["Accept"] = pick([*ENCODERS, "*/*", "application/*;q=0.1, text/csv;q=0.5", self._text()])
        if self._random.random() < 0.3:
            wishes = [
                f"inference_output={pick([*OUTPUTS, 'x'])}",
                f"threshold={pick(['0.5', 'nan', 'x'])}",
                self._text(),
            ]
            headers["X-Amzn-SageMaker-Custom-Attributes"] = "; ".join(self._random.sample(wishes, 2))
        if self._random.random() < 0.1:
            headers["Content-Encoding"] = pick(["gzip", "br", "identity"])
            packed = gzip.compress(body, 1)
            body = pick([packed, self._damaged(packed), packed + packed])
        return (iter([body[:7], body[7:]]) if self._random.random() < 0.1 else body), headers

    def _damaged(self, body: bytes) -> bytes:
        for _ in range(self._random.choice([0, 1, 1, 2, 4])):
            start, end = sorted(self._random.choices(range(len(body) + 1), k=2))
            kind = self._random.randrange(5)
            if kind == 0:
                body = body[:start] + self._random.choice(TOKENS) + body[end:]
            elif kind == 1:
                body = body[:start] + self._random.choice(TOKENS) + body[start:]
            elif kind == 2:
                body = body[:start] + self._random.randbytes(min(8, end - start)) + body[end:]
            elif kind == 3:
                body = body[:end] + body[start:end] * self._random.randrange(1, 20) + body[end:]
            else:
                body = body[:start]
        return body

    def _text(self) -> str:
        return "".join(self._random.choices("tex/csvapliontj;=,*q0.5\"' \t%é", k=self._random.randrange(40)))


class Run:
    """What came back, over all threads."""

    def __init__(self, port: int, requests: int, deadline: float) -> None:
        self.port = port
        self.requests = requests
        self.deadline = deadline
        self.statuses: collections.Counter[int] = collections.Counter()
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def work(self, seed: str) -> None:
        fuzzer = Fuzzer(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while self._take():
            good = self.done % GOOD_EVERY == 0
            body, headers = (GOOD_BODY, {"Content-Type": "text/csv"}) if good else fuzzer.request()
            try:
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{error!r}: {headers} {body!r}")
                connection.close()
                continue
            self.statuses[response.status] += 1
            if response.status >= 500 or (good and answer != GOOD_ANSWER):
                self.failures.append(f"{response.status} {answer[:200]!r}: {headers} {body!r}")
        connection.close()

    @property
    def done(self) -> int:
        return sum(self.statuses.values())

    def _take(self) -> bool:
        with self._lock:
            self.requests -= 1
            return self.requests >= 0 and time.monotonic() < self.deadline and len(self.failures) < 10


def save_model(folder: Path) -> None:
    """sigmoid(a - b), with all that a model may carry."""
    metadata = {"feature_names": ["a", "b", "c"], "feature_means": [0, 0, 0]}
    metadata |= {"feature_minima": [0, 0, 0], "feature_maxima": [5, 5, 5]}
    kind = {"predictor_type": "binary_classifier", "loss": "logistic", "link": "logistic", "threshold": 0.5}
    weights = np.array([[1], [-1], [0]], np.float32)
    model = LinearModel(weights, np.zeros(1, np.float32), num_classes=2, metadata=metadata, **kind)
    artifact.save(model, folder / "model", pack=False)


def start(folder: Path, **environ: str) -> tuple[subprocess.Popen[bytes], int]:
    """A server of the model in ``folder``, with two workers and its log there; and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "linear_learner.cli", "serve", "--base", str(folder), "--port", str(port)]
    environ = {"PYTHONPATH": str(CONTAINER), "NUM_WORKERS": "2", **environ}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | environ, stdout=log, stderr=log)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    sys.exit((folder / "log").read_text())


def resident(master: int) -> dict[int, float]:
    """MB by the process id of each worker."""
    workers = map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())
    status = {pid: Path(f"/proc/{pid}/status").read_text() for pid in workers}
    return {pid: int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024 for pid, text in status.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="the time if not given")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder)
        process, port = start(folder)
        try:
            run = Run(port, arguments.requests, time.monotonic() + arguments.seconds)
            threads = [threading.Thread(target=run.work, args=(f"{arguments.seed} {i}",)) for i in range(THREADS)]
            for thread in threads:
                thread.start()
            begun = time.monotonic()
            while run.done < arguments.requests / 10 and time.monotonic() - begun < arguments.seconds / 4:
                if not any(thread.is_alive() for thread in threads):
                    break
                time.sleep(0.1)
            early = resident(process.pid)
            for thread in threads:
                thread.join()
            late = resident(process.pid)
        finally:
            process.terminate()
            process.wait()
        if b"Traceback" in (folder / "log").read_bytes():
            run.failures.append((folder / "log").read_text()[-3000:])
    print(f"{run.done} answers: {dict(sorted(run.statuses.items()))}")
    print(f"MB of each worker, early: {early}, at the end: {late}")
    if early.keys() != late.keys():
        run.failures.append("a worker died")
    elif any(late[pid] > early[pid] + GROWTH_MB for pid in late):
        run.failures.append("a worker grew")
    print("\n".join(run.failures) or "nothing found")
    sys.exit(bool(run.failures))


if __name__ == "__main__":
    main()
