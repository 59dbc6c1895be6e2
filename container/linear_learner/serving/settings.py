"""What the environment of ``serve`` says. Nothing else in serving reads os.environ."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from linear_learner.environment import cpu_count, total_memory
from linear_learner.errors import ClientError
from linear_learner.formats.content_type import JSON
from linear_learner.formats.encoders import ENCODERS
from linear_learner.serving.answers import parse_outputs

MIB = 1 << 20
LARGEST = 1 << 60
MOST_WORKERS = 1024
"""More than any machine has use for. Each is a process, and millions of them would stop the machine."""
ENDPOINT_MIB = 6
"""The largest request of a real-time endpoint."""
BATCH_SECONDS = 600
BATCH_MIB = 100
"""The largest request of batch transform, and the most that all requests running at once may add up to."""

# Names for one thing in this and other SageMaker containers (the first that is set counts): those of the framework that
# Amazon's algorithms share, of the inference toolkit, and of Multi Model Server.
WORKERS = "NUM_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_NUM_MODEL_WORKERS"
BODY_LIMIT = "MAX_CONTENT_LENGTH", "SAGEMAKER_MAX_REQUEST_SIZE"
TIMEOUT = "SAGEMAKER_MODEL_SERVER_TIMEOUT", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"


@dataclass(frozen=True)
class Settings:
    """One field for each thing that an environment variable decides; ``from_environ`` says which."""

    port: int = 8080
    workers: int = 1
    threads: int = 8
    """Requests that one worker process reads, answers and writes at once."""
    body_limit: int = ENDPOINT_MIB * MIB
    """Bytes of a request, packed and unpacked."""
    request_seconds: int = 60
    """How long a request may take to arrive and be answered: SageMaker waits 60 s."""
    default_accept: str = JSON
    outputs: tuple[str, ...] = ()
    """What an answer holds, by name; empty for score and predicted_label."""
    access_log: bool = True
    """Whether a line is written for each request."""
    multi_model: bool = False
    models_memory: int = 1 << 30
    """Bytes for all copies of all models of a multi-model endpoint."""
    batch_strategy: str = "MULTI_RECORD"
    """As /execution-parameters reports it."""
    payload_mib: int = ENDPOINT_MIB
    max_concurrent_transforms: int = 1

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ, *, port: int | None = None) -> Settings:
        """Settings from the variables that SageMaker and its containers' users set. A ClientError names a bad one.
        ``port`` stands before SAGEMAKER_BIND_TO_PORT."""
        batch = environ.get("SAGEMAKER_BATCH", "").lower() == "true"
        workers = _first_integer(environ, WORKERS, cpu_count(), most=MOST_WORKERS)
        payload_mib = _integer(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 0, least=0)
        body_mib = (payload_mib or BATCH_MIB) if batch else ENDPOINT_MIB
        body_limit = _first_integer(environ, BODY_LIMIT, body_mib * MIB)
        # The platform sends what it is told, so that must not be more than is taken.
        payload_mib = max(1, min(payload_mib or ENDPOINT_MIB, body_limit // MIB))
        concurrent = max(1, min(workers, BATCH_MIB // payload_mib))
        return cls(
            port=port or _integer(environ, "SAGEMAKER_BIND_TO_PORT", cls.port, least=1, most=65535),
            workers=workers,
            body_limit=body_limit,
            request_seconds=_first_integer(environ, TIMEOUT, BATCH_SECONDS if batch else cls.request_seconds),
            default_accept=_default_accept(environ),
            outputs=parse_outputs(environ.get("SAGEMAKER_INFERENCE_OUTPUT", ""), "SAGEMAKER_INFERENCE_OUTPUT"),
            access_log=_integer(environ, "SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO, least=0) <= logging.INFO,
            multi_model=environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true",
            models_memory=_integer(environ, "LINEAR_LEARNER_MODELS_MEMORY_IN_MB", total_memory() // 2 // MIB, least=1)
            * MIB,
            batch_strategy=_batch_strategy(environ),
            payload_mib=payload_mib,
            max_concurrent_transforms=_integer(environ, "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", concurrent, least=1),
        )


def _default_accept(environ: Mapping[str, str]) -> str:
    name = environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "").strip().lower() or Settings.default_accept
    if name not in ENCODERS:
        raise ClientError(
            f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is '{name}'",
            where="environment",
            fix=f"use one of: {', '.join(ENCODERS)}",
        )
    return name


def _batch_strategy(environ: Mapping[str, str]) -> str:
    """The strategy in the spelling that the asker understands.

    The service documents MULTI_RECORD; the SDK's local mode stops on that word and wants MultiRecord. What tells them
    apart is how they set SAGEMAKER_BATCH: the service writes ``true``, the SDK (in Python) ``True``.
    """
    spellings = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
    strategy = environ.get("SAGEMAKER_BATCH_STRATEGY") or "MULTI_RECORD"
    if strategy not in (*spellings, *spellings.values()):
        raise ClientError(
            f"SAGEMAKER_BATCH_STRATEGY is '{strategy}'", where="environment", fix=f"use one of: {', '.join(spellings)}"
        )
    return spellings.get(strategy, strategy) if environ.get("SAGEMAKER_BATCH") == "True" else strategy


def _first_integer(environ: Mapping[str, str], names: Sequence[str], default: int, *, most: int = LARGEST) -> int:
    """From 1 on, of the first of these variables that is set."""
    name = next((name for name in names if environ.get(name, "").strip()), names[0])
    return _integer(environ, name, default, least=1, most=most)


def _integer(environ: Mapping[str, str], name: str, default: int, *, least: int, most: int = LARGEST) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        legal = f"an integer from {least}" + (f" to {most}" if most < LARGEST else "")
        raise ClientError(f"{name} is '{text}'", where="environment", fix=f"set it to {legal}")
    return int(text)
