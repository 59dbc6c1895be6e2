"""Columns of text in Parquet files: categories, and labels that are words.

A category is a string, a whole number or a boolean (``true`` or ``false``). Spaces around strings do not count, as they
do not in CSV, so that a table means the same in both. Null and the empty string are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from linear_learner.formats.csv_cells import SPACES
from linear_learner.formats.table_schema import MISSING_LEVEL

if TYPE_CHECKING:
    import pyarrow as pa

_SPACES = SPACES.decode()


def is_text(found: pa.DataType) -> bool:
    """Whether a column of the type holds strings."""
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(found):
        found = found.value_type
    return any(is_kind(found) for is_kind in (kinds.is_string, kinds.is_large_string, kinds.is_string_view))


def may_be_category(found: pa.DataType) -> bool:
    """Whether the values of a column of the type can be told apart as texts. Whole numbers with gaps are floats where
    pandas wrote them."""
    import pyarrow as pa

    kinds = pa.types
    known = (kinds.is_integer, kinds.is_boolean, kinds.is_floating, kinds.is_null)
    return is_text(found) or any(is_kind(found) for is_kind in known)


def codes_for(found: pa.DataType, codes: Mapping[str, int]) -> Mapping[str, int]:
    """The numbers of the texts in a column of the type, of those of the levels. A boolean goes by ``True`` and
    ``False`` too, which pandas writes to CSV: the levels may be of such a table."""
    import pyarrow as pa

    if not pa.types.is_boolean(found):
        return codes
    return {**{text.lower(): code for text, code in codes.items() if text in ("True", "False")}, **codes}


def texts_of(column: pa.Array) -> tuple[list[str], np.ndarray]:
    """The different texts of a column (n,), MISSING_LEVEL the last of them where it has null, and int64 (n,), which one
    each row has. pyarrow.ArrowInvalid for a number with a fraction."""
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        import pyarrow.compute as pc

        # NaN is how pandas writes that nothing is there.
        column = pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
    encoded = column.cast(pa.large_string()).dictionary_encode()
    texts = [text.strip(_SPACES) for text in encoded.dictionary.to_pylist()]
    which = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
    return texts + [MISSING_LEVEL] * bool(encoded.null_count), which
