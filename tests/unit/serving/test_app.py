"""The HTTP contract, through Flask's client: good answers byte for byte, bad requests with status and sentence."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import logging
import struct
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_judge import Record, file_of
from record_judge import record as dense_record
from werkzeug.test import TestResponse

from linear_learner.errors import ClientError
from linear_learner.formats.csr import Rows
from linear_learner.model.linear_model import LinearModel, Predictions
from linear_learner.serving.answers import OUTPUTS
from linear_learner.serving.invocations import LONGEST_ERROR

JSON, LINES, CSV, RECORDIO = (
    "application/json",
    "application/jsonlines",
    "text/csv",
    "application/x-recordio-protobuf",
)


def invoke(client: FlaskClient, body: bytes | str, content_type: str | None = CSV, **headers: str) -> TestResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, content_type=content_type, headers=names)


def record(features: list[float]) -> bytes:
    """A dense Record, without its frame."""
    floats = struct.pack(f"<{len(features)}f", *features)
    message = floats
    for tag in (0x0A, 0x12):  # Float32Tensor.values; Value.float32_tensor
        message = bytes([tag, len(message)]) + message
    entry = b"\x0a\x06values" + b"\x12" + bytes([len(message)]) + message
    return b"\x0a" + bytes([len(entry)]) + entry


def framed(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


ROWS = [[0, 0, 5], [200, 0, 5]]
ANSWER = b'{"predictions": [{"score": 0.5, "predicted_label": 1.0}, {"score": 1.0, "predicted_label": 1.0}]}'
"""sigmoid(0), and sigmoid(200), which float32 cannot tell from 1."""

GOOD = {
    "csv": (CSV, b"0,0,5\n200,0,5"),
    "csv with a last newline": (CSV, b"0,0,5\n200,0,5\n"),
    "csv with label_size=0": ("text/csv; label_size=0", b"0,0,5\n200,0,5"),
    "csv with labels to skip": ("text/csv; label_size=1", b"7,0,0,5\n7,200,0,5"),
    "csv with a charset": ("text/csv; charset=UTF-8", b"0,0,5\r\n200,0,5\r\n"),
    "json": (JSON, json.dumps({"instances": [{"features": row} for row in ROWS]}).encode()),
    "json with a charset": (
        "application/json; charset=utf-8",
        json.dumps({"instances": [{"data": {"features": {"values": row}}} for row in ROWS]}).encode(),
    ),
    "json, mixed": (
        JSON,
        json.dumps(
            {
                "instances": [
                    {"data": {"features": {"keys": [2], "shape": [3], "values": [5]}}},
                    {"features": ROWS[1], "configuration": {}},
                ]
            }
        ).encode(),
    ),
    "no content type": (None, json.dumps({"instances": [{"features": row} for row in ROWS]}).encode()),
    "json lines": (LINES, b'{"features": [0, 0, 5]}\n{"features": [200, 0, 5]}\n'),
    "libsvm": ("text/libsvm", b"3:5\n1:200 3:5\n"),
    "libsvm with labels, from 0": ("libsvm; index_base=0", b"1 2:5\n0 2:5 0:200\n"),
    "recordio": (RECORDIO, b"".join(framed(record(row)) for row in ROWS)),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_content_type_gives_the_same_answer_byte_for_byte(client: FlaskClient, name: str) -> None:
    content_type, body = GOOD[name]
    response = invoke(client, body, content_type)
    assert response.status_code == 200
    assert response.data == ANSWER
    assert response.headers["Content-Type"] == "application/json"
    assert int(response.headers["Content-Length"]) == len(ANSWER)


def test_a_bare_record_without_its_frame(client: FlaskClient) -> None:
    response = invoke(client, record(ROWS[0]), RECORDIO)
    assert response.data == b'{"predictions": [{"score": 0.5, "predicted_label": 1.0}]}'


def test_several_bare_records_are_not_taken_for_the_last_of_them(client: FlaskClient) -> None:
    response = invoke(client, record(ROWS[0]) + record(ROWS[1]), RECORDIO)
    assert response.status_code == 400
    assert "There are several records without their frames (request). Send each record in its" in response.text


def sparse_record(row: list[float], *, shape: bool = True) -> Any:
    """As the SDK writes a row of a sparse matrix: an all-zero one has nothing but its shape."""
    message = Record()
    tensor = message.features["values"].float32_tensor
    for column, value in reversed([*enumerate(row)]):
        if value:
            tensor.keys.append(column)
            tensor.values.append(value)
    if shape:
        tensor.shape.append(len(row))
    return message


def test_sparse_records_are_answered_as_dense_ones(client: FlaskClient) -> None:
    rows = [[0, 0, 5], [200, 0, 5], [0, 0, 0], [1, 2, 3]]
    dense = invoke(client, file_of(*map(dense_record, rows)), RECORDIO)
    sparse = invoke(client, file_of(*map(sparse_record, rows)), RECORDIO)
    assert (sparse.status_code, sparse.data) == (200, dense.data)
    for row in rows:
        bare = invoke(client, sparse_record(row).SerializeToString(), RECORDIO)
        assert bare.data == invoke(client, file_of(dense_record(row)), RECORDIO).data


def test_of_sparse_records_all_outputs_can_be_had(client: FlaskClient) -> None:
    row = [1, 0, 3]
    for outputs in OUTPUTS:
        wish = {"X_Amzn_SageMaker_Custom_Attributes": f"inference_output={outputs}"}
        sparse = invoke(client, file_of(sparse_record(row)), RECORDIO, **wish)
        assert (sparse.status_code, sparse.data) == (200, invoke(client, "1,0,3", CSV, **wish).data)


def test_a_sparse_record_of_another_width_is_refused(client: FlaskClient) -> None:
    response = invoke(client, file_of(sparse_record([1, 0, 3, 0])), RECORDIO)
    assert response.status_code == 400
    assert b"The feature dimension of the input: 4 does not match" in response.data


def test_multiclass_answers_a_score_a_class(make_client, multiclass: LinearModel) -> None:
    response = invoke(make_client(multiclass), "0,0,0\n0,0,200")
    third = float(np.float32(1 / 3))
    assert response.json == {
        "predictions": [
            {"score": [third] * 3, "predicted_label": 0.0},
            {"score": [0.0, 0.0, 1.0], "predicted_label": 2.0},
        ]
    }


def test_a_regressor_answers_scores_alone(make_client, regressor: LinearModel) -> None:
    response = invoke(make_client(regressor), "1,1,1\n0,0,0")
    assert response.data == b'{"predictions": [{"score": 7.5}, {"score": 0.5}]}'


@pytest.mark.parametrize(
    ("accept", "answered", "body"),
    [
        (CSV, CSV, b"0.5,1.0"),
        (LINES, LINES, b'{"score": 0.5, "predicted_label": 1.0}'),
        ("*/*", JSON, b'{"predictions": [{"score": 0.5, "predicted_label": 1.0}]}'),
        ("text/csv;q=0.2, application/jsonlines;q=0.8", LINES, b'{"score": 0.5, "predicted_label": 1.0}'),
    ],
)
def test_accept_chooses_the_form_of_the_answer(client: FlaskClient, accept: str, answered: str, body: bytes) -> None:
    response = invoke(client, "0,0,0", Accept=accept)
    assert (response.headers["Content-Type"], response.data) == (answered, body)


def test_recordio_answers(client: FlaskClient) -> None:
    response = invoke(client, "0,0,0", Accept=RECORDIO)
    assert response.headers["Content-Type"] == RECORDIO
    assert struct.pack("<f", 0.5) in response.data
    assert b"score" in response.data and b"predicted_label" in response.data


def test_without_accept_the_default_is_the_settings(make_client, binary: LinearModel) -> None:
    client = make_client(binary, default_accept=CSV)
    assert invoke(client, "0,0,0").data == b"0.5,1.0"
    assert invoke(client, "0,0,0", Accept="*/*").data == b"0.5,1.0"
    assert invoke(client, "0,0,0", Accept=JSON).headers["Content-Type"] == JSON


ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def test_a_request_may_ask_for_other_outputs_and_bring_a_threshold(client: FlaskClient) -> None:
    wish = {ATTRIBUTES: "inference_output=predicted_label,probabilities,raw_score,labels; threshold=0.6"}
    response = client.post("/invocations", data="0,0,0", content_type=CSV, headers=wish)
    expected = {"predicted_label": 0.0, "probabilities": [0.5, 0.5], "raw_score": 0.0, "labels": [0, 1]}
    assert response.text == json.dumps({"predictions": [expected]})
    response = client.post("/invocations", data="0,0,0", content_type=CSV, headers={**wish, "Accept": CSV})
    assert response.text == "0.0,0.5,0.5,0.0,0,1"


def test_the_environment_may_ask_for_other_outputs(make_client, binary: LinearModel, regressor: LinearModel) -> None:
    client = make_client(binary, outputs=("probabilities",))
    assert invoke(client, "0,0,0").data == b'{"predictions": [{"probabilities": [0.5, 0.5]}]}'
    with pytest.raises(ClientError, match="A regressor with squared_loss has no probabilities"):
        make_client(regressor, outputs=("probabilities",))


def test_outputs_of_several_blocks_are_joined(make_client, binary: LinearModel) -> None:
    named = dataclasses.replace(binary, metadata={"feature_names": ["a", "b", "c"]})
    body = "0,0,0\n" * 170_000 + "1,2,3"  # two blocks
    response = invoke(make_client(named, outputs=("raw_score",)), body, Accept=CSV)
    assert response.text == "0.0\n" * 170_000 + "-1.0"
    few = invoke(make_client(named, outputs=("contributions",)), "1,2,3", Accept=LINES)
    assert [term["feature"] for term in json.loads(few.text)["contributions"]["features"]] == ["b", "a", "c"]


def test_columns_with_names_are_matched_where_the_model_knows_them(make_client, binary: LinearModel) -> None:
    client = make_client(dataclasses.replace(binary, metadata={"feature_names": ["a", "b", "c"]}))
    assert invoke(client, "c,b,a\n5,0,0\n5,0,200").data == ANSWER
    instances = [{"features": {"c": 5, "b": 0, "a": 0}}, {"features": [200, 0, 5]}]
    assert invoke(client, json.dumps({"instances": instances}), JSON).data == ANSWER


def test_missing_features_are_filled_by_models_that_know_how(make_client, binary: LinearModel) -> None:
    client = make_client(dataclasses.replace(binary, metadata={"feature_fills": [200, 0, 5]}))
    full = invoke(client, "200,0,5\n200,200,5")
    assert full.status_code == 200
    assert invoke(client, ",0,5\nNA,200,").data == full.data
    body = '{"instances": [{"features": [null, 0, 5]}, {"features": [200, 200, NaN]}]}'
    assert invoke(client, body, JSON).data == full.data
    nan = float("nan")
    records = framed(record([nan, 0, 5])) + framed(record([nan, 200, 5]))
    assert invoke(client, records, RECORDIO).data == full.data
    assert invoke(make_client(binary), ",0,5").status_code == 400


def test_gzip_bodies(client: FlaskClient) -> None:
    assert invoke(client, gzip.compress(b"0,0,5\n200,0,5"), Content_Encoding="gzip").data == ANSWER


def test_a_chunked_body_has_no_length(client: FlaskClient) -> None:
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    stream = io.BytesIO(b"0,0,5\n200,0,5")
    response = client.post("/invocations", input_stream=stream, content_type=CSV, environ_overrides=environ)
    assert response.data == ANSWER


def test_blocks_of_rows_are_joined(client: FlaskClient, binary: LinearModel) -> None:
    X = np.random.default_rng(0).integers(-9, 9, (60_000, 3))
    body = "\n".join(f"{a},{b},{c}" for a, b, c in X.tolist())
    response = invoke(client, body, Accept=CSV)
    scores = np.array([line.split(",") for line in response.text.split("\n")], float)
    expected = 1 / (1 + np.exp(-(X[:, 0] - X[:, 1]).astype(float)))
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(scores[:, 1], expected >= 0.5)


def test_ping_is_healthy_when_the_model_answers(client: FlaskClient) -> None:
    response = client.get("/ping")
    assert (response.status_code, response.data) == (200, b"")


def test_ping_is_healthy_where_zeros_are_no_row_for_the_model(make_client, binary: LinearModel) -> None:
    class WithoutZeros(LinearModel):
        def predict(self, features: Rows) -> Predictions:
            if not np.all(features):
                raise ClientError("no zeros")
            return super().predict(features)

    client = make_client(WithoutZeros(**vars(binary)))
    assert client.get("/ping").status_code == 200
    assert invoke(client, "1,1,1").status_code == 200
    assert invoke(client, "1,1,0").status_code == 400


def test_without_a_model_everything_is_a_500(make_client) -> None:
    client = make_client(None)
    for response in (client.get("/ping"), invoke(client, "0,0,0")):
        assert (response.status_code, response.text) == (500, "unable to load model")


class BrokenModel(LinearModel):
    def predict(self, features: np.ndarray) -> Predictions:
        raise RuntimeError("a secret of the house")


def test_a_bug_is_a_500_without_its_text_and_the_log_has_it(
    make_client, binary: LinearModel, caplog: pytest.LogCaptureFixture
) -> None:
    broken = BrokenModel(**{field.name: getattr(binary, field.name) for field in dataclasses.fields(binary)})
    client = make_client(broken)
    for response in (client.get("/ping"), invoke(client, "0,0,0")):
        assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "a secret of the house" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_execution_parameters(make_client, binary: LinearModel) -> None:
    client = make_client(binary, max_concurrent_transforms=3)
    assert client.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


@pytest.mark.parametrize("content_type", [JSON, CSV, RECORDIO, LINES, "image/png", None])
def test_an_empty_body_has_no_answer(client: FlaskClient, content_type: str | None) -> None:
    response = invoke(client, b"", content_type)
    assert (response.status_code, response.data) == (204, b"")


PAYLOAD = "Unable to evaluate payload provided: "
WIDTH = (
    "Customer Error: The feature dimension of the input: {} does not match the feature dimension of the model: 3. "
    "Please fix the input and try again."
)


def features(*values: object) -> str:
    return json.dumps({"instances": [{"features": values}]})


BAD = [
    # content type, body, headers, status, beginning of the sentence
    (CSV, "1,2", {}, 400, WIDTH.format(2)),
    (CSV, "1,2,3,4", {}, 400, WIDTH.format(4)),
    (JSON, features(1, 2), {}, 400, WIDTH.format(2)),
    (LINES, '{"features": [1]}', {}, 400, WIDTH.format(1)),
    (RECORDIO, framed(record([1, 2])), {}, 400, WIDTH.format(2)),
    (CSV, "1,2,3\n1,2", {}, 400, PAYLOAD),
    (CSV, "1,2,x", {}, 400, PAYLOAD),
    (CSV, "a,b,c\n1,2,3", {}, 400, PAYLOAD),
    (CSV, "1,,3", {}, 400, PAYLOAD),
    (CSV, "1,nan,3", {}, 400, PAYLOAD),
    (CSV, "1,inf,3", {}, 400, PAYLOAD),
    (CSV, "1,1e39,3", {}, 400, PAYLOAD),
    (CSV, b"1,2,\xff", {}, 400, PAYLOAD),
    (CSV, b"\x00\x01\x02", {}, 400, PAYLOAD),
    (CSV, "1;2;3", {}, 400, PAYLOAD),
    (CSV, "\n\n", {}, 400, f"{PAYLOAD}The request has no rows. Send at least one record"),
    ("text/csv; label_size=1", "label,a,b,c\n", {}, 400, PAYLOAD),
    (CSV, features(1, 2, 3), {}, 400, f"{PAYLOAD}Requested content-type is 'text/csv'. Found a value that is not a nu"),
    (None, "1,2,3", {}, 400, f"{PAYLOAD}No Content-Type says what the body is, and it is no JSON object (request)"),
    (JSON, "1,2,3", {}, 400, f"{PAYLOAD}Not a JSON document: Extra data (request, line 1, character 2)"),
    (JSON, "{", {}, 400, f"{PAYLOAD}Not a JSON document: Expecting property name"),
    (JSON, '{"instances": []}', {}, 400, f"{PAYLOAD}The request has no rows"),
    (JSON, '{"features": [1, 2, 3]}', {}, 400, f"{PAYLOAD}The document has no list of instances"),
    (JSON, '{"instances": [{}]}', {}, 400, f"{PAYLOAD}The record has no features (request, instances[0])."),
    (JSON, features(1, "2", 3), {}, 400, f'{PAYLOAD}"2" is a string, not a number (request, instances[0].features[1])'),
    (JSON, features(1, None, 3), {}, 400, f"{PAYLOAD}null is not a number (request, instances[0].features[1])"),
    (JSON, features(1, float("nan"), 3), {}, 400, f"{PAYLOAD}Not a JSON document: NaN is not a number of JSON"),
    (JSON, '{"instances": [{"features": [1, 1e999, 3]}]}', {}, 400, f"{PAYLOAD}The value of feature 1 is outside"),
    (JSON, features(1, 10**400, 3), {}, 400, f"{PAYLOAD}The value of feature 1 is outside the range of float32"),
    (JSON, "9" * 5000, {}, 400, f"{PAYLOAD}Not a JSON document: Exceeds the limit"),
    (JSON, "[" * 100_000, {}, 400, f"{PAYLOAD}The JSON document is nested too deeply"),
    (JSON, b'{"instances": "\xff"}', {}, 400, f"{PAYLOAD}The body is not UTF-8 (request, byte 15)"),
    (JSON, features("\ud800", 2, 3), {}, 400, f'{PAYLOAD}"\\ud800" is a string'),
    (JSON, '{"instances": [{"data": {"features": {"keys": [5], "values": [1]}}}]}', {}, 400, f"{PAYLOAD}Key 5 is outs"),
    (LINES, '{"features": [1, 2, 3]}\nno', {}, 400, f"{PAYLOAD}Not a JSON document: Expecting value (request, line 2"),
    (RECORDIO, "1,2,3", {}, 400, PAYLOAD),
    (RECORDIO, framed(record([1, 2, 3]))[:-9], {}, 400, PAYLOAD),
    (RECORDIO, framed(b"\xff" * 8), {}, 400, PAYLOAD),
    ("text/csv; label_size=x", "1,2,3", {}, 400, PAYLOAD),
    ("text/csv; charset=utf-16", "1,2,3", {}, 400, PAYLOAD),
    (CSV, "1,2,3", {"Content-Encoding": "gzip"}, 400, f"{PAYLOAD}The body is not in gzip"),
    ("image/png", "1,2,3", {}, 415, "content-type image/png not supported. Use one of: application/json, application/"),
    ("application/x-www-form-urlencoded", "1,2,3", {}, 415, "content-type application/x-www-form-urlencoded not supp"),
    ("nonsense", "1,2,3", {}, 415, "content-type nonsense not supported"),
    (";", "1,2,3", {}, 415, "content-type  not supported"),
    (CSV, "1,2,3", {"Content-Encoding": "br"}, 415, "content-encoding br not supported. Send the body plain or in"),
    (CSV, "1,2,3", {"Accept": "image/png"}, 406, "accept image/png not supported. Accept one of: application/json, "),
    (CSV, "1,2,3", {"Accept": "application/json;q=0"}, 406, "accept application/json;q=0 not supported"),
    (CSV, "1,2,3", {ATTRIBUTES: "inference_output=x"}, 400, f"{PAYLOAD}There is no output 'x' (inference_output). Ask"),
    (CSV, "1,2,3", {ATTRIBUTES: "threshold=x"}, 400, f"{PAYLOAD}threshold 'x' is not a number"),
    (CSV, "1,2,3", {ATTRIBUTES: "inference_output=contributions", "Accept": CSV}, 400, f"{PAYLOAD}'contributions' has"),
    (CSV, "1,2,3\n" * 20_000, {}, 413, "The body is larger than the limit of 100001 bytes. Send fewer rows"),
    (CSV, gzip.compress(b"1,2,3\n" * 20_000), {"Content-Encoding": "gzip"}, 413, "The unpacked body is larger than"),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "headers", "status", "sentence"), BAD)
def test_a_bad_request_gets_its_status_and_a_sentence(
    make_client,
    binary: LinearModel,
    content_type: str | None,
    body: bytes | str,
    headers: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    client = make_client(binary, body_limit=100_001)
    response = client.post("/invocations", data=body, content_type=content_type, headers=headers)
    assert (response.status_code, response.text[: len(sentence)]) == (status, sentence)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Traceback" not in response.text
    assert invoke(client, "0,0,0").status_code == 200


def test_an_error_repeats_only_so_much_of_a_request(client: FlaskClient) -> None:
    response = invoke(client, "1,2,3", "x/" + "y" * 8000)
    assert (response.status_code, len(response.text)) == (415, LONGEST_ERROR)


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("POST", "/models", 404, None),
        ("GET", "/invocations", 405, {"POST"}),
        ("PUT", "/invocations", 405, {"POST"}),
        ("POST", "/ping", 405, {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_other_paths_and_methods(
    client: FlaskClient, method: str, path: str, status: int, allow: set[str] | None
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (set(response.headers["Allow"].split(", ")) if allow else None) == allow


bodies = (
    st.binary(max_size=100)
    | st.lists(st.lists(st.floats(), max_size=4), max_size=4).map(
        lambda rows: "\n".join(",".join(map(str, row)) for row in rows).encode()
    )
    | st.lists(st.lists(st.floats(width=32), max_size=4), max_size=4).map(
        lambda rows: b"".join(framed(record(row)) for row in rows)
    )
    | st.lists(st.sampled_from([b"1:2", b" ", b"2:-1e3", b"\n", b"4:1", b"1"])).map(b"".join)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["instances", "features", "data", "values", "keys", "shape"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=bodies,
    content_type=st.sampled_from([JSON, LINES, CSV, RECORDIO, "text/csv; label_size=1", "text/libsvm"])
    | st.text("tex/csvapliontj;=,"),
    accept=st.sampled_from(["*/*", JSON, LINES, CSV, RECORDIO]) | st.text("tex/csv;*q=0.5,"),
    attributes=st.sampled_from(["", "threshold=0.5"]) | st.sampled_from([*OUTPUTS]).map("inference_output={}".format),
    packed=st.booleans(),
)
def test_no_request_is_ever_a_5xx(
    client: FlaskClient, body: bytes, content_type: str, accept: str, attributes: str, packed: bool
) -> None:
    headers = {"Accept": accept, ATTRIBUTES: attributes, **({"Content-Encoding": "gzip"} if packed else {})}
    data = gzip.compress(body) if packed else body
    response = client.post("/invocations", data=data, content_type=content_type, headers=headers)
    assert response.status_code in (200, 204, 400, 406, 415), response.text
    assert response.status_code in (200, 204) or len(response.text) > 10
