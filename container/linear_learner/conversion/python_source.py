"""A model as one file of Python that needs nothing but Python: to import, or to run over CSV."""

from __future__ import annotations

import numpy as np

from linear_learner.conversion.parts import Parts, lines_of

_HEAD = '''\
"""A linear model, written by linear-learner. It needs nothing but Python 3.

    import {module}
    score = {module}.score([1.0, 2.0])               # a probability, a value, a margin, or a list of them
    label = {module}.predicted_label(score)          # of a classifier

or, for rows of CSV without a header: python3 {module}.py < rows.csv
"""
'''
_CODE = '''

def score(features):
    """The score of one row, a sequence of numbers; of several classes the list of their scores. None and NaN are
    missing values."""
    if len(features) != len(WEIGHTS[0]):
        raise ValueError(f"{len(features)} features, and the model has {len(WEIGHTS[0])}")
    values = [filled(value, j) for j, value in enumerate(features)]
    sums = [sum(w * x for w, x in zip(row, values)) + bias for row, bias in zip(WEIGHTS, BIAS)]
    if LINK == "logistic":
        return logistic(sums[0])
    if LINK == "softmax":
        largest = max(sums)
        powers = [math.exp(value - largest) for value in sums]
        total = sum(powers)
        return [power / total for power in powers]
    return sums if len(sums) > 1 else sums[0]


def predicted_label(score):
    """The label of a score; None of a regressor."""
    if CLASSES is None:
        return None
    number = int(score >= THRESHOLD) if THRESHOLD is not None else score.index(max(score))
    return CLASSES[number]


def filled(value, j):
    if value is not None and value == value:
        if math.isinf(value):
            raise ValueError(f"feature {j + 1} is infinite")
        return value
    if FILLS is None:
        raise ValueError(f"feature {j + 1} is missing")
    return FILLS[j]


def logistic(value):
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    power = math.exp(value)
    return power / (1 + power)


def number(cell):
    """That of a cell of CSV, None of an empty one."""
    if "_" in cell or not cell.isascii():  # float() would take 1_0 for 10, and the digits of any script
        raise ValueError(f"could not convert string to float: {cell!r}")
    return float(cell) if cell.strip() else None


def main():
    sys.stdin.reconfigure(errors="replace")  # bytes that are no text are no numbers
    writer = csv.writer(sys.stdout, lineterminator="\\n")
    reader = csv.reader(sys.stdin)
    try:
        for row in filter(None, reader):
            answer = score([number(cell) for cell in row])
            label = predicted_label(answer)
            writer.writerow([*(answer if isinstance(answer, list) else [answer]), *([] if label is None else [label])])
    except (ValueError, csv.Error) as error:
        print(f"row {reader.line_num}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''


def to_python(parts: Parts, module: str = "model") -> bytes:
    """``module``: how the file's help calls it. It computes in double precision, with the float32 weights."""
    classes = [*parts.classes] or [*range(parts.class_count)]
    lines = [
        _HEAD.format(module=module),
        "import csv",
        "import math",
        "import sys",
        "",
        f"PREDICTOR_TYPE = {parts.predictor_type!a}",
        f"LINK = {parts.link!a}",
        f"THRESHOLD = {parts.threshold!r}",
        f"CLASSES = {ascii(classes) if classes else None}",
        f"FEATURES = {ascii(list(parts.names)) if parts.names else None}",
        f"BIAS = {parts.bias.tolist()!r}",
        f"FILLS = {None if parts.fills is None else '[' + _numbers(parts.fills) + ']'}",
        "WEIGHTS = [",
        *(f"    [{_numbers(row)}    ]," for row in parts.weights.T),
        "]",
    ]
    return ("\n".join(lines) + "\n" + _CODE).encode()


def _numbers(values: np.ndarray) -> str:
    """Some to a line, as the doubles that they equal."""
    return "\n" + "".join(f"        {', '.join(map(repr, line))},\n" for line in lines_of(values))
