"""Memory that decoders free is there for their next block."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "container"
FAULTS = """
import resource, sys
import numpy as np
from linear_learner.allocator import keep_freed_memory

def decode_blocks(count):
    for _ in range(count):
        arrays = [np.ones(1 << 20, np.uint8) for _ in range(4)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "kept":
    keep_freed_memory()
decode_blocks(2)
before = faults()
decode_blocks(20)
print(faults() - before)
"""
PAGES_OF_AN_ARRAY = (1 << 20) // 4096


def page_faults(how: str) -> int:
    """Of twenty blocks of four arrays, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", FAULTS, how], env={"PYTHONPATH": str(PACKAGES)}, capture_output=True, check=True
    )
    return int(answer.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_freed_memory_is_used_again() -> None:
    assert page_faults("kept") < PAGES_OF_AN_ARRAY
    assert page_faults("given back") > 20 * PAGES_OF_AN_ARRAY
