"""``linear-learner sagemaker train``: a training job on SageMaker, from the files to the model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from linear_learner.aws import Account
from linear_learner.errors import ClientError
from linear_learner.sagemaker import requests, uploads
from linear_learner.sagemaker.description import Job
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.watch import Log, ended, failure, goes_on, tell, wait

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def train(account: Account, job: Job, *, waits: bool, dry_run: bool) -> int:
    """Check the job, upload its local files, create it, and unless told otherwise follow it to its end."""
    hp = job.checked(account.known_region())
    places, files = uploads.plan(job.channels, job.output / job.name / "input")
    request = requests.training_job(job, hp, places)
    if dry_run:
        return show_requests({"CreateTrainingJob": request}, files)
    create(account, "TrainingJob", request, files, f"training job {job.name}")
    if not waits:
        return 0
    try:
        answer = follow(account, job.name)
    except KeyboardInterrupt:
        look, stop = "describe-training-job --training-job-name", "stop-training-job --training-job-name"
        return goes_on("training job", job.name, account, look=look, stop=f"aws sagemaker {stop}")
    print("\n".join(outcome(answer)))
    return 0


def create(account: Account, kind: str, request: requests.Request, files: list[uploads.Upload], what: str) -> None:
    """Upload the files and create the job, and tell of ``what``: its kind, in words, and name."""
    uploads.send(account, kind, request[f"{kind}Name"], files)
    account.call("sagemaker", f"Create{kind}", where=what, **request)
    tell(f"{what[:1].upper()}{what[1:]} is created.")


def follow(account: Account, name: str) -> dict[str, Any]:
    """Show the log until the job is done. Returns what SageMaker says of a job that made a model; raises for others."""
    where = f"training job {name}"
    describe = partial(account.call, "sagemaker", "DescribeTrainingJob", where=where, TrainingJobName=name)
    answer = wait(
        describe, "TrainingJobStatus", is_done=ended, log=Log(account, LOG_GROUP, name), on_change=_latest_transition
    )
    if answer["TrainingJobStatus"] == "Failed":
        raise failure("training job", answer.get("FailureReason", ""), name)
    if answer["TrainingJobStatus"] == "Stopped":
        reason = answer.get("SecondaryStatus", "Stopped")
        hours = " Give it more --hours" if reason in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded") else ""
        place = answer.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        fix = f"{place} holds the model so far, if there was one.{hours}" if place else hours.strip()
        raise ClientError(f"The training job was stopped: {reason}", where=name, fix=fix)
    return answer


def _latest_transition(answer: dict[str, Any]) -> str:
    transitions = answer.get("SecondaryStatusTransitions") or []
    if not transitions:
        return str(answer.get("SecondaryStatus", answer["TrainingJobStatus"]))
    last = transitions[-1]
    return ": ".join(filter(None, (last["Status"], last.get("StatusMessage", ""))))


def outcome(answer: dict[str, Any]) -> Iterator[str]:
    """What is said of a job that made a model."""
    name = answer["TrainingJobName"]
    yield f"Training job {name} is done{_bill(answer)}."
    for metric in answer.get("FinalMetricDataList", []):
        yield f"  {metric['MetricName']:<45} {metric['Value']:.6g}"
    yield f"model  {answer['ModelArtifacts']['S3ModelArtifacts']}"
    yield f"next   linear-learner sagemaker deploy {name}"


def _bill(answer: dict[str, Any]) -> str:
    if "BillableTimeInSeconds" not in answer:
        return ""
    ran = answer.get("TrainingTimeInSeconds", 0)
    saved = 1 - answer["BillableTimeInSeconds"] / ran if ran and answer.get("EnableManagedSpotTraining") else 0
    return f": {answer['BillableTimeInSeconds']} s are billed" + (f", {saved:.0%} saved" if saved > 0 else "")
