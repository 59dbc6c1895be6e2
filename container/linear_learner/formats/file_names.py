"""What the name of a file says of its content."""

from __future__ import annotations

from pathlib import PurePath

from linear_learner.formats.content_type import CSV, JSON, JSON_LINES, LIBSVM, PARQUET, RECORDIO_PROTOBUF

PACKED = (".gz", ".zst", ".zstd")
"""What stands behind the name of a packed file."""

CONTENT_TYPE_OF = {
    ".csv": CSV,
    ".libsvm": LIBSVM,
    ".svm": LIBSVM,
    ".svmlight": LIBSVM,
    ".parquet": PARQUET,
    ".pbr": RECORDIO_PROTOBUF,
    ".recordio": RECORDIO_PROTOBUF,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".jsonlines": JSON_LINES,
}
"""By the end of a name, lower-case."""


def content_type_by_name(name: str) -> str | None:
    """The content type that ``name`` speaks of, None where it speaks of none."""
    path = PurePath(name.lower())
    if path.suffix in PACKED:
        path = path.with_suffix("")
    return CONTENT_TYPE_OF.get(path.suffix)
