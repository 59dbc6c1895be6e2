"""The server as a process of its own: sockets, signals, workers, memory."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner import s3
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel

CONTAINER = Path(__file__).parents[2] / "container"
ANSWER = b'{"predictions": [{"score": 0.5, "predicted_label": 1.0}]}'
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """score = sigmoid(x0 - x1), saved as training saves it, below the folder of a job."""
    base = tmp_path_factory.mktemp("job")
    weights = np.array([[1], [-1]], np.float32)
    kind = {"predictor_type": "binary_classifier", "loss": "logistic", "link": "logistic", "threshold": 0.5}
    model = LinearModel(weights, np.zeros(1, np.float32), num_classes=2, **kind)
    artifact.save(model, base / "model", pack=False)
    return base


class Server:
    """A running server."""

    def __init__(self, base: Path, port: int, log: Path, environ: dict[str, str]) -> None:
        self.port, self.log = port, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "linear_learner.cli", "serve", "--base", str(base), "--port", str(port)],
                env={**os.environ, "PYTHONPATH": str(CONTAINER), "NUM_WORKERS": "2", **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def request(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def invoke(self, body: object = b"3,3", **headers: str) -> tuple[int, bytes]:
        return self.request("POST", "/invocations", body, **{"Content_Type": "text/csv", **headers})

    def ready(self) -> Server:
        """Once it listens; what it says on /ping is for the test."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.request("GET", "/ping")
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(self.log.read_text())

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def replaced(self) -> None:
        """Wait until as many workers answer as were asked for."""
        deadline = time.monotonic() + 20
        while len(self.workers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.ready()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=40)


Start = Callable[..., Server]


@pytest.fixture(scope="module")
def server(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with two workers, for tests that leave it as it was."""
    running = Server(model_dir, free_port(), tmp_path_factory.mktemp("server") / "log", {}).ready()
    yield running
    assert running.stop() == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start(model_dir: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts servers, and stops those that still run."""
    servers: list[Server] = []

    def start(base: Path = model_dir, **environ: str) -> Server:
        servers.append(Server(base, free_port(), tmp_path / f"log-{len(servers)}", environ))
        return servers[-1].ready()

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def test_answers_for_a_model_in_s3(account: Any, model_dir: Path, start: Start) -> None:
    place = s3.S3Path.parse("s3://a-bucket/job")
    s3.upload(model_dir, place)
    assert start(place).invoke() == (200, ANSWER)


def test_answers_over_a_socket(server: Server) -> None:
    assert server.request("GET", "/ping") == (200, b"")
    assert server.invoke() == (200, ANSWER)
    assert server.invoke(b"1,2,3")[0] == 400
    assert server.request("POST", "/invocations", b"3,3", Content_Type="image/png")[0] == 415
    # An iterable has no length: http.client sends it in chunks, as the SDK does with a file object.
    assert server.invoke(iter([b"3,", b"3"])) == (200, ANSWER)
    assert server.invoke(b"")[0] == 204


def test_serving_a_known_graph_is_small_and_never_loads_mxnet(server: Server) -> None:
    server.replaced()
    for _ in range(8):
        assert server.invoke() == (200, ANSWER)
    pids = [server.process.pid, *server.workers()]
    assert len(pids) == 3
    for pid in pids:
        assert "libmxnet" not in Path(f"/proc/{pid}/maps").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
        assert resident < 80 * 1024


def received(client: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    answer = b""
    while data := client.recv(10_000):
        answer += data
    return answer


def test_sigterm_lets_a_request_finish_and_waits_for_nothing_else(start: Start) -> None:
    server = start()
    idle = server.connect()
    idle.request("GET", "/ping")
    idle.getresponse().read()
    with server.socket() as silent, server.socket() as running:
        running.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n3,"
        )
        time.sleep(0.3)
        began = time.monotonic()
        server.process.terminate()
        time.sleep(1)
        assert received(silent) == b""
        assert server.process.poll() is None
        running.sendall(b"3")
        assert received(running).endswith(ANSWER)
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 20
    idle.close()


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while len(set(server.workers()) - {before[0]}) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    after = server.workers()
    assert len(after) == 2
    assert before[1] in after
    assert server.invoke() == (200, ANSWER)


def test_idle_connections_keep_nobody_waiting(start: Start) -> None:
    server = start(NUM_WORKERS="1")
    idle = [server.socket() for _ in range(50)]
    began = time.monotonic()
    assert server.invoke() == (200, ANSWER)
    # A worker that waits for the first byte of an idle one does so for FIRST_BYTE_SECONDS, 10; a busy machine may take
    # a few seconds for the request alone.
    assert time.monotonic() - began < 8
    for connection in idle:
        connection.close()


def test_more_connections_than_files_may_be_open_end_no_worker(start: Start) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, limits[1]))
    try:
        server = start(NUM_WORKERS="1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    before = server.workers()
    connections = [server.socket() for _ in range(200)]
    time.sleep(1)  # in which all that are taken are taken
    for connection in connections:
        connection.close()
    assert server.invoke() == (200, ANSWER)
    assert server.workers() == before


def test_a_request_that_does_not_arrive_in_time_is_ended(start: Start) -> None:
    server = start(NUM_WORKERS="1", GUNICORN_CMD_ARGS="--timeout 3")
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\n"
    with server.socket() as slow_body, server.socket() as slow_head:
        slow_body.sendall(head + b"3,")
        slow_head.sendall(head[:30])
        began = time.monotonic()
        answer = received(slow_body)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"The body ended after 2 of 9 bytes. Send all of it")
        assert received(slow_head) == b""
        assert time.monotonic() - began < 20
    assert server.invoke() == (200, ANSWER)


def test_bodies_past_the_limit_are_refused_with_and_without_a_length(start: Start) -> None:
    server = start(MAX_CONTENT_LENGTH="1000")
    for body in (b"3,3\n" * 251, iter([b"3,3\n"] * 251), iter([b"3,3\n" * 100_000])):
        status, text = server.invoke(body)
        assert (status, text[:48]) == (413, b"The body is larger than the limit of 1000 bytes.")
    assert server.invoke(b"3,3\n" * 250)[0] == 200


def test_a_body_is_taken_to_its_end_before_the_connection_is_closed(start: Start) -> None:
    server = start(MAX_CONTENT_LENGTH="1000")
    body = b"3,3\n" * 5_000_000  # far more than any buffers hold
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server.socket() as client:
        client.sendall(head + body)  # as clients do that read nothing before all is sent
        assert received(client).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_head", "status", "sentence"),
    [
        (b"3,3\r\n", 400, b"Bad Request: Invalid HTTP request line: '3,3'"),
        (b"GET /ping HTTP/1.1\r\nContent-Length: x\r\n", 400, b"Bad Request: Invalid HTTP Header: 'CONTENT-LENGTH'"),
        (b"GET /ping HTTP/1.1\r\nExpect: x\r\n", 417, b"Expectation Failed: Unable to comply with expectation: 'x'"),
        (
            b"GET /ping HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n",
            431,
            b"Request Header Fields Too Large: limit request headers fields size",
        ),
    ],
)
def test_what_is_no_http_is_told_in_a_sentence_and_not_logged(
    server: Server, request_head: bytes, status: int, sentence: bytes
) -> None:
    with server.socket() as client:
        client.sendall(request_head + b"\r\n")
        head, _, body = received(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in head
    assert body == sentence
    assert "A request is no HTTP that can be read: " in server.log.read_text()
    assert "3,3" not in server.log.read_text()


def test_after_broken_chunks_the_connection_is_closed(server: Server) -> None:
    with server.socket() as client:
        client.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"zz\r\nPOST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n3,3"
        )
        answer = received(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert server.invoke() == (200, ANSWER)


def test_several_requests_share_a_connection(server: Server) -> None:
    connection = server.connect()
    for body, status in ((b"3,3", 200), (b"x", 400), (iter([b"3,", b"3"]), 200), (b"", 204), (b"3,3", 200)):
        connection.request("POST", "/invocations", body, CSV)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == status
        assert answer == ANSWER or status != 200
        assert response.headers["Connection"] == "keep-alive"
    connection.close()


@pytest.mark.parametrize("path", ["/invocations", "/ping", "/nothing"])
def test_an_answer_to_head_has_no_body(server: Server, path: str) -> None:
    with server.socket() as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert received(client).endswith(b"\r\n\r\n")


def test_a_request_that_arrives_with_the_end_of_another_is_answered(server: Server) -> None:
    with server.socket() as client:
        client.settimeout(5)
        client.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        assert client.recv(10_000).startswith(b"HTTP/1.1 404 ")  # answered before its body came
        invoke = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n3,3"
        client.sendall(b"3,3" + invoke + invoke + b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = received(client)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(ANSWER) == 2


def test_a_small_request_that_is_there_is_answered_whatever_the_threads_wait_for(start: Start) -> None:
    server = start(NUM_WORKERS="1")
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n"
    large = b"3,3\n" * 5000
    slow = [server.socket() for _ in range(20)]  # more than there are threads
    for client in slow:
        client.sendall(head % len(large))
    time.sleep(0.3)
    with server.socket() as client:
        for pieces in ([head % 3 + b"3,3"], [head % 3, b"3,3"], [b"P", head[1:] % 3 + b"3", b",3"]):
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.05)
            assert client.recv(10_000).endswith(ANSWER)
    for client in slow:
        client.sendall(large)
        assert client.recv(10_000).startswith(b"HTTP/1.1 200 ")
        client.close()


def test_an_answer_that_the_client_does_not_take_keeps_nobody_waiting(start: Start) -> None:
    server = start(NUM_WORKERS="1")
    body = b"3,3\n" * 4000
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 16000\r\n\r\n"
    with server.socket() as client:
        sent = 0
        client.setblocking(False)
        with suppress(BlockingIOError):
            while sent < 50_000_000:  # until the buffers of both sides are full of answers and of requests
                sent += client.send(head + body)
        assert server.invoke() == (200, ANSWER)
    assert server.invoke() == (200, ANSWER)


def test_a_model_that_cannot_be_loaded_is_told_on_ping_and_in_the_log(start: Start, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    server = start(tmp_path)
    assert server.request("GET", "/ping") == (500, b"unable to load model")
    assert server.invoke() == (500, b"unable to load model")
    assert server.stop() == 0
    assert "unable to load model: " in server.log.read_text()


def test_a_port_that_is_taken_ends_the_server(server: Server, model_dir: Path, tmp_path: Path) -> None:
    second = Server(model_dir, server.port, tmp_path / "second", {})
    assert second.process.wait(timeout=30) != 0
    assert "in use" in second.log.read_text()


def saved(folder: Path, constant: float) -> str:
    """A regressor that answers ``constant`` to anything."""
    kind = {"predictor_type": "regressor", "loss": "squared_loss", "link": "identity"}
    model = LinearModel(np.zeros((2, 1), np.float32), np.array([constant], np.float32), **kind)
    artifact.save(model, folder, pack=False)
    return str(folder)


def order(name: str, url: str) -> bytes:
    return json.dumps({"model_name": name, "url": url}).encode()


def test_models_of_a_multi_model_endpoint_are_known_to_all_workers_and_outlive_them(
    start: Start, tmp_path: Path
) -> None:
    server = start(SAGEMAKER_MULTI_MODEL="true")
    answers = {name: b'{"predictions": [{"score": %.1f}]}' % i for i, name in enumerate("abc")}

    def check(path: str, expected: tuple[int, bytes]) -> None:
        for _ in range(12):  # either worker may answer
            assert server.request("POST", path, b"3,3", Content_Type="text/csv") == expected

    for i, name in enumerate("abc"):
        url = saved(tmp_path / name, i)
        assert server.request("POST", "/models", order(name, url))[0] == 200
        assert server.request("POST", "/models", order(name, url))[0] == 409
    for name, answer in answers.items():
        check(f"/models/{name}/invoke", (200, answer))
    assert server.request("DELETE", "/models/b")[0] == 200
    check("/models/b/invoke", (404, b"Model 'b' is not loaded. Load it with POST /models"))
    server.request("POST", "/models", order("b", str(tmp_path / "c")))
    check("/models/b/invoke", (200, answers["c"]))
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    server.replaced()
    check("/models/a/invoke", (200, answers["a"]))
    assert len(json.loads(server.request("GET", "/models")[1])["models"]) == 3
    assert server.request("GET", "/ping") == (200, b"")
    assert server.stop() == 0
    for folder in (tempfile.gettempdir(), "/dev/shm"):
        assert not list(Path(folder).glob(f"linear-learner-{server.process.pid}-*"))


def test_metrics_add_up_over_workers_that_live_and_die(start: Start) -> None:
    server = start()

    def counted() -> float:
        text = server.request("GET", "/metrics")[1].decode()
        found = re.search(r'^linear_learner_requests_total\{route="/invocations",status="200"\} (\S+)$', text, re.M)
        return float(found[1]) if found else 0.0

    for _ in range(20):
        assert server.invoke() == (200, ANSWER)
    assert counted() == 20
    os.kill(server.workers()[0], signal.SIGKILL)
    server.replaced()
    for _ in range(20):
        assert server.invoke() == (200, ANSWER)
    assert counted() == 40


def test_a_graph_that_is_none_of_ours_is_served_by_mxnet(start: Start, tmp_path: Path) -> None:
    """Loaded before the workers are forked, and evaluated in each of them."""
    from linear_learner.model.mxnet_import import mx

    folder = tmp_path / "model"
    saved(folder, 0)
    (folder / "model_algo-1").unlink()
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, name="fc")
    (folder / "mx-mod-symbol.json").write_text(mx.sym.LinearRegressionOutput(net * 2, name="out").tojson())
    params = {"arg:fc_weight": mx.nd.array([[1, 10]]), "arg:fc_bias": mx.nd.array([0.5])}
    mx.nd.save(str(folder / "mx-mod-0000.params"), params)
    parameters = json.loads((folder / "additional-params.json").read_text())
    del parameters["link"]
    (folder / "additional-params.json").write_text(json.dumps(parameters))
    server = start(tmp_path)
    for _ in range(12):
        assert server.invoke(b"1,2\n0,0") == (200, b'{"predictions": [{"score": 43.0}, {"score": 1.0}]}')
    assert server.stop() == 0
