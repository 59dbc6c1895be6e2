"""Weights in raw units and per standard deviation."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from subjects import subject

from linear_learner.formats.csr import CsrMatrix
from linear_learner.report import coefficients
from linear_learner.report.subject import Sample


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_deviations_are_those_of_the_raw_features() -> None:
    made = subject()
    raw = made.samples["train"].features * made.scale + 7
    np.testing.assert_allclose(coefficients.deviations(made), np.std(raw, axis=0), rtol=1e-5)


def test_deviations_of_trained_columns_of_sparse_rows_stand_at_their_features() -> None:
    dense = np.random.default_rng(0).poisson(0.3, (50, 3)).astype(np.float32)
    columns = np.array([1, 4, 8])
    made = subject(features=10, columns=columns, is_sparse=True)
    made = made._replace(samples={"train": Sample(CsrMatrix.from_dense(dense), np.zeros(50, np.float32))})
    expected = np.zeros(10)
    expected[columns] = np.std(dense, axis=0) * made.scale[columns]
    np.testing.assert_allclose(coefficients.deviations(made), expected, rtol=1e-5)


def test_the_strongest_by_their_standardised_size() -> None:
    made = subject(weights=np.array([[3.0], [-1.0], [0.0], [0.5]], np.float32), features=4)
    found = coefficients.strongest(made, np.array([0.1, 1, 9, 4]), 3)
    assert [row["feature"] for row in found] == [4, 2, 1]
    assert [row["standardised"][0] for row in found] == pytest.approx([2.0, -1.0, 0.3])
    assert found[0]["name"] == "feature 4"


def test_a_line_for_each_feature_after_the_bias(tmp_path: Path) -> None:
    made = subject(names=('a "quoted", name', "=b", "c\nd", "e", "f"))
    coefficients.write(tmp_path / "coefficients.csv", made, np.full(5, 2.0))
    found = lines(tmp_path / "coefficients.csv")
    assert [line["name"] for line in found] == ["(bias)", 'a "quoted", name', "=b", "c\nd", "e", "f"]
    assert [int(line["feature"]) for line in found] == [0, 1, 2, 3, 4, 5]
    assert {line["class"] for line in found} == {""}
    assert [np.float32(line["coefficient"]) for line in found[1:]] == made.weights[:, 0].tolist()
    assert [float(line["standardised"]) for line in found[1:]] == pytest.approx(2 * made.weights[:, 0], rel=1e-6)


def test_a_file_that_cannot_be_written_to_its_end_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(coefficients, "_lines", full)
    with pytest.raises(OSError, match="No space left"):
        coefficients.write(tmp_path / "coefficients.csv", subject(), np.ones(5))
    assert list(tmp_path.iterdir()) == []


def test_a_line_for_each_feature_and_class(tmp_path: Path) -> None:
    made = subject("multiclass_classifier")
    coefficients.write(tmp_path / "coefficients.csv", made, np.ones(5))
    found = lines(tmp_path / "coefficients.csv")
    assert [(line["feature"], line["class"]) for line in found[:5]] == [
        ("0", "0"),
        ("0", "1"),
        ("0", "2"),
        ("1", "0"),
        ("1", "1"),
    ]
    assert len(found) == 3 + 5 * 3


def test_of_a_sparse_model_the_lines_that_are_not_zero(tmp_path: Path) -> None:
    weights = np.zeros((200_000, 1), np.float32)
    weights[[3, 150_000]] = [[1.5], [-2]]
    made = subject(features=200_000, rows=3, weights=weights, is_sparse=True)
    coefficients.write(tmp_path / "coefficients.csv", made, np.ones(200_000))
    found = lines(tmp_path / "coefficients.csv")
    assert [(line["feature"], line["coefficient"]) for line in found] == [
        ("0", "0.0"),
        ("4", "1.5"),
        ("150001", "-2.0"),
    ]


def test_classes_go_by_the_texts_of_labels(tmp_path: Path) -> None:
    made = subject("multiclass_classifier", classes=("Adelie", "Chinstrap", "\ud83d"))
    coefficients.write(tmp_path / "coefficients.csv", made, np.ones(5))
    found = lines(tmp_path / "coefficients.csv")
    # Half a character, which the JSON of a model to start from can hold, has no bytes of its own.
    assert [line["class"] for line in found[:3]] == ["Adelie", "Chinstrap", r"\ud83d"]
