"""The three kinds of error, by who can mend them: the user, us, the platform.

    LinearLearnerError
    ├── ClientError                 the job or the request is wrong            exit code 2
    │   └── UnsupportedContentType  no decoder or encoder goes by that name
    ├── AlgorithmError              a bug of ours                              exit code 1
    └── PlatformError               disk, memory, network                      exit code 3

Exit codes and prefixes are those of Amazon's built-in algorithms.
"""

from __future__ import annotations

from collections.abc import Iterable

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended: 128 and the number of the signal."""


class LinearLearnerError(Exception):
    """What went wrong, where (file, row, column; or hyperparameter), and how to fix it.

    The text a person reads is ``message (where). fix``, with the parts that are there.
    """

    exit_code = 1
    prefix = "Algorithm Error"

    def __init__(self, message: str, *, where: str = "", fix: str = "") -> None:
        self.message = message
        self.where = where
        self.fix = fix
        super().__init__(message)

    def __str__(self) -> str:
        message = self.message if self.message.endswith("...") else self.message.removesuffix(".")
        text = self.message if not self.where else f"{message} ({self.where})"
        if not self.fix:
            return text
        stop = "" if text.endswith((".", "!", "?")) else "."
        return f"{text}{stop} {self.fix[:1].upper()}{self.fix[1:]}"


class ClientError(LinearLearnerError):
    """The user's hyperparameters, data or request are wrong, and the message says how to mend them."""

    exit_code = 2
    prefix = "Customer Error"


class UnsupportedContentType(ClientError):  # noqa: N818 (the name that SageMaker toolkits use)
    """No decoder or encoder is registered for a content type (HTTP 415 or 406)."""

    def __init__(self, content_type: str, *, supported: Iterable[str], where: str = "") -> None:
        self.content_type = content_type
        # Amazon's container says "No iterator has been registered for ContentType (...)".
        super().__init__(
            f"No iterator has been registered for ContentType ('{content_type}', '1.0')",
            where=where,
            fix=f"use one of: {', '.join(sorted(supported))}",
        )


class AlgorithmError(LinearLearnerError):
    """A bug of this container; nothing the user did."""


class PlatformError(LinearLearnerError):
    """The machine failed the job: disk full, out of memory, a host lost."""

    exit_code = 3
    prefix = "Platform Error"


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """Reading, or waiting for other hosts, ended because the job is to end."""


class CutShort(Exception):  # noqa: N818 (nothing went wrong)
    """The job is to end, and what is being done takes longer than there is time."""
