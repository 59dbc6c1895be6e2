"""Which content type an answer takes: the Accept header against what there are encoders for (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from linear_learner.errors import ClientError


class NotAcceptable(ClientError):  # noqa: N818 (the name of HTTP status 406)
    """None of the content types that a client accepts can be made."""


@lru_cache(maxsize=256)
def choose(accept: str | None, default: str, offered: tuple[str, ...]) -> str:
    """The offered type that ``accept`` likes best: by its quality value, then as the header orders its ranges.

    A wildcard stands for ``default`` where it covers that, else for the first offered type that it covers. No header,
    or an empty one, means ``default``.
    """
    ranges = _parse(accept or "")
    if not ranges:
        return default
    candidates = []
    for preference, name in enumerate([default, *(other for other in offered if other != default)]):
        quality, position = _quality(name, ranges)
        if quality > 0:
            candidates.append((-quality, position, preference, name))
    if not candidates:
        raise NotAcceptable(f"accept {accept} not supported", fix=f"accept one of: {', '.join(offered)}")
    return min(candidates)[-1]


def _parse(accept: str) -> list[tuple[str, float]]:
    """(range, quality) pairs. Parameters other than q are skipped; a q that is no number from 0 to 1 counts as 1."""
    ranges = []
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            ranges.append((name, _q(parameters)))
    return ranges


def _q(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 1.0
            return quality if 0 <= quality <= 1 else 1.0
    return 1.0


def _quality(name: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """The quality of a type and the place of the range that gives it: the most specific one that covers it."""
    for pattern in (name, name.partition("/")[0] + "/*", "*/*"):
        for position, (accepted, quality) in enumerate(ranges):
            if accepted == pattern:
                return quality, position
    return 0.0, len(ranges)
