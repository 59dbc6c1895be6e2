"""Requests in JSON: every documented form, and everything else a ClientError that says where."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats import json_records
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.json_records import JSON_DECODERS
from linear_learner.formats.width import WrongWidth

DENSE = {"features": [1.5, -2, 0]}
DENSE_LONG = {"data": {"features": {"values": [1.5, -2, 0]}}}
SPARSE = {"data": {"features": {"keys": [0, 1], "shape": [3], "values": [1.5, -2]}}}
ROW = [1.5, -2.0, 0.0]


def rows(body: bytes | str, content_type: str = "application/json", **known: object) -> np.ndarray:
    stream = io.BytesIO(body.encode() if isinstance(body, str) else body)
    batches = list(JSON_DECODERS[content_type](stream, source="request", **{"feature_dim": 3, **known}))
    assert all(batch.labels is None and batch.features.dtype == np.float32 for batch in batches)
    return np.concatenate([batch.features for batch in batches]) if batches else np.empty((0, 3))


def instances(*records: object) -> str:
    return json.dumps({"instances": list(records)})


def test_a_line_that_does_not_end_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "LONGEST_LINE", 100)
    line = json.dumps(DENSE).encode().ljust(99)
    assert len(rows(line + b"\n" + line + b" ", "application/jsonlines")) == 2
    with pytest.raises(ClientError, match=r"The line does not end for 101 bytes \(request, row 2\)"):
        rows(line + b"\n" + line + b"  ", "application/jsonlines")


@pytest.mark.parametrize(
    "record",
    [
        DENSE,
        DENSE_LONG,
        SPARSE,
        {**DENSE, "configuration": {"anything": [1]}},
        {"data": {"features": {"values": [-2, 1.5], "keys": [1, 0], "shape": [3]}}},
        {"data": {"features": {"values": [1.5, -2], "keys": [0, 1]}}},
        {"data": {"features": {"values": [1.5, -2], "keys": [0, 1], "shape": [1, 3]}}},
        {"features": {"values": [1.5, -2, 0]}},
        {"data": {"features": {"values": [1.5, -2, 0], "keys": None}}},
    ],
)
def test_every_form_gives_the_same_row(record: object) -> None:
    assert_array_equal(rows(instances(record)), [ROW])
    assert_array_equal(rows(json.dumps(record), "application/jsonlines"), [ROW])


def test_forms_may_be_mixed() -> None:
    assert_array_equal(rows(instances(DENSE, SPARSE, DENSE_LONG)), [ROW] * 3)
    lines = "\n".join(map(json.dumps, [SPARSE, DENSE, DENSE_LONG]))
    assert_array_equal(rows(lines, "application/jsonlines"), [ROW] * 3)


def test_a_sparse_row_of_nothing_is_zeros() -> None:
    record = {"data": {"features": {"keys": [], "shape": [3], "values": []}}}
    assert_array_equal(rows(instances(record)), [[0, 0, 0]])


def test_lines_may_end_in_crlf_be_blank_or_lack_the_last_newline() -> None:
    body = f"{json.dumps(DENSE)}\r\n\n  \n{json.dumps(SPARSE)}"
    assert_array_equal(rows(body, "application/jsonlines"), [ROW] * 2)


def test_a_byte_order_mark_is_skipped() -> None:
    assert_array_equal(rows("\ufeff" + instances(DENSE)), [ROW])


def test_no_instances_are_no_rows() -> None:
    assert len(rows('{"instances": []}')) == 0
    assert len(rows("\n\n", "application/jsonlines")) == 0


def test_names_are_put_into_the_order_of_the_model() -> None:
    record = {"features": {"c": 0, "a": 1.5, "b": -2}}
    assert_array_equal(rows(instances(record, DENSE), feature_names=["a", "b", "c"]), [ROW] * 2)


def test_a_feature_may_be_called_values() -> None:
    record = {"features": {"values": 1.5, "b": -2, "c": 0}}
    assert_array_equal(rows(instances(record), feature_names=["values", "b", "c"]), [ROW])


def test_rows_come_in_blocks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "BLOCK_CELLS", 6)
    records = [{"features": [i, 0, 0]} for i in range(5)]
    stream = io.BytesIO(instances(*records).encode())
    batches = list(json_records.decode_json(stream, source="request", feature_dim=3))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [batch.first_row for batch in batches] == [1, 3, 5]
    assert_array_equal(np.concatenate([batch.features for batch in batches])[:, 0], range(5))


def test_many_wide_sparse_rows_take_the_memory_of_a_block_only() -> None:
    record = {"data": {"features": {"keys": [7], "shape": [200_000], "values": [1]}}}
    stream = io.BytesIO(instances(*[record] * 200).encode())
    total = 0
    for batch in json_records.decode_json(stream, source="request", feature_dim=200_000):
        assert batch.features.nbytes <= 4 * (json_records.BLOCK_CELLS + 200_000)
        total += len(batch)
    assert total == 200


def test_wide_sparse_rows_stay_sparse_and_dense_ones_dense() -> None:
    width = json_records.WIDE
    wide = {"data": {"features": {"keys": [width - 1, 7], "shape": [width], "values": [1, -2.5]}}}
    empty = {"data": {"features": {"keys": [], "shape": [width], "values": []}}}
    body = instances(wide, empty, {"features": [0.5] * width}, wide)
    first, second, third = json_records.decode_json(io.BytesIO(body.encode()), source="request", feature_dim=width)
    assert [batch.first_row for batch in (first, second, third)] == [1, 3, 4]
    assert isinstance(first.features, CsrMatrix)
    assert first.features.indices.tolist() == [7, width - 1]
    assert first.features.values.tolist() == [-2.5, 1]
    assert first.features.indptr.tolist() == [0, 2, 2]
    assert_array_equal(second.features, np.full((1, width), 0.5, np.float32))
    assert isinstance(third.features, CsrMatrix)


@pytest.mark.parametrize("value", ["1e39", "1" + "0" * 400])
def test_a_wide_sparse_value_out_of_range_is_told(value: str) -> None:
    width = json_records.WIDE
    body = f'{{"instances": [{{"data": {{"features": {{"keys": [9], "shape": [{width}], "values": [{value}]}}}}}}]}}'
    with pytest.raises(ClientError, match=r"feature 9 is outside the range of float32 \(request, instances\[0\]\)"):
        list(json_records.decode_json(io.BytesIO(body.encode()), source="request", feature_dim=width))


def features(value: object) -> str:
    return instances({"features": value})


def sparse(**changes: object) -> str:
    record = {"keys": [0, 1], "shape": [3], "values": [1.5, -2], **changes}
    return instances({"data": {"features": {k: v for k, v in record.items() if v is not ...}}})


BAD = {
    "no JSON": ("{", r"Not a JSON document: .* \(request, line 1, character 2\)"),
    "second line": ('{"instances":\n oops}', r"line 2, character 2"),
    "something after": (instances(DENSE) + "x", "Extra data"),
    "a list": ("[[1, 2, 3]]", "has no list of instances"),
    "a number": ("5", "has no list of instances"),
    "no instances": ('{"rows": []}', r"has no list of instances \(request\). Send "),
    "instances an object": ('{"instances": {"features": [1]}}', "has no list of instances"),
    "record a list": (instances([1, 2, 3]), r"The record has no features \(request, instances\[0\]\)"),
    "record empty": (instances(DENSE, {}), r"no features \(request, instances\[1\]\)"),
    "data a list": (instances({"data": [1]}), "no features"),
    "features null": (features(None), "no features"),
    "features a string": (features("1,2,3"), "no features"),
    "text in a cell": (
        features([1, "2", 3]),
        r'"2" is a string, not a number \(request, instances\[0\].features\[1\]\)',
    ),
    "null in a cell": (
        features([1, None, 3]),
        r"^null is not a number \(.*features\[1\]\). Only a model .* missing_values",
    ),
    "true in a cell": (features([True, 2, 3]), "true is a boolean, not a number"),
    "list in a cell": (features([1, [2], 3]), r"\[...\] is a list, not a number"),
    "object in a cell": (features([1, {"a": 2}, 3]), "is an object, not a number"),
    "long text in a cell": (features(["x" * 100, 2, 3]), '"x{39}... is a string'),
    "NaN": (features([1, float("nan"), 3]), r"NaN is not a number of JSON \(request, line 1, character 33\)"),
    "-Infinity further down": (
        '{"instances": [{"\\"NaN": "-Infinity\\\\",\n "features": [1, -Infinity]}]}',
        r"-Infinity is not a number of JSON \(request, line 2, character 18\)",
    ),
    "Infinity": (features([1, float("inf"), 3]), "Infinity is not a number of JSON"),
    "-Infinity": (features([1, -float("inf"), 3]), "-Infinity is not a number of JSON"),
    "1e999": (
        '{"instances": [{"features": [1, 1e999, 3]}]}',
        r"feature 1 is outside .* float32 \(request, instances\[0\]",
    ),
    "1e39": (features([1, 2, 1e39]), "feature 2 is outside the range of float32"),
    "huge integer": (features([1, 10**400, 3]), "feature 1 is outside the range of float32"),
    "integer of 5000 digits": (f'{{"instances": [{{"features": [1, {"9" * 5000}, 3]}}]}}', "Exceeds the limit"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep features": ('{"instances": [{"features": ' + "[" * 5000 + "]" * 5000 + "}]}", "nested too deeply"),
    "not UTF-8": (b'{"instances": [{"features": [1, 2, "\xff"]}]}', r"not UTF-8 \(request, byte 36\)"),
    "UTF-16": (instances(DENSE).encode("utf-16"), "not UTF-8"),
    "too narrow": (features([1, 2]), "dimension of the input: 2 does not match the feature dimension of the model: 3"),
    "too wide": (features([1, 2, 3, 4]), "dimension of the input: 4 does not"),
    "ragged": (instances(DENSE, {"features": [1]}), "dimension of the input: 1 does not"),
    "no features at all": (features([]), "dimension of the input: 0 does not"),
    "values a number": (instances({"data": {"features": {"values": 5}}}), "values is a number, not a list"),
    "values with text": (instances({"data": {"features": {"values": ["a"]}}}), r"instances\[0\].values\[0\]"),
    "values with another shape": (
        instances({"data": {"features": {"values": [1, 2, 3], "shape": [4]}}}),
        "dimension of the input: 4 does not",
    ),
    "names of a nameless model": (features({"age": 3}), "the model knows no names"),
    "keys of text": (sparse(keys=["0", 1]), "keys is not a list of integers"),
    "keys of booleans": (sparse(keys=[True, 0]), "keys is not a list of integers"),
    "keys negative": (sparse(keys=[0, -1]), "keys is not a list of integers from 0"),
    "keys fractional": (sparse(keys=[0, 1.5]), "keys is not a list of integers"),
    "keys a number": (sparse(keys=0), "keys is not a list of integers"),
    "key too large": (sparse(keys=[0, 3]), r"Key 3 is outside 0..2 \(request, instances\[0\]\). Keys count from 0"),
    "key beyond int64": (sparse(keys=[0, 2**70]), "keys is not a list of integers"),
    "key twice": (sparse(keys=[1, 1]), "A key appears twice"),
    "more keys than values": (sparse(keys=[0, 1, 2]), "3 keys stand for 2 values"),
    "shape of text": (sparse(shape=["3"]), "shape is not a list of integers"),
    "shape empty": (sparse(shape=[]), "shape is not a list of integers"),
    "shape a number": (sparse(shape=3), "shape is not a list of integers"),
    "shape of another width": (sparse(shape=[2000]), "dimension of the input: 2000 does not"),
    "shape immense": (sparse(shape=[2**62]), "does not match"),
    "sparse value too large": (sparse(values=[1, 10**400]), "feature 1 is outside the range of float32"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_told_what_and_where(name: str) -> None:
    body, message = BAD[name]
    with pytest.raises(ClientError, match=message):
        rows(body)


def test_a_bad_line_is_told_its_number() -> None:
    good = json.dumps(DENSE)
    with pytest.raises(ClientError, match=r"Not a JSON document: .* \(request, line 3, character 14\)"):
        rows(f'{good}\n\n{{"features": oops}}\n{good}', "application/jsonlines")
    with pytest.raises(ClientError, match=r'"x" is a string, not a number \(request, line 2.features\[0\]\)'):
        rows(f'{good}\n{{"features": ["x", 2, 3]}}', "application/jsonlines")
    with pytest.raises(ClientError, match=r"float32 \(request, line 2\)"):
        rows(f'{good}\n{{"features": [1e40, 2, 3]}}', "application/jsonlines")


@pytest.mark.parametrize(
    ("given_features", "message"),
    [
        ({"a": 1, "b": 2}, r'lacks the feature "c" \(request, instances\[0\]\)'),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, 'has no feature "d"'),
        ({"a": 1, "b": 2, "c": "x"}, r'"x" is a string, not a number \(request, instances\[0\].features\[2\]\)'),
    ],
)
def test_names_must_be_those_of_the_model(given_features: object, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        rows(features(given_features), feature_names=["a", "b", "c"])


@pytest.mark.parametrize("names", ['"a": 1, "b": 2, "a": 3', '"c": 0, "b": 2, "b": 2, "a": 1', '"a": 1, "\\u0061": 1'])
def test_a_record_names_a_feature_once(names: str) -> None:
    twice = "b" if names.startswith('"c') else "a"
    good, bad = json.dumps(DENSE), f'{{"features": {{{names}}}}}'
    with pytest.raises(ClientError, match=rf'has the feature "{twice}" twice \(request, instances\[1\]\)'):
        rows(f'{{"instances": [{good}, {bad}]}}', feature_names=["a", "b", "c"])
    with pytest.raises(ClientError, match=rf'has the feature "{twice}" twice \(request, line 2\)'):
        rows(f"{good}\n{bad}", "application/jsonlines", feature_names=["a", "b", "c"])


def test_what_is_skipped_may_hold_a_name_twice_and_a_value_that_does_is_an_object() -> None:
    record = '{"features": {"a": 1.5, "b": -2, "c": %s}, "configuration": {"x": 1, "x": 2}}'
    assert_array_equal(rows(record % 0, "application/jsonlines", feature_names=["a", "b", "c"]), [ROW])
    with pytest.raises(ClientError, match="is an object, not a number"):
        rows(record % '{"x": 1, "x": 2}', "application/jsonlines", feature_names=["a", "b", "c"])


def test_without_a_known_width_the_first_row_gives_it() -> None:
    assert_array_equal(rows(features([1, 2]), feature_dim=None), [[1, 2]])
    assert_array_equal(rows(sparse(), feature_dim=None), [ROW])
    with pytest.raises(WrongWidth, match="input: 3 does not match the feature dimension of the model: 2"):
        rows(instances({"features": [1, 2]}, DENSE), feature_dim=None)
    with pytest.raises(ClientError, match="A sparse record has no shape"):
        rows(sparse(shape=...), feature_dim=None)
    with pytest.raises(ClientError, match="4611686018427387904 features is too wide"):
        rows(sparse(shape=[2**62]), feature_dim=None)


float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(float32s, min_size=4, max_size=4), min_size=1, max_size=5))
def test_numbers_arrive_exactly(matrix: list[list[float]]) -> None:
    dense = instances(*[{"features": row} for row in matrix])
    assert_array_equal(rows(dense, feature_dim=4), np.array(matrix, np.float32))
    sparse_form = [
        {"data": {"features": {"keys": [j for j in range(4) if row[j]], "values": [v for v in row if v], "shape": [4]}}}
        for row in matrix
    ]
    assert_array_equal(rows(instances(*sparse_form), feature_dim=4), np.array(matrix, np.float32))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1, 2, 3]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["features", "data", "values", "keys", "shape", "x"]), inner, max_size=3)
    ),
    max_leaves=15,
)


def test_names_tell_the_width_too() -> None:
    decode = JSON_DECODERS["application/jsonlines"]
    (batch,) = decode(io.BytesIO(b'{"features": {"b": 2, "a": 1}}'), source="request", feature_names=("a", "b"))
    np.testing.assert_array_equal(batch.features, [[1, 2]])


@pytest.mark.parametrize("missing", [b"null", b"NaN"])
def test_missing_features_may_be_allowed(missing: bytes) -> None:
    records = [
        b'{"features": [1, %b, 3]}' % missing,
        b'{"data": {"features": {"keys": [1], "values": [%b]}}}' % missing,
        b'{"features": [1, 1e38, 3]}',
    ]
    nan = np.nan
    for content_type, body in (
        ("application/json", b'{"instances": [%b]}' % b",".join(records)),
        ("application/jsonlines", b"\n".join(records)),
    ):
        decode = JSON_DECODERS[content_type]
        (batch,) = decode(io.BytesIO(body), source="request", feature_dim=3, allow_missing=True)
        np.testing.assert_array_equal(batch.features, np.float32([[1, nan, 3], [0, nan, 0], [1, 1e38, 3]]))
        with pytest.raises(ClientError, match=r"null|NaN|nan"):
            list(decode(io.BytesIO(body), source="request", feature_dim=3))
        for bad in (b"Infinity", b"1e39", b'"x"', b"true"):
            with pytest.raises(ClientError):
                list(
                    decode(io.BytesIO(body.replace(b"1e38", bad)), source="request", feature_dim=3, allow_missing=True)
                )


@settings(max_examples=300)
@given(st.lists(json_values, max_size=4), st.sampled_from(list(JSON_DECODERS)))
def test_any_document_is_rows_or_a_client_error(records: list[object], content_type: str) -> None:
    lines = content_type == "application/jsonlines"
    body = "\n".join(map(json.dumps, records)) if lines else instances(*records)
    try:
        decoded = rows(body, content_type)
    except ClientError as error:
        assert str(error)
    else:
        assert decoded.shape == (len(records), 3)
        assert np.isfinite(decoded).all()


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":, 019.eE-+instancefud\n\\', max_size=80).map(str.encode))
def test_any_bytes_are_rows_or_a_client_error(body: bytes) -> None:
    for content_type in JSON_DECODERS:
        try:
            assert np.isfinite(rows(body, content_type)).all()
        except ClientError as error:
            assert str(error)
