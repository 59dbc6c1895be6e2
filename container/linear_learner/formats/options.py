"""What a decoder must know besides the bytes, where a content type leaves it open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from linear_learner.formats.table_schema import TableSchema
from linear_learner.native.decoders import Place


class Destination(Protocol):
    """Where the rows of a data set will stay, one behind the other. Whoever knows how many rows a block has, before it
    decodes them, asks for their place: for all blocks in their order, one thread at a time. When a block is left out,
    or gets no place, the following ones get none."""

    def place(self, rows: int, width: int, size: int, values: int | None) -> Place | None:
        """For rows of ``width`` features that take ``size`` bytes in the file. ``values``: those of sparse rows."""

    def close(self) -> None:
        """The blocks that follow are left out."""


@dataclass(frozen=True)
class Options:
    """``feature_dim``: the number of features where it is known; formats whose rows name only some of their columns
    need it to tell a column too many. Other rows carry their width, which is for the caller to check.
    ``index_base``: the number of the first column, 0 or 1, in formats that number them. ``label_column``: the name of
    the label's column, in formats that name columns; "" for the first one. ``allow_missing``: a feature that is missing
    is NaN in the rows, and no mistake; a label still is. ``schema``: which columns are categories, and what the classes
    are called, in formats of tables; None where all are numbers. Such rows hold the numbers of levels and classes.
    ``by_name``: the columns of the schema may come in another order where a file names them.
    ``header``: whether the first line of a table with labels may be one, and not a row. ``destination``: where
    rows may be decoded to.
    """

    feature_dim: int | None = None
    index_base: int = 1
    label_column: str = ""
    allow_missing: bool = False
    schema: TableSchema | None = None
    by_name: bool = False
    header: bool = True
    destination: Destination | None = None


DEFAULTS = Options()
