"""Tests in this process compute with the kernels that the command line takes, so that bits can be compared."""

from __future__ import annotations

from linear_learner.openblas import prepare

prepare()  # before any test imports NumPy
