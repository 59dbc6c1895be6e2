"""``linear-learner serve``"""

from __future__ import annotations

import argparse

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_base, add_command, add_model, port
from linear_learner.environment import Environment
from linear_learner.errors import ClientError

EXAMPLES = """\
  linear-learner serve --model out/model.tar.gz --port 8080
  curl -H 'Content-Type: text/csv' --data-binary @rows.csv http://localhost:8080/invocations
"""


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, summary="answer requests with a trained model", examples=EXAMPLES)
    parser.add_argument(
        "--port",
        type=port,
        default=None,
        metavar="N",
        help="port to listen on (default: SAGEMAKER_BIND_TO_PORT or 8080)",
    )
    add_model(parser, "--model")
    add_base(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load --model, or model/ below the folder of a job, and answer GET /ping and POST /invocations until stopped. A
    --model that cannot be loaded ends it at once; where the platform named the folder, /ping tells."""
    # There is a worker process for each processor: products with threads of their own would only wait for each other.
    openblas.prepare(threads=1)
    from linear_learner.serving.server import serve
    from linear_learner.serving.settings import Settings

    if arguments.model is not None and arguments.base is not None:
        raise ClientError("--model and --base both name a model", fix="give one of them")
    if arguments.model is not None and not arguments.model.exists():
        raise ClientError("There is no such file or folder", where=f"--model {arguments.model}", fix="check the path")
    model = arguments.model or Environment.from_environ(arguments.base).model_dir
    # A platform reads of a model that cannot be loaded in the answer to /ping; whoever names it reads it here.
    return serve(model, Settings.from_environ(port=arguments.port), must_load=arguments.model is not None)
