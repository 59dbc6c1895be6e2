"""MXNet's arrays on NumPy's memory: whose memory it is, how long it stays, and operators that work on it."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linear_learner.model.params_file import read_params
from linear_learner.native import mxnet_arrays
from linear_learner.native.mxnet_arrays import Array, Operator
from linear_learner.native.mxnet_library import MXNetError

TYPES = ("float32", "float64", "float16", "int8", "uint8", "int32", "int64")


def doubled(array: np.ndarray) -> np.ndarray:
    output = np.zeros_like(array)
    Operator("elemwise_add")([Array(array), Array(array)], Array(output), {})
    return output


@given(
    hnp.arrays(
        st.sampled_from(TYPES), hnp.array_shapes(max_dims=4, max_side=5), elements={"min_value": 0, "max_value": 60}
    )
)
def test_an_operator_reads_and_writes_the_memory_of_numpy(array: np.ndarray) -> None:
    np.testing.assert_array_equal(doubled(array), array + array)


def test_what_numpy_changes_mxnet_sees() -> None:
    array, output = np.zeros(3), np.zeros(3)
    shared, shared_output, add = Array(array), Array(output), Operator("elemwise_add")
    for value in (1.0, 7.0):
        array[...] = value
        add([shared, shared], shared_output, {})
        np.testing.assert_array_equal(output, [2 * value] * 3)


def test_memory_that_may_only_be_read_is_shared_too() -> None:
    array = np.arange(4.0)
    array.flags.writeable = False
    np.testing.assert_array_equal(doubled(array), [0, 2, 4, 6])


@pytest.mark.parametrize(
    "array",
    [np.ones((4, 4))[:, :2], np.ones((3, 2)).T, np.ones(3, ">f4"), np.ones(3, np.complex64), np.array(["a"])],
)
def test_what_is_no_plain_block_of_numbers_is_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="MXNet cannot share this array"):
        Array(array)


def test_numbers_that_mxnet_has_not_are_refused_by_it() -> None:
    with pytest.raises(MXNetError, match="Unknown DLDataType"):
        Array(np.ones(3, np.uint16))


def test_settings_reach_the_operator_as_texts() -> None:
    output = np.zeros(2, np.float32)
    Operator("clip")([Array(np.array([-5, 5], np.float32))], Array(output), {"a_min": -1.5, "a_max": 2})
    np.testing.assert_array_equal(output, [-1.5, 2])


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ([np.ones(3), np.ones(4)], np.ones(3), "could not be broadcast|[Ii]ncompatible attr|inconsistent"),
        ([np.ones(3), np.ones(3)], np.ones(4), "Shape inconsistent|[Ii]ncompatible attr"),
        ([np.ones(3), np.ones(3)], np.ones(3, np.float32), "expected float64, got float32"),
        ([np.ones(3)], np.ones(3), "expects 2 inputs, but got 1"),
    ],
)
def test_an_operator_that_fails_says_why_and_can_be_called_again(
    inputs: list[np.ndarray], output: np.ndarray, message: str
) -> None:
    with pytest.raises(MXNetError, match=message):
        Operator("elemwise_add")([Array(array) for array in inputs], Array(output), {})
    np.testing.assert_array_equal(doubled(np.ones(3)), [2, 2, 2])


class TestLifetime:
    def test_the_array_is_kept_as_long_as_mxnet_s(self) -> None:
        array = np.arange(6.0)
        shared, watched = Array(array), weakref.ref(array)
        del array
        gc.collect()
        assert watched() is shared.array
        output = np.zeros(6)
        Operator("elemwise_add")([shared, shared], Array(output), {})
        np.testing.assert_array_equal(output, np.arange(6.0) * 2)
        del shared
        assert watched() is None

    def test_ten_thousand_calls_leave_nothing_behind(self) -> None:
        """Neither memory nor MXNet's handles: 10,000 arrays of 80 KB would be 800 MB."""
        array, add = np.ones(10_000), Operator("elemwise_add")

        def call(times: int) -> None:
            for _ in range(times):
                add([Array(array.copy()), Array(array)], Array(np.empty_like(array)), {})

        call(200)
        before = resident_mb()
        call(10_000)
        assert resident_mb() - before < 8

    def test_a_thousand_errors_leave_nothing_behind(self) -> None:
        add = Operator("elemwise_add")

        def fail(times: int) -> None:
            for _ in range(times):
                with pytest.raises(MXNetError):
                    add([Array(np.ones(100_000)), Array(np.ones(3))], Array(np.ones(3)), {})

        fail(50)
        before = resident_mb()
        fail(1000)
        assert resident_mb() - before < 8

    def test_an_interrupt_in_the_middle_waits_for_the_operator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Otherwise it would go on with memory that is let go of."""
        left = np.ones((700, 700), np.float32)
        output = np.zeros_like(left)
        product, shared = Operator("dot"), Array(output)

        def interrupted(self: Array) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Array, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            product([Array(left), Array(left)], shared, {})
        np.testing.assert_array_equal(output, np.full_like(left, 700))


@pytest.mark.parametrize("file", [b"arrays", b"gr\xf6\xdfe"])
def test_named_arrays_are_saved_as_they_are(tmp_path: Path, file: bytes) -> None:
    path = tmp_path / os.fsdecode(file)
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in TYPES}
    mxnet_arrays.save(path, {name: Array(array) for name, array in arrays.items()})
    found = read_params(path.read_bytes())
    assert list(found) == list(TYPES)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
