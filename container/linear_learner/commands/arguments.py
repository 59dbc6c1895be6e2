"""What the commands' options share: how a command is declared, and the kinds of value."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from linear_learner import s3
from linear_learner.environment import DEFAULT_BASE
from linear_learner.errors import ClientError
from linear_learner.model.archive import files_in
from linear_learner.whole_file import check_place

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What add_subparsers() returns; argparse has no public name for it."""
Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: Commands, name: str, run: Run, *, summary: str, usage: str | None = None, examples: str = ""
) -> argparse.ArgumentParser:
    """The parser of a new command. ``summary`` stands in the list of commands, and the docstring of ``run`` at the top
    of the command's own help, which ends with the ``examples``. ``usage`` is for what is too long to be listed."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=run.__doc__,
        usage=usage,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


class _Help(argparse.HelpFormatter):
    """Wraps descriptions, but leaves examples as they are laid out."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:\n") else super()._fill_text(text, width, indent)


def add_base(parser: argparse.ArgumentParser) -> None:
    """The folder of a job; None where the command line does not name it."""
    parser.add_argument("--base", type=place, metavar="DIR", help=f"folder of the job (default: {DEFAULT_BASE})")


def place(text: str) -> Path:
    """A local path, or ``s3://bucket/key``."""
    try:
        return s3.path(text)
    except ClientError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def check_output(file: Path) -> None:
    """ClientError where a file cannot be written to; of S3 only the writing tells."""
    if not isinstance(file, s3.S3Path):
        check_place(file)


def check_not_over(given: Path, output: Path, problem: str, where: str) -> None:
    """ClientError, which tells the ``problem``, where what is written to ``output`` would take the place of ``given``,
    which is read."""
    if given == output or (output.is_file() and given.is_file() and given.samefile(output)):
        raise ClientError(problem, where=where, fix="name another file")


def check_not_over_model(model: Path, output: Path, problem: str, where: str) -> None:
    """As ``check_not_over``, of a model and of the files of one that is a folder."""
    for given in (model, *files_in(model)):
        check_not_over(given, output, problem, where)


def add_model(parser: argparse.ArgumentParser, name: str, **more: Any) -> None:
    """An option or an argument: the path of a model."""
    about = "the model: model.tar.gz, model_algo-1, or a folder with its files"
    parser.add_argument(name, type=place, metavar="MODEL", help=about, **more)


def number(text: str) -> float:
    """A finite number. ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number")
    return value


def count(text: str) -> int:
    """A whole number from 1 on. ArgumentTypeError for anything else."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) < 1 << 63):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def port(text: str) -> int:
    """Of TCP. ArgumentTypeError for anything else, which argparse tells with the usage."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: give a number from 1 to 65535")
    return int(text)


def share(text: str) -> float:
    """A part of the whole. ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share: give a number between 0 and 1, such as 0.2")
    return value
