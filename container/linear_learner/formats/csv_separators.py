"""Tables that are separated by something other than commas and line feeds, and what their writer can do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from linear_learner.formats.csv_cells import SPACES, problem_of
from linear_learner.formats.faults import MISSING

SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars", b" ": "spaces"}
_DECIMAL_COMMA = re.compile(rb"\d,\d")
_LONGEST_LINE = 1 << 16
"""Of lines to look at: looking takes time and memory, and such a line is hardly a slip of the separator."""


def separator_advice(lines: Iterable[bytes]) -> str:
    """How to mend ``lines``, of which the first ones could not be read, if one of them is a row of numbers between
    other separators; "" if not."""
    for line in lines:
        if len(line) > _LONGEST_LINE:
            continue
        for separator, name in SEPARATORS.items():
            cells = [cell.strip(SPACES + b'"') for cell in line.strip(SPACES).split(separator)]
            decimal_commas = separator in b";\t" and b"," in line
            if decimal_commas:
                cells = [cell.replace(b",", b".") for cell in cells]
            if len(cells) > 1 and _are_numbers(cells):
                also = ", and points in decimals" if decimal_commas else ""
                return f"The columns are separated by {name}: write commas between them{also}"
    return ""


def text_separator_advice(lines: Sequence[bytes]) -> str:
    """How to mend the rows of a table with text, of which ``lines`` are the first ones and the very first has no comma;
    "" if nothing is known."""
    first = lines[0][:_LONGEST_LINE]
    for separator, name in SEPARATORS.items():
        if separator != b" " and separator in first and b"," not in first:
            has_decimal_commas = separator in b";\t" and any(_DECIMAL_COMMA.search(line) for line in lines[1:])
            also = ", and points in decimals" if has_decimal_commas else ""
            return f"The columns are separated by {name}: write commas between them{also}"
    return ""


def line_end_advice(line: bytes) -> str:
    """How to mend text of which ``line`` is the first one, if it is many; "" if not."""
    return "The lines end with carriage returns: end them with line feeds" if b"\r" in line.strip(SPACES) else ""


def _are_numbers(cells: list[bytes]) -> bool:
    """Whether nothing but numbers and missing values is there, and at least one number."""
    problems = {problem_of(cell) for cell in cells}
    return None in problems and problems <= {None, MISSING}
