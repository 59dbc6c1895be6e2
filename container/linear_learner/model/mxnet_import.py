"""The one place that imports MXNet: ``from linear_learner.model.mxnet_import import mx``.

MXNet 1.9.1, the last release, still says ``numpy.bool``, which NumPy 1.24 removed. The name is lent to it here, before
the import. It takes about a second, so whatever can run without MXNet does not import this module.
"""

from __future__ import annotations

import numpy as np

if "bool" not in vars(np):  # hasattr would make NumPy warn
    np.bool = bool  # type: ignore[attr-defined]

import mxnet as mx

__all__ = ["mx"]
