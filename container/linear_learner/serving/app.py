"""The HTTP application. Flask, its request and HTTP status codes are known here and nowhere else.

An answer is: body + Content-Type -> decoder -> features -> model.predict -> predictions -> encoder that Accept chooses.

    GET  /ping                   200 when the model answers
    POST /invocations            rows in, predictions out
    GET  /execution-parameters   how batch transform should call
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats.batch import Batch
from linear_learner.formats.encoders import ENCODERS, Answer, Column
from linear_learner.formats.width import WrongWidth, check_width
from linear_learner.model.linear_model import Model
from linear_learner.serving import accept, answers, rows
from linear_learner.serving.answers import Wish
from linear_learner.serving.body import BodyTooLarge, UnsupportedEncoding, read_body
from linear_learner.serving.served_model import ServedModel
from linear_learner.serving.settings import Settings

logger = logging.getLogger(__name__)

OFFERED = tuple(ENCODERS)
TEXT = "text/plain; charset=utf-8"
LONGEST_ERROR = 2000
"""Characters of an error that a client sees: it may repeat a header or a value of any length."""

STATUS: dict[type[ClientError], int] = {
    accept.NotAcceptable: 406,
    BodyTooLarge: 413,
    UnsupportedContentType: 415,
    UnsupportedEncoding: 415,
}
"""Of the errors that are not 400."""


def create_app(model: Model | None, settings: Settings) -> Flask:
    """The application for one model; None stands for one that could not be loaded, which makes every answer a 500.
    ClientError if the model has not what the settings want of it."""
    served = None if model is None else ServedModel.of(model)
    if served is not None and settings.outputs:
        answers.answer(served, _zeros(served), Wish(settings.outputs))
    app = Flask("linear_learner", static_folder=None)
    _register_error_handlers(app)

    @app.get("/ping")
    def ping() -> Response:
        return _ping(served)

    @app.post("/invocations")
    def invocations() -> Response:
        return _not_loaded() if served is None else _invoke(served, settings)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return jsonify(
            MaxConcurrentTransforms=settings.max_concurrent_transforms,
            BatchStrategy=settings.batch_strategy,
            MaxPayloadInMB=settings.payload_mib,
        )

    return app


def _zeros(served: ServedModel) -> np.ndarray:
    return np.zeros((1, served.model.feature_dim), np.float32)


def _ping(served: ServedModel | None) -> Response:
    """200 with an empty body if the model gives a score for a row of zeros."""
    if served is None:
        return _not_loaded()
    served.model.predict(_zeros(served))
    return Response(status=200, content_type=TEXT)


def _invoke(served: ServedModel, settings: Settings) -> Response:
    """The answer of a model to the request at hand."""
    body = _body(settings.body_limit)
    if not body:
        return Response(status=204)
    headers = request.headers
    content_type = accept.choose(headers.get("Accept"), settings.default_accept, OFFERED)
    wish = answers.parse_wish(headers.get("X-Amzn-SageMaker-Custom-Attributes"), settings.outputs)
    batches = rows.decode(body, headers.get("Content-Type"), served.model.feature_dim, served.names)
    return Response(ENCODERS[content_type](_answer(served, batches, wish)), content_type=content_type)


def _body(limit: int) -> bytes:
    length = request.content_length
    if length is None and not request.environ.get("wsgi.input_terminated"):
        length = 0  # neither a length nor chunks: there is no body, and a read might wait for ever
    return read_body(request.environ["wsgi.input"], length, request.headers.get("Content-Encoding"), limit)


def _answer(served: ServedModel, batches: Iterator[Batch], wish: Wish) -> Answer:
    """The columns of all rows."""
    parts = []
    for batch in batches:
        check_width(batch.feature_dim, served.model.feature_dim)
        parts.append(answers.answer(served, batch.features, wish))
    if not parts:
        raise ClientError("The request has no rows", fix="send at least one record")
    if len(parts) == 1:
        return parts[0]
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(columns: list[Column]) -> Column:
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if arrays:
        return np.concatenate(arrays)
    return [value for column in columns for value in column]


def _not_loaded() -> Response:
    return _text("unable to load model", 500)


def _text(text: str, status: int) -> Response:
    # A lone surrogate, which JSON can smuggle into an error, has no bytes in UTF-8.
    return Response(text[:LONGEST_ERROR].encode("utf-8", "backslashreplace"), status, content_type=TEXT)


def _register_error_handlers(app: Flask) -> None:
    app.register_error_handler(ClientError, _client_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _server_error)


def _client_error(error: ClientError) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    if isinstance(error, UnsupportedContentType):
        return _text(f"content-type {error.content_type} not supported. {error.fix[:1].upper()}{error.fix[1:]}", status)
    if status != 400:
        return _text(str(error), status)
    # Two beginnings that users of Amazon's container have seen.
    beginning = error.prefix if isinstance(error, WrongWidth) else "Unable to evaluate payload provided"
    return _text(f"{beginning}: {error}", status)


def _http_exception(error: HTTPException) -> Response:
    """No such path or method."""
    response = _text(f"{error.name}: {request.method} {request.path}", error.code or 500)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
    return response


def _server_error(error: Exception) -> Response:
    """A bug of ours: the log gets the traceback, the client does not."""
    logger.error("%s %s failed", request.method, request.url_rule or "", exc_info=error)
    return _text("Internal Server Error", 500)
