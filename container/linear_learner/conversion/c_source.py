"""A model as one file of C99 that needs nothing but the C library: to compile into a program, or to run over CSV."""

from __future__ import annotations

import numpy as np

from linear_learner.conversion.parts import Parts, lines_of
from linear_learner.model.losses import BINARY

_PLAIN = frozenset(b" !#$%&'()*+,-./0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~")
"""Bytes that mean themselves in a C string: no quote, backslash, or question mark, which begins a trigraph."""
_HEAD = """\
/* A linear model, written by linear-learner. C99, no dependencies but the C library: cc -c -O2 {module}.c

       double scores[LINEAR_MODEL_OUTPUTS];
       linear_model_scores(features, scores);          features: LINEAR_MODEL_FEATURES doubles, NAN where one is missing
       int label = linear_model_label(scores);         the number of the class, -1 of a regressor

   As a program of its own, for rows of CSV without a header:

       cc -O2 -DLINEAR_MODEL_MAIN {module}.c -lm -o {module} && ./{module} < rows.csv
*/
#include <math.h>
#include <stddef.h>
"""
_SCORES = """
void linear_model_scores(const double *features, double *scores);
int linear_model_label(const double *scores);

void linear_model_scores(const double *features, double *scores)
{
    for (size_t c = 0; c < LINEAR_MODEL_OUTPUTS; c++) {
        double sum = 0;
        for (size_t j = 0; j < LINEAR_MODEL_FEATURES; j++) {
            double value = features[j];
"""
_FILL = """\
            if (isnan(value))
                value = linear_model_fills[j];
"""
_SUM = """\
            sum += value * (double)linear_model_weights[c][j];
        }
        scores[c] = sum + (double)linear_model_bias[c];
    }
"""
_LINKS = {
    "identity": "",
    "logistic": """\
    if (scores[0] >= 0) {
        scores[0] = 1 / (1 + exp(-scores[0]));
    } else {
        double power = exp(scores[0]);
        scores[0] = power / (1 + power);
    }
""",
    "softmax": """\
    double largest = scores[0], total = 0;
    for (size_t c = 1; c < LINEAR_MODEL_OUTPUTS; c++)
        if (scores[c] > largest)
            largest = scores[c];
    for (size_t c = 0; c < LINEAR_MODEL_OUTPUTS; c++) {
        scores[c] = exp(scores[c] - largest);
        total += scores[c];
    }
    for (size_t c = 0; c < LINEAR_MODEL_OUTPUTS; c++)
        scores[c] /= total;
""",
}
_LABEL_REGRESSOR = """\
    (void)scores;
    return -1;
"""
_LABEL_MULTICLASS = """\
    int best = 0;
    for (int c = 1; c < LINEAR_MODEL_OUTPUTS; c++)
        if (scores[c] > scores[best])
            best = c;
    return best;
"""
_MAIN_HEAD = """
#ifdef LINEAR_MODEL_MAIN
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
_PRINT_TEXT = """
static void print_text(const char *text)
{
    if (!strpbrk(text, ",\\"\\r\\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}
"""
_MAIN = """
static double features[LINEAR_MODEL_FEATURES];

static void answer(void)
{
    static double scores[LINEAR_MODEL_OUTPUTS];
    linear_model_scores(features, scores);
    for (size_t c = 0; c < LINEAR_MODEL_OUTPUTS; c++)
        printf(c ? ",%.17g" : "%.17g", scores[c]);
    int label = linear_model_label(scores);
    if (label >= 0) {
        putchar(',');
        LINEAR_MODEL_PRINT_LABEL(label);
    }
    putchar('\\n');
}

static int is_space(int c)
{
    return c == ' ' || c == '\\t' || c == '\\r';
}

int main(void)
{
    char cell[64];
    size_t length = 0, column = 0;
    unsigned long row = 1;
    for (;;) {
        int c = getchar();
        if (c != ',' && c != '\\n' && c != EOF) {
            if (length == 0 && is_space(c))
                continue;
            if (length == sizeof cell - 1) {
                fprintf(stderr, "row %lu, column %lu: the cell is too long\\n", row, (unsigned long)column + 1);
                return 2;
            }
            cell[length++] = (char)c;
            continue;
        }
        while (length && is_space(cell[length - 1]))
            length--;
        cell[length] = 0;
        if (column == 0 && length == 0 && c != ',') {
            if (c == EOF)
                return ferror(stdin) || fflush(stdout) ? 3 : 0;
            row++;
            continue;
        }
        char *end = cell;
        double value = length ? strtod(cell, &end) : NAN;
        int is_number = end == cell + length && !strpbrk(cell, "xX"); /* strtod reads hexadecimal too */
        if (!is_number || column >= LINEAR_MODEL_FEATURES) {
            fprintf(stderr, "row %lu, column %lu: %s\\n", row, (unsigned long)column + 1,
                    !is_number ? "not a number" : "more columns than the model has features");
            return 2;
        }
        if (isinf(value)) {
            fprintf(stderr, "row %lu, column %lu: an infinite value\\n", row, (unsigned long)column + 1);
            return 2;
        }
        if (isnan(value) && !LINEAR_MODEL_FILLS) {
            fprintf(stderr, "row %lu, column %lu: a value is missing\\n", row, (unsigned long)column + 1);
            return 2;
        }
        features[column++] = value;
        length = 0;
        if (c == ',')
            continue;
        if (column < LINEAR_MODEL_FEATURES) {
            fprintf(stderr, "row %lu: fewer columns than the model has features\\n", row);
            return 2;
        }
        answer();
        column = 0;
        row++;
        if (c == EOF)
            return fflush(stdout) ? 3 : 0;
    }
}
#endif
"""


def to_c(parts: Parts, module: str = "model") -> bytes:
    """``module``: how the comments call the file, letters, digits and underscores. It computes in double precision,
    with the float32 weights."""
    label = _LABEL_REGRESSOR
    if parts.class_count:
        is_binary = parts.predictor_type == BINARY
        label = f"    return scores[0] >= {_double(parts.threshold or 0.0)};\n" if is_binary else _LABEL_MULTICLASS
    pieces = [
        _HEAD.format(module=module),
        f"\n#define LINEAR_MODEL_FEATURES {parts.feature_dim}\n#define LINEAR_MODEL_OUTPUTS {parts.outputs}\n",
        f"#define LINEAR_MODEL_FILLS {int(parts.fills is not None)}\n",
        _print_label(parts),
        _strings("linear_model_feature_names", parts.names),
        _strings("linear_model_class_names", parts.classes),
        f"\nstatic const float linear_model_bias[{parts.outputs}] = {{\n{_numbers(parts.bias)}}};\n",
        f"\nstatic const float linear_model_weights[{parts.outputs}][{parts.feature_dim}] = {{\n",
        *(f"    {{\n{_numbers(row)}    }},\n" for row in parts.weights.T),
        "};\n",
        "" if parts.fills is None else _fills(parts.fills),
        _SCORES,
        "" if parts.fills is None else _FILL,
        _SUM,
        _LINKS[parts.link],
        "}\n\nint linear_model_label(const double *scores)\n{\n",
        label,
        "}\n",
        _MAIN_HEAD,
        _PRINT_TEXT if parts.classes else "",
        _MAIN,
    ]
    return "".join(pieces).encode("ascii")


def _print_label(parts: Parts) -> str:
    what = "print_text(linear_model_class_names[label])" if parts.classes else 'printf("%d", label)'
    return f"#define LINEAR_MODEL_PRINT_LABEL(label) {what}\n"


def _fills(fills: np.ndarray) -> str:
    return f"\nstatic const float linear_model_fills[{len(fills)}] = {{\n{_numbers(fills)}}};\n"


def _strings(name: str, texts: tuple[str, ...]) -> str:
    if not texts:
        return ""
    lines = "".join(f"    {string_literal(text)},\n" for text in texts)
    return (
        f"\nextern const char *const {name}[{len(texts)}];\nconst char *const {name}[{len(texts)}] = {{\n{lines}}};\n"
    )


def string_literal(text: str) -> str:
    """The UTF-8 bytes of any text; octal escapes have three digits at the most, so that none can go on."""
    encoded = text.encode("utf-8", "replace")
    return '"' + "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in encoded) + '"'


def _numbers(values: np.ndarray) -> str:
    """Nine digits give a float32 back."""
    return "".join(f"        {', '.join(map(_float, line))},\n" for line in lines_of(values))


def _float(value: float) -> str:
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _double(value: float) -> str:
    text = f"{value:.17g}"
    return text if "." in text or "e" in text else f"{text}.0"
