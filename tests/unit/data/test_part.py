"""Rows that are shared out among hosts: every row has one host, in every pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.data.part import rows_of_part
from linear_learner.environment import Part
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix


def batches(rows: int, sizes: list[int], source: str = "part-0", *, sparse: bool = False) -> Iterator[Batch]:
    """Row i holds i, and is labelled so."""
    start = 0
    for size in [*sizes, rows]:
        numbers = np.arange(start, min(start + size, rows), dtype=np.float32)
        features = numbers[:, np.newaxis]
        yield Batch(CsrMatrix.from_dense(features) if sparse else features, numbers, source, first_row=start + 1)
        start += len(numbers)


def taken(part: Part | None, found: Iterator[Batch], *, is_pipe: bool = False) -> list[int]:
    rows = []
    for batch in rows_of_part(part, found, "part-0", is_pipe=is_pipe):
        assert batch.labels is not None
        features = batch.features.toarray() if isinstance(batch.features, CsrMatrix) else batch.features
        np.testing.assert_array_equal(features[:, 0], batch.labels)
        # As the user counts them, for messages.
        assert [batch.where(i) for i in range(len(batch))] == [f"part-0, row {label + 1:.0f}" for label in batch.labels]
        rows += batch.labels.astype(int).tolist()
    return rows


@given(
    rows=st.integers(0, 60),
    sizes=st.lists(st.integers(1, 20), max_size=5),
    other=st.lists(st.integers(1, 20), max_size=5),
    hosts=st.integers(2, 5),
    sparse=st.booleans(),
)
def test_parts_are_disjoint_complete_and_even(
    rows: int, sizes: list[int], other: list[int], hosts: int, sparse: bool
) -> None:
    parts = [taken(Part(i, hosts), batches(rows, sizes, sparse=sparse)) for i in range(hosts)]
    assert sorted(itertools.chain(*parts)) == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    # However the rows come in another pass.
    assert [taken(Part(i, hosts), batches(rows, other, sparse=sparse)) for i in range(hosts)] == parts


def test_files_of_one_row_are_shared_out_too() -> None:
    counts = [0, 0, 0]
    for number in range(300):
        source = f"/data/train/part-{number}"
        for i in range(3):
            found = rows_of_part(Part(i, 3), batches(1, [], source), source, is_pipe=False)
            counts[i] += sum(map(len, found))
    assert sum(counts) == 300
    assert min(counts) > 70


def test_the_name_of_a_pipe_does_not_count() -> None:
    """The first is train_0, the next train_1: a host has the same rows of both."""

    def rows(name: str) -> list[int]:
        found = rows_of_part(Part(1, 3), batches(10, [4], name), name, is_pipe=True)
        return [int(number) for batch in found for number in batch.numbers()]

    assert rows("train_0") == rows("train_1") == [2, 5, 8]


@pytest.mark.parametrize("sparse", [False, True])
def test_without_a_part_all_rows_are_taken(sparse: bool) -> None:
    assert taken(None, batches(10, [3], sparse=sparse)) == list(range(10))
