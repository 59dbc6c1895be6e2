"""What decoders say about data they cannot take: the words of Amazon's container, the place, the first few of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linear_learner.errors import ClientError

NAMED_FAULTS = 3
"""So many bad rows are named in full; of the rest only the number is told."""

MISSING = "Found missing (NaN) values"
INFINITE = "Found infinite floating point values"
OUT_OF_RANGE = "Found values beyond the range of float32 (3.4e38)"
UNKNOWN_LABEL = "Found a label that is none of the classes"
NOT_UTF8 = "Found text that is not UTF-8"

MISSING_REMEDY = "Please remove any missing (NaN) values in the input data"
LABEL_REMEDY = f"{MISSING_REMEDY}; a label cannot be filled in"

_FIXES = {
    MISSING: MISSING_REMEDY,
    INFINITE: "Please remove any infinite floating point values in the input data",
    NOT_UTF8: "Please encode the text in UTF-8",
    OUT_OF_RANGE: "Please scale the values, or remove the rows",
    UNKNOWN_LABEL: "Please correct the labels or drop the rows: the classes are those of the model that is given, or "
    "else of the train channel (in Pipe mode of its first rows)",
}
VERIFY = "Please verify the data matches the requested content-type"


@dataclass(frozen=True)
class Fault:
    """One bad row. ``problem`` is one of the constants above or a sentence of its own; ``row`` counts from 1. ``place``
    (``column 3``, ``feature 3``, ``label``) and ``value``, as it was read, are None if the row as a whole is bad.
    """

    problem: str
    row: int
    place: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        parts = [f"row {self.row}"]
        if self.place is not None:
            parts.append(self.place)
        if self.value is not None:
            shown = self.value if len(self.value) <= 40 else self.value[:37] + "..."
            parts.append(f"value {shown!r}")
        return ", ".join(parts)


def error_of(faults: Sequence[Fault], *, source: str, content_type: str, fix: str = "") -> ClientError:
    """One error for one or more bad rows, in their order; the first gives message and fix."""
    first = faults[0]
    where = f"{source}, {first}"
    for fault in faults[1:NAMED_FAULTS]:
        where += f"; {fault}" if fault.problem == first.problem else f"; {fault}: {fault.problem}"
    if len(faults) > NAMED_FAULTS:
        where += f"; {len(faults)} bad rows up to row {faults[-1].row}"
    if first.problem == MISSING and first.place == "label":
        fix = LABEL_REMEDY
    if first.problem in _FIXES:
        return ClientError(first.problem, where=where, fix=fix or _FIXES[first.problem])
    return malformed(first.problem, where=where, content_type=content_type, fix=fix)


def malformed(problem: str, *, where: str, content_type: str, fix: str = "") -> ClientError:
    """Bytes that are not what their content type promises."""
    return ClientError(f"Requested content-type is '{content_type}'. {problem}", where=where, fix=fix or VERIFY)


def text_advice(*, has_schema: bool) -> str:
    """The settings that would take a text which is no number. With a schema the job has some, and ``auto``, if it is
    one of them, has passed over the column."""
    if has_schema:
        features = "name features that are text in categorical_columns (auto looks only where the first file begins)"
        return f"{features} and set text_labels=true for labels that are"
    return "set categorical_columns=auto for features that are text and text_labels=true for labels that are"


def check_utf8(text: bytes, where: str) -> None:
    """ClientError where the text is in another encoding."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise not_utf8(where) from None


def not_utf8(where: str) -> ClientError:
    return ClientError(NOT_UTF8, where=where, fix=_FIXES[NOT_UTF8])


class MissingLabel(ClientError):  # noqa: N818 (says what is the matter)
    """A row that must have one label has ``found`` of them."""

    def __init__(self, found: int, *, where: str) -> None:
        self.found = found
        super().__init__(
            f"Labeled data required with label size equal 1. Label size found to be {found}",
            where=where,
            fix="Please give every row exactly one label",
        )


def is_moderate(values: np.ndarray) -> bool:
    """Whether the squares of a float array add up to less than 1e38, as those of ordinary data do: none is NaN then, or
    larger than 1e19. It costs a tenth of other ways to ask, since BLAS neither warns nor makes arrays."""
    flat = values.ravel("K")
    return float(flat.dot(flat)) < 1e38


def all_finite(values: np.ndarray) -> bool:
    """Whether a float array has neither NaN nor inf."""
    return is_moderate(values) or bool(np.isfinite(values).all())


def to_float32(
    values: np.ndarray, *, first_row: int, place: str, source: str, content_type: str, allow_missing: bool = False
) -> np.ndarray:
    """Numbers (n, d) of any type -> float32 (n, d), C-contiguous, all finite; or NaN too, with ``allow_missing``.

    ``place`` names a column: ``feature`` (its number is added) or ``label``. ClientError names the first few bad rows.
    """
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(values, dtype=np.float32)
    if all_finite(converted):
        return converted
    finite = _good(converted, allow_missing)
    if finite.all():
        return converted
    faults = []
    for row in np.flatnonzero(~finite.all(axis=1)):
        column = int(np.argmin(finite[row]))
        named = f"{place} {column + 1}" if place == "feature" else place
        faults.append(_fault(float(values[row, column]), first_row + int(row), named))
    raise error_of(faults, source=source, content_type=content_type)


def problem_of_number(value: float) -> str:
    """What is wrong with a number that is not finite as float32."""
    return MISSING if np.isnan(value) else INFINITE if np.isinf(value) else OUT_OF_RANGE


def _good(values: np.ndarray, allow_missing: bool) -> np.ndarray:
    """Which of the values are as they should be."""
    return ~np.isinf(values) if allow_missing else np.isfinite(values)


def entries_to_float32(
    values: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    first_row: int,
    source: str,
    content_type: str,
    allow_missing: bool = False,
) -> np.ndarray:
    """The stored values (nnz,) of sparse rows, of any type -> float32 (nnz,), all finite; or NaN too, with
    ``allow_missing``. ``rows`` and ``columns``: the place of each. ClientError names the first few bad rows."""
    with np.errstate(over="ignore"):
        converted = values.astype(np.float32, copy=False)
    if all_finite(converted):
        return converted
    bad = np.flatnonzero(~_good(converted, allow_missing))
    if not len(bad):
        return converted
    first_of_row = bad[np.unique(rows[bad], return_index=True)[1]]
    faults = [_fault(float(values[i]), first_row + int(rows[i]), f"feature {columns[i] + 1}") for i in first_of_row]
    raise error_of(faults, source=source, content_type=content_type)


def _fault(value: float, row: int, place: str) -> Fault:
    return Fault(problem_of_number(value), row, place, str(value))
