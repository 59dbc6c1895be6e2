"""``linear-learner sagemaker``: the commands that run on Amazon SageMaker."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from linear_learner.aws import Account
from linear_learner.commands import plain_job
from linear_learner.commands.arguments import Commands, add_base, add_command, place
from linear_learner.environment import DEFAULT_BASE, INPUT_MODES, ChannelConfig, Environment
from linear_learner.errors import ClientError
from linear_learner.s3 import S3Path
from linear_learner.sagemaker import description
from linear_learner.sagemaker.description import Job, Machines

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
        "sagemaker", help="train, tune and deploy on Amazon SageMaker", description=__doc__, allow_abbrev=False
    )
    parser.set_defaults(parser=parser)
    own = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    train = add_command(own, "train", _train, summary="run a training job", usage=TRAIN_USAGE, examples=TRAIN_EXAMPLES)
    _add_job(train)


def _add_job(parser: argparse.ArgumentParser) -> None:
    """The options of training and tuning jobs."""
    add_base(parser)
    parser.add_argument("--image", required=True, metavar="URI", help="this container in ECR; see 'sagemaker push'")
    _add_role(parser)
    parser.add_argument(
        "--output", type=place, required=True, metavar="S3URI", help="below which models and uploaded files are put"
    )
    _add_machines(parser, "ml.m5.xlarge")
    parser.add_argument("--volume-gb", type=_count, default=30, metavar="N", help="of each disk (default: %(default)s)")
    parser.add_argument(
        "--hours", type=_hours, default=24.0, metavar="X", help="the longest run (default: %(default)g)"
    )
    parser.add_argument(
        "--input-mode", choices=INPUT_MODES, default="File", help="how files reach the machines (default: %(default)s)"
    )
    parser.add_argument("--shard", action="store_true", help="give each machine its share of the train channel's files")
    parser.add_argument(
        "--checkpoints", type=place, metavar="S3URI", help="where to keep the state of training, and go on from it"
    )
    parser.add_argument(
        "--spot",
        action="store_true",
        help="use spare machines, which cost less and may be taken back; keeps checkpoints",
    )
    _add_common(parser)
    parser.add_argument("--no-wait", action="store_true", help="end once the job is created")
    plain_job.add_files(parser)


def _add_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", required=True, metavar="ARN", help="the IAM role that SageMaker takes on")


def _add_machines(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--instance-type", default=default, metavar="TYPE", help="(default: %(default)s)")
    parser.add_argument("--instance-count", type=_count, default=1, metavar="N", help="(default: %(default)s)")


def _add_common(parser: argparse.ArgumentParser, *, named: bool = True) -> None:
    if named:
        parser.add_argument("--name", metavar="NAME", help="(default: linear-learner- and the time)")
    parser.add_argument("--region", metavar="REGION", help="(default: that of the AWS configuration)")
    parser.add_argument("--dry-run", action="store_true", help="print the requests, and change nothing")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 1 / 60 <= hours <= 24 * 28:
        raise argparse.ArgumentTypeError(f"'{text}' hours are not between a minute and 28 days")
    return hours


def _train(arguments: argparse.Namespace) -> int:
    """Upload local files to S3, run a training job on them, and show its log until it is done. Files, hyperparameters
    and the folder of a job are given as to 'linear-learner train'; addresses in S3 are used as they are."""
    from linear_learner.sagemaker.train import train

    return _interruptible(
        lambda: train(
            Account(arguments.region), _job(arguments), waits=not arguments.no_wait, dry_run=arguments.dry_run
        )
    )


def _job(arguments: argparse.Namespace) -> Job:
    hyperparameters, channels = _inputs(arguments)
    output = _in_s3(arguments.output, "--output")
    name = arguments.name or description.new_name()
    checkpoints = None
    if arguments.checkpoints is not None:
        checkpoints = _in_s3(arguments.checkpoints, "--checkpoints")
    elif arguments.spot:
        checkpoints = output / name / "checkpoints"
    return Job(
        name=name,
        image=arguments.image,
        role=arguments.role,
        output=output,
        machines=_machines(arguments),
        hyperparameters=description.as_texts(hyperparameters),
        channels=channels,
        input_mode=arguments.input_mode,
        checkpoints=checkpoints,
        is_spot=arguments.spot,
        is_shared=arguments.shard,
    )


def _machines(arguments: argparse.Namespace) -> Machines:
    return Machines(arguments.instance_type, arguments.instance_count, arguments.volume_gb, arguments.hours)


def _inputs(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, ChannelConfig]]:
    """Hyperparameters, and channels whose paths are local or in S3."""
    if arguments.split is not None:
        raise ClientError(
            "--split holds out no rows on SageMaker", fix="write two files, and name them with --train and --validation"
        )
    options = vars(arguments) | {"output": None, "checkpoints": None}
    if not plain_job.is_asked_for(argparse.Namespace(**options)):
        env = Environment.from_environ(arguments.base or DEFAULT_BASE)
        return env.hyperparameters(), env.channels()
    from linear_learner.formats.file_names import content_type_by_name

    channels = {}
    for name, option in plain_job.CHANNELS.items():
        path: Path | None = getattr(arguments, option)
        if path is not None:
            content_type = None if name == "model" else arguments.content_type or content_type_by_name(path.name)
            channels[name] = ChannelConfig(name, path, content_type)
    return plain_job.given_hyperparameters(arguments), channels


def _in_s3(path: Path, option: str) -> S3Path:
    if not isinstance(path, S3Path):
        raise ClientError("This must be in S3", where=f"{option} {path}", fix="write s3://bucket/prefix")
    return path


def _interruptible(run: Callable[[], int]) -> int:
    try:
        return run()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
