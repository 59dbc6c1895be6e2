"""When the report's own modules are imported."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading
from linear_learner.training import job_report
print([name in sys.modules for name in ("linear_learner.report.writing", "leather")])
job_report.import_report_ahead()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print([name in sys.modules for name in ("linear_learner.report.writing", "leather")])
"""


def test_what_writes_the_report_is_imported_when_asked_and_not_before() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[False, False]", "[True, True]"]
