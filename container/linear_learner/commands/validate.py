"""``linear-learner validate``"""

from __future__ import annotations

import argparse
import contextlib

from linear_learner import allocator, openblas
from linear_learner.commands import plain_job
from linear_learner.commands.arguments import Commands, add_base, add_command
from linear_learner.environment import Environment
from linear_learner.errors import ClientError
from linear_learner.s3 import S3Path

EXAMPLES = """\
  linear-learner validate --train data.csv --predictor-type binary_classifier
  linear-learner validate --base /opt/ml --json
"""
USAGE = """\
linear-learner validate --train PATH [--validation PATH | --split SHARE] [--test PATH]
                               --predictor-type WORD [--HYPERPARAMETER VALUE ...] [--json]
       linear-learner validate [--base DIR] [--json]"""


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands, "validate", run, summary="look at data and settings before training", usage=USAGE, examples=EXAMPLES
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    add_base(parser)
    plain_job.add_files(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the hyperparameters and every row of the channels, of plain files or below the folder of a job, and tell all
    that the job would stumble over, what its data is like, and about how much memory and time it would take. Ends with
    0 if the job can run, and with 2 if not. Nothing is written."""
    openblas.prepare()
    allocator.keep_freed_memory()
    from linear_learner.training.checks.job_check import check_job
    from linear_learner.training.checks.job_check_report import as_json, as_text

    if plain_job.is_asked_for(arguments):
        env: Environment = plain_job.job_of(arguments)
        title = f"Job on {arguments.train}"
    else:
        env = Environment.from_environ(arguments.base)
        title = f"Job in {env.base}"
    found = check_job(env)
    # Where a job on plain files writes to is said when it runs, and of S3 only the writing tells.
    if not plain_job.is_asked_for(arguments) and not isinstance(env.base, S3Path):
        with contextlib.suppress(ClientError):  # of a config file, which is told already
            found.warnings += [f"{folder} cannot be written to by this user." for folder in env.unwritable_folders()]
    print(as_json(found) if arguments.json else as_text(found, title))
    return ClientError.exit_code if found.problems else 0
