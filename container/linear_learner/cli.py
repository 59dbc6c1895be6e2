"""The command line, as SageMaker runs it and as people do: it lists the commands, runs one, and tells its errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from linear_learner import __version__
from linear_learner.commands import serve, train, validate
from linear_learner.environment import failure_text
from linear_learner.errors import LinearLearnerError

COMMANDS = (train, serve, validate)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 a bug of ours, 2 the user's mistake, 3 the machine's fault)."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except LinearLearnerError as error:
        print(failure_text(error), file=sys.stderr)
        return error.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="linear-learner",
        description="Train many linear models side by side, keep the best, and serve it.",
        epilog="The folder of a job is laid out as on SageMaker: input/config/hyperparameters.json, "
        "input/data/train/, input/data/validation/, model/, output/. See README.md.",
    )
    parser.add_argument("--version", action="version", version=f"linear-learner {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
