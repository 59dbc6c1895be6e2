"""Which column of a table is the label."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from linear_learner.errors import ClientError

_SHOWN_NAMES = 10


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
