"""The HTTP contract of a multi-model endpoint, and the metrics of either."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from linear_learner.formats.protobuf_record import length_delimited
from linear_learner.formats.recordio import framed
from linear_learner.model.linear_model import LinearModel
from linear_learner.serving.app import create_app, create_multi_model_app
from linear_learner.serving.multi_model import Registry
from linear_learner.serving.settings import Settings

MakeModel = Callable[..., str]
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return new_client(tmp_path)


def new_client(tmp_path: Path, memory_limit: int = 1 << 30) -> FlaskClient:
    folder = tmp_path / "registry"
    folder.mkdir()
    registry = Registry(folder, memory_limit=memory_limit, copies=1)
    return create_multi_model_app(registry, tmp_path / "models", Settings(body_limit=1000)).test_client()


def load(client: FlaskClient, name: str, url: str) -> TestResponse:
    return client.post("/models", json={"model_name": name, "url": url})


def test_the_life_of_a_model(client: FlaskClient, make_model: MakeModel) -> None:
    url = make_model("a", 1.5)
    described = {"modelName": "a", "modelUrl": url}
    assert client.get("/ping").status_code == 200
    assert client.get("/models").json == {"models": []}
    loaded = load(client, "a", url)
    assert (loaded.status_code, loaded.json) == (200, described)
    assert client.get("/models").json == {"models": [described]}
    assert client.get("/models/a").json == described
    headers = {**CSV, "X-Amzn-SageMaker-Target-Model": "a"}
    assert client.post("/models/a/invoke", data="1,2", headers=headers).data == b'{"predictions": [{"score": 1.5}]}'
    unloaded = client.delete("/models/a")
    assert (unloaded.status_code, unloaded.json) == (200, described)
    assert client.get("/models").json == {"models": []}


def test_a_name_may_hold_slashes_and_other_characters(client: FlaskClient, make_model: MakeModel) -> None:
    for i, (name, path) in enumerate((("customer/model.tar.gz", "customer/model.tar.gz"), ("é %", "%C3%A9%20%25"))):
        load(client, name, make_model(f"m{i}", i))
        assert client.get(f"/models/{path}").json["modelName"] == name
        assert client.post(f"/models/{path}/invoke", data="1,2", headers=CSV).json == {"predictions": [{"score": i}]}
        assert client.delete(f"/models/{path}").status_code == 200


def test_an_empty_name_is_of_no_model(client: FlaskClient) -> None:
    answer = client.post("/models//invoke", data="1,2", headers=CSV)
    assert answer.status_code == 404 and "<" not in answer.text


def ask(client: FlaskClient, target: str | None) -> TestResponse:
    headers = CSV if target is None else {**CSV, "X-Amzn-SageMaker-Target-Model": target}
    return client.post("/invocations", data="1,2", headers=headers)


def test_a_request_may_name_an_archive_in_the_model_folder(client: FlaskClient, make_model: MakeModel) -> None:
    """As the SageMaker SDK's local mode does."""
    for name, constant in (("a", 1), ("b", 2)):
        shutil.make_archive(make_model(name, constant), "gztar", make_model(f"of-{name}", constant))
    assert client.get("/models").json == {"models": []}
    for _ in range(2):  # loaded by the first request, found by the second
        assert ask(client, "a.tar.gz").json == {"predictions": [{"score": 1}]}
        assert ask(client, "b.tar.gz").json == {"predictions": [{"score": 2}]}
    assert [model["modelName"] for model in client.get("/models").json["models"]] == ["a.tar.gz", "b.tar.gz"]
    for alias in ("./a.tar.gz", "a.tar.gz/"):  # the same archive, and no other model
        assert ask(client, alias).json == {"predictions": [{"score": 1}]}
    assert len(client.get("/models").json["models"]) == 2
    assert ask(client, "x" * 300).status_code == 404  # longer than file names may be
    assert ask(client, "a").json == {"predictions": [{"score": 1}]}  # a folder


def test_a_name_in_the_header_is_utf_8_as_in_a_path_or_latin_1(client: FlaskClient, make_model: MakeModel) -> None:
    make_model("né", 1)
    assert ask(client, "né").json == {"predictions": [{"score": 1}]}  # the bytes of Latin-1
    assert ask(client, "né".encode().decode("latin-1")).json == {"predictions": [{"score": 1}]}
    load(client, "名", make_model("other", 2))
    assert ask(client, "名".encode().decode("latin-1")).json == {"predictions": [{"score": 2}]}


@pytest.mark.parametrize(
    ("target", "status", "sentence"),
    [
        (None, 400, "The request names no model"),
        ("c.tar.gz", 404, "Model 'c.tar.gz' is not loaded. Put its archive into "),
        ("../outside", 400, "'../outside' is no name of a model in the folder"),
        ("/tmp", 400, "'/tmp' is no name of a model in the folder"),
        ("link", 400, "'link' is no name of a model in the folder"),
        ("stranger", 400, "No model was found"),
    ],
)
def test_a_name_that_is_none_of_a_model_is_told(
    client: FlaskClient, make_model: MakeModel, tmp_path: Path, target: str | None, status: int, sentence: str
) -> None:
    shutil.move(make_model("outside", 1), tmp_path / "outside")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "models" / "stranger").mkdir()
    response = ask(client, target)
    assert response.status_code == status
    assert sentence in response.text


def test_pages(client: FlaskClient, make_model: MakeModel) -> None:
    url = make_model("a", 1)
    names = [f"m{i:03}" for i in range(103)]
    for name in reversed(names):
        load(client, name, url)
    first = client.get("/models").json
    assert [model["modelName"] for model in first["models"]] == names[:100]
    client.delete(f"/models/{names[99]}")  # a token outlives the model that it names
    rest = client.get("/models", query_string={"next_page_token": first["nextPageToken"]}).json
    assert [model["modelName"] for model in rest["models"]] == names[100:]
    assert "nextPageToken" not in rest
    page = client.get("/models?limit=2&next_page_token=m000").json
    assert [model["modelName"] for model in page["models"]] == ["m001", "m002"]
    assert client.get("/models?limit=500").json["models"][-1]["modelName"] == "m102"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "9" * 20])
def test_a_bad_limit(client: FlaskClient, limit: str) -> None:
    response = client.get(f"/models?limit={limit}")
    assert (response.status_code, response.text) == (
        400,
        f"Unable to evaluate payload provided: limit '{limit}' is not a number from 1 on",
    )


def test_conflicts_and_strangers(client: FlaskClient, make_model: MakeModel) -> None:
    load(client, "a", make_model("a", 1))
    again = load(client, "a", make_model("b", 2))
    assert (again.status_code, again.text) == (
        409,
        "Model 'a' is already loaded. Unload it first with DELETE /models/a",
    )
    for response in (
        client.get("/models/b"),
        client.delete("/models/b"),
        client.post("/models/b/invoke", data="1,2", headers=CSV),
    ):
        assert (response.status_code, response.text) == (404, "Model 'b' is not loaded. Load it with POST /models")


def test_no_memory_left(tmp_path: Path, make_model: MakeModel) -> None:
    client = new_client(tmp_path, memory_limit=100_000)
    assert load(client, "a", make_model("a", 1)).status_code == 200
    response = load(client, "b", make_model("b", 1))
    assert response.status_code == 507
    assert response.text.startswith("1 models are loaded; with 'b' they would take 131096 bytes of memory, 100000 are")
    assert client.delete("/models/a").status_code == 200
    assert load(client, "b", make_model("c", 1)).status_code == 200


def test_a_broken_model_is_refused(client: FlaskClient, make_model: MakeModel) -> None:
    url = make_model("a", 1)
    (Path(url) / "additional-params.json").write_text("[]")
    response = load(client, "a", url)
    assert response.status_code == 400
    assert "additional-params.json" in response.text
    assert client.get("/models").json == {"models": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"model_name": "a"}',
        b'{"model_name": "", "url": "/x"}',
        b'{"model_name": 5, "url": "/x"}',
        b'{"model_name": "a", "url": null}',
        b"[" * 5000,
        b"\xff",
    ],
)
def test_a_load_that_names_no_model(client: FlaskClient, body: bytes) -> None:
    response = client.post("/models", data=body)
    assert response.status_code == 400
    assert response.text.endswith('No model is named. Send {"model_name": NAME, "url": FOLDER} in JSON')


@pytest.mark.parametrize("name", ["a" * 257, "a\n", "\ud800", "/a", "a/", "a//b"])
def test_a_name_that_no_path_can_say_is_refused(client: FlaskClient, make_model: MakeModel, name: str) -> None:
    response = client.post("/models", json={"model_name": name, "url": make_model("a", 1)})
    assert response.status_code == 400
    assert "model_name is no name of a model" in response.text
    assert client.get("/models").json == {"models": []}


def test_a_load_is_small(client: FlaskClient) -> None:
    assert client.post("/models", data=b"x" * (1 << 17)).status_code == 413


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.text(max_size=20) | st.sampled_from(["", "a", "a/invoke", "/invoke", "a/b"]),
    body=st.binary(max_size=50)
    | st.dictionaries(st.sampled_from(["model_name", "url"]), st.text(max_size=9) | st.none()).map(
        lambda order: json.dumps(order).encode()
    ),
)
def test_no_call_is_ever_a_500(client: FlaskClient, method: str, path: str, body: bytes) -> None:
    for address in (f"/models/{path}", "/models"):
        assert client.open(address, method=method, data=body).status_code in (200, 204, 308, 400, 404, 405)


def test_metrics_count_what_happened(binary: LinearModel) -> None:
    metadata = {"feature_minima": [0, 0, 0], "feature_maxima": [1, 1, 1]}
    model = LinearModel(**{**vars(binary), "metadata": metadata})
    client = create_app(model, Settings()).test_client()
    client.post("/invocations", data="1,0,0\n-1,0,2", headers=CSV)
    client.post("/invocations", data="1,0", headers=CSV)
    client.post("/invocations", data="1,0", headers={"Content-Type": "image/png"})
    client.get("/ping")
    client.get("/nothing")
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    for line in (
        'linear_learner_requests_total{route="/invocations",status="200"} 1.0',
        'linear_learner_requests_total{route="/invocations",status="400"} 1.0',
        'linear_learner_requests_total{route="/invocations",status="415"} 1.0',
        'linear_learner_requests_total{route="/ping",status="200"} 1.0',
        'linear_learner_requests_total{route="other",status="404"} 1.0',
        'linear_learner_errors_total{kind="WrongWidth"} 1.0',
        'linear_learner_errors_total{kind="UnsupportedContentType"} 1.0',
        'linear_learner_errors_total{kind="HTTPException"} 1.0',
        "linear_learner_rows_total 2.0",
        "linear_learner_values_outside_training_range_total 2.0",
        'linear_learner_score_bucket{le="0.3"} 1.0',
        'linear_learner_score_bucket{le="+Inf"} 2.0',
        'linear_learner_request_seconds_count{route="/invocations"} 3.0',
    ):
        assert line in response.text.splitlines()


def test_every_error_of_the_application_has_a_name_in_the_metrics(client: FlaskClient) -> None:
    from linear_learner.serving.invocations import STATUS
    from linear_learner.serving.measurements import ERRORS, STATUSES

    assert {kind.__name__ for kind in STATUS} <= set(ERRORS)
    assert set(STATUS.values()) <= set(STATUSES)


def test_requests_are_written_to_the_log_without_their_data(
    binary: LinearModel, capsys: pytest.CaptureFixture[str]
) -> None:
    client = create_app(binary, Settings()).test_client()
    client.post("/invocations?secret=1", data="1,0,0", headers={**CSV, "X-Secret": "secret"})
    client.post("/invocations", data="secret", headers=CSV)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["status"], line.get("rows"), line.get("error")) for line in lines] == [
        (200, 1, None),
        (400, None, "ClientError"),
    ]
    assert "secret" not in str(lines)
    create_app(binary, Settings(access_log=False)).test_client().post("/invocations", data="1,0,0", headers=CSV)
    assert capsys.readouterr().out == ""


def test_an_error_of_a_row_is_counted_as_one_of_the_client(binary: LinearModel) -> None:
    """A record without the label that the content type speaks of raises an error derived from ClientError."""
    tensor = length_delimited(2, length_delimited(1, bytes(12)))
    record = length_delimited(1, length_delimited(1, b"values") + length_delimited(2, tensor))
    client = create_app(binary, Settings()).test_client()
    kind = {"Content-Type": "application/x-recordio-protobuf; label_size=1"}
    assert client.post("/invocations", data=framed(record), headers=kind).status_code == 400
    told = client.get("/metrics").text.splitlines()
    assert 'linear_learner_errors_total{kind="ClientError"} 1.0' in told
    assert 'linear_learner_errors_total{kind="other"} 0.0' in told
