"""An answer in parts is the answer as a whole."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.formats.answer_writer import AnswerWriter
from linear_learner.formats.encoders import ENCODERS, Answer

LAST_NEWLINE = {"text/csv": b"\n", "application/jsonlines": b"\n"}
"""What a file has behind the answer of a request."""


def written(content_type: str, parts: list[Answer]) -> bytes:
    stream = io.BytesIO()
    writer = AnswerWriter(stream, content_type)
    for part in parts:
        writer.add(part)
    writer.close()
    return stream.getvalue()


@pytest.mark.parametrize("content_type", ENCODERS)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), classes=st.integers(0, 3))
def test_parts_make_the_whole(content_type: str, sizes: list[int], classes: int) -> None:
    rows = sum(sizes)
    scores = np.linspace(-1, 1, rows * max(1, classes), dtype=np.float32).reshape(rows, classes or 1)
    whole = {"score": scores if classes else scores[:, 0], "predicted_label": np.zeros(rows, np.float32)}
    ends = np.cumsum(sizes).tolist()
    parts = [
        {name: column[start:end] for name, column in whole.items()}
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    assert written(content_type, parts) == ENCODERS[content_type](whole) + LAST_NEWLINE.get(content_type, b"")


def test_explanations_can_be_written_in_parts() -> None:
    parts: list[Answer] = [{"contributions": [{"baseline": 1.0}]}, {"contributions": [{"baseline": 2.0}]}]
    assert json.loads(written("application/json", parts))["predictions"][1] == {"contributions": {"baseline": 2.0}}
