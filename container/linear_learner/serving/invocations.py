"""Rows in, predictions out: what POST /invocations does, from the WSGI environment to the bytes of the answer.

    body + Content-Type -> decoder -> features -> model.predict -> predictions -> encoder that Accept chooses

It is a WSGI application of its own, mounted beside the Flask application (see ``app``): for one row, Flask's routing
and request objects cost more than reading, predicting and writing together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np

from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats.batch import Batch
from linear_learner.formats.encoders import ENCODERS, Answer, Column, Labels
from linear_learner.formats.width import WrongWidth, check_width
from linear_learner.model.served_model import ServedModel
from linear_learner.serving import accept, answers, rows
from linear_learner.serving.answers import Wish
from linear_learner.serving.body import BodyTooLarge, UnsupportedEncoding, read_body
from linear_learner.serving.measurements import Measurements, kind_of
from linear_learner.serving.multi_model import ModelAlreadyLoaded, ModelNotLoaded, NoMemoryLeft
from linear_learner.serving.request_log import ERROR, ROWS
from linear_learner.serving.settings import Settings

logger = logging.getLogger(__name__)

Environ = dict[str, Any]

OFFERED = tuple(ENCODERS)
TEXT = "text/plain; charset=utf-8"
LONGEST_ERROR = 2000
"""Characters of an error that a client sees: it may repeat a header or a value of any length."""

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

STATUS: dict[type[ClientError], int] = {
    accept.NotAcceptable: 406,
    BodyTooLarge: 413,
    UnsupportedContentType: 415,
    UnsupportedEncoding: 415,
    ModelNotLoaded: 404,
    ModelAlreadyLoaded: 409,
    NoMemoryLeft: 507,
}
"""Of the errors that are not 400."""


class ModelUnavailable(Exception):  # noqa: N818 (the state, not a mistake)
    """The one model of this server could not be loaded; the log of its start says why."""


@dataclass(frozen=True)
class Reply:
    """An answer before it is HTTP."""

    status: int
    body: bytes
    content_type: str = TEXT

    @classmethod
    def of_text(cls, text: str, status: int) -> Reply:
        # A lone surrogate, which JSON can smuggle into an error, has no bytes in UTF-8.
        return cls(status, text[:LONGEST_ERROR].encode("utf-8", "backslashreplace"))


class Invocations:
    """``model`` is None where none could be loaded."""

    def __init__(self, model: ServedModel | None, settings: Settings, measurements: Measurements) -> None:
        self._model = model
        self._settings = settings
        self._measurements = measurements

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        """WSGI."""
        if environ["REQUEST_METHOD"] != "POST":
            environ[ERROR] = "HTTPException"
            reply, headers = Reply.of_text("Method Not Allowed: use POST", 405), [("Allow", "POST")]
        else:
            reply, headers = self._reply(environ), []
        if reply.body:
            headers += [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        start_response(STATUS_LINES[reply.status], headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _reply(self, environ: Environ) -> Reply:
        try:
            if self._model is None:
                raise ModelUnavailable
            return self.answer(environ, self._model)
        except Exception as error:
            return reply_to_error(error, environ)

    def answer(self, environ: Environ, model: ServedModel) -> Reply:
        """The answer of ``model`` to a request; what is wrong with the request is raised."""
        settings = self._settings
        body = body_of(environ, settings.body_limit)
        if not body:
            return Reply(204, b"")
        content_type = accept.choose(environ.get("HTTP_ACCEPT"), settings.default_accept, OFFERED)
        wish = answers.parse_wish(environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"), settings.outputs)
        batches = rows.decode(
            body,
            environ.get("CONTENT_TYPE"),
            model.model.feature_dim,
            model.names,
            allow_missing=model.fills is not None,
            schema=model.schema,
        )
        answer, environ[ROWS] = self._predict(model, batches, wish)
        return Reply(200, ENCODERS[content_type](answer), content_type)

    def _predict(self, model: ServedModel, batches: Iterator[Batch], wish: Wish) -> tuple[Answer, int]:
        """The columns of all rows, and how many rows there are."""
        parts = []
        row_count = 0
        for batch in batches:
            check_width(batch.feature_dim, model.model.feature_dim)
            features = model.filled(batch.features)
            predictions = model.model.predict(features)
            parts.append(answers.answer(model, features, predictions, wish))
            self._measurements.predicted(predictions.score, model.outside(features))
            row_count += len(batch)
        if not row_count:
            raise ClientError("The request has no rows", fix="send at least one record")
        if len(parts) == 1:
            return parts[0], row_count
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}, row_count


def _joined(columns: list[Column]) -> Column:
    labels = [column for column in columns if isinstance(column, Labels)]
    if labels:
        return Labels(np.concatenate([column.numbers for column in labels]), labels[0].texts)
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if arrays:
        return np.concatenate(arrays)
    return [value for column in columns if isinstance(column, list) for value in column]


def body_of(environ: Environ, limit: int) -> bytes:
    """The body of a request, read and unpacked."""
    length = environ.get("CONTENT_LENGTH")
    if not length and not environ.get("wsgi.input_terminated"):
        length = "0"  # neither a length nor chunks: there is no body, and a read might wait for ever
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    return read_body(environ["wsgi.input"], int(length) if length else None, encoding, limit)


def reply_to_error(error: Exception, environ: Environ) -> Reply:
    """Status and sentence for whatever was raised. Of a bug, or the machine's trouble, the log gets the traceback and
    the client does not."""
    environ[ERROR] = kind_of(error)
    if isinstance(error, ModelUnavailable):
        return Reply.of_text("unable to load model", 500)
    if not isinstance(error, ClientError):
        logger.error("a request failed", exc_info=error)
        return Reply.of_text("Internal Server Error", 500)
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    if isinstance(error, UnsupportedContentType):
        fix = f"{error.fix[:1].upper()}{error.fix[1:]}"
        return Reply.of_text(f"content-type {error.content_type} not supported. {fix}", status)
    if status != 400:
        return Reply.of_text(str(error), status)
    # Two beginnings that users of Amazon's container have seen.
    beginning = error.prefix if isinstance(error, WrongWidth) else "Unable to evaluate payload provided"
    return Reply.of_text(f"{beginning}: {error}", status)
