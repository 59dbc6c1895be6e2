"""Which column of a table is the label."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from linear_learner.errors import ClientError
from linear_learner.formats.sniffing import BYTE_ORDER_MARK

_SHOWN_NAMES = 10
_FIRST_CELL = re.compile(rb"^[ \t\r]*+(?:\"(?:[^\"\n]|\"\")*+\"[^,\n]*+|[^\",\n][^,\n]*+)?+(?=,)", re.MULTILINE)
"""Of each line that has more than one. In quotes it may hold commas; where they do not close it is left alone."""


def label_position(label_column: str, names: Sequence[str], source: str) -> int:
    """Where among all ``names`` of a file's columns the label's is; 0 for "". ClientError if it is not there once."""
    if not label_column:
        return 0
    found = names.count(label_column)
    if found == 1:
        return names.index(label_column)
    problem = "has no column" if not found else "has more than one column"
    near = difflib.get_close_matches(label_column, names, n=1)
    shown = ", ".join(near or names[:_SHOWN_NAMES]) + (", ..." if not near and len(names) > _SHOWN_NAMES else "")
    raise ClientError(
        f"The file {problem} '{label_column}', which label_column names",
        where=source,
        fix=f"did you mean {shown}?" if near else f"its columns are {shown}",
    )


def labels_skipped(rows: bytes) -> bytes:
    """CSV rows without a header, with the label 0 in place of the first cell of each, whatever that holds: a request's
    labels count for nothing, and may be missing or of a class that the model has not. Columns keep their numbers."""
    return _FIRST_CELL.sub(b"0", rows.removeprefix(BYTE_ORDER_MARK))
