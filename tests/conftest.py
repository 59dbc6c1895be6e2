"""What holds for all tests.

They compute with the kernels that the command line takes, so that bits can be compared, and take as long as they take:
on a busy machine hypothesis would call a slow example a failure.
"""

from __future__ import annotations

from hypothesis import settings

from linear_learner import openblas

openblas.prepare()  # before any test imports NumPy
settings.register_profile("any time", deadline=None)
settings.load_profile("any time")
