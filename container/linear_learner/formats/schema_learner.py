"""Finds out what the columns of a table mean: a pass over its rows that gathers levels and classes."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from linear_learner.errors import ClientError
from linear_learner.formats.csv_cells import NUMBER
from linear_learner.formats.table_schema import MISSING_LEVEL, MOST_LEVELS, Column, TableSchema, is_no_label, numbered
from linear_learner.formats.width import check_width

AUTO = "auto"
_SHOWN = 10


@dataclass(frozen=True)
class TextSettings:
    """Which columns hold text. ``categorical_columns``: names, or numbers from 1 that count the label's column too;
    ``(AUTO,)`` for each column with text. ``keeps_missing``: a cell with nothing in it is of a level of its own, and no
    mistake. ``text_labels``: labels are texts; ``positive_label`` is the second of two, "" for the last one."""

    categorical_columns: tuple[str, ...] = ()
    text_labels: bool = False
    positive_label: str = ""
    label_column: str = ""
    keeps_missing: bool = False

    def __bool__(self) -> bool:
        return bool(self.categorical_columns) or self.text_labels

    @property
    def known_names(self) -> frozenset[str]:
        """Names that a header must hold."""
        names = {self.label_column, *self.categorical_columns} - {"", AUTO}
        return frozenset(name for name in names if not name.isdecimal())


class SchemaLearner:
    """Takes the columns of one file after the other; ``schema`` is what they come to."""

    def __init__(self, settings: TextSettings) -> None:
        self.settings = settings
        self._names: tuple[str, ...] | None = None
        self._header: tuple[str, ...] | None = None
        self._has_header = False
        self._levels: dict[int, set[str]] = {}
        self._classes: set[str] = set()

    @property
    def begun(self) -> bool:
        """Whether it is known which columns hold categories."""
        return self._names is not None

    @property
    def seeks_nothing(self) -> bool:
        """Whether rows have nothing to tell any more: no column holds text."""
        return self.begun and not self._levels and not self.settings.text_labels

    def check_width(self, features: int, place: str) -> None:
        """WrongWidth unless so many columns are those of the files before, if there are any."""
        if self._names is not None:
            check_width(features, len(self._names), place=place)

    @property
    def categories(self) -> list[int]:
        """The columns of categories, counted from 0 without the label's."""
        return sorted(self._levels)

    def begin(
        self, names: Sequence[str] | None, positions: Sequence[int], with_text: Collection[int], source: str
    ) -> None:
        """Before the first rows. ``names`` of the columns without the label's, ``positions`` in the file, from 0.
        ``with_text``: which of them hold text, of those in sight. ClientError for a setting that fits none."""
        names = names or self._header
        self._names = tuple(names or map(numbered, positions))
        self._has_header = names is not None
        if AUTO in self.settings.categorical_columns:
            self._levels = {i: set() for i in with_text}
            return
        for wanted in self.settings.categorical_columns:
            self._levels[self._find(wanted, positions, source)] = set()

    def name_columns(self, names: Sequence[str]) -> None:
        """By the header of a file, which may come before the first rows or after those of files without one."""
        if self._names is None:
            self._header = tuple(names)
        elif not self._has_header and len(names) == len(self._names):
            self._names, self._has_header = tuple(names), True

    def add_levels(self, column: int, texts: Iterable[str], source: str) -> None:
        """Some texts of a column of categories."""
        levels = self._levels[column]
        levels.update(texts)
        if not self.settings.keeps_missing:
            levels.discard(MISSING_LEVEL)
        if len(levels) > MOST_LEVELS:
            name = (self._names or ())[column]
            raise ClientError(
                f"The column '{name}' has more than {MOST_LEVELS} different values, too many for categories",
                where=source,
                fix="leave it out of categorical_columns if it holds numbers; drop it if it is a key or a free text",
            )

    def add_classes(self, texts: Iterable[str], source: str) -> None:
        """Some labels. Whoever decodes the rows says where one is missing."""
        self._classes.update(text for text in texts if not is_no_label(text))
        if len(self._classes) > MOST_LEVELS:
            raise ClientError(
                f"There are more than {MOST_LEVELS} different labels, too many for classes",
                where=source,
                fix="check which column is the label; a label that is a quantity needs predictor_type=regressor",
            )

    def found(self) -> dict[str, Any] | None:
        """All that is known so far, as JSON; None before the first rows."""
        if self._names is None:
            return None
        return {
            "names": list(self._names),
            "has_header": self._has_header,
            "levels": {str(column): sorted(levels) for column, levels in self._levels.items()},
            "classes": sorted(self._classes),
        }

    def join(self, found: dict[str, Any], source: str) -> None:
        """Add what another learner, of ``source``, has ``found`` in other rows. ClientError if it has other columns."""
        names, has_header = tuple(found["names"]), found["has_header"]
        categories = {int(column): set(levels) for column, levels in found["levels"].items()}
        if self._names is None:
            self._names, self._has_header = names, has_header
            self._levels = {column: set() for column in categories}
        if len(names) != len(self._names) or (has_header and self._has_header and names != self._names):
            raise ClientError(
                "The hosts have different columns in channel 'train'",
                where=f"{source}: {_shown(names)}; on other hosts {_shown(self._names)}",
                fix="Please give all files of a channel the same columns in the same order",
            )
        if categories.keys() != self._levels.keys():
            column = min(categories.keys() ^ self._levels.keys())
            raise ClientError(
                f"Some hosts find text in the first rows of the column '{self._names[column]}', and others do not",
                where=source,
                fix="name the columns of text in categorical_columns",
            )
        if has_header:
            self.name_columns(names)
        for column, levels in categories.items():
            self.add_levels(column, levels, source)
        self.add_classes(found["classes"], source)

    def schema(self) -> TableSchema:
        """Levels and classes are in alphabetical order, classes that are all numbers in that of numbers; but the
        positive label is the last."""
        names = self._names or ()
        columns = tuple(
            Column(name, tuple(sorted(self._levels[i])) if i in self._levels else None) for i, name in enumerate(names)
        )
        return TableSchema(columns if self._levels else (), self._ordered_classes())

    def _ordered_classes(self) -> tuple[str, ...]:
        are_numbers = all(NUMBER.fullmatch(text.encode()) for text in self._classes)
        classes = sorted(self._classes, key=(lambda text: (float(text), text)) if are_numbers else None)
        positive = self.settings.positive_label
        if self.settings.text_labels and positive:
            if positive not in self._classes:
                raise ClientError(
                    f"No row of channel 'train' has the label '{positive}', which positive_label names",
                    fix=f"the labels are {_shown(classes)}",
                )
            classes.remove(positive)
            classes.append(positive)
        return tuple(classes)

    def _find(self, wanted: str, positions: Sequence[int], source: str) -> int:
        """The column, from 0 without the label's, of a name or a number."""
        names = self._names or ()
        if names.count(wanted) == 1:
            return names.index(wanted)
        numbers = [str(position + 1) for position in positions]
        if wanted in numbers:
            return numbers.index(wanted)
        near = difflib.get_close_matches(wanted, names, n=1) if self._has_header else []
        if near:
            fix = f"did you mean {near[0]}?"
        elif self._has_header:
            fix = f"its columns are {_shown(names)}"
        else:
            fix = f"it has no header: give numbers of columns, from {positions[0] + 1} to {positions[-1] + 1}"
        problem = "has more than one column" if wanted in names else "has no column for features"
        raise ClientError(f"The file {problem} '{wanted}', which categorical_columns names", where=source, fix=fix)


def _shown(texts: Sequence[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
