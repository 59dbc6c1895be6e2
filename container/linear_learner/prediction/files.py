"""Files to predict, one after the other: their predictions as one answer."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from linear_learner.data.channel_file import ChannelFile, open_channel_file, unpacked
from linear_learner.data.dataset import Dataset
from linear_learner.data.labels import check_labels
from linear_learner.data.sources import list_files
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.formats.answer_writer import AnswerWriter
from linear_learner.formats.batch import Batch
from linear_learner.model.served_model import ServedModel
from linear_learner.prediction.file_rows import Reading, decode
from linear_learner.s3 import S3Path, writing
from linear_learner.serving import answers
from linear_learner.serving.answers import Wish
from linear_learner.whole_file import whole_file

STDIN = Path("-")
STDIN_NAME = "standard input"


class Seen:
    """The scores and labels of all rows, float32 (n,), or (n, C) of a multiclass model."""

    def __init__(self) -> None:
        self._scores: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add(self, scores: np.ndarray, labels: np.ndarray) -> None:
        self._scores.append(scores)
        self._labels.append(labels)

    def all(self) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate(self._scores), np.concatenate(self._labels)


def predict(
    model: ServedModel, places: Sequence[Path], reading: Reading, wish: Wish, writer: AnswerWriter, seen: Seen | None
) -> tuple[int, Counter[str]]:
    """Write the answer for the rows of all ``places`` (files, folders, or ``-`` for standard input); returns how many
    rows that are, at least 1, and how many cells of each column are categories that the training data lacked.
    ``seen``, if given, is told of scores and labels, and the rows have labels then."""
    unseen: Counter[str] = Counter()
    count, size = 0, answers.rows_at_once(model, wish)
    for opened, source in _opened(places):
        for batch in decode(opened.stream, source, model, reading, unseen):
            count += len(batch)
            labels = None if seen is None else _labels(model, batch)
            features = model.filled(batch.features)
            for start in range(0, len(batch), size):
                part = features[start : start + size]
                predictions = model.model.predict(part)
                writer.add(answers.answer(model, part, predictions, wish))
                if seen is not None and labels is not None:
                    seen.add(predictions.score, labels[start : start + size])
    if not count:
        raise ClientError("There are no rows to predict", where=", ".join(map(str, places)), fix="give at least one")
    writer.close()
    return count, unseen


def _labels(model: ServedModel, batch: Batch) -> np.ndarray:
    data = Dataset.of_batch("data", batch)
    kind = model.model
    check_labels(data, predictor_type=kind.predictor_type, num_classes=kind.num_classes, is_train=False)
    return data.labels


def _opened(places: Sequence[Path]) -> Iterator[tuple[ChannelFile, str]]:
    """Each file, open, and its name."""
    for place in places:
        if place == STDIN:
            yield unpacked(cast(Any, sys.stdin.buffer), STDIN_NAME), STDIN_NAME
            continue
        if not place.exists():
            raise ClientError("There is no such file or folder", where=str(place), fix="check the path")
        # What is neither a file nor a folder, such as the pipe of <(zcat rows.csv.gz), is read as it is.
        for file in list_files(ChannelConfig("data", place)) if place.is_dir() else [place]:
            with open_channel_file(file) as opened:
                yield opened, str(file)


@contextmanager
def output_stream(path: Path | None) -> Iterator[BinaryIO]:
    """Where an answer goes: standard output, or a file that is there once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        return
    if isinstance(path, S3Path):
        with writing(path) as stream:
            yield stream
        return
    with whole_file(path) as stream:
        yield stream
