"""``linear-learner sagemaker tune``: automatic model tuning, from the files to the best job."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from linear_learner.aws import Account
from linear_learner.errors import ClientError
from linear_learner.hyperparameters import tuning as watchable
from linear_learner.sagemaker import requests, uploads
from linear_learner.sagemaker.description import Job, Tuning
from linear_learner.sagemaker.dry_run import show_requests
from linear_learner.sagemaker.train import create
from linear_learner.sagemaker.watch import ended, failure, goes_on, wait

WATCHED = "_tuning_objective_metric"


def tune(account: Account, job: Job, tuning: Tuning, *, waits: bool, dry_run: bool) -> int:
    """Check the job, upload its local files, create the tuning job, and unless told otherwise wait for its end."""
    if tuning.objective not in watchable.TUNING_METRICS:
        near = watchable.nearest(tuning.objective)
        raise ClientError(
            f"'{tuning.objective}' is no metric of this algorithm",
            where="--objective",
            fix=f"did you mean {near}?" if near else "docs/hyperparameters.md lists them",
        )
    if job.hyperparameters.get(WATCHED, tuning.objective) != tuning.objective:
        raise ClientError(
            f"The training jobs are told to be tuned by '{job.hyperparameters[WATCHED]}', and the tuning job by "
            f"'{tuning.objective}'",
            where=f"hyperparameter {WATCHED}",
            fix="leave it out: SageMaker tells them the same",
        )
    if tuning.at_a_time > tuning.most_jobs:
        raise ClientError(
            f"{tuning.at_a_time} training jobs at a time are more than the {tuning.most_jobs} that there are in all",
            where="--parallel",
            fix="give at most as many as --max-jobs",
        )
    hp = job.checked(account.known_region(), watched=tuning.objective)
    places, files = uploads.plan(job.channels, job.output / job.name / "input")
    request = requests.tuning_job(job, hp, places, tuning)
    _check_combinations(request["HyperParameterTuningJobConfig"]["ParameterRanges"], tuning.most_jobs)
    if dry_run:
        return show_requests({"CreateHyperParameterTuningJob": request}, files)
    create(account, "HyperParameterTuningJob", request, files, f"tuning job {job.name}")
    if not waits:
        return 0
    name = {"HyperParameterTuningJobName": job.name}
    describe = partial(account.call, "sagemaker", "DescribeHyperParameterTuningJob", where=job.name, **name)
    try:
        answer = wait(describe, "HyperParameterTuningJobStatus", is_done=ended, on_change=_counts)
        for line in _outcome(account, answer):
            print(line)
    except KeyboardInterrupt:
        look, stop = (
            f"{verb}-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name" for verb in ("describe", "stop")
        )
        return goes_on("tuning job", job.name, account, look=look, stop=f"aws sagemaker {stop}")
    return 0


def _check_combinations(ranges: requests.Request, most_jobs: int) -> None:
    """ClientError where there are fewer combinations of values than training jobs: SageMaker takes no such ranges."""
    if not ranges:
        raise ClientError(
            "Nothing is left to tune: every hyperparameter is given a value",
            fix="leave out some of the values, or give a --range",
        )
    if "ContinuousParameterRanges" in ranges:
        return
    whole, words = ranges.get("IntegerParameterRanges", []), ranges.get("CategoricalParameterRanges", [])
    counts = [int(float(entry["MaxValue"])) - int(float(entry["MinValue"])) + 1 for entry in whole]
    counts += [len(entry["Values"]) for entry in words]
    if math.prod(counts) < most_jobs:
        raise ClientError(
            f"The ranges have {math.prod(counts)} combinations of values, and {most_jobs} training jobs are to try "
            "another one each",
            where="--max-jobs",
            fix="ask for fewer jobs, or give wider ranges or more of them",
        )


def _counts(answer: dict[str, Any]) -> str:
    counts = answer["TrainingJobStatusCounters"]
    failed = counts.get("RetryableError", 0) + counts.get("NonRetryableError", 0)
    named = {
        "done": counts.get("Completed", 0),
        "running": counts.get("InProgress", 0),
        "stopped": counts.get("Stopped", 0),
        "failed": failed,
    }
    text = ", ".join(f"{count} {word}" for word, count in named.items() if count)
    best = answer.get("BestTrainingJob")
    return f"Training jobs: {text or 'none yet'}" + (f"; best {_value(best)}" if best else "")


def _outcome(account: Account, answer: dict[str, Any]) -> Iterator[str]:
    """What is said at the end, with the best job if any job was good."""
    name, status = answer["HyperParameterTuningJobName"], answer["HyperParameterTuningJobStatus"]
    best = answer.get("BestTrainingJob")
    if status == "Failed" or not best:
        raise failure("tuning job", answer.get("FailureReason", "") or "no training job of it succeeded", name)
    yield f"Tuning job {name} is {'done' if status == 'Completed' else 'stopped'}. {_counts(answer)}"
    yield f"best   {best['TrainingJobName']}, {_value(best)}"
    for hyperparameter, value in sorted(best.get("TunedHyperParameters", {}).items()):
        yield f"  {hyperparameter:<30} {value}"
    trained = account.call(
        "sagemaker", "DescribeTrainingJob", where=best["TrainingJobName"], TrainingJobName=best["TrainingJobName"]
    )
    yield f"model  {trained['ModelArtifacts']['S3ModelArtifacts']}"
    yield f"next   linear-learner sagemaker deploy {best['TrainingJobName']}"


def _value(best: dict[str, Any]) -> str:
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    return f"{metric['MetricName']} {metric['Value']:.6g}" if metric else "without a value"
