"""What the text between two commas of a CSV file stands for.

A number is what C's ``strtod`` reads, less hexadecimal. Spaces, tabs and carriage returns around it do not count.
"""

from __future__ import annotations

import re

import numpy as np

from linear_learner.formats.faults import INFINITE, MISSING, OUT_OF_RANGE, Fault

SPACES = b" \t\r"
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NOT_A_NUMBER = "Found a value that is not a number"
OVERFLOW = float(np.finfo(np.float32).max) + 2.0**103
"""The least number that rounds to a float32 infinity: half a unit in the last place above the largest one."""

_MISSING_CELL = re.compile(rb"|[+-]?nan|na|n/a|null|none", re.IGNORECASE)
_INFINITE_CELL = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)


def problem_of(cell: bytes) -> str | None:
    """What is wrong with a cell that has no space around it."""
    if NUMBER.fullmatch(cell):
        return OUT_OF_RANGE if abs(float(cell)) >= OVERFLOW else None
    if _MISSING_CELL.fullmatch(cell):
        return MISSING
    return INFINITE if _INFINITE_CELL.fullmatch(cell) else NOT_A_NUMBER


def find_fault(line: bytes, row: int, width: int, optional_from: int | None = None) -> Fault | None:
    """What is wrong with a line whose quotes are gone. An empty cell is told only where the width is right: there it is
    a missing value, elsewhere a stray comma. In columns from ``optional_from`` on values may be missing."""
    cells = [cell.strip(SPACES) for cell in line.split(b",")]
    problems = [(column, problem) for column, cell in enumerate(cells) if (problem := problem_of(cell)) is not None]
    if len(cells) != width:
        problems = [(column, problem) for column, problem in problems if problem != MISSING]
        if not problems:
            return Fault(f"The row has {len(cells)} columns, the first one has {width}", row)
    if optional_from is not None:
        problems = [(column, problem) for column, problem in problems if problem != MISSING or column < optional_from]
    if not problems:
        return None
    column, problem = problems[0]
    return Fault(problem, row, f"column {column + 1}", cells[column].decode("utf-8", "replace"))
