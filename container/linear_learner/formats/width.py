"""The one sentence about rows of the wrong width, in the words of Amazon's container."""

from __future__ import annotations

from linear_learner.errors import ClientError


class WrongWidth(ClientError):  # noqa: N818 (says what is the matter)
    """The rows have ``found`` features and the model ``expected`` ones. ``place``: file and row, for who tells it in
    words of their own; Amazon's have none for it."""

    def __init__(self, found: int, expected: int, place: str = "") -> None:
        self.found, self.expected, self.place = found, expected, place
        super().__init__(
            f"The feature dimension of the input: {found} does not match the feature dimension of the model: "
            f"{expected}. Please fix the input and try again."
        )


def check_width(found: int, expected: int, *, place: str = "") -> None:
    """Raise unless rows of ``found`` features fit a model of ``expected`` features."""
    if found != expected:
        raise WrongWidth(found, expected, place)
