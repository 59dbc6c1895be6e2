"""When to stop looking for better weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Watched:
    """A value whose progress counts. ``reference`` is its value when it last improved, nan before the first."""

    tolerance: float
    higher_is_better: bool
    reference: float = math.nan

    def improves(self, value: float) -> bool:
        """Whether ``value`` is better than the reference by the tolerance, relative to the reference; if so it is the
        new reference. Steps too small to count therefore add up.

        Written as a product: from a reference of 0 every gain counts, and a negative one is measured by its size. A nan
        or infinite value is no progress and never a reference.
        """
        if not math.isfinite(value):
            return False
        gain = value - self.reference if self.higher_is_better else self.reference - value
        # The first reference is nan, against which both comparisons are false.
        if gain <= 0 or gain < self.tolerance * abs(self.reference):
            return False
        self.reference = value
        return True


@dataclass(frozen=True)
class Verdict:
    """On one epoch: whether it improved anything, whether training ends, and the line to log, if there is one."""

    improved: bool
    stop: bool
    message: str | None


@dataclass
class EarlyStopping:
    """Ends training when neither the criterion nor the loss has improved for more than ``patience`` epochs.

    Both are the best over the candidates. The criterion alone would be a poor judge: accuracy on a sample stands still
    for epochs while the loss still falls, and a loss may stand still while the threshold finds better cuts. As in
    Amazon's logs, patience 3 means that training ends with the fourth epoch in a row without progress.
    """

    patience: int
    tolerance: float
    higher_is_better: bool
    idle: int = 0
    _criterion: Watched = field(init=False)
    _loss: Watched = field(init=False)

    def __post_init__(self) -> None:
        self._criterion = Watched(self.tolerance, self.higher_is_better)
        self._loss = Watched(self.tolerance, higher_is_better=False)

    @property
    def references(self) -> list[float]:
        """What the criterion and the loss were when they last improved, nan before: with ``idle`` all there is to
        remember."""
        return [self._criterion.reference, self._loss.reference]

    @references.setter
    def references(self, values: list[float]) -> None:
        self._criterion.reference, self._loss.reference = values

    def update(self, epoch: int, *, criterion: float, loss: float) -> Verdict:
        """``criterion`` and ``loss``: the best values of epoch ``epoch``; the same number twice where the loss is the
        criterion."""
        improvements = [self._criterion.improves(criterion), self._loss.improves(loss)]
        if any(improvements):
            self.idle = 0
            return Verdict(True, False, f"Epoch {epoch}: Loss improved. Updating best model")
        self.idle += 1
        if self.idle <= self.patience:
            return Verdict(False, False, None)
        return Verdict(False, True, f"Epoch {epoch}: Loss has not improved for {self.idle} epochs.")
