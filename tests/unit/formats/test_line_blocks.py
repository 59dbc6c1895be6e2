"""Lines that end too late, wherever in a file of rows they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from linear_learner.errors import ClientError
from linear_learner.formats import line_blocks, text_csv, text_libsvm
from linear_learner.formats.schema_learner import SchemaLearner, TextSettings


def learn(stream: io.BytesIO, *, source: str, block_size: int) -> Iterator[Any]:
    return text_csv.learn(stream, SchemaLearner(TextSettings(("b",))), source=source, block_size=block_size)


csv, libsvm = (partial(module.decode, label_size=1) for module in (text_csv, text_libsvm))


@pytest.mark.parametrize(
    ("row", "read", "line"), [(r, f, x) for f, x in ((csv, b"1,2\n"), (libsvm, b"1 1:2\n")) for r in (1, 2, 3, 40)]
)
@pytest.mark.parametrize("block_size", [8, 64])
def test_a_line_without_end_is_told_by_its_row(
    row: int, read: Callable[..., Iterator[Any]], line: bytes, block_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_blocks, "LONGEST_LINE", 100)
    for blank in (0, 3):
        data = b"\n" * blank + line * (row - 1) + b"3" * 400
        with pytest.raises(ClientError, match=rf"The line does not end for \d+ bytes \(a, row {row + blank}\)"):
            list(read(io.BytesIO(data), source="a", block_size=block_size))


@pytest.mark.parametrize("row", [2, 3, 40])
def test_so_it_is_where_text_is_learned(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "LONGEST_LINE", 100)
    data = b"y,b\n" + b"1,x\n" * (row - 2) + b"3" * 400
    with pytest.raises(ClientError, match=rf"The line does not end for \d+ bytes \(a, row {row}\)"):
        list(learn(io.BytesIO(data), source="a", block_size=16))
