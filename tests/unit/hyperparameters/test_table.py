"""The documentation of the hyperparameters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from linear_learner.hyperparameters.schema import ROWS
from linear_learner.hyperparameters.table import markdown

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "hyperparameters.md"


def order(name: str) -> int:
    """Public ones first, hidden ones next, ours last."""
    row = ROWS[name]
    return 2 if row.ours else 1 if name.startswith("_") or row.retired else 0


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run: PYTHONPATH=container python -m linear_learner.hyperparameters.table > docs/hyperparameters.md"
    )


def test_every_hyperparameter_has_one_line_with_six_cells() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in markdown().splitlines() if line[:3] == "| `"
    ]
    rows = [cells for cells in rows if len(cells) == 6]
    assert [cells[0] for cells in rows] == [f"`{name}`" for name in sorted(ROWS, key=order)]
    for cells, name in zip(rows, sorted(ROWS, key=order), strict=True):
        assert ROWS[name].text in cells[5]


def test_a_line_says_what_is_legal_and_when_it_is_used() -> None:
    assert (
        "| `momentum` | `auto`, a number of at least 0 and less than 1 | `auto` | `0.9` | `optimizer` is `sgd` | "
        "The share of the last step that the next one keeps. |"
    ) in markdown()


def test_the_module_prints_the_page() -> None:
    command = [sys.executable, "-W", "error", "-m", "linear_learner.hyperparameters.table"]
    environment = {"PYTHONPATH": str(ROOT / "container"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, encoding="utf-8")
    assert done.stdout == markdown()
