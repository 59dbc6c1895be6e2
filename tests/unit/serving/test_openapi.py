"""docs/openapi.json says what the applications do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask import Flask

from linear_learner.formats import SHARED_DECODERS
from linear_learner.formats.encoders import ENCODERS
from linear_learner.formats.json_records import JSON_DECODERS
from linear_learner.model.linear_model import LinearModel
from linear_learner.serving.answers import OUTPUTS
from linear_learner.serving.app import LONGEST_NAME, create_app, create_multi_model_app
from linear_learner.serving.invocations import STATUS
from linear_learner.serving.multi_model import Registry
from linear_learner.serving.settings import Settings

DOCUMENT = json.loads((Path(__file__).parents[3] / "docs/openapi.json").read_text())


def routes(app: Flask) -> set[tuple[str, str]]:
    return {
        (re.sub("<path:(.*?)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_described_and_no_other(binary: LinearModel, tmp_path: Path) -> None:
    one = create_app(binary, Settings())
    many = create_multi_model_app(Registry(tmp_path, memory_limit=1, copies=1), tmp_path, Settings())
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == routes(one) | routes(many) | {("/invocations", "post")}


@pytest.mark.parametrize("path", ["/invocations", "/models/{name}/invoke"])
def test_content_types_and_statuses_of_predictions(path: str) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    assert set(operation["requestBody"]["content"]) == {*JSON_DECODERS, *SHARED_DECODERS}
    assert set(operation["responses"]["200"]["content"]) == set(ENCODERS)
    of_models_alone = {404, 409, 507}
    loading = {404} if "{name}" in path else {404, 507}  # /invocations may load the model that it is asked for
    expected = {200, 204, 400, 500} | set(STATUS.values()) - of_models_alone | loading
    assert {int(status) for status in operation["responses"]} == expected


def test_outputs_and_limits() -> None:
    components = DOCUMENT["components"]
    assert list(components["schemas"]["Prediction"]["properties"]) == list(OUTPUTS)
    assert ", ".join(OUTPUTS) in components["parameters"]["CustomAttributes"]["description"]
    order = DOCUMENT["paths"]["/models"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert order["properties"]["model_name"]["maxLength"] == LONGEST_NAME
