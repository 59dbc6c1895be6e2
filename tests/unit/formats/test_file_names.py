"""What the name of a file says of its content."""

from __future__ import annotations

import pytest

from linear_learner.formats.file_names import content_type_by_name


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("data.csv", "text/csv"),
        ("DATA.CSV.GZ", "text/csv"),
        ("part-0.csv.zst", "text/csv"),
        ("a.b.svm", "text/libsvm"),
        ("x.parquet", "application/x-parquet"),
        ("matrix_0.pbr", "application/x-recordio-protobuf"),
        ("rows.jsonl.gz", "application/jsonlines"),
        ("rows.json", "application/json"),
        ("data.gz", None),
        ("csv", None),
        (".csv", None),
        ("data.txt", None),
        ("", None),
    ],
)
def test_the_end_of_a_name_speaks_of_a_content_type(name: str, content_type: str | None) -> None:
    assert content_type_by_name(name) == content_type
