"""``linear-learner train``"""

from __future__ import annotations

import argparse

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_base, add_command
from linear_learner.environment import Environment


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "train", run, summary="run the training job of a folder")
    add_base(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read input/ below the folder, train, and write model/. Why a job failed is printed and written to
    output/failure."""
    openblas.prepare()
    from linear_learner.training import job

    return job.run(Environment.from_environ(arguments.base))
