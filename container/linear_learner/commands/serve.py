"""``linear-learner serve``"""

from __future__ import annotations

import argparse

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_base, add_command, port
from linear_learner.environment import Environment


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, summary="answer requests with a trained model")
    parser.add_argument(
        "--port",
        type=port,
        default=None,
        metavar="N",
        help="port to listen on (default: SAGEMAKER_BIND_TO_PORT or 8080)",
    )
    add_base(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load model/ below the folder and answer GET /ping and POST /invocations until stopped."""
    openblas.prepare()
    from linear_learner.serving.server import serve
    from linear_learner.serving.settings import Settings

    return serve(Environment.from_environ(arguments.base).model_dir, Settings.from_environ(port=arguments.port))
