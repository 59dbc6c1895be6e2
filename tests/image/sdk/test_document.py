"""That docs/sdk.md shows nothing which the other tests here do not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from example import DOCUMENT, sections

pytestmark = pytest.mark.image


def test_all_code_of_the_document_is_run_by_a_script() -> None:
    scripts = "".join(script.read_text() for script in Path(__file__).parent.glob("v*_*.py"))
    assert set(re.findall(r'example\.run\("(.+?)"\)', scripts)) == set(sections(DOCUMENT.read_text()))


def test_the_blocks_below_one_heading_are_one_program() -> None:
    text = "# One\n```python\na = 1\n# no heading\n```\ntext\n```python\nb = a\n```\n## Two\n    $ shell\n"
    assert sections(text) == {"One": "a = 1\n# no heading\nb = a\n"}
