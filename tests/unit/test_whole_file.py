from __future__ import annotations

import errno
from pathlib import Path

import pytest

from linear_learner.whole_file import whole_file


def test_a_full_disk_is_told_with_the_file_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="No space left") as caught, whole_file(path) as stream:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write does
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]
    assert path.read_bytes() == b"before"


def test_another_error_is_not_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="reading") as caught, whole_file(tmp_path / "scores.csv"):
        raise OSError(errno.EIO, "reading")
    assert caught.value.filename is None
