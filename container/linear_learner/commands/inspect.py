"""``linear-learner inspect``"""

from __future__ import annotations

import argparse

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_command, add_model, count

EXAMPLES = """\
  linear-learner inspect out/model.tar.gz
  linear-learner inspect model_algo-1 --json --top 1000
"""


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "inspect", run, summary="tell what is in a model", examples=EXAMPLES)
    add_model(parser, "model")
    parser.add_argument(
        "--top", type=count, default=10, metavar="N", help="how many coefficients (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON, with all that is known of the training")


def run(arguments: argparse.Namespace) -> int:
    """Tell what is in a model, ours or one of Amazon's container: what it predicts from which features, its largest
    coefficients, and how it was trained where that is known."""
    openblas.prepare()
    from linear_learner.commands.model_facts import as_json, as_text, facts

    found = facts(arguments.model, arguments.top)
    print(as_json(found) if arguments.json else as_text(found))
    return 0
