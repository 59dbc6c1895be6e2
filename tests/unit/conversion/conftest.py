"""The kinds of model that are written out."""

from __future__ import annotations

import numpy as np
import pytest
from exported_model import parts, rows

from linear_learner.conversion.parts import Parts


@pytest.fixture(
    params=[(kind, extras) for kind in ("binary", "margin", "multiclass", "regressor") for extras in (False, True)],
    ids=lambda case: f"{case[0]}{'-with-words-and-fills' if case[1] else ''}",
)
def case(request: pytest.FixtureRequest) -> tuple[Parts, np.ndarray]:
    """A model, and rows for it."""
    kind, extras = request.param
    return parts(kind, words=extras, fills=extras), rows(extras)
