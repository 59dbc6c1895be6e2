"""``linear-learner sagemaker``: the commands that run on Amazon SageMaker."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from linear_learner.aws import Account
from linear_learner.commands import plain_job
from linear_learner.commands.arguments import Commands, add_base, add_command, count, place
from linear_learner.environment import INPUT_MODES, ChannelConfig, Environment
from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.s3 import S3Path
from linear_learner.sagemaker import description
from linear_learner.sagemaker.description import Job, Machines, Tuning

if TYPE_CHECKING:
    from linear_learner.sagemaker.model_source import ModelSource

FOR_JOBS, FOR_PREDICTIONS = "ml.m5.xlarge", "ml.m5.large"
"""Types of machines unless others are asked for."""
PUSH_EXAMPLES = """\
  linear-learner sagemaker push linear-learner --region eu-west-1
"""
TUNE_EXAMPLES = """\
  linear-learner sagemaker tune --image ... --role ... --output s3://bucket/prefix \\
      --train data.csv --validation held-out.csv --predictor-type binary_classifier \\
      --objective validation:roc_auc_score --max-jobs 30 --range wd=1e-5:0.1 --range optimizer=adam,sgd
"""
TUNE_USAGE = """\
linear-learner sagemaker tune [--objective METRIC] [--range NAME=LOW:HIGH ...] [--max-jobs N]
                                     --image URI --role ARN --output s3://BUCKET/PREFIX
                                     (--base DIR | --train PATH [--validation PATH] [--test PATH]
                                      --predictor-type WORD [--HYPERPARAMETER VALUE ...])
                                     [--no-wait] [--dry-run] ..."""
DEPLOY_EXAMPLES = """\
  linear-learner sagemaker deploy linear-learner-20260102-030405 --name fraud
  linear-learner sagemaker deploy out/model.tar.gz --image ... --role ... --output s3://bucket/prefix --serverless
"""
TRANSFORM_EXAMPLES = """\
  linear-learner sagemaker transform linear-learner-20260102-030405 --input s3://bucket/rows.csv --output s3://bucket/out
"""
DELETE_EXAMPLES = """\
  linear-learner sagemaker delete fraud
"""
TRAIN_EXAMPLES = """\
  linear-learner sagemaker train --image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/linear-learner:latest \\
      --role arn:aws:iam::123456789012:role/SageMaker --output s3://bucket/prefix \\
      --train data.csv --validation held-out.csv --predictor-type binary_classifier
  linear-learner sagemaker train --base local_test/test_dir --image ... --role ... --output s3://... --spot --dry-run
"""
TRAIN_USAGE = """\
linear-learner sagemaker train --image URI --role ARN --output s3://BUCKET/PREFIX
                                      (--base DIR | --train PATH [--validation PATH] [--test PATH]
                                       --predictor-type WORD [--HYPERPARAMETER VALUE ...])
                                      [--spot] [--no-wait] [--dry-run] ..."""


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "sagemaker",
        help="train, tune and deploy on Amazon SageMaker",
        description="Run on Amazon SageMaker what runs here. docs/sagemaker.md tells more of it.",
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser)
    own = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    push = add_command(own, "push", _push, summary="bring the container's image to ECR", examples=PUSH_EXAMPLES)
    push.add_argument("image", metavar="IMAGE", help="as docker knows it: linear-learner, linear-learner:1")
    push.add_argument("--repository", metavar="NAME", help="in ECR (default: the image's name)")
    _add_region(push)
    train = add_command(own, "train", _train, summary="run a training job", usage=TRAIN_USAGE, examples=TRAIN_EXAMPLES)
    _add_job(train)
    train.add_argument(
        "--checkpoints", type=place, metavar="S3URI", help="where to keep the state of training, and go on from it"
    )
    tune = add_command(own, "tune", _tune, summary="run a tuning job", usage=TUNE_USAGE, examples=TUNE_EXAMPLES)
    tune.add_argument("--objective", metavar="METRIC", help="to better (default: validation:objective_loss)")
    tune.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH",
        help="of a hyperparameter, or NAME=WORD,WORD; may be given again (default: what Amazon documents as tunable, "
        "without what is given a value)",
    )
    tune.add_argument("--max-jobs", type=count, default=20, metavar="N", help="training jobs (default: %(default)s)")
    tune.add_argument("--parallel", type=count, metavar="N", help="of them at a time (default: 2)")
    _add_job(tune)
    deploy = add_command(own, "deploy", _deploy, summary="answer with a model", examples=DEPLOY_EXAMPLES)
    _add_model(deploy)
    deploy.add_argument("--output", type=place, metavar="S3URI", help="below which a local model is uploaded")
    deploy.add_argument(
        "--serverless", action="store_true", help="pay by the request, without machines of the endpoint's own"
    )
    deploy.add_argument(
        "--memory-mb", type=int, choices=range(1024, 6145, 1024), metavar="N", help="of --serverless (default: 2048)"
    )
    transform = add_command(
        own, "transform", _transform, summary="predict for files in S3", examples=TRANSFORM_EXAMPLES
    )
    _add_model(transform)
    transform.add_argument("--input", type=place, required=True, metavar="S3URI", help="the rows: a file or a folder")
    transform.add_argument(
        "--output", type=place, required=True, metavar="S3URI", help="where to write the predictions"
    )
    transform.add_argument(
        "--content-type", metavar="TYPE", help="of the rows (default: by the file's name, or text/csv)"
    )
    transform.add_argument("--accept", default="text/csv", metavar="TYPE", help="of predictions (default: %(default)s)")
    delete = add_command(own, "delete", _delete, summary="delete an endpoint", examples=DELETE_EXAMPLES)
    delete.add_argument("name", metavar="NAME", help="of the endpoint")
    delete.add_argument("--with-model-data", action="store_true", help="delete its model.tar.gz in S3 as well")
    _add_region(delete)
    _add_dry_run(delete)


def _add_job(parser: argparse.ArgumentParser) -> None:
    """The options of training and tuning jobs."""
    add_base(parser)
    parser.add_argument("--image", required=True, metavar="URI", help="this container in ECR; see 'sagemaker push'")
    _add_role(parser)
    parser.add_argument(
        "--output", type=place, required=True, metavar="S3URI", help="below which models and uploaded files are put"
    )
    _add_machines(parser, FOR_JOBS)
    parser.add_argument("--volume-gb", type=count, default=30, metavar="N", help="of each disk (default: %(default)s)")
    parser.add_argument(
        "--hours", type=_hours, default=24.0, metavar="X", help="the longest run (default: %(default)g)"
    )
    parser.add_argument(
        "--input-mode",
        choices=INPUT_MODES,
        help="how files reach the machines (default: what the folder of --base says, or else File)",
    )
    parser.add_argument("--shard", action="store_true", help="give each machine its share of the train channel's files")
    parser.add_argument(
        "--spot",
        action="store_true",
        help="use spare machines, which cost less and may be taken back",
    )
    _add_common(parser)
    plain_job.add_files(parser, split=False)


def _add_role(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    default = "" if required else " (default: the training job's)"
    parser.add_argument("--role", required=required, metavar="ARN", help=f"IAM role that SageMaker takes on{default}")


def _add_machines(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--instance-type", type=_instance_type, metavar="TYPE", help=f"(default: {default})")
    parser.add_argument("--instance-count", type=count, metavar="N", help="(default: 1)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    """The options of what makes use of a model."""
    parser.add_argument(
        "model", metavar="MODEL", help="a training job's name, or a model.tar.gz, in S3 or on this machine"
    )
    parser.add_argument("--image", metavar="URI", help="this container in ECR (default: the training job's)")
    _add_role(parser, required=False)
    _add_machines(parser, FOR_PREDICTIONS)
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="(default: linear-learner- and the time)")
    _add_region(parser)
    _add_dry_run(parser)
    parser.add_argument("--no-wait", action="store_true", help="end once all is asked for")


def _add_region(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", metavar="REGION", help="(default: that of the AWS configuration)")


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the requests in JSON, and change nothing")


def _instance_type(text: str) -> str:
    if not text.startswith("ml."):
        raise argparse.ArgumentTypeError(f"SageMaker's machines begin with 'ml.'; did you mean ml.{text}?")
    return text


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 1 / 60 <= hours <= 24 * 28:
        raise argparse.ArgumentTypeError(f"'{text}' hours are not between a minute and 28 days")
    return hours


def _push(arguments: argparse.Namespace) -> int:
    """Push an image of the local Docker engine to a repository in ECR, which is made if it is not there, and print its
    address for --image of the other commands."""
    from linear_learner.sagemaker.push import push

    return push(Account(arguments.region), arguments.image, arguments.repository)


def _train(arguments: argparse.Namespace) -> int:
    """Upload local files to S3, run a training job on them, and show its log until it is done. Files, hyperparameters
    and the folder of a job are given as to 'linear-learner train'; addresses in S3 are used as they are."""
    from linear_learner.sagemaker.train import train

    job = _job(arguments)
    if arguments.checkpoints is not None:
        job = replace(job, checkpoints=_in_s3(arguments.checkpoints, "--checkpoints"))
    elif job.is_spot:
        job = replace(job, checkpoints=job.output / job.name / "checkpoints")
    return train(Account(arguments.region), job, waits=not arguments.no_wait, dry_run=arguments.dry_run)


def _tune(arguments: argparse.Namespace) -> int:
    """Run automatic model tuning, and tell the best of its training jobs. Everything is given as to 'sagemaker train';
    hyperparameters that are given a value keep it."""
    from linear_learner.sagemaker.tune import tune

    job = _job(arguments)
    objective = arguments.objective or "validation:objective_loss"
    at_a_time = arguments.parallel or min(2, arguments.max_jobs)
    tuning = Tuning(objective, _ranges(arguments.range), arguments.max_jobs, at_a_time)
    return tune(Account(arguments.region), job, tuning, waits=not arguments.no_wait, dry_run=arguments.dry_run)


def _ranges(texts: list[str]) -> dict[str, str]:
    ranges = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals:
            raise ClientError(f"'{text}' is no range", where="--range", fix="write NAME=LOW:HIGH or NAME=WORD,WORD")
        hyperparameter = name.lstrip("-").replace("-", "_")
        if hyperparameter in ranges:
            raise ClientError(f"{hyperparameter} has two ranges", where="--range", fix="give it one")
        ranges[hyperparameter] = values
    return ranges


def _deploy(arguments: argparse.Namespace) -> int:
    """Make an endpoint that answers with a trained model. Its model and its configuration have its name. Where a step
    fails, what was made is deleted again."""
    from linear_learner.sagemaker.deploy import deploy

    account, name = Account(arguments.region), arguments.name or description.new_name()
    if arguments.memory_mb and not arguments.serverless:
        raise ClientError("--memory-mb is given without --serverless", fix="give both, or take an --instance-type")
    if arguments.serverless and (arguments.instance_type or arguments.instance_count):
        raise ClientError(
            "--serverless has no machines of its own", fix="leave it out, or --instance-type and --instance-count"
        )
    output = None if arguments.output is None else _in_s3(arguments.output, "--output") / name
    source = _source(arguments, account, output)
    if output is not None and not source.uploads:
        raise ClientError("The model is in S3 already", where=arguments.model, fix="leave out --output")
    return deploy(
        account,
        source,
        name,
        _machines(arguments, FOR_PREDICTIONS),
        serverless_mb=(arguments.memory_mb or 2048) if arguments.serverless else None,
        waits=not arguments.no_wait,
        dry_run=arguments.dry_run,
    )


def _transform(arguments: argparse.Namespace) -> int:
    """Write predictions for the rows of files in S3 (batch transform), each file's to a file of its name and .out. The
    model that SageMaker keeps for it is deleted at the end."""
    from linear_learner.formats import SHARED_DECODERS
    from linear_learner.formats.content_type import CSV, parse
    from linear_learner.formats.encoders import ENCODERS
    from linear_learner.formats.file_names import content_type_by_name
    from linear_learner.formats.json_records import JSON_DECODERS
    from linear_learner.sagemaker.transform import transform

    account, name = Account(arguments.region), arguments.name or description.new_name()
    if parse(arguments.accept).name not in ENCODERS:
        raise UnsupportedContentType(arguments.accept, supported=ENCODERS, where="--accept")
    rows, target = _in_s3(arguments.input, "--input"), _in_s3(arguments.output, "--output")
    content_type = arguments.content_type or content_type_by_name(rows.name) or CSV
    readable = {*JSON_DECODERS, *SHARED_DECODERS}
    if parse(content_type).name not in readable:
        where = "--content-type" if arguments.content_type else f"--input {rows}"
        raise UnsupportedContentType(content_type, supported=readable, where=where)
    return transform(
        account,
        _source(arguments, account, target / name),
        name,
        _machines(arguments, FOR_PREDICTIONS),
        rows=rows,
        target=target,
        content_type=content_type,
        accept=arguments.accept,
        waits=not arguments.no_wait,
        dry_run=arguments.dry_run,
    )


def _delete(arguments: argparse.Namespace) -> int:
    """Delete an endpoint of 'sagemaker deploy', with the configuration and the model of its name. What was made by
    other tools is left alone, and so is what lies in S3 unless that is asked for."""
    from linear_learner.sagemaker.delete import delete

    return delete(
        Account(arguments.region), arguments.name, with_data=arguments.with_model_data, dry_run=arguments.dry_run
    )


def _source(arguments: argparse.Namespace, account: Account, upload_to: S3Path | None) -> ModelSource:
    from linear_learner.sagemaker.model_source import model_source

    return model_source(account, arguments.model, image=arguments.image, role=arguments.role, upload_to=upload_to)


def _job(arguments: argparse.Namespace) -> Job:
    hyperparameters, channels = _inputs(arguments)
    output = _in_s3(arguments.output, "--output")
    name = arguments.name or description.new_name()
    return Job(
        name=name,
        image=arguments.image,
        role=arguments.role,
        output=output,
        machines=replace(_machines(arguments, FOR_JOBS), volume_gb=arguments.volume_gb, hours=arguments.hours),
        hyperparameters=description.as_texts(hyperparameters),
        channels={name: _as_asked_for(channel, arguments) for name, channel in channels.items()},
        is_spot=arguments.spot,
    )


def _as_asked_for(channel: ChannelConfig, arguments: argparse.Namespace) -> ChannelConfig:
    """The options go before what the folder of a job says of its channel."""
    return replace(
        channel,
        input_mode=arguments.input_mode or channel.input_mode,
        is_sharded=channel.is_sharded or (arguments.shard and channel.name == "train"),
    )


def _machines(arguments: argparse.Namespace, instance_type: str) -> Machines:
    """``instance_type``: where none is asked for."""
    return Machines(arguments.instance_type or instance_type, arguments.instance_count or 1)


def _inputs(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, ChannelConfig]]:
    """Hyperparameters, and channels whose paths are local or in S3."""
    if not plain_job.is_asked_for(arguments):
        if arguments.base is None:
            raise ClientError("Nothing says what to train on", fix="give --train FILE, or --base with a job's folder")
        env = Environment.from_environ(arguments.base)
        return env.hyperparameters(), {name: _as_folder(channel) for name, channel in env.channels().items()}
    from linear_learner.formats.file_names import content_type_by_name

    channels = plain_job.channels_of(arguments, lambda path: content_type_by_name(path.name))
    return plain_job.given_hyperparameters(arguments), channels


def _as_folder(channel: ChannelConfig) -> ChannelConfig:
    """Those of a job's folder are folders, in S3 too."""
    return replace(channel, path=place(f"{channel.path}/"))


def _in_s3(path: Path, option: str) -> S3Path:
    if not isinstance(path, S3Path):
        raise ClientError("This must be in S3", where=f"{option} {path}", fix="write s3://bucket/prefix")
    return path
