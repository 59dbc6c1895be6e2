"""Tests in this process compute with the kernels that the command line takes, so that bits can be compared."""

from __future__ import annotations

from linear_learner.openblas import choose_kernels

choose_kernels()  # before any test imports NumPy
