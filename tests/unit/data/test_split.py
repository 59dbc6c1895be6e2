"""Two channels out of the same files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.dataset import Dataset
from linear_learner.data.split import rows_of_split
from linear_learner.environment import ChannelConfig, Split
from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch

ROWS = 1000


def read_channel(channel: ChannelConfig, **given: Any) -> Dataset:
    return ChannelReader(channel, **given).read()[0]


def batches(sizes: list[int]) -> Iterator[Batch]:
    """The rows 1, 2, 3 ... of a file, in batches of these sizes."""
    start = 0
    for size in sizes:
        rows = np.arange(start, start + size, dtype=np.float32)
        yield Batch(rows[:, None], rows, "data.csv", start + 1)
        start += size


def rows(split: Split | None, sizes: list[int], source: str = "data.csv") -> list[int]:
    found = list(rows_of_split(split, batches(sizes), source))
    return [int(label) for batch in found if batch.labels is not None for label in batch.labels]


@given(
    st.floats(0.01, 0.99), st.integers(0, 2**63 - 1), st.lists(st.integers(0, 50), max_size=8), st.lists(st.integers(1))
)
def test_the_two_sides_are_complements_whatever_the_size_of_batches(
    share: float, seed: int, sizes: list[int], cuts: list[int]
) -> None:
    held, rest = Split(share, seed, is_held_out=True), Split(share, seed, is_held_out=False)
    total = sum(sizes)
    places = sorted({cut % (total + 1) for cut in cuts})
    other_sizes = [b - a for a, b in zip([0, *places], [*places, total], strict=True)]
    assert sorted(rows(held, sizes) + rows(rest, other_sizes)) == list(range(total))
    assert rows(held, sizes) == rows(held, other_sizes)


def test_a_share_of_the_rows_is_held_out_and_another_seed_or_file_draws_others() -> None:
    held = rows(Split(0.2, 0, is_held_out=True), [ROWS])
    # Of 1000 draws at 0.2, four standard deviations are 51.
    assert 149 <= len(held) <= 251
    assert held != rows(Split(0.2, 1, is_held_out=True), [ROWS])
    assert held != rows(Split(0.2, 0, is_held_out=True), [ROWS], "other.csv")
    assert held == rows(Split(0.2, 0, is_held_out=True), [ROWS], "elsewhere/data.csv")


def test_rows_keep_their_numbers() -> None:
    split = Split(0.5, 0, is_held_out=True)
    for batch in rows_of_split(split, batches([10, 20]), "data.csv"):
        assert batch.labels is not None
        assert [batch.where(i) for i in range(len(batch))] == [f"data.csv, row {int(n) + 1}" for n in batch.labels]
    skipped = Batch(np.zeros((2, 1), np.float32), np.array([0, 1], np.float32), "a", 1, np.array([3, 7]))
    (found,) = rows_of_split(Split(0.999999, 0, is_held_out=True), [skipped], "a")
    assert found.row_numbers is not None and found.row_numbers.tolist() == [3, 7]


@pytest.mark.parametrize("suffix", ["csv", "svm"])
def test_the_channels_of_a_file_share_its_rows(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"data.{suffix}"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([i, i] for i in range(ROWS)) if suffix == "csv" else text.write(
            "".join(f"{i} 1:{i} {i + 2}:1\n" for i in range(ROWS))
        )
    sides = [
        read_channel(ChannelConfig(name, file, split=Split(0.3, 7, is_held_out=name == "validation")))
        for name in ("train", "validation")
    ]
    assert sorted(np.concatenate([side.labels for side in sides]).tolist()) == list(range(ROWS))
    assert sides[0].feature_dim == sides[1].feature_dim
    assert sides[1].where(0) == f"{file}, row {int(sides[1].labels[0]) + 1}"


def test_a_side_without_rows_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("0,1\n")
    channel = ChannelConfig("validation", file, split=Split(1e-9, 0, is_held_out=True))
    with pytest.raises(ClientError, match=r"Channel 'validation' has no rows .*\. Split off another share of the rows"):
        read_channel(channel)
