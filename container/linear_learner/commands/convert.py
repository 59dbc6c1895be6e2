"""``linear-learner convert``"""

from __future__ import annotations

import argparse
import sys

from linear_learner import openblas
from linear_learner.commands.arguments import Commands, add_command, check_not_over_model, check_output, place
from linear_learner.errors import ClientError
from linear_learner.s3 import gathered

EXAMPLES = """\
  linear-learner convert out/model.tar.gz --to onnx model.onnx
  linear-learner convert model.tar.gz --to c model.c && cc -O2 -DLINEAR_MODEL_MAIN model.c -lm -o model
  linear-learner convert estimator.json --to linear-learner out
"""
TO = {
    "linear-learner": "a folder with the model's files and model.tar.gz",
    "amazon": "model.tar.gz as Amazon's container writes it, or model_algo-1 where OUT does not end in .tar.gz",
    "onnx": "a graph from features to score and predicted_label",
    "scikit-learn": "JSON with coef_, intercept_ and classes_, which is read as MODEL as well",
    "python": "one file that needs nothing but Python",
    "c": "one file of C99 that needs nothing but the C library",
}
"""What a model is converted to."""


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "convert", run, summary="write a model in another form", examples=EXAMPLES)
    parser.add_argument(
        "model", type=place, metavar="MODEL", help="model.tar.gz, model_algo-1, a folder with a model, or such JSON"
    )
    forms = "; ".join(f"{name}: {about}" for name, about in TO.items())
    parser.add_argument("--to", required=True, choices=list(TO), help=forms)
    parser.add_argument("out", type=place, metavar="OUT", help="the file, or of linear-learner the folder, to write")


def run(arguments: argparse.Namespace) -> int:
    """Write a model, ours or one of Amazon's container, in another form; it scores rows of features alike."""
    openblas.prepare()
    from linear_learner.conversion.forms import FORMS, left_out, read
    from linear_learner.model.linear_model import LinearModel

    if arguments.to != "linear-learner":
        check_output(arguments.out)
        problem = "The converted model would take the place of the model"
        check_not_over_model(arguments.model, arguments.out, problem, str(arguments.out))
    model, form = read(arguments.model), FORMS[arguments.to]
    if not isinstance(model, LinearModel):
        raise ClientError("The graph of this model is none of a linear model", where=str(arguments.model))
    lost = left_out(model, form)
    with gathered(arguments.out) as out:
        form.write(model, out)
    if lost:
        print(f"{arguments.out} has no place for {', nor for '.join(lost)}.", file=sys.stderr)
    return 0
