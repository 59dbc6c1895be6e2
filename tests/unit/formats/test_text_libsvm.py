from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from linear_learner.errors import ClientError
from linear_learner.formats import text_libsvm
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.options import Options
from linear_learner.formats.text_libsvm import LARGEST_COLUMN, decode
from linear_learner.native import decoders

VALID = b"1 1:0.5 3:2\n0 2:-1e-3\n1\n"
TABLE = [[0.5, 0, 2], [0, -1e-3, 0], [0, 0, 0]]


def batches(
    data: bytes, *, label_size: int = 1, block_size: int = 1 << 20, feature_dim: int | None = None, index_base: int = 1
) -> list[Batch]:
    options = Options(feature_dim=feature_dim, index_base=index_base)
    return list(decode(io.BytesIO(data), label_size=label_size, source="a.svm", block_size=block_size, options=options))


def dense(data: bytes, *, feature_dim: int, label_size: int = 1, index_base: int = 1) -> np.ndarray:
    found = batches(data, feature_dim=feature_dim, label_size=label_size, index_base=index_base)
    return np.concatenate([batch.features.toarray() for batch in found])


def error(data: bytes, **how: int) -> str:
    with pytest.raises(ClientError) as raised:
        batches(data, **how)
    return str(raised.value)


def test_rows_have_a_label_and_pairs() -> None:
    (batch,) = batches(VALID)
    assert isinstance(batch.features, CsrMatrix)
    assert batch.features.values.dtype == batch.labels.dtype == np.float32
    np.testing.assert_array_equal(batch.features.toarray(), np.float32(TABLE))
    np.testing.assert_array_equal(batch.labels, [1, 0, 1])
    assert batch.where(2) == "a.svm, row 3"


def test_the_width_is_open_unless_it_is_known() -> None:
    first, second = batches(VALID, block_size=12)
    assert first.width_is_open and second.width_is_open
    assert (first.feature_dim, second.feature_dim) == (3, 2)
    (batch,) = batches(VALID, feature_dim=5)
    assert not batch.width_is_open and batch.feature_dim == 5


@pytest.mark.parametrize(
    "data",
    [
        b"1 3:2 1:0.5\n0 2:-1e-3\n1\n",  # not in order
        b"  1\t1:0.5   3:2 \r\n0 2:-1e-3\r\n1\r\n",
        b"\xef\xbb\xbf1 1:0.5 3:2 # a 9:9 comment\n# one alone\n\n0 2:-1e-3#\n1",
        b"1 qid:7 1:0.5 3:2\n0 qid:7 2:-1e-3\n1 qid:8",
        b"+1 01:.5 003:2.\n0 2:-0.001\n1e0\n",
    ],
)
def test_other_spellings(data: bytes) -> None:
    found = batches(data, feature_dim=3)
    np.testing.assert_array_equal(np.concatenate([batch.features.toarray() for batch in found]), np.float32(TABLE))
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in found]), [1, 0, 1])


def test_rows_keep_their_numbers_where_lines_are_skipped() -> None:
    (batch,) = batches(b"# head\n1 1:1\n\n0 1:2\n")
    assert [batch.where(row) for row in range(2)] == ["a.svm, row 2", "a.svm, row 4"]


def test_indices_may_count_from_0() -> None:
    np.testing.assert_array_equal(dense(b"1 0:5 2:6\n", feature_dim=3, index_base=0), [[5, 0, 6]])
    assert error(b"1 0:5 2:6\n") == (
        "Requested content-type is 'text/libsvm'. Found index 0, and indices count from 1 (a.svm, row 1, value "
        "'0:5'). If they count from 0, set the content type 'text/libsvm; index_base=0'"
    )


def test_a_request_may_have_labels_or_not() -> None:
    for data in (b"1:0.5 3:2\n2:-1e-3\n", b"1 1:0.5 3:2\n0 2:-1e-3\n", b"qid:1 1:0.5 3:2\n0 qid:1 2:-1e-3"):
        np.testing.assert_array_equal(dense(data, feature_dim=3, label_size=0), np.float32(TABLE[:2]))
    assert batches(VALID, label_size=0)[0].labels is None


@pytest.mark.parametrize("label", [b"nan", b"abc", b"-inf", b"1e99", b"?", b"1,2", b"\xff", b"1x", b"x qid:7"])
@pytest.mark.parametrize("plain", [False, True])
def test_the_label_of_a_request_is_skipped_whatever_it_is(
    label: bytes, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plain:
        monkeypatch.setattr(text_libsvm, "libsvm_rows", lambda *_, **__: None)
    elif decoders.available():
        monkeypatch.setattr(text_libsvm.Block, "parse", None)
    data = b"%s 1:0.5 3:2\n0 2:-1e-3\n" % label
    np.testing.assert_array_equal(dense(data, feature_dim=3, label_size=0), np.float32(TABLE[:2]))


@pytest.mark.parametrize("row", [b"abc", b"nan", b"1,2,3", b"1e99", b"1 2", b"x # 1:1"])
def test_what_has_no_pair_is_no_row_of_zeros(row: bytes) -> None:
    assert "(a.svm, row 2, " in error(b"1 1:1\n" + row + b"\n", label_size=0)


@pytest.mark.parametrize(
    ("row", "problem", "place"),
    [
        (b"1 1:x", "Found a value that is not a number", ", index 1, value 'x'"),
        (b"1 1:", "Found missing (NaN) values", ", index 1, value ''"),
        (b"1 7:nan", "Found missing (NaN) values", ", index 7, value 'nan'"),
        (b"1 1:1e39", "Found values beyond the range of float32", ", index 1, value '1e39'"),
        (b"1 1:-inf", "Found infinite floating point values", ", index 1, value '-inf'"),
        (b"1 1:0x10", "Found a value that is not a number", ", index 1, value '0x10'"),
        (b"1 1:2:3", "Found a value that is not a number", ", index 1, value '2:3'"),
        (b"x 1:1", "Found a value that is not a number", ", label, value 'x'"),
        (b"nan 1:1", "Found missing (NaN) values", ", label, value 'nan'"),
        (b"1:1 2:2", "The row does not begin with a label", ", value '1:1'"),
        (b"1:0.5 1:1", "The row does not begin with a label", ", value '1:0.5'"),
        (b"1 2", "Found a part that is not index:value", ", value '2'"),
        (b"1 -2:1", "Found an index that is not a whole number from 0 on", ", value '-2:1'"),
        (b"1 1.5:1", "Found an index that is not a whole number from 0 on", ", value '1.5:1'"),
        (b"1 :1", "Found an index that is not a whole number from 0 on", ", value ':1'"),
        (b"1 1:1 qid:1", "Found an index that is not a whole number from 0 on", ", value 'qid:1'"),
        (b"1 2:1 1:1 2:1", "The row has an index twice", ", index 2, value '2:1'"),
        (b"1 6:1", "Found an index beyond the last feature", ", 5 features, value '6:1'"),
        (b"1 2147483648:1", "Found an index beyond 2147483647", ", value '2147483648:1'"),
        (b"1 " + b"9" * 5000 + b":1", "Found an index beyond 2147483647", f", value '{'9' * 37}...'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(row: bytes, problem: str, place: str) -> None:
    feature_dim = {"feature_dim": 5} if b"6:1" in row else {}
    said = error(b"1 1:1\n\n" + row + b"\n", **feature_dim)
    assert problem in said
    assert f"(a.svm, row 3{place})" in said


def test_of_many_bad_rows_three_are_named_and_all_are_counted() -> None:
    said = error(b"1 1:x\n" * 1000)
    assert "row 1, index 1, value 'x'; row 2, index 1, value 'x'; row 3, index 1, value 'x'; 1000 bad rows" in said
    assert "row 4" not in said


def test_data_of_another_type_is_recognised() -> None:
    assert "The data looks like text/csv: set this content type" in error(b"1,2,3\n")
    assert "The data looks like application/x-recordio-protobuf" in error(
        b"\x0a\x23\xd7\xce\x10\x00\x00\x00" + bytes(9)
    )


def test_the_largest_index_is_taken() -> None:
    for base in (0, 1):
        (batch,) = batches(b"1 %d:1\n" % (LARGEST_COLUMN + base), index_base=base)
        assert batch.feature_dim == LARGEST_COLUMN + 1
        assert batch.features.indices.dtype == np.int32
    assert "beyond 2147483646" in error(b"1 2147483647:1\n", index_base=0)


ROWS = st.lists(
    st.dictionaries(st.integers(0, 30), st.floats(-(2.0**99), 2.0**99, width=32).filter(bool), max_size=6), min_size=1
)


@settings(deadline=None)
@given(rows=ROWS, index_base=st.sampled_from([0, 1]), block_size=st.integers(1, 200))
def test_it_reads_what_scikit_learn_writes(rows: list[dict[int, float]], index_base: int, block_size: int) -> None:
    table = np.zeros((len(rows), 31))
    for i, row in enumerate(rows):
        table[i, list(row)] = list(row.values())
    labels = np.arange(len(rows)) - 1.5
    file = io.BytesIO()
    dump_svmlight_file(table, labels, file, zero_based=index_base == 0, comment="a comment")
    found = batches(file.getvalue(), block_size=block_size, feature_dim=31, index_base=index_base)
    X, y = load_svmlight_file(io.BytesIO(file.getvalue()), n_features=31, zero_based=index_base == 0)
    features = np.concatenate([batch.features.toarray() for batch in found])
    np.testing.assert_array_equal(features, X.toarray().astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in found]), y.astype(np.float32))


PIECES = [b" ", b"\n", b"\t", b":", b"1", b"0", b"12:", b"-", b".", b"e", b"#", b"qid:", b"nan", b"x", b"\xff", b"\x0b"]


@given(
    data=st.lists(st.sampled_from(PIECES)).map(b"".join),
    label_size=st.integers(0, 1),
    block_size=st.integers(1, 30),
    feature_dim=st.none() | st.integers(1, 20),
)
def test_any_bytes_give_rows_or_a_client_error(
    data: bytes, label_size: int, block_size: int, feature_dim: int | None
) -> None:
    try:
        found = batches(data, label_size=label_size, block_size=block_size, feature_dim=feature_dim)
    except ClientError as problem:
        assert re.match(r"a\.svm, row \d+", problem.where)
        return
    lines = [line.partition(b"#")[0].split() for line in data.split(b"\n")]
    assert sum(map(len, found)) == sum(1 for line in lines if line)
