"""Answers, byte for byte; RecordIO is read back by Google's protobuf, which knows nothing of our writer."""

from __future__ import annotations

import csv
import json
import struct

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats import encoders
from linear_learner.formats.encoders import ENCODERS, Labels

f32 = np.float32
BINARY = {"score": np.array([0.9957004], f32), "predicted_label": np.array([1], f32)}
TWO_ROWS = {"score": np.array([0.5, 0.25], f32), "predicted_label": np.array([1, 0], f32)}
MULTICLASS = {"score": np.array([[0.75, 0.125, 0.125], [0, 0, 1]], f32), "predicted_label": np.array([0, 2], f32)}
REGRESSION = {"score": np.array([11.719074], f32)}


def encode(content_type: str, answer: object) -> bytes:
    return ENCODERS[content_type](answer)


def test_json_is_byte_for_byte_what_amazons_container_says() -> None:
    # The scores are those of real answers: float32 numbers printed as the doubles that they equal.
    expected = b'{"predictions": [{"score": 0.9957004189491272, "predicted_label": 1.0}]}'
    assert encode("application/json", BINARY) == expected
    regression = encode("application/json", REGRESSION)
    assert regression == b'{"predictions": [{"score": 11.719074249267578}]}'
    assert len(regression) == 48  # the content-length in a log of 2020
    assert encode("application/json", MULTICLASS) == (
        b'{"predictions": [{"score": [0.75, 0.125, 0.125], "predicted_label": 0.0}, '
        b'{"score": [0.0, 0.0, 1.0], "predicted_label": 2.0}]}'
    )


def test_json_lines_are_the_same_objects_without_a_last_newline() -> None:
    expected = b'{"score": 0.5, "predicted_label": 1.0}\n{"score": 0.25, "predicted_label": 0.0}'
    assert encode("application/jsonlines", TWO_ROWS) == expected


def test_csv_is_the_columns_in_their_order() -> None:
    assert encode("text/csv", TWO_ROWS) == b"0.5,1.0\n0.25,0.0"
    assert encode("text/csv", MULTICLASS) == b"0.75,0.125,0.125,0.0\n0.0,0.0,1.0,2.0"
    assert encode("text/csv", REGRESSION) == b"11.719074249267578"


def test_integers_stay_integers() -> None:
    answer = {"labels": np.array([[0, 1], [0, 1]])}
    assert encode("application/jsonlines", answer) == b'{"labels": [0, 1]}\n{"labels": [0, 1]}'
    assert encode("text/csv", answer) == b"0,1\n0,1"


def test_labels_with_texts_are_written_as_texts() -> None:
    texts = ("<=50K", 'a "b", c')
    answer = {"predicted_label": Labels(np.array([1, 0], f32), texts), "labels": Labels(np.array([[0, 1]] * 2), texts)}
    rows = [json.loads(line) for line in encode("application/jsonlines", answer).splitlines()]
    assert rows == [
        {"predicted_label": texts[1], "labels": list(texts)},
        {"predicted_label": texts[0], "labels": list(texts)},
    ]
    assert json.loads(encode("application/json", answer)) == {"predictions": rows}
    found = list(csv.reader(encode("text/csv", answer).decode().splitlines()))
    assert found == [[texts[1], *texts], [texts[0], *texts]]
    # Half a character, which the model's JSON can hold, has no bytes of its own.
    half = {"predicted_label": Labels(np.array([0], f32), ("\ud83d", "b"))}
    assert encode("text/csv", half) == rb"\ud83d"


def test_recordio_has_the_numbers_of_labels() -> None:
    plain = encode("application/x-recordio-protobuf", TWO_ROWS)
    named = {**TWO_ROWS, "predicted_label": Labels(TWO_ROWS["predicted_label"], ("a", "b"))}
    assert encode("application/x-recordio-protobuf", named) == plain


def test_labels_are_written_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "BLOCK_ROWS", 2)
    answer = {"predicted_label": Labels(np.array([0, 1, 1, 0, 1], f32), ("no", "yes"))}
    assert encode("text/csv", answer) == b"no\nyes\nyes\nno\nyes"


def test_columns_of_objects_are_for_json_alone() -> None:
    answer = {"contributions": [{"é": 0.5}, None]}
    assert json.loads(encode("application/json", answer)) == {
        "predictions": [{"contributions": {"é": 0.5}}, {"contributions": None}]
    }
    for content_type in ("text/csv", "application/x-recordio-protobuf"):
        with pytest.raises(
            ClientError, match=r"'contributions' has no form in this content type. Accept application/json"
        ):
            encode(content_type, answer)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_json_is_what_pythons_json_writes_and_loses_nothing(scores: list[float]) -> None:
    answer = {"score": np.array(scores, f32), "probabilities": np.array([scores, scores], f32).T.copy()}
    predictions = [{"score": s, "probabilities": [s, s]} for s in scores]
    assert encode("application/json", answer) == json.dumps({"predictions": predictions}).encode()
    assert encode("application/jsonlines", answer) == "\n".join(map(json.dumps, predictions)).encode()


@pytest.mark.parametrize("content_type", ENCODERS)
def test_blocks_of_rows_are_joined_without_a_seam(content_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.arange(8, dtype=f32) / 8
    answer = {"score": scores, "labels": np.tile([0, 1], (8, 1)), "probabilities": np.stack([1 - scores, scores], 1)}
    whole = encode(content_type, answer)
    for rows in (1, 3, 4, 7):
        monkeypatch.setattr(encoders, "BLOCK_ROWS", rows)
        assert encode(content_type, answer) == whole


def _record_class() -> type:
    """aialgs.data.Record as far as answers use it, from a schema written down here."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")
    tensor = file.message_type.add(name="Float32Tensor")
    tensor.field.add(name="values", number=1, type=2, label=3).options.packed = True
    value = file.message_type.add(name="Value")
    value.field.add(name="float32_tensor", number=2, type=11, label=1, type_name=".aialgs.data.Float32Tensor")
    record = file.message_type.add(name="Record")
    for number, name in ((1, "features"), (2, "label")):
        entry = record.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=9, label=1)
        entry.field.add(name="value", number=2, type=11, label=1, type_name=".aialgs.data.Value")
        kind = f".aialgs.data.Record.{name.title()}Entry"
        record.field.add(name=name, number=number, type=11, label=3, type_name=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


def records(body: bytes) -> list[object]:
    """The Records of a RecordIO body."""
    found, at = [], 0
    while at < len(body):
        magic, length = struct.unpack_from("<II", body, at)
        assert magic == 0xCED7230A
        found.append(_record_class().FromString(body[at + 8 : at + 8 + length]))
        end = at + 8 + length
        at = end + -end % 4
        assert body[end:at] == bytes(at - end)
    return found


@pytest.mark.parametrize("answer", [BINARY, TWO_ROWS, MULTICLASS, REGRESSION])
def test_recordio_has_a_record_a_row_with_all_columns_as_labels(answer: dict[str, np.ndarray]) -> None:
    found = records(encode("application/x-recordio-protobuf", answer))
    assert len(found) == len(answer["score"])
    for i, record in enumerate(found):
        assert not record.features
        assert set(record.label) == set(answer)
        for name, column in answer.items():
            assert_array_equal(record.label[name].float32_tensor.values, np.atleast_1d(column[i]))


def test_recordio_of_a_thousand_classes() -> None:
    # Lengths of two bytes in the protobuf message.
    score = np.random.default_rng(0).random((3, 1000)).astype(f32)
    found = records(encode("application/x-recordio-protobuf", {"score": score}))
    assert_array_equal([record.label["score"].float32_tensor.values for record in found], score)
