"""Runs a server of many models under mixed load, while models come and go and workers are killed:

    .venv/bin/python tests/fuzz/soak_server.py --seconds 600

Some clients ask models that stay loaded, each of answers of its own, in all content types; others load a model, ask it
and unload it, over and over; every KILL_SECONDS a worker gets SIGKILL. The exit code is 0 if no answer was wrong, none
was a 5xx, all workers were there at the end and none had grown by more than GROWTH_MB. Requests whose connection broke
are counted and told: they were lost with a worker, and a client would send them again.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from fuzz_server import GROWTH_MB, artifact, judge, resident, start

from linear_learner.model.linear_model import LinearModel

KILL_SECONDS = 5
STAYING, VISITING = 4, 2
"""Clients of either sort, and as many models."""


def save_model(folder: Path, bias: int) -> str:
    """x[0] + bias."""
    kind = {"predictor_type": "regressor", "loss": "squared_loss", "link": "identity"}
    weights = np.array([[1], [0], [0]], np.float32)
    artifact.save(LinearModel(weights, np.array([bias], np.float32), **kind), folder, pack=False)
    return str(folder)


def body_of(numbers: list[int], content_type: str) -> bytes:
    rows = [[number, 1, 2] for number in numbers]
    if content_type == "text/csv":
        return "\n".join(",".join(map(str, row)) for row in rows).encode()
    if content_type == "application/json":
        return json.dumps({"instances": [{"features": row} for row in rows]}).encode()
    if content_type == "application/jsonlines":
        return "\n".join(json.dumps({"data": {"features": {"values": row}}}) for row in rows).encode()
    return judge.file_of(*(judge.record(row) for row in rows))


CONTENT_TYPES = "text/csv", "application/json", "application/jsonlines", "application/x-recordio-protobuf"


class Soak:
    """What came back, over all clients."""

    def __init__(self, port: int, folder: Path, deadline: float) -> None:
        self.port = port
        self.folder = folder
        self.deadline = deadline
        self.answers: collections.Counter[tuple[str, int]] = collections.Counter()
        self.broken: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    @property
    def over(self) -> bool:
        return time.monotonic() > self.deadline or len(self.wrong) > 9

    def stay(self, number: int) -> None:
        """Ask models that stay loaded."""
        client = Client(self)
        choose = random.Random(number)
        while not self.over:
            model = choose.randrange(STAYING)
            self.ask(client, f"staying-{model}", model, choose)

    def visit(self, number: int) -> None:
        """Load, ask and unload a model of one's own."""
        client = Client(self)
        choose = random.Random(-number)
        name, bias = f"visiting-{number}", 100 + number
        order = json.dumps({"model_name": name, "url": str(self.folder / name)}).encode()
        while not self.over:
            # After a broken connection nobody knows whether an order was carried out.
            if not client.expect("POST", "/models", order, statuses=(200, 409)):
                continue
            for _ in range(choose.randrange(5)):
                self.ask(client, name, bias, choose)
            client.expect("GET", "/models", statuses=(200,))
            if client.expect("DELETE", f"/models/{name}", statuses=(200, 404)):
                client.expect("POST", f"/models/{name}/invoke", b"1,2,3", statuses=(404,))

    def ask(self, client: Client, name: str, bias: int, choose: random.Random) -> None:
        numbers = [choose.randrange(1000) for _ in range(choose.choice([1, 1, 1, 50, 5000]))]
        content_type = choose.choice(CONTENT_TYPES)
        expected = {"predictions": [{"score": float(number + bias)} for number in numbers]}
        client.expect(
            "POST",
            f"/models/{name}/invoke",
            body_of(numbers, content_type),
            content_type=content_type,
            statuses=(200,),
            answer=json.dumps(expected).encode(),
        )

    def kill(self, master: int) -> int:
        """Kill a worker now and then; returns how many."""
        killed = 0
        while not self.over:
            time.sleep(min(KILL_SECONDS, max(0, self.deadline - time.monotonic())))
            workers = [*resident(master)]
            if workers and not self.over:
                os.kill(random.choice(workers), signal.SIGKILL)
                killed += 1
        return killed


class Client:
    """A connection that is opened again when it breaks."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak
        self._connection = http.client.HTTPConnection("127.0.0.1", soak.port, timeout=60)

    def expect(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        statuses: tuple[int, ...],
        content_type: str = "text/csv",
        answer: bytes | None = None,
    ) -> bool:
        """Whether there was an answer, right or wrong."""
        soak, route = self._soak, f"{method} {'invoke' if path.endswith('invoke') else '/models'}"
        try:
            self._connection.request(method, path, body, {"Content-Type": content_type})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            soak.broken[route] += 1
            return False
        soak.answers[route, response.status] += 1
        if response.status not in statuses or (answer is not None and content != answer):
            soak.wrong.append(f"{method} {path}: {response.status} {content[:200]!r}")
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, port = start(folder, SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_CONTAINER_LOG_LEVEL="30")
        try:
            soak = Soak(port, folder, time.monotonic() + arguments.seconds)
            for number in range(VISITING):
                save_model(folder / f"visiting-{number}", 100 + number)
            for number in range(STAYING):
                url = save_model(folder / f"staying-{number}", number)
                order = json.dumps({"model_name": f"staying-{number}", "url": url}).encode()
                Client(soak).expect("POST", "/models", order, statuses=(200,))
            clients = [threading.Thread(target=soak.stay, args=(number,)) for number in range(STAYING)]
            clients += [threading.Thread(target=soak.visit, args=(number,)) for number in range(VISITING)]
            for client in clients:
                client.start()
            early = resident(process.pid)
            killed = soak.kill(process.pid)
            for client in clients:
                client.join()
            time.sleep(2)
            late = resident(process.pid)
        finally:
            process.terminate()
            process.wait()
        if b"Traceback" in (folder / "log").read_bytes():
            soak.wrong.append((folder / "log").read_text()[-3000:])
    print(f"{killed} workers killed; answers: {dict(sorted(soak.answers.items()))}")
    lost = soak.broken.total()
    print(f"requests whose connection broke: {lost} of {soak.answers.total() + lost}, {dict(soak.broken)}")
    print(f"MB of each worker, early: {[*early.values()]}, at the end: {[*late.values()]}")
    if len(late) != len(early) or max(late.values()) > max(early.values()) + 4 * GROWTH_MB:
        soak.wrong.append("a worker is missing, or grew")
    print("\n".join(soak.wrong) or "no wrong answer")
    sys.exit(bool(soak.wrong))


if __name__ == "__main__":
    main()
