from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linear_learner.formats.row_blocks import row_blocks


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 300))
def test_blocks_are_all_rows_in_order_and_no_larger_than_asked_for(rows: int, columns: int, values: int) -> None:
    blocks = list(row_blocks((rows, columns), values))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(rows))
    assert all((b.stop - b.start) * columns <= values or b.stop - b.start == 1 for b in blocks)
    assert len({b.stop - b.start for b in blocks[:-1]}) <= 1
