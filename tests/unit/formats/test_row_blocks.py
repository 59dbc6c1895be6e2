from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from linear_learner.formats.row_blocks import WIDE, row_blocks, rows_beside, wide_row_blocks


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 300))
def test_blocks_are_all_rows_in_order_and_no_larger_than_asked_for(rows: int, columns: int, values: int) -> None:
    blocks = list(row_blocks((rows, columns), values))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(rows))
    assert all((b.stop - b.start) * columns <= values or b.stop - b.start == 1 for b in blocks)
    assert len({b.stop - b.start for b in blocks[:-1]}) <= 1


@given(st.integers(0, 3000), st.integers(1, 1500), st.integers(1, 1 << 14))
def test_wide_blocks_are_all_rows_in_order_and_whole_lines_of_views(rows: int, columns: int, values: int) -> None:
    table = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (rows, columns), (4 * columns, 4))
    blocks = list(wide_row_blocks(table, values))
    assert [row for block, _ in blocks for row in range(block.start, block.stop)] == list(range(rows))
    assert all((block.stop - block.start) % beside == 0 for block, beside in blocks)
    assert all(beside * columns <= max(WIDE, columns) for _, beside in blocks)
    assert sum(beside == 1 for _, beside in blocks) <= 1 or rows_beside(table) == 1


def test_rows_of_a_view_are_not_laid_beside_each_other() -> None:
    view = np.zeros((100, 4), np.float32)[:, 1:]
    assert {beside for _, beside in wide_row_blocks(view, 60)} == {1}
