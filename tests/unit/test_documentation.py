"""What the documents say of the code is there: messages that they explain, files and headings that they link to."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from linear_learner.formats import CHANNEL_DECODERS, SHARED_DECODERS
from linear_learner.formats.content_type import SHORT_FORMS

REPOSITORY = Path(__file__).resolve().parents[2]
READMES = [REPOSITORY / folder / "README.md" for folder in (".", "benchmarks", "local_test")]
DOCUMENTS = [*READMES, *sorted((REPOSITORY / "docs").glob("*.md"))]
NOT_OURS = ("ValueError: Invalid Batch Strategy", "import mxnet", "module 'numpy' has no attribute")


@functools.cache
def strings_of_the_code() -> str:
    """All texts in the package and in the Makefile, one after another; ... stands for what is put in."""
    texts = [(REPOSITORY / "Makefile").read_text()]
    for path in sorted((REPOSITORY / "container/linear_learner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def explained_messages() -> Iterator[str]:
    for line in (REPOSITORY / "docs/troubleshooting.md").read_text().splitlines():
        if line.startswith("| `"):
            yield from (text for text in re.findall(r"`([^`]+)`", line.split(" | ")[0]) if " " in text)


@pytest.mark.parametrize("message", [text for text in explained_messages() if not text.startswith(NOT_OURS)])
def test_the_code_has_the_message_that_is_explained(message: str) -> None:
    code = strings_of_the_code()
    pieces = [piece for piece in re.split(r"\.\.\.'\. |\.\.\.|python3\.11", message) if len(piece.strip(" '(")) > 3]
    assert pieces
    for piece in pieces:
        assert piece.strip(" '") in code, piece


def places_named() -> set[str]:
    """The modules and folders that docs/architecture.md names, without `lib_api.h`, which is MXNet's."""
    text = (REPOSITORY / "docs/architecture.md").read_text()
    return set(re.findall(r"`([\w/]+(?:/|\.py|\.h))`", text)) - {"lib_api.h", "tests/unit/test_architecture.py"}


@pytest.mark.parametrize("place", sorted(places_named()))
def test_the_modules_that_the_architecture_names_are_there(place: str) -> None:
    assert list((REPOSITORY / "container/linear_learner").rglob(place.rstrip("/")))


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def words_between(begin: str, end: str, document: str) -> set[str]:
    """The words in code font between two texts of a document."""
    text = (REPOSITORY / "docs" / document).read_text()
    return set(re.findall(r"`([^`]+)`", text.partition(begin)[2].partition(end)[0]))


def test_the_content_types_of_channels_are_listed() -> None:
    assert words_between("| content types | ", " |\n", "data.md") == {*CHANNEL_DECODERS, *SHORT_FORMS}


def test_the_short_forms_of_content_types_of_requests_are_listed() -> None:
    listed = words_between("Names are case-insensitive; ", " are short forms", "serving.md")
    assert listed == {short for short, name in SHORT_FORMS.items() if name in SHARED_DECODERS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        place = (document.parent / path).resolve() if path else document
        assert place.exists(), target
        if heading:
            assert heading in anchors(place), target
