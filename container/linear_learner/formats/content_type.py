"""Content types as users write them: ``text/csv``, ``Text/CSV; label_size=1``, ``csv``, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from linear_learner.errors import ClientError

CSV = "text/csv"
RECORDIO_PROTOBUF = "application/x-recordio-protobuf"
LIBSVM = "text/libsvm"
PARQUET = "application/x-parquet"
JSON = "application/json"
JSON_LINES = "application/jsonlines"

SHORT_FORMS = {
    "csv": CSV,
    "recordio": RECORDIO_PROTOBUF,
    "recordio-protobuf": RECORDIO_PROTOBUF,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "application/parquet": PARQUET,
    "application/vnd.apache.parquet": PARQUET,
}
"""Other names of these types. Amazon's container refuses the short ones, and people write them all the same."""

ASCII_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"})
"""In these a number is the same bytes as in ASCII, which is all that the decoders read."""


@dataclass(frozen=True)
class ContentType:
    """``name`` is lower-case and long (``text/csv``); ``parameters`` has lower-case names and values as written."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def label_size(self) -> int | None:
        """The parameter ``label_size``, or None where it is not given. ClientError unless it is 0 or 1."""
        text = self.parameters.get("label_size")
        if text not in (None, "0", "1"):
            raise ClientError(
                f"label_size '{text}' of content type '{self.name}' is neither 0 nor 1", fix="leave it out"
            )
        return None if text is None else int(text)

    @property
    def index_base(self) -> int:
        """The parameter ``index_base``: the number of the first column, where columns are numbered. 1 if it is not
        given. ClientError unless it is 0 or 1."""
        text = self.parameters.get("index_base", "1")
        if text not in ("0", "1"):
            raise ClientError(f"index_base '{text}' of content type '{self.name}' is neither 0 nor 1")
        return int(text)


def parse(text: str) -> ContentType:
    """``name; key=value; ...`` -> ContentType. Names and keys are case-insensitive, values may be quoted.

    ClientError for a parameter without a value, or for a charset whose digits are not those of ASCII.
    """
    name, *rest = (part.strip() for part in text.split(";"))
    parameters = {}
    for part in filter(None, rest):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ClientError(f"Content type '{text}' has a parameter '{part}' without a value", fix="write key=value")
        parameters[key.lower()] = value.strip('"')
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in ASCII_CHARSETS:
        raise ClientError(f"charset '{charset}' of content type '{text}' is not supported", fix="use utf-8")
    lower = name.lower()
    return ContentType(SHORT_FORMS.get(lower, lower), parameters)
