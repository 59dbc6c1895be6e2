"""``linear-learner predict``"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linear_learner import openblas
from linear_learner.commands.arguments import (
    Commands,
    add_command,
    add_model,
    check_not_over,
    check_not_over_model,
    check_output,
    number,
    place,
)
from linear_learner.errors import ClientError

if TYPE_CHECKING:
    from linear_learner.model.linear_model import Model
    from linear_learner.prediction.files import Seen

EXAMPLES = """\
  linear-learner predict --model out/model.tar.gz data.csv --output predictions.csv
  linear-learner predict --model out/model.tar.gz --label-column price held-out.parquet --accept jsonlines
  zcat rows.csv.gz | linear-learner predict --model out/model.tar.gz - | head
"""
ACCEPTED = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonlines": "application/jsonlines",
    "recordio": "application/x-recordio-protobuf",
}
"""The short names of what answers are written in."""


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "predict", run, summary="predict the rows of files", examples=EXAMPLES)
    add_model(parser, "--model", required=True)
    parser.add_argument(
        "data",
        type=place,
        nargs="+",
        metavar="DATA",
        help="files, or folders of files: those of train, or JSON; - is standard input",
    )
    parser.add_argument(
        "--output", type=place, metavar="FILE", help="where to write predictions (default: standard output, as -)"
    )
    parser.add_argument(
        "--accept",
        choices=list(ACCEPTED),
        help="what to write: csv is the score and the predicted label on a line (default: by the name of --output, or "
        "else csv)",
    )
    parser.add_argument(
        "--content-type",
        metavar="TYPE",
        help="of the data, such as 'text/libsvm; index_base=0' (default: by the files' names, or else their first "
        "bytes)",
    )
    parser.add_argument(
        "--has-label",
        action="store_true",
        help="the first column is the label; tell how good the predictions are, "
        "for which the scores and labels of all rows are kept in memory",
    )
    parser.add_argument("--label-column", metavar="NAME", help="the same, and the label is the column of this name")
    parser.add_argument(
        "--outputs",
        metavar="NAME,...",
        help="what to write for a row: some of score, predicted_label, probabilities, raw_score, labels, contributions "
        "(default: score and predicted_label)",
    )
    parser.add_argument(
        "--threshold", type=number, metavar="X", help="a binary classifier's, in place of the model's own"
    )


def run(arguments: argparse.Namespace) -> int:
    """Predict the rows of files, however large: the answers are those of the server, in the same forms. Labels among
    the data are told apart by --has-label or --label-column; then scores are shown as well."""
    openblas.prepare()
    from linear_learner.data.columns import unseen_notice
    from linear_learner.formats.answer_writer import AnswerWriter
    from linear_learner.model import artifact
    from linear_learner.model.served_model import ServedModel
    from linear_learner.prediction.file_rows import Reading
    from linear_learner.prediction.files import STDIN, Seen, output_stream, predict
    from linear_learner.serving.answers import Wish, parse_outputs

    if arguments.output == STDIN:
        arguments.output = None
    accepted = _accepted(arguments)
    if arguments.output is not None:
        check_output(arguments.output)
        _check_no_input(arguments.output, arguments.data, arguments.model)
    model = artifact.load(arguments.model)
    reading = Reading(
        arguments.content_type,
        has_label=arguments.has_label or arguments.label_column is not None,
        label_column=arguments.label_column or "",
    )
    wish = Wish(parse_outputs(arguments.outputs or "", "--outputs"), arguments.threshold)
    seen = Seen() if reading.has_label else None
    with output_stream(arguments.output) as stream:
        writer = AnswerWriter(stream, accepted)
        count, unseen = predict(ServedModel.of(model), arguments.data, reading, wish, writer, seen)
    if notice := unseen_notice("The data", unseen):
        print(notice, file=sys.stderr)
    told = sys.stdout if arguments.output else sys.stderr
    if seen is not None:
        print(_scores(model, seen, arguments.threshold), file=told)
    if arguments.output:
        print(f"{count} rows are predicted in {arguments.output}")
    return 0


def _check_no_input(output: Path, data: Sequence[Path], model: Path) -> None:
    """ClientError where the predictions would take the place of the model or of the rows, or of some of them, or be
    read as such the next time."""
    where = f"--output {output}"
    check_not_over_model(model, output, "The predictions would take the place of the model", where)
    for given in data:
        check_not_over(given, output, "The predictions would take the place of the data", where)
        if given.is_dir() and output.resolve().is_relative_to(given.resolve()):
            problem = f"The predictions would be read as data of {given} the next time"
            raise ClientError(problem, where=where, fix="write elsewhere")


def _accepted(arguments: argparse.Namespace) -> str:
    """The content type that is asked for, or that the name of the output speaks of, or CSV. ClientError where a name
    speaks of what predictions are not written in."""
    from linear_learner.formats.file_names import PACKED, content_type_by_name

    output = arguments.output
    if output is not None and output.suffix.lower() in PACKED:
        raise ClientError(
            "Predictions are not packed", where=f"--output {output}", fix="pack the file when it is written"
        )
    if arguments.accept:
        return ACCEPTED[arguments.accept]
    by_name = (output and content_type_by_name(output.name)) or ACCEPTED["csv"]
    if by_name not in ACCEPTED.values():
        raise ClientError(
            f"Predictions are not written as {by_name}",
            where=f"--output {output}",
            fix="end the name in .csv, .json, .jsonl or .pbr, or name the form by --accept",
        )
    return by_name


def _scores(model: Model, seen: Seen, threshold: float | None) -> str:
    """How good the predictions are, a line a metric."""
    from linear_learner.commands.training_summary import score_table
    from linear_learner.training.evaluation.metrics import Terms, evaluate

    scores, labels = seen.all()
    terms = Terms(
        model.predictor_type,
        model.score_link,
        model.threshold if threshold is None else threshold,
        _setting(model, "f_beta", 1.0),
        _setting(model, "accuracy_top_k", 3),
    )
    found = evaluate(scores, labels, terms)
    return "\n".join(score_table({"data": {metric.name: metric.value for metric in found}}))


def _setting(model: Model, name: str, default: Any) -> Any:
    """What the model was trained with, if it says so: anyone may have written its files."""
    settings = model.metadata.get("hyperparameters")
    value: Any = settings.get(name) if isinstance(settings, dict) else None
    return value if type(value) is type(default) and 0 < value < 1e9 else default
