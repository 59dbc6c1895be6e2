"""The HTTP application. Flask, its request and HTTP status codes are known here and nowhere else.

An answer is: body + Content-Type -> decoder -> features -> model.predict -> predictions -> encoder that Accept chooses.

    GET  /ping                   200 when the model answers
    POST /invocations            rows in, predictions out
    GET  /execution-parameters   how batch transform should call

An endpoint of many models has these in place of /invocations:

    POST   /models                  load one: {"model_name": ..., "url": folder}
    GET    /models                  those that are loaded, a page at a time: ?limit=, ?next_page_token=
    GET    /models/NAME             one of them
    DELETE /models/NAME             unload it
    POST   /models/NAME/invoke      rows in, predictions out
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import numpy as np
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats.batch import Batch
from linear_learner.formats.encoders import ENCODERS, Answer, Column
from linear_learner.formats.width import WrongWidth, check_width
from linear_learner.model.linear_model import Model
from linear_learner.serving import accept, answers, request_log, rows
from linear_learner.serving.answers import Wish
from linear_learner.serving.body import BodyTooLarge, UnsupportedEncoding, read_body
from linear_learner.serving.measurements import Measurements
from linear_learner.serving.multi_model import Entry, ModelAlreadyLoaded, ModelNotLoaded, NoMemoryLeft, Registry
from linear_learner.serving.request_log import RequestLog
from linear_learner.serving.served_model import ServedModel
from linear_learner.serving.settings import Settings

logger = logging.getLogger(__name__)

OFFERED = tuple(ENCODERS)
TEXT = "text/plain; charset=utf-8"
LONGEST_ERROR = 2000
"""Characters of an error that a client sees: it may repeat a header or a value of any length."""

PAGE = 100
LONGEST_NAME = 1024
LARGEST_ORDER = 1 << 16
"""Of POST /models."""

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


def create_app(model: Model | None, settings: Settings, measurements: Measurements | None = None) -> Flask:
    """The application for one model; None stands for one that could not be loaded, which makes every answer a 500.
    ClientError if the model has not what the settings want of it."""
    served = None if model is None else ServedModel.of(model)
    if served is not None and settings.outputs:
        zeros = _zeros(served)
        answers.answer(served, zeros, served.model.predict(zeros), Wish(settings.outputs))
    measurements = measurements or Measurements()
    app = _new_app(settings, measurements)

    @app.get("/ping")
    def ping() -> Response:
        return _ping(served)

    @app.post("/invocations")
    def invocations() -> Response:
        return _not_loaded() if served is None else _invoke(served, settings, measurements)

    return app


def create_multi_model_app(registry: Registry, settings: Settings, measurements: Measurements | None = None) -> Flask:
    """The application for the models that the platform loads and unloads while it runs."""
    measurements = measurements or Measurements()
    app = _new_app(settings, measurements)

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200, content_type=TEXT)

    @app.post("/models")
    def load() -> Response:
        name, url = _load_order()
        return jsonify(_described(registry.load(name, url)))

    @app.get("/models")
    def list_models() -> Response:
        return jsonify(_page(registry.entries()))

    # Names may hold slashes, as "customer/model" does.
    @app.get("/models/<path:name>")
    def describe(name: str) -> Response:
        return jsonify(_described(registry.entry(name)))

    @app.delete("/models/<path:name>")
    def unload(name: str) -> Response:
        return jsonify(_described(registry.unload(name)))

    @app.post("/models/<path:name>/invoke")
    def invoke(name: str) -> Response:
        return _invoke(registry.get(name), settings, measurements)

    return app


def _new_app(settings: Settings, measurements: Measurements) -> Flask:
    """With what both applications share."""
    app = Flask("linear_learner", static_folder=None)
    log = RequestLog(app.wsgi_app, measurements, sys.stdout if settings.access_log else None)
    app.wsgi_app = log  # type: ignore[method-assign]
    app.register_error_handler(ClientError, _client_error)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _server_error)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        return jsonify(
            MaxConcurrentTransforms=settings.max_concurrent_transforms,
            BatchStrategy=settings.batch_strategy,
            MaxPayloadInMB=settings.payload_mib,
        )

    @app.get("/metrics")
    def metrics() -> Response:
        text, content_type = measurements.exposition()
        return Response(text, content_type=content_type)

    return app


def _load_order() -> tuple[str, str]:
    """The name and the folder of a model to load."""
    try:
        order = json.loads(_body(LARGEST_ORDER))
    except (ValueError, RecursionError):
        order = None
    if isinstance(order, dict):
        name, url = order.get("model_name"), order.get("url")
        if isinstance(name, str) and isinstance(url, str) and name and url and len(name) <= LONGEST_NAME:
            return name, url
    raise ClientError("No model is named", fix='send {"model_name": NAME, "url": FOLDER} in JSON')


def _described(entry: Entry) -> dict[str, str]:
    return {"modelName": entry.name, "modelUrl": entry.url}


def _page(entries: list[Entry]) -> dict[str, object]:
    """The models after the one that ``next_page_token`` names, at most ``limit`` of them, and how to ask for more. A
    token stays good while models come and go."""
    text = request.args.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ClientError(f"limit '{text}' is not a number from 1 on")
    rest = [entry for entry in entries if entry.name > request.args.get("next_page_token", "")]
    page = rest[: int(text)]
    answer: dict[str, object] = {"models": [_described(entry) for entry in page]}
    if len(rest) > len(page):
        answer["nextPageToken"] = page[-1].name
    return answer


def _zeros(served: ServedModel) -> np.ndarray:
    return np.zeros((1, served.model.feature_dim), np.float32)


def _ping(served: ServedModel | None) -> Response:
    """200 with an empty body if the model gives a score for a row of zeros."""
    if served is None:
        return _not_loaded()
    served.model.predict(_zeros(served))
    return Response(status=200, content_type=TEXT)


def _invoke(served: ServedModel, settings: Settings, measurements: Measurements) -> Response:
    """The answer of a model to the request at hand."""
    body = _body(settings.body_limit)
    if not body:
        return Response(status=204)
    headers = request.headers
    content_type = accept.choose(headers.get("Accept"), settings.default_accept, OFFERED)
    wish = answers.parse_wish(headers.get("X-Amzn-SageMaker-Custom-Attributes"), settings.outputs)
    batches = rows.decode(body, headers.get("Content-Type"), served.model.feature_dim, served.names)
    answer = _answer(served, batches, wish, measurements)
    return Response(ENCODERS[content_type](answer), content_type=content_type)


def _body(limit: int) -> bytes:
    length = request.content_length
    if length is None and not request.environ.get("wsgi.input_terminated"):
        length = 0  # neither a length nor chunks: there is no body, and a read might wait for ever
    return read_body(request.environ["wsgi.input"], length, request.headers.get("Content-Encoding"), limit)


def _answer(served: ServedModel, batches: Iterator[Batch], wish: Wish, measurements: Measurements) -> Answer:
    """The columns of all rows."""
    parts = []
    row_count = 0
    for batch in batches:
        check_width(batch.feature_dim, served.model.feature_dim)
        predictions = served.model.predict(batch.features)
        parts.append(answers.answer(served, batch.features, predictions, wish))
        measurements.predicted(predictions.score, served.outside(batch.features))
        row_count += len(batch)
    request.environ[request_log.ROWS] = row_count
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
    request.environ[request_log.ERROR] = "ModelUnavailable"
    return _text("unable to load model", 500)


def _text(text: str, status: int) -> Response:
    # A lone surrogate, which JSON can smuggle into an error, has no bytes in UTF-8.
    return Response(text[:LONGEST_ERROR].encode("utf-8", "backslashreplace"), status, content_type=TEXT)


def _client_error(error: ClientError) -> Response:
    request.environ[request_log.ERROR] = type(error).__name__
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
    request.environ[request_log.ERROR] = HTTPException.__name__
    response = _text(f"{error.name}: {request.method} {request.path}", error.code or 500)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
    return response


def _server_error(error: Exception) -> Response:
    """A bug of ours, or the machine's trouble: the log gets the traceback, the client does not."""
    request.environ[request_log.ERROR] = type(error).__name__
    logger.error("%s %s failed", request.method, request.url_rule or "", exc_info=error)
    return _text("Internal Server Error", 500)
