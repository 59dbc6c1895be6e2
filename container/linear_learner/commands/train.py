"""``linear-learner train``"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from linear_learner import allocator, openblas
from linear_learner.commands import plain_job
from linear_learner.commands.arguments import Commands, add_base, add_command, place
from linear_learner.environment import Environment
from linear_learner.errors import ClientError, PlatformError
from linear_learner.s3 import gathered
from linear_learner.training.sigterm import ignore_sigterm, stop_on_sigterm

EXAMPLES = """\
  linear-learner train --train data.csv --split 0.2 --predictor-type binary_classifier --output out
  linear-learner train --train train.parquet --validation held-out.parquet --label-column price \\
      --predictor-type regressor --loss absolute_loss --epochs 30 --output out
  linear-learner train --base /opt/ml
"""
AnyJob = TypeVar("AnyJob", bound=Environment)
USAGE = """\
linear-learner train --train PATH [--validation PATH | --split SHARE] [--test PATH] --output DIR
                            --predictor-type WORD [--HYPERPARAMETER VALUE ...]
       linear-learner train [--base DIR]"""


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands, "train", run, summary="train a model on files, or run a job's folder", usage=USAGE, examples=EXAMPLES
    )
    add_base(parser)
    parser.add_argument("--output", type=place, metavar="DIR", help="where to write the model, its report and the log")
    parser.add_argument(
        "--checkpoints", type=place, metavar="DIR", help="where to keep the state of training, and go on from it"
    )
    plain_job.add_files(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train on plain files and write the model to --output; or, as SageMaker does, run the job of a folder: read input/
    below it, train, and write model/. Why such a job failed is printed and written to output/failure."""
    if not plain_job.is_asked_for(arguments, "output", "checkpoints"):
        return _train_in_folder(arguments.base)
    if arguments.output is None:
        raise ClientError("Nothing says where to write the model", fix="name a folder: --output out")
    with _results_on_disk(plain_job.job_of(arguments, arguments.output)) as env:
        return _train_on_files(env)


def _train_in_folder(base: Path | None) -> int:
    should_stop = stop_on_sigterm()  # the imports below take their time
    openblas.prepare()
    allocator.keep_freed_memory()
    from linear_learner.training import job

    with _results_on_disk(Environment.from_environ(base)) as env:
        code = job.run(env, should_stop)
    ignore_sigterm()
    return code


@contextlib.contextmanager
def _results_on_disk(env: AnyJob) -> Iterator[AnyJob]:
    """A job whose results belong in S3 writes them to the disk, from where they are brought there in the end."""
    with gathered(env.base) as folder:
        yield env if folder == env.base else replace(env, results=folder)


def _train_on_files(env: plain_job.PlainJob) -> int:
    openblas.prepare()
    allocator.keep_freed_memory()
    from linear_learner.commands.training_summary import summary
    from linear_learner.training import job

    _prepare_output(env)
    print(f"Training. The log is in {env.log_file}.", file=sys.stderr, flush=True)
    with (
        env.log_file.open("w", encoding="utf-8", errors="backslashreplace") as log,
        contextlib.redirect_stdout(log),
        _problems_shown(),
    ):
        code = job.run(env)
    if code == 0:
        print(summary(env))
    return code


def _prepare_output(env: plain_job.PlainJob) -> None:
    try:
        for folder in (env.model_dir, env.checkpoints):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        env.log_file.touch()
    except FileExistsError as error:
        raise ClientError(
            "A file stands where a folder should", where=str(error.filename), fix="name another"
        ) from None
    except OSError as error:
        raise PlatformError(
            f"The folder cannot be written to: {error.strerror}", where=str(error.filename), fix="name another"
        ) from None


@contextlib.contextmanager
def _problems_shown() -> Iterator[None]:
    """Shows warnings and errors of the log on the terminal as well."""
    package = logging.getLogger(__name__.partition(".")[0])
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    package.addHandler(terminal)
    try:
        yield
    finally:
        package.removeHandler(terminal)
