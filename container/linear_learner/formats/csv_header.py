"""The names that the first line of a CSV file may give its columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

from linear_learner.formats.csv_cells import NOT_A_NUMBER, NUMBER, SPACES, problem_of
from linear_learner.formats.faults import MISSING
from linear_learner.formats.sniffing import BYTE_ORDER_MARK

_BLANK_LINES = re.compile(rb"(?:[ \t\r]*\n)*")


def header_names(first: bytes, second: bytes | None) -> tuple[str, ...] | None:
    """The names of all columns if line ``first`` is a header, or None. ``second`` is the line after it, if any.

    A header gives each of two columns or more a name of its own. The first is text, so that a row of numbers with one
    slip in it is none; the others are words, which may stand for missing or infinite values in rows (Na is sodium), or
    bare digits (columns numbered 0, 1, 2). The line after it has as many cells, at least one of them a number.
    """
    # Where it is a number, the cells of what may be a very long line need not be looked at.
    if problem_of(first.partition(b",")[0].strip(SPACES + b'"')) != NOT_A_NUMBER:
        return None
    names = cells_of(first)
    if not _is_text(names[0]) or len(names) < 2 or len(set(names)) < len(names):
        return None
    if not all(_is_word(name) or name.isdigit() for name in names):
        return None
    if second is not None:
        cells = cells_of(second)
        if len(cells) != len(names) or all(problem_of(cell.encode()) is not None for cell in cells):
            return None
    return tuple(names)


def table_header_names(
    first: bytes, others: Sequence[bytes], known: Set[str], classes: Collection[str] = ()
) -> tuple[str, ...] | None:
    """As ``header_names`` in tables with columns of text, where a row may begin with text as well. ``others`` are the
    lines after ``first``, ``classes`` the texts of labels, if they are known. A header holds one of the ``known`` names
    (a number, which a row may hold too, tells only where all names are known); or words alone, the first of them text,
    over a number or no line at all; or a text that is no label, and the numbers of the columns after it."""
    names = cells_of(first)
    if len(names) < 2 or _fault(names):
        return None
    if set(names) <= known or not known.isdisjoint(filter(_is_word, names)):
        return tuple(names)
    are_words = _is_text(names[0]) and all(map(_is_word, names))
    is_header = (are_words and _are_over_numbers(names, others)) or (
        names[0] not in classes and _counts_columns(names, others)
    )
    return tuple(names) if is_header else None


def fault_of_table_header(first: bytes, others: Sequence[bytes], known: Set[str]) -> str:
    """Why line ``first`` does not give each column a name of its own, though it looks like a header of texts: it has
    two columns or more, and holds one of the ``known`` names or stands over numbers. "" if it does, or looks like a
    row."""
    names = cells_of(first)
    if len(names) < 2 or not others or not all(name == "" or _is_word(name) for name in names):
        return ""
    is_over_numbers = (not names[0] or _is_text(names[0])) and _are_over_numbers(names, others)
    return _fault(names) if is_over_numbers or not known.isdisjoint(names) else ""


def _are_over_numbers(names: list[str], others: Sequence[bytes]) -> bool:
    """Whether a number stands below a name that is text: below a word for a missing value it would not tell a header
    from a row. A line that misses a value there and has no number does not tell, and the next one is looked at. True
    without lines."""
    for line in others:
        cells = cells_of(line)
        if len(cells) != len(names):
            return False
        below_texts = {problem_of(cell.encode()) for name, cell in zip(names, cells, strict=True) if _is_text(name)}
        if None in below_texts:
            return True
        if MISSING not in below_texts:
            return False
    return not others


def _counts_columns(names: list[str], others: Sequence[bytes]) -> bool:
    """Whether a text that does not come again below stands before the numbers of two columns or more, from 0 on: a
    label, and columns without names, as pandas writes them. A line with none below is a row."""
    is_numbered = len(names) > 2 and names[1:] == [str(number) for number in range(len(names) - 1)]
    if not is_numbered or not _is_text(names[0]) or not others:
        return False
    return all(cells_of(line)[0] != names[0] for line in others)


def names_with(name: str, first: bytes) -> tuple[str, ...] | None:
    """The names of all columns if line ``first`` gives each a name of its own, among them ``name``, or None. Such a
    line is a header whatever stands below it; but where ``name`` is a number, it may as well be a row."""
    names = cells_of(first)
    return tuple(names) if name in names and _is_word(name) and not _fault(names) else None


def fault_of_header_with(name: str, line: bytes) -> str:
    """Why a line with the cell ``name`` does not give each column a name of its own; "" if it does, or lacks it."""
    names = cells_of(line)
    return _fault(names) if name in names else ""


def _fault(names: list[str]) -> str:
    for number, name in enumerate(names, 1):
        if not name:
            return f"column {number} has no name"
        if not name.isprintable():
            return f"the name of column {number} has a character that cannot be printed"
        if name in names[: number - 1]:
            return f"columns {names.index(name) + 1} and {number} have the same name"
    return ""


def cells_of(line: bytes) -> list[str]:
    """The texts between the commas, which in quotes may hold commas. What is not UTF-8 is told apart as well: it is a
    mistake of its own."""
    text = line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "backslashreplace").strip(SPACES.decode())
    # What csv refuses (a carriage return inside a line, a field of more than 128 KiB) is no header.
    try:
        (cells,) = csv.reader([text], skipinitialspace=True)
    except csv.Error:
        return [""]
    return [cell.strip(SPACES.decode()) for cell in cells]


@dataclass(frozen=True)
class FirstLine:
    """The first line of a text that is not blank: the ``row`` of that number in ``source``. ``is_only``: no row follows
    it."""

    text: bytes
    row: int
    source: str
    is_only: bool

    @property
    def cells(self) -> list[str]:
        return cells_of(self.text)


def first_line(text: bytes, source: str) -> tuple[FirstLine, bytes]:
    """The first line, and the text with a blank line in its stead: that is skipped, and the rows keep their numbers."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    blank = _BLANK_LINES.match(text)
    begin = blank.end() if blank else 0
    row = text.count(b"\n", 0, begin) + 1
    line, _, rest = text[begin:].partition(b"\n")
    return FirstLine(line, row, source, is_only=not rest.strip()), b"\n" * row + rest


def cell_count(line: bytes) -> int:
    """The cells of a line in which texts in quotes may hold commas."""
    return len(cells_of(line))


def _is_text(cell: str) -> bool:
    return cell.isprintable() and problem_of(cell.encode()) == NOT_A_NUMBER


def _is_word(cell: str) -> bool:
    """Whether it is text, or a word that in a row stands for a missing or an infinite value."""
    return cell != "" and cell.isprintable() and NUMBER.fullmatch(cell.encode()) is None
