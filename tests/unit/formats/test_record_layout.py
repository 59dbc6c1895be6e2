from __future__ import annotations

import numpy as np
import pytest
from record_judge import TENSORS, frame, record

from linear_learner.formats.protobuf_record import parse_record
from linear_learner.formats.record_layout import Layout, layout_of

X = np.array([[1.5, -2.0, 3.25], [0.0, 7.0, 1e-3], [4.0, 5.0, 6.0]])


def layout_of_message(message: object) -> Layout | None:
    payload = message.SerializeToString()
    parsed = parse_record(payload)
    features, label = parsed.features[b"values"], parsed.label.get(b"values")
    assert features is not None
    return layout_of(payload, features, label)


def frames_of(*messages: object) -> np.ndarray:
    return np.stack([np.frombuffer(frame(message.SerializeToString()), np.uint8) for message in messages])


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("label_kind", TENSORS)
def test_the_numbers_of_all_frames_are_found(kind: str, label_kind: str) -> None:
    messages = [record(row, i, kind=kind, label_kind=label_kind) for i, row in enumerate(X)]
    layout = layout_of_message(messages[0])
    frames = frames_of(*messages)
    assert layout is not None
    assert layout.frame_size == frames.shape[1]
    assert layout.count_matching(frames) == 3
    np.testing.assert_array_equal(layout.features.read(frames), X.astype(kind))
    assert layout.label is not None
    np.testing.assert_array_equal(layout.label.read(frames), [[0], [1], [2]])


def test_a_record_without_label_has_a_layout() -> None:
    layout = layout_of_message(record(X[0]))
    assert layout is not None
    assert layout.label is None
    assert layout.count_matching(frames_of(record(X[1]))) == 1


def test_every_byte_but_the_numbers_must_be_the_same() -> None:
    first, other = record(X[0], 1), record(X[1], 0)
    first.uid = other.uid = "a"  # behind the numbers, and with padding behind it
    layout = layout_of_message(first)
    frames = frames_of(*[other] * 3)
    assert layout is not None
    assert frames[0, -1] == 0
    numbers = {*range(layout.features.start, layout.features.end), *range(layout.label.start, layout.label.end)}
    for byte in range(frames.shape[1]):
        changed = frames.copy()
        changed[1, byte] ^= 1
        assert layout.count_matching(changed) == (3 if byte in numbers else 1), byte


def test_small_integers_are_one_byte_each_and_larger_ones_end_the_run() -> None:
    layout = layout_of_message(record([1, 0, 127], 1, kind="int32", label_kind="int32"))
    frames = frames_of(*[record([5, 6, 7], 1, kind="int32", label_kind="int32")] * 3)
    assert layout is not None
    assert layout.count_matching(frames) == 3
    np.testing.assert_array_equal(layout.features.read(frames), [[5, 6, 7]] * 3)
    # Two bytes for 128 and none left for a third number: as long as the frame of the layout.
    frames[2] = frames_of(record([128, 7], 1, kind="int32", label_kind="int32"))[0]
    assert layout.count_matching(frames) == 2


def test_numbers_without_a_fixed_place_have_no_layout() -> None:
    assert layout_of_message(record([1, 128], kind="int32")) is None
    assert layout_of_message(record([1, -1], kind="int32")) is None
    assert layout_of_message(record([])) is None
    assert layout_of_message(record(X[0], 300, label_kind="int32")) is None
    sparse = record(X[0])
    sparse.features["values"].float32_tensor.keys.extend([1, 2, 3])
    assert layout_of_message(sparse) is None
