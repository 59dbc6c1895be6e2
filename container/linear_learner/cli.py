"""The command line, as SageMaker runs it and as people do: it lists the commands, runs one, and tells its errors."""

from __future__ import annotations

import argparse
import difflib
import io
import os
import sys
from collections.abc import Sequence

from linear_learner import __version__
from linear_learner.commands import convert, inspect, predict, sagemaker, serve, train, validate
from linear_learner.environment import failure_text
from linear_learner.errors import INTERRUPTED, LinearLearnerError, PlatformError

BROKEN_PIPE = 141
"""128 and the number of the signal that would end a program without a handler."""
COMMANDS = (train, predict, inspect, convert, serve, validate, sagemaker)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 a bug of ours, 2 the user's mistake, 3 the machine's fault, 130
    ended by Ctrl-C, 141 nobody reads the output, 143 ended by SIGTERM before there was a model)."""
    _escape_what_has_no_bytes()
    arguments = _arguments(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has seen enough (| head). What is left of it goes nowhere, at the exit as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except LinearLearnerError as error:
        return _failed(error)
    except MemoryError:
        return _failed(PlatformError("Out of memory"))
    except OSError as error:
        return _failed(PlatformError(error.strerror or str(error), where=str(error.filename or "")))


def _escape_what_has_no_bytes() -> None:
    """Names of files need not be UTF-8, and JSON may hold half a character. In the log and in answers they are escaped,
    which Python by itself does on stderr alone."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _failed(error: LinearLearnerError) -> int:
    print(failure_text(error), file=sys.stderr)
    return error.exit_code


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; ends the process where argparse cannot read it, or --help was asked for."""
    arguments, unknown = _parser().parse_known_args(argv)
    if unknown:
        parser = arguments.parser
        near = difflib.get_close_matches(unknown[0].partition("=")[0], parser._option_string_actions, n=1)
        advice = f". Did you mean {near[0]}?" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="linear-learner",
        description="Train many linear models side by side, keep the best, and serve it.",
        epilog="linear-learner COMMAND --help tells more, with examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"linear-learner {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
