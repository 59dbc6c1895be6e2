from __future__ import annotations

import contextlib
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.model.mxnet_import import mx
from linear_learner.model.params_file import read_params

TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64")
DATA = np.array([[1.5, -2], [0, 3e38], [1e-40, 4]], np.float32)


def of_mxnet(content: bytes) -> dict[str, mx.nd.NDArray]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return mx.nd.load(file.name)


def saved(content: dict[str, mx.nd.NDArray] | list[mx.nd.NDArray]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params")
        mx.nd.save(str(path), content)
        return path.read_bytes()


def params_bytes(*arrays: bytes, names: tuple[bytes, ...] = (b"arg:w",)) -> bytes:
    listed = b"".join(struct.pack("<Q", len(name)) + name for name in names)
    return struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names)) + listed


def array_bytes(header: bytes, shape: bytes, data: bytes = DATA.tobytes(), flag: int = 0) -> bytes:
    return header + shape + struct.pack("<iii", 1, 0, flag) + data


def row_sparse(rows: int, indices: list[int]) -> bytes:
    """Two stored rows of two numbers."""
    shapes = struct.pack("<iqqiqq", 2, 2, 2, 2, rows, 2)
    ending = struct.pack("<iiiiiq", 1, 0, 0, 6, 1, len(indices))
    return struct.pack("<Ii", 0xF993FAC9, 1) + shapes + ending + bytes(16) + np.array(indices, "<i8").tobytes()


SHAPE = struct.pack("<iqq", 2, 3, 2)
V0 = array_bytes(b"", struct.pack("<III", 2, 3, 2))
V1 = array_bytes(struct.pack("<I", 0xF993FAC8), SHAPE)
V2 = array_bytes(struct.pack("<Ii", 0xF993FAC9, 0), SHAPE)
V3 = array_bytes(struct.pack("<Ii", 0xF993FACA, 0), SHAPE)


named_arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.sampled_from(TYPES).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=4, max_side=4))),
    min_size=1,
    max_size=4,
)


class TestAgainstMXNet:
    @settings(max_examples=60)
    @given(named_arrays)
    def test_reads_what_mxnet_writes(self, content: dict[str, np.ndarray]) -> None:
        written = saved({name: mx.nd.array(values, dtype=values.dtype) for name, values in content.items()})
        found = read_params(written)
        expected = of_mxnet(written)
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            assert_array_equal(found[name], values.asnumpy())
            assert_array_equal(found[name], content[name])

    @pytest.mark.parametrize("array", [V0, V1, V2], ids=["before 0.11", "V1", "V2"])
    def test_reads_each_layout_that_mxnet_ever_wrote(self, array: bytes) -> None:
        content = params_bytes(array)
        assert_array_equal(of_mxnet(content)["arg:w"].asnumpy(), DATA)
        assert_array_equal(read_params(content)["arg:w"], DATA)

    def test_reads_the_layout_of_numpy_arrays(self) -> None:
        scalar = array_bytes(struct.pack("<Ii", 0xF993FACA, 0), struct.pack("<i", 0), struct.pack("<f", 2.5))
        content = params_bytes(V3, scalar, names=(b"arg:w", b"arg:s"))
        with mx.util.np_shape(True):
            expected = of_mxnet(content)
            assert expected["arg:s"].shape == ()
        found = read_params(content)
        assert_array_equal(found["arg:w"], expected["arg:w"].asnumpy())
        assert found["arg:s"].shape == ()
        assert found["arg:s"] == 2.5

    @pytest.mark.parametrize("indices", [[], [0, 2], [3]])
    def test_reads_arrays_of_some_rows(self, indices: list[int]) -> None:
        dense = np.zeros((4, 2), np.float32)
        dense[indices] = 1.5
        written = saved({"arg:w": mx.nd.array(dense).tostype("row_sparse"), "arg:b": mx.nd.array([1.0])})
        found = read_params(written)
        assert_array_equal(found["arg:w"], dense)
        assert_array_equal(found["arg:b"], [1])

    def test_does_not_copy_the_arrays(self) -> None:
        content = params_bytes(V2)
        assert np.shares_memory(read_params(content)["arg:w"], np.frombuffer(content, np.uint8))


def changed(array: bytes, position: int, layout: str, value: int) -> bytes:
    size = struct.calcsize(layout)
    return array[:position] + struct.pack(layout, value) + array[position + size :]


WRONG = {
    "empty": (b"", "not a file of MXNet arrays"),
    "another magic": (b"PK" + params_bytes(V2)[2:], "not a file of MXNet arrays"),
    "sparse": (params_bytes(changed(V2, 4, "<i", 2)), r"Array 0 is sparse \(storage type 2\)"),
    "a row too many": (params_bytes(row_sparse(rows=3, indices=[0, 3])), r"rows that do not fit its shape \(3, 2\)"),
    "a row before the first": (params_bytes(row_sparse(rows=3, indices=[-1, 0])), "rows that do not fit"),
    "an index too few": (params_bytes(row_sparse(rows=3, indices=[0])), "rows that do not fit"),
    "an expansion": (params_bytes(row_sparse(rows=1 << 40, indices=[0, 1])), "is too large for its file"),
    "unknown type": (params_bytes(array_bytes(V2[:8], SHAPE, flag=12)), r"unknown type \(flag 12\)"),
    "no dimensions": (params_bytes(array_bytes(V2[:8], struct.pack("<i", 0))), "Array 0 has 0 dimensions"),
    "negative dimensions": (params_bytes(changed(V3, 8, "<i", -1)), "has -1 dimensions"),
    "many dimensions": (params_bytes(changed(V2, 8, "<i", 2**31 - 1)), "has 2147483647 dimensions"),
    "negative size": (params_bytes(changed(V2, 12, "<q", -3)), r"has the shape \(-3, 2\)"),
    "huge size": (params_bytes(changed(V2, 12, "<q", 2**62)), "in the middle of its content"),
    "huge count": (struct.pack("<QQQ", 0x112, 0, 2**63), "ends before its 9223372036854775808 arrays"),
    "huge name": (params_bytes(V2)[:-13] + struct.pack("<Q", 2**63) + b"arg:w", "in the middle of its content"),
    "no names": (params_bytes(V2, names=()), "1 arrays have 0 names"),
    "equal names": (params_bytes(V2, V2, names=(b"a", b"a")), "Two arrays have the same name"),
    "a name that is no text": (params_bytes(V2, names=(b"\xff",)), "not UTF-8"),
    "more behind": (params_bytes(V2) + b"\0\0", "2 bytes follow the last name"),
}


class TestCorruptFiles:
    @pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
    def test_each_kind_has_its_message(self, content: bytes, message: str) -> None:
        with pytest.raises(ClientError, match=message) as error:
            read_params(content, where="model_algo-1: mx-mod-0000.params")
        assert error.value.where == "model_algo-1: mx-mod-0000.params"

    def test_a_file_cut_anywhere_is_refused(self) -> None:
        content = params_bytes(V2, V0, names=(b"arg:w", b"arg:b"))
        read_params(content)
        for length in range(len(content)):
            with pytest.raises(ClientError):
                read_params(content[:length])

    @given(st.data())
    def test_any_bytes_are_read_or_refused(self, data: st.DataObject) -> None:
        content = bytearray(params_bytes(V2, V1, names=(b"arg:w", b"arg:b")))
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(ClientError):
            read_params(bytes(content))
