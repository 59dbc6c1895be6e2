"""The files of a job's channels: where in S3 they are, or will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from linear_learner.aws import Account, Refused
from linear_learner.data.sources import list_files
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.s3 import S3Path, put
from linear_learner.sagemaker.watch import tell

MOST_LISTED = 10


@dataclass(frozen=True)
class Upload:
    """``size`` in bytes."""

    file: Path
    target: S3Path
    size: int


def plan(channels: Mapping[str, ChannelConfig], folder: S3Path) -> tuple[dict[str, str], list[Upload]]:
    """The address of each channel in the end, and what must be uploaded to below ``folder`` before. ClientError for
    files that are not there."""
    places: dict[str, str] = {}
    uploads: list[Upload] = []
    for name, channel in channels.items():
        if isinstance(channel.path, S3Path):
            places[name] = channel.path.uri
            continue
        if not channel.path.exists():
            raise ClientError(
                "There is no such file or folder", where=f"channel '{name}', {channel.path}", fix="check the path"
            )
        places[name] = f"{folder / name}/"
        root = channel.path.parent if channel.path.is_file() else channel.path
        for file in list_files(channel):
            target = folder / name / file.relative_to(root).as_posix()
            uploads.append(Upload(file, target, file.stat().st_size))
    return places, uploads


def send(account: Account, kind: str, name: str, uploads: list[Upload]) -> None:
    """Upload the files of what is to be made. ClientError where there is one of its kind and name: files that it may
    still need, or load again, would be in the same places."""
    if not uploads:
        return
    if _is_there(account, kind, name):
        problem = f"There is a {kind} of this name, and nothing is uploaded"
        raise ClientError(problem, where=name, fix="give another --name")
    tell(f"Uploading {summary(uploads)}")
    for upload in uploads:
        put(upload.file, upload.target)


def _is_there(account: Account, kind: str, name: str) -> bool:
    try:
        account.call("sagemaker", f"Describe{kind}", where=name, **{f"{kind}Name": name})
    except Refused:
        # Of what is not there, or of a right that is missing: then the request that makes it tells what is wrong.
        return False
    return True


def summary(uploads: list[Upload]) -> str:
    """``3 files, 1,234 bytes: train.csv, ...``."""
    size = sum(upload.size for upload in uploads)
    listed = "\n".join(f"  {upload.file} -> {upload.target}" for upload in uploads[:MOST_LISTED])
    more = f"\n  and {len(uploads) - MOST_LISTED} more" if len(uploads) > MOST_LISTED else ""
    return f"{len(uploads)} file{'s'[: len(uploads) > 1]}, {size:,} bytes:\n{listed}{more}"
