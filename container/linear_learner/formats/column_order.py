"""Columns that go by their names, wherever in a file they are."""

from __future__ import annotations

from collections.abc import Sequence

from linear_learner.errors import ClientError


class OtherColumns(ClientError):  # noqa: N818 (says what is the matter)
    """A file lacks the column ``missing``, or else has ``strange`` besides."""

    def __init__(self, source: str, *, missing: str | None, strange: str | None) -> None:
        self.missing, self.strange = missing, strange
        told = f"no column '{missing}'" if missing is not None else f"a column '{strange}' besides"
        super().__init__(f"The file has {told}", where=source, fix="Please give it the columns of the model")


def order_of(wanted: Sequence[str], found: Sequence[str], source: str) -> list[int]:
    """Where among the columns ``found`` those ``wanted`` are. OtherColumns unless the same names are in both."""
    position = {name: i for i, name in enumerate(found)}
    missing = [name for name in wanted if name not in position]
    known = set(wanted)
    strange = [name for name in position if name not in known]
    if missing or strange:
        raise OtherColumns(source, missing=missing[0] if missing else None, strange=strange[0] if strange else None)
    return [position[name] for name in wanted]
