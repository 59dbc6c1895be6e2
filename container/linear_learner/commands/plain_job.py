"""A training job on plain files: the options that describe it, and what the job sees of them.

The job itself is the one that runs on the platform. It asks an ``Environment`` for its hyperparameters, channels and
folders; here the command line answers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from linear_learner.commands.arguments import place, share
from linear_learner.environment import ChannelConfig, Environment, Split
from linear_learner.errors import ClientError
from linear_learner.hyperparameters.fields import REQUIRED, Row, as_text
from linear_learner.hyperparameters.schema import ROWS

CHANNELS = {"train": "train", "validation": "validation", "test": "test", "model": "start_from"}
"""The option of each channel."""
_PREFIX = "hyperparameter "


@dataclass(frozen=True)
class PlainJob(Environment):
    """``base`` is the folder that everything is written to, the model at its top. ``provided``: the hyperparameters of
    the command line; ``given``: its channels."""

    provided: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, ChannelConfig] = field(default_factory=dict)
    checkpoints: Path | None = None

    @property
    def hyperparameters_file(self) -> Path:
        """Named in the log alone."""
        return Path("the command line")

    @property
    def model_dir(self) -> Path:
        return self.results or self.base

    @property
    def output_data_dir(self) -> Path:
        return self.model_dir

    @property
    def failure_file(self) -> Path:
        return self.model_dir / "failure"

    @property
    def log_file(self) -> Path:
        return self.model_dir / "train.log"

    def checkpoint_dir(self) -> Path | None:
        return self.checkpoints

    def hyperparameters(self) -> dict[str, Any]:
        return dict(self.provided)

    def channels(self) -> dict[str, ChannelConfig]:
        return dict(self.given)

    def hosts(self) -> tuple[str, list[str]]:
        return "algo-1", ["algo-1"]


def add_files(parser: argparse.ArgumentParser, *, split: bool = True) -> None:
    """The options of channels and of hyperparameters; --split where rows are read on this machine."""
    files = parser.add_argument_group(
        "data",
        "Each is a file, or a folder with the files in it: CSV, Parquet, LIBSVM or recordIO, plain, .gz or .zst.",
    )
    files.add_argument("--train", type=place, metavar="PATH", help="rows to train on")
    files.add_argument("--validation", type=place, metavar="PATH", help="rows by which the best model is chosen")
    files.add_argument("--test", type=place, metavar="PATH", help="rows for a last score")
    files.add_argument("--start-from", type=place, metavar="MODEL", help="a model whose weights training starts from")
    if split:
        files.add_argument(
            "--split",
            type=share,
            metavar="SHARE",
            help="hold out this share of the rows of --train, drawn at random by --seed, as the validation rows",
        )
    files.add_argument(
        "--content-type",
        metavar="TYPE",
        help="of all the files, such as 'text/libsvm; index_base=0' (default: by the files' names, or else their "
        "first bytes)",
    )
    table = parser.add_argument_group(
        "hyperparameters", "As on SageMaker, with dashes or underscores; docs/hyperparameters.md tells more of them."
    )
    for name, row in ROWS.items():
        if row.retired:
            continue
        flag = f"--{name.replace('_', '-').lstrip('-')}"
        shown = argparse.SUPPRESS if name.startswith("_") else _about(row)
        table.add_argument(flag, dest=_PREFIX + name, metavar=_metavar(row), help=shown)
        if f"--{name}" != flag:
            table.add_argument(f"--{name}", dest=_PREFIX + name, help=argparse.SUPPRESS)


def _metavar(row: Row) -> str:
    return {"integer": "N", "float": "X", "boolean": "BOOL"}.get(row.kind.type_name, "WORD" if row.choices else "TEXT")


def _about(row: Row) -> str:
    """What the help says of a hyperparameter."""
    text = row.text.replace("`", "")
    legal = f" One of: {', '.join(row.choices)}." if row.choices and row.kind.type_name == "string" else ""
    default = "" if row.default in (REQUIRED, "") else f" (default: {as_text(row.default)})"
    return f"{text}{legal}{default}".replace("%", "%%")


def given_hyperparameters(arguments: argparse.Namespace) -> dict[str, str]:
    """As the command line spells them."""
    return {
        name.removeprefix(_PREFIX): value
        for name, value in vars(arguments).items()
        if name.startswith(_PREFIX) and value is not None
    }


def is_asked_for(arguments: argparse.Namespace, *others: str) -> bool:
    """Whether the command line describes a job on plain files, by the options of ``add_files`` and ``others`` of which
    the folder of a job makes no use. ClientError where it names such a folder as well, or describes half a job."""
    names = [*CHANNELS.values(), "content_type", "split", *others]
    options = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name, None) is not None]
    options += [f"--{name}" for name in given_hyperparameters(arguments)]
    if not options:
        return False
    if arguments.base is not None:
        raise ClientError(
            f"--base names the folder of a job, where a file says what {options[0]} would",
            fix="leave out the one or the other",
        )
    if arguments.train is None:
        raise ClientError(f"{options[0]} is given without --train", fix="name the file to train on: --train data.csv")
    return True


def channels_of(arguments: argparse.Namespace, content_type: Callable[[Path], str | None]) -> dict[str, ChannelConfig]:
    """Those that the command line names. ``content_type``: of a path, where the command line does not say."""
    found = {}
    for name, option in CHANNELS.items():
        path: Path | None = getattr(arguments, option)
        if path is not None:
            of_rows = None if name == "model" else arguments.content_type or content_type(path)
            found[name] = ChannelConfig(name, path, of_rows)
    return found


def job_of(arguments: argparse.Namespace, output: Path | None = None) -> PlainJob:
    """The job that the command line describes, which writes to ``output`` if it writes at all. ClientError for files
    that are not there."""
    provided = given_hyperparameters(arguments)
    channels = channels_of(arguments, _content_type)
    for name, channel in channels.items():
        _check(channel.path, f"--{CHANNELS[name].replace('_', '-')}", output)
    if arguments.split is not None:
        if "validation" in channels:
            raise ClientError("--split would hold out rows of --train, and --validation names others", fix="give one")
        try:
            seed = ROWS["seed"].kind.parse(provided.get("seed", "0"))
        except ValueError:
            seed = 0  # one that is none ends the job when it looks at its hyperparameters
        split = Split(arguments.split, seed, is_held_out=True)
        channels["validation"] = replace(channels["train"], name="validation", split=split)
        channels["train"] = replace(channels["train"], split=replace(split, is_held_out=False))
    return PlainJob(
        output or Path(),
        provided=provided,
        given=channels,
        checkpoints=getattr(arguments, "checkpoints", None),
    )


def _check(path: Path, option: str, output: Path | None) -> None:
    if not path.exists():
        raise ClientError("There is no such file or folder", where=f"{option} {path}", fix="check the path")
    if not (path.is_file() or path.is_dir()):
        raise ClientError(
            "This is neither a file nor a folder", where=f"{option} {path}", fix="write the rows to a file first"
        )
    if output is not None and path.is_dir() and output.resolve().is_relative_to(path.resolve()):
        raise ClientError(
            f"What is written to --output {output} would be read as data",
            where=f"{option} {path}",
            fix="write elsewhere",
        )


def _content_type(path: Path) -> str | None:
    """By the name; None where the first bytes are to tell."""
    from linear_learner.formats.file_names import content_type_by_name

    return content_type_by_name(path.name) if path.is_file() else None
