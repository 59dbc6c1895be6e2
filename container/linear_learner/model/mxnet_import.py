"""The one place that imports MXNet: ``from linear_learner.model.mxnet_import import mx``.

MXNet 1.9.1, the last release, still says ``numpy.bool``, which NumPy 1.24 removed. The name is lent to it here, before
the import. It takes almost two seconds, so whatever can run without MXNet, or with its library alone
(native/mxnet_library.py), does not import this module.
"""

from __future__ import annotations

import sys

import numpy as np

if "bool" not in vars(np):  # hasattr would make NumPy warn
    np.bool = bool  # type: ignore[attr-defined]

# Where scikit-learn is installed, MXNet imports it for a base class of an estimator that nobody uses here; that takes
# another 0.6 s. None says that there is no such module.
_hidden = "sklearn" not in sys.modules
if _hidden:
    sys.modules["sklearn"] = None  # type: ignore[assignment]
try:
    import mxnet as mx
finally:
    if _hidden:
        del sys.modules["sklearn"]

__all__ = ["mx"]
