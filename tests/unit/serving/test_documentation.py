"""docs/serving.md, held against what the server answers."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linear_learner.model.linear_model import LinearModel

TEXT = (Path(__file__).parents[3] / "docs/serving.md").read_text()
BEGINNING = "Unable to evaluate payload provided: "

SENTENCES = re.findall(
    r"^\| (.+) \| `([^`]+)` \|$", TEXT.partition(f"What a 400 says after `{BEGINNING}`:")[2].partition("\n## ")[0], re.M
)
"""Pairs of what is wrong with a request and the sentence that says so."""

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
ATTRIBUTES_OF = {
    "inference_output=foo": "inference_output=foo",
    "threshold=a": "threshold=a",
    "a threshold for a regressor": "threshold=0.5",
    "probabilities of a regressor": "inference_output=probabilities",
    "contributions as CSV": "inference_output=contributions",
}
"""What a cell stands for that is no body. The other bodies are sent as they are."""


def request_of(cell: str) -> dict[str, Any]:
    request: dict[str, Any] = {"data": "20.29,14.34", "content_type": "text/csv", "headers": {}}
    name = cell.strip("`")
    if name in ATTRIBUTES_OF:
        request["headers"] = {ATTRIBUTES: ATTRIBUTES_OF[name], "Accept": "text/csv"}
    elif cell == "gzip twice in a row":
        request |= {"data": 2 * gzip.compress(b"20.29,14.34"), "headers": {"Content-Encoding": "gzip"}}
    else:
        lines = re.fullmatch(r"`([^`]+)`(?: newline `([^`]+)`)?", cell)
        assert lines, f"what is sent for {cell}?"
        request["data"] = "\n".join(filter(None, lines.groups()))
        if request["data"].startswith("{"):
            request["content_type"] = "application/json"
    return request


@pytest.mark.parametrize(("cell", "sentence"), SENTENCES)
def test_a_bad_request_is_answered_with_the_sentence_of_the_table(cell: str, sentence: str, make_client: Any) -> None:
    weights, bias = np.ones((2, 1), np.float32), np.zeros(1, np.float32)
    kind = (
        {"predictor_type": "regressor", "loss": "squared_loss", "link": "identity"}
        if "regressor" in cell
        else {"predictor_type": "binary_classifier", "loss": "logistic", "link": "logistic", "num_classes": 2}
    )
    client = make_client(LinearModel(weights, bias, **kind))
    answer = client.post("/invocations", **request_of(cell))
    assert (answer.status_code, answer.text) == (400, BEGINNING + sentence)


def test_the_table_is_found() -> None:
    assert len(SENTENCES) > 10
