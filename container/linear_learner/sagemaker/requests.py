"""What SageMaker is asked for: the requests of its API, as JSON has them.

Source: the API reference of Amazon SageMaker; the metrics, and the ranges of automatic model tuning, are those of the
Linear Learner in the SageMaker Developer Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from linear_learner import __version__, hyperparameters
from linear_learner.environment import WRAPPED
from linear_learner.errors import ClientError
from linear_learner.formats.content_type import CSV, JSON_LINES, LIBSVM, RECORDIO_PROTOBUF, parse
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.schema import BINARY, ROWS
from linear_learner.hyperparameters.tuning import METRIC_DEFINITIONS
from linear_learner.hyperparameters.validation import unknown
from linear_learner.sagemaker.description import Job, Machines, Tuning

TAG = "linear-learner"
"""The key of the tag on all that is made here; its value is our version."""
CHECKPOINTS = "/opt/ml/checkpoints"
MODEL_CHANNEL_TYPE = "application/x-sagemaker-model"
LONGEST_WAIT = 2
"""A job on spare machines may take this many times its hours, waiting included."""

Request = dict[str, Any]


class Kind(NamedTuple):
    """The operations that make, look at and delete one thing."""

    create: str
    describe: str
    delete: str


KINDS = {
    "Model": Kind("CreateModel", "DescribeModel", "DeleteModel"),
    "EndpointConfig": Kind("CreateEndpointConfig", "DescribeEndpointConfig", "DeleteEndpointConfig"),
    "Endpoint": Kind("CreateEndpoint", "DescribeEndpoint", "DeleteEndpoint"),
}
"""What an endpoint consists of, in the order in which it is made."""


def named(kind: str, name: str) -> Request:
    """How one of KINDS is told to its operations."""
    return {f"{kind}Name": name}


def tags() -> list[dict[str, str]]:
    return [{"Key": TAG, "Value": __version__}]


def metric_definitions(predictor_type: str) -> list[dict[str, str]]:
    """What SageMaker reads from the log of a job. Those of all types together are more than the 40 that it takes."""
    return [
        {"Name": f"{channel}:{name}", "Regex": metric.pattern(channel)}
        for name, metric in METRIC_DEFINITIONS.items()
        if predictor_type in metric.predictor_types
        for channel in metric.channels
    ]


def training_job(job: Job, hp: HyperParameters, inputs: Mapping[str, str]) -> Request:
    """CreateTrainingJob. ``inputs``: the addresses of the channels."""
    return {
        "TrainingJobName": job.name,
        "HyperParameters": dict(job.hyperparameters),
        **_definition(job, hp, inputs),
        "Tags": tags(),
    }


def tuning_job(job: Job, hp: HyperParameters, inputs: Mapping[str, str], tuning: Tuning) -> Request:
    """CreateHyperParameterTuningJob. Bad jobs are stopped early where the metric is told after every epoch."""
    name = tuning.objective.partition(":")[2]
    return {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": METRIC_DEFINITIONS[name].aim.capitalize(),
                "MetricName": tuning.objective,
            },
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": tuning.most_jobs,
                "MaxParallelTrainingJobs": tuning.at_a_time,
            },
            "ParameterRanges": parameter_ranges(job.hyperparameters, tuning.ranges, hp.predictor_type),
            "TrainingJobEarlyStoppingType": "Auto" if name == "objective_loss" else "Off",
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": dict(job.hyperparameters),
            **_definition(job, hp, inputs),
        },
        "Tags": tags(),
    }


def _definition(job: Job, hp: HyperParameters, inputs: Mapping[str, str]) -> Request:
    """What a training job and those of a tuning job have in common."""
    machines = job.machines
    seconds = round(machines.hours * 3600)
    request: Request = {
        "AlgorithmSpecification": {
            "TrainingImage": job.image,
            "TrainingInputMode": job.channels["train"].input_mode,
            "MetricDefinitions": metric_definitions(hp.predictor_type),
        },
        "RoleArn": job.role,
        "InputDataConfig": [_channel(job, name, place) for name, place in inputs.items()],
        "OutputDataConfig": {"S3OutputPath": str(job.output)},
        "ResourceConfig": {
            "InstanceType": machines.instance_type,
            "InstanceCount": machines.instance_count,
            "VolumeSizeInGB": machines.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
    }
    if job.is_spot:
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = LONGEST_WAIT * seconds
    if job.checkpoints is not None:
        request["CheckpointConfig"] = {"S3Uri": f"{job.checkpoints}/", "LocalPath": CHECKPOINTS}
    return request


def _channel(job: Job, name: str, place: str) -> Request:
    given = job.channels[name]
    channel: Request = {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": place,
                "S3DataDistributionType": "ShardedByS3Key" if given.is_sharded else "FullyReplicated",
            }
        },
    }
    if name == "model":
        # A model is no stream, however the rows come.
        return channel | {"ContentType": MODEL_CHANNEL_TYPE, "InputMode": "File"}
    if given.content_type:
        channel["ContentType"] = given.content_type
    if given.input_mode != job.channels["train"].input_mode:
        channel["InputMode"] = given.input_mode
    # In File mode it is to be left out.
    if given.is_wrapped and given.input_mode == "Pipe":
        channel["RecordWrapperType"] = WRAPPED
    return channel


RANGES = {
    "wd": "1e-7:1",
    "l1": "1e-7:1",
    "learning_rate": "1e-5:1",
    "mini_batch_size": "100:5000",
    "use_bias": "True,False",
    "positive_example_weight_mult": "1e-5:1e5",
}
"""What Amazon documents as tunable: from where to where, or which values."""


def parameter_ranges(given: Mapping[str, str], own: Mapping[str, str], predictor_type: str) -> Request:
    """ParameterRanges: RANGES without what is ``given`` a value or means nothing for ``predictor_type``, and the user's
    ``own``, written alike. ClientError for what is no range of legal values."""
    ranges = {name: text for name, text in RANGES.items() if name not in given}
    if predictor_type != BINARY:
        ranges.pop("positive_example_weight_mult", None)
    by_kind: dict[str, list[Request]] = {}
    for name, text in {**ranges, **own}.items():
        if name not in ROWS:
            raise ClientError(unknown(name), where="--range")
        if name in given:
            raise ClientError(f"'{name}' has a range and a value as well", where="--range", fix="give one of them")
        kind, entry = _range(name, text)
        for value in entry.get("Values", [entry.get("MinValue"), entry.get("MaxValue")]):
            hyperparameters.validate({**given, name: value})
        by_kind.setdefault(kind, []).append(entry)
    return by_kind


def _range(name: str, text: str) -> tuple[str, Request]:
    """Which kind of range it is, and as SageMaker takes it."""
    low, colon, high = (part.strip() for part in text.partition(":"))
    if not colon:
        values = [value.strip() for value in text.split(",")]
        if len(set(values)) < len(values):
            raise ClientError(f"'{name}={text}' has a value twice", where="--range", fix="give each value once")
        return "CategoricalParameterRanges", {"Name": name, "Values": values}
    try:
        is_positive, is_range = float(low) > 0, float(low) < float(high)
    except ValueError:
        is_range = False
    if not is_range:
        raise ClientError(
            f"'{name}={text}' is no range", where="--range", fix="write NAME=LOW:HIGH or NAME=VALUE,VALUE"
        )
    kind = "IntegerParameterRanges" if ROWS[name].kind.type_name == "integer" else "ContinuousParameterRanges"
    scale = "Logarithmic" if is_positive else "Linear"
    return kind, {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


def model(name: str, image: str, role: str, data: str) -> Request:
    """CreateModel, of the model.tar.gz at ``data``."""
    return {
        "ModelName": name,
        "PrimaryContainer": {"Image": image, "ModelDataUrl": data},
        "ExecutionRoleArn": role,
        "Tags": tags(),
    }


def endpoint_config(name: str, machines: Machines, serverless_mb: int | None) -> Request:
    """CreateEndpointConfig, of the model of the same name."""
    variant: Request = {"VariantName": "AllTraffic", "ModelName": name}
    if serverless_mb is None:
        variant |= {"InitialInstanceCount": machines.instance_count, "InstanceType": machines.instance_type}
    else:
        variant["ServerlessConfig"] = {"MemorySizeInMB": serverless_mb, "MaxConcurrency": 20}
    return {"EndpointConfigName": name, "ProductionVariants": [variant], "Tags": tags()}


def endpoint(name: str) -> Request:
    """CreateEndpoint, by the configuration of the same name."""
    return {"EndpointName": name, "EndpointConfigName": name, "Tags": tags()}


SPLITS = {CSV: "Line", JSON_LINES: "Line", LIBSVM: "Line", RECORDIO_PROTOBUF: "RecordIO"}
"""How files are cut into requests; those of other types go as a whole."""


def transform_job(
    name: str, *, model: str, source: str, target: str, content_type: str, accept: str, machines: Machines
) -> Request:
    """CreateTransformJob. What comes back is put together as lines where the type accepted is one of lines.
    ClientError for files that SageMaker cannot unpack."""
    if source.lower().endswith((".zst", ".zstd")):
        raise ClientError("SageMaker unpacks gzip alone", where=source, fix="pack the files with gzip, or not at all")
    return {
        "TransformJobName": name,
        "ModelName": model,
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": content_type,
            "SplitType": SPLITS.get(parse(content_type).name, "None"),
            "CompressionType": "Gzip" if source.lower().endswith(".gz") else "None",
        },
        "TransformOutput": {
            "S3OutputPath": target,
            "Accept": accept,
            "AssembleWith": "Line" if SPLITS.get(parse(accept).name) == "Line" else "None",
        },
        "TransformResources": {"InstanceType": machines.instance_type, "InstanceCount": machines.instance_count},
        "Tags": tags(),
    }
