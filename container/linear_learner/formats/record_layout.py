"""Decodes runs of records that share one byte layout as one strided NumPy view.

A writer such as the SageMaker SDK's gives the dense rows of a matrix records of one length, in which only the numbers
differ. So the first record, read field by field, tells where the numbers are, and all the others need no reading: it
is enough to see that every other byte is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linear_learner.formats.protobuf_record import NUMBERS, Range, Tensor
from linear_learner.formats.recordio import HEADER_SIZE, framed


@dataclass(frozen=True)
class Numbers:
    """The bytes of a frame that hold numbers of one kind."""

    kind: str
    start: int
    end: int

    def read(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, frame size) -> (n, d) in the type they are written in, a view."""
        columns = frames[:, self.start : self.end]
        return columns.view(NUMBERS[self.kind]) if self.kind in NUMBERS else columns


@dataclass(frozen=True)
class Layout:
    """A frame in which only the numbers vary. ``label`` is None for a record without one."""

    frame: np.ndarray
    features: Numbers
    label: Numbers | None
    constant: tuple[Range, ...]

    @property
    def frame_size(self) -> int:
        return len(self.frame)

    def count_matching(self, frames: np.ndarray) -> int:
        """How many of the frames, uint8 (n, frame size), have this layout before the first that has not."""
        count = len(frames)
        for start, end in self.constant:
            # As byte strings: one comparison a row. They ignore zeros at the end, which in strings of one length is no
            # difference.
            same = frames[:count, start:end].view(f"S{end - start}")[:, 0] == self.frame[start:end].tobytes()
            if not same.all():
                count = int(np.argmin(same))
        for numbers in filter(None, (self.features, self.label)):
            # An int32 below 128 is one byte; a larger one would have more and shift all that follows.
            if numbers.kind == "int32":
                small = (numbers.read(frames[:count]) < 0x80).all(axis=1)
                if not small.all():
                    count = int(np.argmin(small))
        return count


def layout_of(payload: bytes, features: Tensor, label: Tensor | None) -> Layout | None:
    """The layout of a dense record, or None if its numbers are not each in one fixed place."""
    found = _numbers(payload, features)
    found_label = None if label is None else _numbers(payload, label)
    if found is None or (label is not None and found_label is None):
        return None
    frame = framed(payload)
    constant, at = [], 0
    for numbers in sorted(filter(None, (found, found_label)), key=lambda n: n.start):
        constant.append((at, numbers.start))
        at = numbers.end
    constant.append((at, len(frame)))
    kept = tuple((start, end) for start, end in constant if start < end)
    return Layout(np.frombuffer(frame, np.uint8), found, found_label, kept)


def _numbers(payload: bytes, tensor: Tensor) -> Numbers | None:
    """Where in a frame the numbers of a tensor are, or None if they have no one place of a fixed size."""
    if len(tensor.values) != 1 or tensor.keys:
        return None
    start, end = tensor.values[0]
    if start == end or (tensor.kind == "int32" and max(payload[start:end]) >= 0x80):
        return None
    return Numbers(tensor.kind, HEADER_SIZE + start, HEADER_SIZE + end)
