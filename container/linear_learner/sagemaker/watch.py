"""Waits for a job while its log is shown, and says what came of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

from linear_learner.aws import Account, Refused
from linear_learner.errors import INTERRUPTED, AlgorithmError, ClientError, LinearLearnerError, PlatformError

POLL = 5.0
"""Seconds from one question to the next."""
MOST_FAILURES, LONG_POLL = 20, 30.0
"""How often it is asked in vain before it is given up, and seconds from one such question to the next."""

_BY_EXIT_CODE = {str(kind.exit_code): kind for kind in (AlgorithmError, ClientError, PlatformError)}


class Log:
    """What the machines of a job wrote since it was last asked for, from CloudWatch Logs."""

    def __init__(self, account: Account, group: str, job: str) -> None:
        self._account = account
        self._group = group
        self._job = job
        self._tokens: dict[str, str | None] = {}
        self._is_readable = True

    def new_lines(self) -> Iterator[str]:
        """With the name of the machine before each, where there are several. None before the job has a log; where the
        caller may not read it, that is said once."""
        if not self._is_readable:
            return
        try:
            self._find_streams()
            for stream in self._tokens:
                for message in self._new_events(stream):
                    yield message if len(self._tokens) == 1 else f"{self._machine(stream)} | {message}"
        except PlatformError:
            return  # the next time, perhaps
        except Refused as error:
            if error.code == "ResourceNotFoundException":
                return  # the job has not written yet
            self._is_readable = False
            tell(f"The log cannot be shown: {error}")

    def _find_streams(self) -> None:
        request = {"logGroupName": self._group, "logStreamNamePrefix": f"{self._job}/"}
        while True:
            answer = self._account.call("logs", "DescribeLogStreams", where=self._group, **request)
            for stream in answer["logStreams"]:
                self._tokens.setdefault(stream["logStreamName"], None)
            if not answer.get("nextToken"):
                return
            request["nextToken"] = answer["nextToken"]

    def _new_events(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens[stream]
            answer = self._account.call(
                "logs",
                "GetLogEvents",
                where=f"{self._group}, {stream}",
                logGroupName=self._group,
                logStreamName=stream,
                startFromHead=True,
                **({} if token is None else {"nextToken": token}),
            )
            yield from (event["message"].rstrip() for event in answer["events"])
            self._tokens[stream] = answer["nextForwardToken"]
            # The end of a stream gives the same token again, and a page before it may be empty.
            if answer["nextForwardToken"] == token:
                return

    def _machine(self, stream: str) -> str:
        return stream.removeprefix(f"{self._job}/").rpartition("-")[0] or stream


def wait(
    describe: Callable[[], dict[str, Any]],
    key: str,
    *,
    is_done: Callable[[str], bool],
    log: Log | None = None,
    on_change: Callable[[dict[str, Any]], str] = lambda answer: "",
) -> dict[str, Any]:
    """Ask ``describe`` until its ``key`` says that all is done, and show the log meanwhile. Returns the last answer.
    What ``on_change`` makes of an answer is shown where it differs from what it made of the one before."""
    shown = ""
    while True:
        answer = _patiently(describe)
        text = on_change(answer)
        if text and text != shown:
            tell(text)
            shown = text
        show(log)
        if is_done(answer[key]):
            break
        sleep(POLL)
    if log is not None:
        sleep(min(POLL, 2.0))  # the last lines come late
        show(log)
    return answer


def _patiently(describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``describe`` says, also after a time without a network."""
    for _ in range(MOST_FAILURES):
        try:
            return describe()
        except PlatformError as error:
            tell(f"{error} Asking again.")
            sleep(LONG_POLL)
        except LinearLearnerError:
            tell("This cannot be waited for. What was started goes on.")
            raise
    tell("This cannot be waited for any longer. What was started goes on.")
    return describe()


def show(log: Log | None) -> None:
    for line in () if log is None else log.new_lines():
        print(line, flush=True)


def tell(text: str) -> None:
    """Beside the log: to stderr."""
    print(text, file=sys.stderr, flush=True)


def ended(status: str) -> bool:
    """Whether a job of this status will not go on."""
    return status in ("Completed", "Failed", "Stopped")


def failure(what: str, reason: str, where: str) -> LinearLearnerError:
    """Of a job that SageMaker calls failed. It quotes our failure file and the exit code, which tell whose fault it
    was."""
    code = re.search(r"exit code: (\d+)", reason)
    kind: type[LinearLearnerError] = _BY_EXIT_CODE.get(code[1], PlatformError) if code else PlatformError
    if code is None and reason.startswith("ClientError"):
        kind = ClientError
    return kind(f"The {what} failed: {reason or 'no reason is given'}", where=where)


def goes_on(what: str, name: str, account: Account, *, look: str, stop: str) -> int:
    """Tells after Ctrl-C that nothing was stopped, and how to look and to stop; returns the exit code."""
    region = account.region_name()
    tell(
        f"\nInterrupted. The {what} {name} goes on.\n"
        f"  look:  aws sagemaker {look} {name} --region {region}\n"
        f"  stop:  {stop} {name} --region {region}"
    )
    return INTERRUPTED
