"""The command line: ``linear-learner train`` and ``linear-learner serve``, as SageMaker runs them and as people do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from linear_learner import __version__, openblas
from linear_learner.environment import DEFAULT_BASE, Environment, failure_text
from linear_learner.errors import ClientError, LinearLearnerError


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

    train = commands.add_parser("train", help="run the training job of a folder", description=_train.__doc__)
    train.set_defaults(run=_train)
    serve = commands.add_parser("serve", help="answer requests with a trained model", description=_serve.__doc__)
    serve.add_argument(
        "--port",
        type=_port,
        default=None,
        metavar="N",
        help="port to listen on (default: SAGEMAKER_BIND_TO_PORT or 8080)",
    )
    serve.set_defaults(run=_serve)
    validate = commands.add_parser(
        "validate", help="look at the folder of a job before it runs", description=_validate.__doc__
    )
    validate.add_argument("--json", action="store_true", help="answer in JSON")
    validate.set_defaults(run=_validate)
    for command in (train, serve, validate):
        command.add_argument(
            "--base", type=Path, default=DEFAULT_BASE, metavar="DIR", help="folder of the job (default: %(default)s)"
        )
    return parser


def _port(text: str) -> int:
    """Of TCP. ArgumentTypeError for anything else, which argparse tells with the usage."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: give a number from 1 to 65535")
    return int(text)


def _train(arguments: argparse.Namespace) -> int:
    """Read input/ below the folder, train, and write model/. Why a job failed is printed and written to
    output/failure."""
    openblas.prepare()
    from linear_learner.training.job import run

    return run(Environment.from_environ(arguments.base))


def _validate(arguments: argparse.Namespace) -> int:
    """Read the hyperparameters and every row of the channels below the folder, and tell all that the job would stumble
    over, what its data is like, and about how much memory and time it would take. Ends with 0 if the job can run, and
    with 2 if not. Nothing is written."""
    openblas.prepare()
    from linear_learner.training.inspection import inspect
    from linear_learner.training.inspection_report import as_json, as_text

    found = inspect(Environment.from_environ(arguments.base))
    print(as_json(found) if arguments.json else as_text(found, arguments.base))
    return ClientError.exit_code if found.problems else 0


def _serve(arguments: argparse.Namespace) -> int:
    """Load model/ below the folder and answer GET /ping and POST /invocations until stopped."""
    openblas.prepare()
    from linear_learner.serving.server import serve
    from linear_learner.serving.settings import Settings

    return serve(Environment.from_environ(arguments.base).model_dir, Settings.from_environ(port=arguments.port))


if __name__ == "__main__":
    sys.exit(main())
