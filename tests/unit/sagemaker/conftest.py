"""SageMaker as moto plays it, with what it lacks: jobs that take their time."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.sagemaker import models

from linear_learner import aws, s3
from linear_learner.sagemaker import watch

ACCOUNT, REGION = "123456789012", "eu-west-1"


_make_client = aws.client.__wrapped__
_of_machines = functools.cache(_make_client)
"""Clients of the machines themselves, which are nobody's to look at."""


class Service:
    """``steps``: what happens while the caller waits, one at a time. ``sent``: the requests, by operation, in order."""

    def __init__(self, sent: list[tuple[str, dict[str, Any]]]) -> None:
        self.steps: list[Callable[[], object]] = []
        self.sent = sent

    def passes(self, seconds: float) -> None:
        if self.steps:
            self.steps.pop(0)()

    def requests(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.sent if name == operation]

    def backend(self) -> Any:
        return models.sagemaker_backends[ACCOUNT][REGION]

    def training_job(self, **changes: Any) -> Any:
        """The only one, with ``changes`` made."""
        (job,) = self.backend().training_jobs.values()
        vars(job).update(changes)
        return job

    def log(self, group: str, stream: str, *messages: str) -> None:
        """Written by a machine of a job."""
        logs = _of_machines("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            logs.create_log_group(logGroupName=group)
        if not logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = int(time.time() * 1000)
        events = [{"timestamp": now + number, "message": message} for number, message in enumerate(messages)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


_clients: dict[tuple[str, str | None], Any] = {}
"""Making one takes a moment, and all tests call the same server."""
_sent: list[tuple[str, dict[str, Any]]] = []


def _client(name: str, region: str | None = None) -> Any:
    """One that notes what it sends."""
    if (name, region) not in _clients:
        made = _clients[name, region] = _make_client(name, region)
        made.meta.events.register(
            "provide-client-params.*.*", lambda model, params, **_: _sent.append((model.name, params))
        )
    return _clients[name, region]


@pytest.fixture
def service(account: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Training jobs are in progress until a step ends them; whoever waits, waits for the steps alone."""
    _sent.clear()
    service = Service(_sent)

    class SlowJob(models.FakeTrainingJob):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self.training_job_status = "InProgress"
            self.secondary_status = "Starting"

    monkeypatch.setattr(models, "FakeTrainingJob", SlowJob)
    monkeypatch.setattr(watch, "sleep", service.passes)
    for module in (aws, s3):
        monkeypatch.setattr(module, "client", _client)
    yield service
    assert service.steps == []
