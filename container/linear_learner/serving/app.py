"""The HTTP application. Flask is known here and nowhere else.

    GET  /ping                   200 when the model answers
    POST /invocations            rows in, predictions out (see ``invocations``)
    GET  /execution-parameters   how batch transform should call
    GET  /metrics                counts for Prometheus

An endpoint of many models has these as well, and its /invocations asks the model that a header names:

    POST   /models                  load one: {"model_name": ..., "url": folder}
    GET    /models                  those that are loaded, a page at a time: ?limit=, ?next_page_token=
    GET    /models/NAME             one of them
    DELETE /models/NAME             unload it
    POST   /models/NAME/invoke      rows in, predictions out
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from linear_learner.errors import ClientError
from linear_learner.model.linear_model import Model
from linear_learner.model.served_model import ServedModel
from linear_learner.serving import answers
from linear_learner.serving.answers import Wish
from linear_learner.serving.invocations import TEXT, Invocations, ModelUnavailable, Reply, body_of, reply_to_error
from linear_learner.serving.measurements import Measurements
from linear_learner.serving.multi_model import Entry, Registry
from linear_learner.serving.request_log import ERROR, RequestLog
from linear_learner.serving.settings import Settings
from linear_learner.serving.target_models import HEADER as TARGET_MODEL
from linear_learner.serving.target_models import TargetModels, name_of

PAGE = 100
LONGEST_NAME = 256
"""A model's name travels in request lines, percent-encoded, of at most 4,094 bytes."""
LARGEST_ORDER = 1 << 16
"""Bytes of POST /models."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


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
        if served is None:
            raise ModelUnavailable
        with suppress(ClientError):  # which is an answer: zeros may be no row for a graph of somebody else's
            served.model.predict(_zeros(served))
        return _healthy()

    mounted = _mount("/invocations", Invocations(served, settings, measurements), app.wsgi_app)
    return _logged(app, mounted, settings, measurements)


def create_multi_model_app(
    registry: Registry, folder: Path, settings: Settings, measurements: Measurements | None = None
) -> Flask:
    """The application for the models that the platform loads and unloads while it runs, or that requests name among
    those in ``folder``."""
    targets = TargetModels(registry, folder)
    measurements = measurements or Measurements()
    invocations = Invocations(None, settings, measurements)
    app = _new_app(settings, measurements)

    @app.get("/ping")
    def ping() -> Response:
        return _healthy()

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
        return _response(invocations.answer(request.environ, registry.get(name)))

    @app.post("/invocations")
    def invoke_target() -> Response:
        name = name_of(request.headers.get(TARGET_MODEL, ""))
        return _response(invocations.answer(request.environ, targets.get(name)))

    return _logged(app, app.wsgi_app, settings, measurements)


def _new_app(settings: Settings, measurements: Measurements) -> Flask:
    """With what both applications share."""
    app = Flask("linear_learner", static_folder=None)
    app.url_map.merge_slashes = False  # else an empty name of a model is sent elsewhere, in HTML
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, lambda error: _response(reply_to_error(error, request.environ)))

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


def _mount(path: str, application: Application, others: Application) -> Application:
    """``application`` at one path, and ``others`` at all others."""

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return (application if environ["PATH_INFO"] == path else others)(environ, start_response)

    return dispatch


def _logged(app: Flask, application: Application, settings: Settings, measurements: Measurements) -> Flask:
    log = RequestLog(application, measurements, sys.stdout if settings.access_log else None)
    app.wsgi_app = log  # type: ignore[method-assign]
    return app


def _zeros(served: ServedModel) -> np.ndarray:
    return np.zeros((1, served.model.feature_dim), np.float32)


def _healthy() -> Response:
    return Response(status=200, content_type=TEXT)


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, content_type=reply.content_type)


def _load_order() -> tuple[str, str]:
    """The name and the folder of a model to load."""
    try:
        order = json.loads(body_of(request.environ, LARGEST_ORDER))
    except (ValueError, RecursionError):
        order = None
    if isinstance(order, dict):
        name, url = order.get("model_name"), order.get("url")
        if isinstance(name, str) and isinstance(url, str) and name and url:
            _check_name(name)
            return name, url
    raise ClientError("No model is named", fix='send {"model_name": NAME, "url": FOLDER} in JSON')


def _check_name(name: str) -> None:
    """That /models/NAME can ask for it, so that it can be unloaded again."""
    if len(name) > LONGEST_NAME or not name.isprintable() or "" in name.split("/"):
        raise ClientError(
            "model_name is no name of a model",
            where=json.dumps(name[:LONGEST_NAME]),
            fix=f"use at most {LONGEST_NAME} printable characters, and single slashes between them",
        )


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


def _http_exception(error: HTTPException) -> Response:
    """No such path or method."""
    request.environ[ERROR] = HTTPException.__name__
    response = _response(Reply.of_text(f"{error.name}: {request.method} {request.path}", error.code or 500))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
    return response
