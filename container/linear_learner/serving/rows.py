"""The rows of a request: its body, decoded as its Content-Type says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache

from linear_learner.errors import UnsupportedContentType
from linear_learner.formats import DECODERS
from linear_learner.formats.batch import Batch
from linear_learner.formats.content_type import ContentType, parse
from linear_learner.formats.json_records import REQUEST_DECODERS

SOURCE = "request"
"""How errors call the body."""
DEFAULT_CONTENT_TYPE = "application/json"


def decode(body: bytes, content_type: str | None, feature_dim: int) -> Iterator[Batch]:
    """Batches of a bounded number of rows; ``content_type`` is the header as it was sent, or None."""
    kind = _parsed(content_type or DEFAULT_CONTENT_TYPE)
    stream = io.BytesIO(body)
    if kind.name in REQUEST_DECODERS:
        return REQUEST_DECODERS[kind.name](stream, source=SOURCE, feature_dim=feature_dim)
    if kind.name in DECODERS:
        return DECODERS[kind.name](stream, label_size=kind.label_size or 0, source=SOURCE)
    raise UnsupportedContentType(kind.name, supported=[*REQUEST_DECODERS, *DECODERS])


@lru_cache(maxsize=256)
def _parsed(content_type: str) -> ContentType:
    return parse(content_type)
