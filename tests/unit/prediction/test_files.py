"""Whole files: what is predicted for them, and what is left where that fails."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from linear_learner.errors import ClientError
from linear_learner.formats.answer_writer import AnswerWriter
from linear_learner.model.linear_model import LinearModel
from linear_learner.model.served_model import ServedModel
from linear_learner.prediction.file_rows import Reading
from linear_learner.prediction.files import Seen, output_stream, predict
from linear_learner.serving.answers import MOST_CONTRIBUTIONS, Wish


def served(width: int = 1) -> ServedModel:
    weights, bias = np.ones((width, 1), np.float32), np.zeros(1, np.float32)
    return ServedModel(LinearModel(weights, bias, "binary_classifier", "logistic", "logistic", 0.5, 2))


def lines(
    *places: Path, reading: Reading | None = None, wish: Wish | None = None, seen: Seen | None = None
) -> list[str]:
    stream = io.BytesIO()
    writer = AnswerWriter(stream, "application/jsonlines")
    count, _ = predict(served(), list(places), reading or Reading(), wish or Wish(), writer, seen)
    found = stream.getvalue().decode().splitlines()
    assert count == len(found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/part-10.csv").write_text("30\n")
    (tmp_path / "in/part-2.csv").write_text("-30\n")
    (tmp_path / "in/_SUCCESS").write_text("")
    (tmp_path / "more.csv.gz").write_bytes(gzip.compress(b"0\n"))
    return tmp_path


def test_files_and_folders_come_in_their_order(folder: Path) -> None:
    scores = [json.loads(line)["score"] for line in lines(folder / "in", folder / "more.csv.gz")]
    assert scores == pytest.approx([0, 1, 0.5], abs=1e-12)


def test_a_named_pipe_is_read_as_it_is(tmp_path: Path) -> None:
    """As a shell's <(zcat rows.csv.gz) is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[gzip.compress(b"-30\n30\n")], daemon=True)
    writer.start()
    assert [json.loads(line)["score"] for line in lines(pipe)] == pytest.approx([0, 1], abs=1e-12)
    writer.join()


def test_scores_and_labels_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,0\n0,30\n")
    seen = Seen()
    lines(path, reading=Reading(has_label=True), seen=seen)
    scores, labels = seen.all()
    assert_array_equal(scores, np.float32([0.5, 1]))
    assert_array_equal(labels, [1, 0])
    path.write_text("2,0\n")
    with pytest.raises(ClientError, match=r"Label 2 of channel 'data' is neither 0 nor 1"):
        lines(path, reading=Reading(has_label=True), seen=seen)


def test_explanations_of_many_rows_come_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1\n" * (MOST_CONTRIBUTIONS + 1))
    assert len(lines(path, wish=Wish(("contributions",)))) == MOST_CONTRIBUTIONS + 1


def test_nothing_to_predict_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n")
    with pytest.raises(ClientError, match=r"There are no rows to predict \(.*a\.csv\)"):
        lines(path)
    with pytest.raises(ClientError, match=r"There is no such file or folder \(.*absent\)"):
        lines(tmp_path / "absent")


def test_an_output_that_cannot_be_a_file_is_told_before_anything_is_predicted(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="A folder stands where a file should"), output_stream(tmp_path):
        pytest.fail("it is predicted")
    with pytest.raises(ClientError, match="There is no such folder"), output_stream(tmp_path / "no/out.csv"):
        pytest.fail("it is predicted")
    assert list(tmp_path.iterdir()) == []


def test_an_output_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), output_stream(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with output_stream(path) as stream:
        stream.write(b"new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "there/file.csv")
    for content in (b"first", b"second"):
        with output_stream(link) as stream:
            stream.write(content)
        assert link.is_symlink() and (tmp_path / "there/file.csv").read_bytes() == content


def test_no_file_takes_the_place_of_a_pipe(tmp_path: Path) -> None:
    """Nor of a device: /dev/null was a file after root had predicted into it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with output_stream(pipe) as stream:
        stream.write(b"answer")
    assert os.read(reader, 100) == b"answer"
    os.close(reader)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
