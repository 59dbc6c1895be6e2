"""Runs the examples of docs/sdk.md. Scripts beside this file use it, inside the virtual environment of an SDK, where
neither pytest nor our package is.

A script runs the document's sections in its own order, looks at what they left behind, and reports it as JSON; the
tests read that report. The document's text stays as its reader sees it but for two things: the name of the image, and
the folder of the data.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "sdk.md"
IMAGE, FOLDER = '"linear-learner:latest"', "/tmp/example"


class Example:
    """One run of the document's code, in one namespace. Image and folder come from the environment of the process.

    Used in a ``with``: an error in it ends the process at once, which would else wait for the SDK's thread that reads
    an endpoint's log, and so for ever. (An excepthook would not do: the SDK brings its own.)
    """

    def __init__(self) -> None:
        self.image = os.environ["EXAMPLE_IMAGE"]
        self.folder = Path(os.environ["EXAMPLE_FOLDER"])
        self.names: dict[str, Any] = {}
        self._sections = sections(DOCUMENT.read_text())
        self._report: dict[str, Any] = {}

    def __enter__(self) -> Example:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if error is not None:
            traceback.print_exception(error)
            sys.stderr.flush()
            os._exit(1)

    def run(self, section: str) -> None:
        """Run the Python code below a heading."""
        code = self._sections[section].replace(IMAGE, repr(self.image)).replace(FOLDER, str(self.folder))
        print(f"== {section}", flush=True)
        start = time.monotonic()
        exec(compile(code, f"{DOCUMENT.name}: {section}", "exec"), self.names)
        print(f"== {section}: {time.monotonic() - start:.1f} s", flush=True)

    def report(self, **found: Any) -> None:
        """Add to what the tests read. Kept at once, so that a script that fails later has told what it found."""
        self._report.update(found)
        (self.folder / "report.json").write_text(json.dumps(self._report))


def sections(text: str) -> dict[str, str]:
    """The Python code of a Markdown text by the heading above it; the blocks below one heading are one program."""
    found: dict[str, str] = {}
    heading = ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            found[heading] = found.get(heading, "") + match[2]
    return found
