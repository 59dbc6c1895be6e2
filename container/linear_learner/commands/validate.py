"""``linear-learner validate``"""

from __future__ import annotations

import argparse

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_base, add_command
from linear_learner.environment import Environment
from linear_learner.errors import ClientError


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "validate", run, summary="look at the folder of a job before it runs")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    add_base(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the hyperparameters and every row of the channels below the folder, and tell all that the job would stumble
    over, what its data is like, and about how much memory and time it would take. Ends with 0 if the job can run, and
    with 2 if not. Nothing is written."""
    openblas.prepare()
    from linear_learner.training.inspection import inspect
    from linear_learner.training.inspection_report import as_json, as_text

    found = inspect(Environment.from_environ(arguments.base))
    print(as_json(found) if arguments.json else as_text(found, arguments.base))
    return ClientError.exit_code if found.problems else 0
