"""Answers as bytes, by content type.

An answer is a list of columns by name, one value or one vector a row: ``{"score": (n,), "predicted_label": (n,)}`` or
``{"score": (n, C), ...}``. Numbers are float32 or integers, all finite. What a column means is not known here. Of
labels that are texts, recordIO, which has numbers alone, gets the numbers.

    application/json                  {"predictions": [{"score": 0.25, "predicted_label": 0.0}, ...]}
    application/jsonlines             {"score": 0.25, "predicted_label": 0.0} a line
    text/csv                          0.25,0.0 a line: the columns in their order, vectors spread out
    application/x-recordio-protobuf   a Record a row, the columns in its ``label`` map, features empty

JSON is spaced as Python's json does it and float32 values are printed as the doubles they equal, since Amazon's
container does both. No form ends in a newline: batch transform adds one to each answer that it assembles by lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.formats.content_type import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from linear_learner.formats.protobuf_record import length_delimited
from linear_learner.formats.recordio import HEADER_SIZE, framed


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels that have texts: ``numbers`` (n,) or (n, C), and ``texts`` by number."""

    numbers: np.ndarray
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice) -> Labels:
        return Labels(self.numbers[rows], self.texts)


Column = np.ndarray | Labels | list[object]
"""(n,) or (n, C) numbers or labels; or n values for JSON alone, such as explanations by feature name."""
Answer = Mapping[str, Column]
Encoder = Callable[[Answer], bytes]

BLOCK_ROWS = 1 << 14


def encode_json(answer: Answer) -> bytes:
    return b"".join((b'{"predictions": [', b", ".join(_json_blocks(answer, ", ")), b"]}"))


def encode_json_lines(answer: Answer) -> bytes:
    return b"\n".join(_json_blocks(answer, "\n"))


def _json_blocks(answer: Answer, separator: str) -> Iterator[bytes]:
    """JSON objects, one a row, with ``separator`` between them. A template is three times as fast as json.dumps on
    small objects, and repr() writes finite floats and lists of them as json does."""
    template = _json_template(tuple(answer))
    for block in _blocks(answer):
        cells = [_json_cells(column) for column in block.values()]
        yield separator.join([template % row for row in zip(*cells, strict=True)]).encode()


@lru_cache(maxsize=64)
def _json_template(names: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: %s" for name in names) + "}"


def _json_cells(column: Column) -> list[str]:
    if isinstance(column, Labels):
        texts = np.array([json.dumps(text) for text in column.texts], object)[column.numbers.astype(np.int64)]
        return [*texts] if texts.ndim == 1 else [f"[{', '.join(row)}]" for row in texts]
    if isinstance(column, list):
        return [json.dumps(value) for value in column]
    return [*map(repr, column.tolist())]


def encode_csv(answer: Answer) -> bytes:
    return b"\n".join(map(_csv_block, _blocks(answer)))


def _csv_block(block: Answer) -> bytes:
    cells: list[list[str]] = []
    for name, column in block.items():
        numbers = _numbers(name, column)
        if isinstance(column, Labels):
            texts = np.array([*map(_csv_cell, column.texts)], object)[numbers.astype(np.int64)]
            cells.extend([*texts[:, j]] for j in range(texts.shape[1]))
            continue
        cells.extend([*map(repr, numbers[:, j].tolist())] for j in range(numbers.shape[1]))
    # The text of a class may be half a character, which the model's JSON can hold.
    return "\n".join(map(",".join, zip(*cells, strict=True))).encode("utf-8", "backslashreplace")


def _csv_cell(text: str) -> str:
    needs_quotes = any(character in text for character in ',"\r\n')
    return '"{}"'.format(text.replace('"', '""')) if needs_quotes else text


def _blocks(answer: Answer) -> Iterator[Answer]:
    """Some rows at a time: as Python's objects they take twenty times the memory of the arrays."""
    rows = len(next(iter(answer.values())))
    if rows <= BLOCK_ROWS:
        yield answer
        return
    for start in range(0, rows, BLOCK_ROWS):
        yield {name: column[start : start + BLOCK_ROWS] for name, column in answer.items()}


def _numbers(name: str, column: Column) -> np.ndarray:
    """A column as (n, C)."""
    if isinstance(column, list):
        raise ClientError(f"'{name}' has no form in this content type", fix=f"accept {JSON}")
    numbers = column.numbers if isinstance(column, Labels) else column
    return numbers.reshape(len(numbers), -1)


def encode_recordio(answer: Answer) -> bytes:
    """Every row has the same length, so one row is laid out by hand and the numbers of all are put in by NumPy.

    Layout: RecordIO framing around aialgs.data.Record, whose field 2 is ``map<string, Value> label``; a Value's field 2
    is a Float32Tensor, and its field 1 the packed values.
    """
    record = b""
    slots: list[tuple[int, np.ndarray]] = []
    for name, column in answer.items():
        numbers = _numbers(name, column).astype("<f4")
        tensor = length_delimited(1, bytes(4 * numbers.shape[1]))
        value = length_delimited(2, length_delimited(2, tensor))
        record += length_delimited(2, length_delimited(1, name.encode()) + value)
        slots.append((len(record) - 4 * numbers.shape[1], numbers))
    rows = np.tile(np.frombuffer(framed(record), np.uint8), (len(slots[0][1]), 1))
    for start, numbers in slots:
        place = HEADER_SIZE + start
        rows[:, place : place + 4 * numbers.shape[1]] = numbers.view(np.uint8)
    return rows.tobytes()


ENCODERS: dict[str, Encoder] = {
    JSON: encode_json,
    JSON_LINES: encode_json_lines,
    CSV: encode_csv,
    RECORDIO_PROTOBUF: encode_recordio,
}
