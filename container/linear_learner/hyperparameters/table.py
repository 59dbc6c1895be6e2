"""docs/hyperparameters.md, made from the schema:

python -m linear_learner.hyperparameters.table > docs/hyperparameters.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from linear_learner.hyperparameters.auto import AUTO_MEANS
from linear_learner.hyperparameters.fields import AUTO, REQUIRED, Row, as_text
from linear_learner.hyperparameters.schema import LOSSES_OF, ROWS
from linear_learner.hyperparameters.tuning import ANY_TYPE, METRIC_DEFINITIONS

_INTRODUCTION = """\
<!-- Generated: python -m linear_learner.hyperparameters.table > docs/hyperparameters.md -->

# Hyperparameters

Names, legal values and defaults are those of Amazon's Linear Learner, so a job written for it runs here as it is.
All mistakes in the hyperparameters of a job are reported at once, and a misspelt name comes with the nearest one known.

## How to write a value

Values are texts, as the service passes them; JSON numbers and booleans are as good. Blanks and one pair of quotes
around a value are dropped: `"0.1"`, `0.1`, `" 0.1 "`, `"'0.1'"` and `"\\"0.1\\""` are the same. Booleans are `true` and
`false` in any case. Integers are written as integers, `10` and not `10.0`, and fit 64 bits. Numbers are finite in
float32; `nan`, `inf` and `1e39` are refused. Words such as `adam` are written exactly as below.

## What is used when

*Used if* says under which other hyperparameters one has an effect. Elsewhere its value must still be legal, is not
used, and the job's log says so in one line. `auto` leaves a value to the container; *`auto` means* gives what the base
candidate gets, and the other candidates of a job vary some of these values around it.
"""

_TUNING = """\
The SageMaker SDK wants them as `metric_definitions` of an image that is not Amazon's. CHANNEL stands for one of the
channels. Final metrics of the train channel are those of jobs without a validation channel.

"""

_DECISIONS = """\
## Where Amazon's documentation is silent or contradicts itself

- `quantile` is that of the usual pinball loss: a label lies *below* the prediction with this probability. The developer
  guide says above, the SageMaker SDK says below.
- Ranges on which guide and SDK disagree take the wider one: `beta_1`, `beta_2` and `margin` may be 0. `huber_delta` may
  not, as the SDK would have it: that loss is 0 everywhere.
- `num_classes` below 3 is an error for a multiclass classifier, and ignored for the others.
- `mini_batch_size` above the number of rows makes one mini-batch of all rows. Amazon's container fails.
- `hinge_loss` is offered for multiclass classifiers too (Crammer and Singer's).
- The criteria `f1` and `cross_entropy_loss` of 2018 still work.
- `unbias_data=true` or `unbias_label=true` with `use_bias=false` does what it says: training has no bias, but the saved
  model has the one that puts the means back.
- With `_tuning_objective_metric` set, which automatic model tuning does, a job trains one model whatever `num_models`
  says, unless `num_models` is given and `tuning_keeps_num_models` is true. A metric of the table above that the job
  would never log, for want of its channel or by its `predictor_type`, is an error before anything is read. A metric
  that Amazon does not define is accepted, since a job can bring its own definitions.
- In a tuning job that watches `train:objective_loss` or `validation:objective_loss`, the line of the best epoch is
  written once more at the end: a tuner takes the last value that it finds, and that of the last epoch belongs to no
  model that is kept.
- `auto` for `momentum` is 0.9, and `sgd` and `adagrad` start with larger steps than `adam`: 15 epochs are too few
  otherwise.
"""


def markdown() -> str:
    """The whole page."""
    groups: dict[str, dict[str, Row]] = {"Amazon's": {}, "Amazon's, hidden": {}, "Additions of this container": {}}
    for name, row in ROWS.items():
        hidden = name.startswith("_") or row.retired
        title = "Additions of this container" if row.ours else "Amazon's, hidden" if hidden else "Amazon's"
        groups[title][name] = row
    tables = [f"## {title}\n\n{_table(rows)}" for title, rows in groups.items()]
    tuning = f"## Metrics of automatic model tuning\n\n{_TUNING}{_tuning_metrics()}"
    return "\n".join([_INTRODUCTION, *tables, f"## Losses\n\n{_losses()}", tuning, _DECISIONS])


def _table(rows: dict[str, Row]) -> str:
    head = ("Name", "Legal values", "Default", "`auto` means", "Used if", "Meaning")
    return _lines(head, (_cells(name, row) for name, row in rows.items()))


def _cells(name: str, row: Row) -> tuple[str, ...]:
    legal = _code(row.choices) if row.choices else ", ".join(filter(None, (_code(row.words), row.kind.legal)))
    default = (
        "**required**" if row.default is REQUIRED else f"`{as_text(row.default)}`" if row.default != "" else "empty"
    )
    used_if = " and ".join(
        f"`{other}` is {_code(map(as_text, values), ' or ')}" for other, values in row.used_if.items()
    )
    why = row.ignored or row.ignored_alone
    meaning = f"{row.text} Ignored{' on one host' if row.ignored_alone else ''}: {why}." if why else row.text
    return f"`{name}`", legal, default, AUTO_MEANS[name].text if AUTO in row.words else "", used_if, meaning


def _losses() -> str:
    rows = ((f"`{predictor}`", _code(losses)) for predictor, losses in LOSSES_OF.items())
    return _lines(("`predictor_type`", "`loss`; the first one is what `auto` means"), rows)


def _tuning_metrics() -> str:
    head = ("Metric", "CHANNEL", "Logged by a", "Aim", "Regular expression")
    rows = (
        (
            f"`CHANNEL:{name}`",
            _code(metric.channels),
            "any" if metric.predictor_types == ANY_TYPE else _code(metric.predictor_types),
            metric.aim,
            f"`{metric.regex.format(channel='CHANNEL')}`",
        )
        for name, metric in METRIC_DEFINITIONS.items()
    )
    return _lines(head, rows) + "\nOf the test channel, `objective_loss` is a final metric: without `epoch=\\S+, `.\n"


def _code(words: Iterable[str], separator: str = ", ") -> str:
    return separator.join(f"`{word}`" for word in words)


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    table = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


if __name__ == "__main__":
    sys.stdout.write(markdown())
