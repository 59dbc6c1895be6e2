"""What the commands' options share: how a command is declared, and the kinds of value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from linear_learner.environment import DEFAULT_BASE

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What add_subparsers() returns; argparse has no public name for it."""
Run = Callable[[argparse.Namespace], int]


def add_command(commands: Commands, name: str, run: Run, *, summary: str) -> argparse.ArgumentParser:
    """The parser of a new command. ``summary`` stands in the list of commands, and the docstring of ``run`` at the top
    of the command's own help."""
    parser = commands.add_parser(name, help=summary, description=run.__doc__)
    parser.set_defaults(run=run)
    return parser


def add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", type=Path, default=DEFAULT_BASE, metavar="DIR", help="folder of the job (default: %(default)s)"
    )


def port(text: str) -> int:
    """Of TCP. ArgumentTypeError for anything else, which argparse tells with the usage."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: give a number from 1 to 65535")
    return int(text)
