"""What a careful colleague would point out: each a kind, a sentence, and the features that it speaks of.

Everything is judged on samples of the channels, so that it costs little; shifts must stand out of the sampling error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.model.losses import BINARY, REGRESSOR
from linear_learner.report.subject import Sample, Subject

NAMED = 10
"""Features that a sentence names."""

SUSPICIOUS = 0.99
"""An area under the ROC, or a correlation, from which a feature alone looks like the label itself."""
LOOKED_AT = 5
"""Features whose area is taken: those that go with the label most."""
FEWEST_ROWS = 20
"""Of a class, for its area to mean something."""
MOST_CLASSES = 10

SHIFT, CERTAIN = 0.3, 5.0
"""A mean has drifted if it is off by so many standard deviations, and by so many standard errors."""
LABEL_SHIFT = 0.05
"""The same of the share of a class."""

RARE = 0.01
"""A share below which a class is rare."""

GRID_ENDS = {"learning_rate": (True, True), "wd": (False, True), "l1": (False, True)}
"""Hyperparameters that candidates vary, and whether the low and the high end of them is worth a word. The least
penalties are as good as none."""


class Finding(NamedTuple):
    """``kind``: one of those in docs/report.md. ``features``: their numbers, from 1."""

    kind: str
    text: str
    features: Sequence[int] = ()


def look(subject: Subject) -> list[Finding]:
    """All findings, the most serious kinds first."""
    return [
        *_leaks(subject),
        *_drift(subject),
        *_label_drift(subject),
        *_rare_classes(subject),
        *_training(subject),
        *_grid_ends(subject),
        *_constant(subject),
    ]


def _leaks(subject: Subject) -> Iterator[Finding]:
    sample = subject.samples["train"]
    targets = list(_targets(subject, sample.labels))
    if not targets:
        return
    suspects: dict[int, np.ndarray] = {}
    found = np.abs(correlations(sample, np.stack([target for _, target in targets])))
    for (title, target), correlation in zip(targets, found, strict=True):
        for column in np.argsort(-correlation, kind="stable")[:LOOKED_AT].tolist():
            if subject.predictor_type == REGRESSOR:
                measure, value = "its correlation with the label is", correlation[column]
            else:
                if column not in suspects:
                    suspects[column] = _column(sample.features, column)
                if not _may_part(suspects[column], target > 0):
                    continue
                measure, value = "its area under the ROC is", _area(suspects[column], target > 0)
            if value >= SUSPICIOUS:
                feature = subject.trained(column)
                yield Finding(
                    "leak",
                    f"'{subject.name(feature)}' alone tells {title}: {measure} {value:.4f} on {len(target):,} rows. "
                    "Is it known before the label is, when the model is used?",
                    [feature + 1],
                )


def _targets(subject: Subject, labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What a feature could give away: (in words, float64 (m,))."""
    if subject.predictor_type == REGRESSOR:
        yield "the label", labels.astype(np.float64)
    elif subject.predictor_type == BINARY:
        yield "the label", (labels == 1).astype(np.float64)
    else:
        classes, counts = np.unique(labels, return_counts=True)
        for c in np.argsort(-counts, kind="stable")[:MOST_CLASSES]:
            if counts[c] >= FEWEST_ROWS:
                yield (
                    f"class '{subject.class_name(classes[c])}' from the others",
                    (labels == classes[c]).astype(np.float64),
                )


def correlations(sample: Sample, targets: np.ndarray) -> np.ndarray:
    """float64 (t, u): of ``targets`` (t, m) with each column of the sample (m, u); 0 where either is constant."""
    features, moments = sample.features, sample.moments
    deviations = targets - targets.mean(axis=1, keepdims=True)
    if isinstance(features, CsrMatrix):
        rows = features.row_numbers()
        products = np.stack(
            [np.bincount(features.indices, features.values * target[rows], features.shape[1]) for target in deviations]
        )
    else:
        # float64 would copy all features once more; without their means float32 is exact enough.
        products = deviations.astype(np.float32) @ (features - moments.mean.astype(np.float32))
    size = np.outer(targets.std(axis=1) * targets.shape[1], moments.std)
    return np.clip(np.divide(products, size, out=np.zeros(size.shape), where=size > 0), -1, 1)


def _column(features: Rows, column: int) -> np.ndarray:
    """float32 (m,)."""
    if not isinstance(features, CsrMatrix):
        return features[:, column]
    values = np.zeros(len(features), np.float32)
    stored = features.indices == column
    values[features.row_numbers()[stored]] = features.values[stored]
    return values


def _may_part(values: np.ndarray, positive: np.ndarray) -> bool:
    """Whether the area of ``values`` (m,) could be SUSPICIOUS: the pairs of rows that their mean alone puts in the
    wrong order may be too many for either direction. To rank the values takes much longer."""
    above = values > values.mean()
    high = np.count_nonzero(above & positive), np.count_nonzero(above & ~positive)
    low = np.count_nonzero(positive) - high[0], np.count_nonzero(~positive) - high[1]
    return min(low[0] * high[1], high[0] * low[1]) <= (1 - SUSPICIOUS) * (high[0] + low[0]) * (high[1] + low[1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """float64 (m,): from 1, equal values in the middle of theirs."""
    order = np.argsort(values)
    ascending = values[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    counts = np.diff(starts, append=len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranks


def _area(values: np.ndarray, positive: np.ndarray) -> float:
    """Under the ROC of ``values`` (m,) as scores of ``positive`` (m,), in the better direction; ties count half."""
    positives = int(np.count_nonzero(positive))
    pairs = positives * (len(values) - positives)
    if not pairs:
        return 0.5
    area = (_ranks(values)[positive].sum() - positives * (positives + 1) / 2) / pairs
    return float(max(area, 1 - area))


def _drift(subject: Subject) -> Iterator[Finding]:
    train = subject.samples["train"].moments
    for name, sample in subject.samples.items():
        if name == "train":
            continue
        other = sample.moments
        distance = np.abs(other.mean - train.mean)
        spread = np.maximum(train.std, other.std)
        error = spread * np.sqrt(1 / train.count + 1 / other.count)
        with np.errstate(divide="ignore", invalid="ignore"):
            # A column that is constant in the train channel has no deviation to measure by.
            shift = np.where(train.std > 0, distance / train.std, np.where(distance > 0, np.inf, 0))
        drifted = np.flatnonzero((shift > SHIFT) & (distance > CERTAIN * error))
        drifted = drifted[np.argsort(-shift[drifted], kind="stable")]
        if not len(drifted):
            continue
        features = [subject.trained(column) for column in drifted]
        named = ", ".join(
            f"'{subject.name(feature)}' by {_deviations(shift[column])}"
            for feature, column in zip(features[:NAMED], drifted, strict=False)
        )
        more = f", and {len(features) - NAMED} more" if len(features) > NAMED else ""
        yield Finding(
            "drift",
            f"Means of channel '{name}' differ from those of train: {named}{more}.",
            [feature + 1 for feature in features[:NAMED]],
        )


def _deviations(shift: float) -> str:
    return f"{shift:.2g} standard deviations" if np.isfinite(shift) else "something, and it is constant in train"


def _label_drift(subject: Subject) -> Iterator[Finding]:
    train = subject.samples["train"].labels.astype(np.float64)
    for name, sample in subject.samples.items():
        labels = sample.labels.astype(np.float64)
        if name == "train":
            continue
        if subject.predictor_type == REGRESSOR:
            distance = abs(labels.mean() - train.mean())
            error = max(train.std(), labels.std()) * np.sqrt(1 / len(train) + 1 / len(labels))
            if distance > SHIFT * train.std() and distance > CERTAIN * error:
                yield Finding(
                    "label_drift",
                    f"The mean label is {labels.mean():.4g} in channel '{name}' and {train.mean():.4g} in train.",
                )
            continue
        for c in np.union1d(train, labels)[: 10 * MOST_CLASSES]:
            here, there = np.mean(labels == c), np.mean(train == c)
            pooled = (np.sum(labels == c) + np.sum(train == c)) / (len(labels) + len(train))
            error = np.sqrt(pooled * (1 - pooled) * (1 / len(train) + 1 / len(labels)))
            if abs(here - there) > max(LABEL_SHIFT, CERTAIN * error):
                yield Finding(
                    "label_drift",
                    f"Class '{subject.class_name(c)}' is {here:.1%} of channel '{name}' and {there:.1%} of train.",
                )


def _rare_classes(subject: Subject) -> Iterator[Finding]:
    counts = subject.channels["train"].class_counts
    if counts is None or not counts.sum():
        return
    rare = [
        c for c in np.flatnonzero(counts < RARE * counts.sum()) if subject.predictor_type == BINARY or counts[c] < 10
    ]
    if rare:
        named = ", ".join(f"'{subject.class_name(c)}' ({counts[c]})" for c in rare[:NAMED])
        more = f", and {len(rare) - NAMED} more" if len(rare) > NAMED else ""
        yield Finding(
            "rare_class", f"Few rows of train are of class (rows): {named}{more}. Their scores are uncertain."
        )


def _training(subject: Subject) -> Iterator[Finding]:
    candidates = subject.candidates
    diverged = np.flatnonzero(~candidates.alive)
    if len(diverged):
        yield Finding("diverged", f"{len(diverged)} of {len(candidates.alive)} candidates diverged and were dropped.")
    epochs = len(candidates.judge_loss)
    losses = candidates.judge_loss[:, subject.choice.candidate]
    if epochs > 1 and not subject.stopped_early and candidates.best_epoch[subject.choice.candidate] == epochs - 1:
        gain = (losses[-2] - losses[-1]) / max(abs(losses[-2]), np.finfo(float).tiny)
        if gain > subject.resolved["early_stopping_tolerance"]:
            yield Finding(
                "still_improving",
                f"The loss of the chosen candidate still fell by {gain:.1%} in the last epoch: more epochs may help.",
            )


def _grid_ends(subject: Subject) -> Iterator[Finding]:
    settings = subject.candidates.settings
    for name, ends in GRID_ENDS.items():
        values = np.unique([candidate[name] for candidate in settings])
        chosen = settings[subject.choice.candidate][name]
        if len(values) < 3:
            continue
        for end, place, counts in zip((values[0], values[-1]), ("smallest", "largest"), ends, strict=False):
            if counts and chosen == end:
                yield Finding(
                    "grid_end",
                    f"The chosen {name}, {chosen:.4g}, is the {place} that was tried: one beyond it may be better.",
                )


def _constant(subject: Subject) -> Iterator[Finding]:
    if subject.constant is None or not len(subject.constant):
        return
    features = subject.constant.tolist()
    named = ", ".join(f"'{subject.name(feature)}'" for feature in features[:NAMED])
    more = f", and {len(features) - NAMED} more" if len(features) > NAMED else ""
    yield Finding(
        "constant_columns",
        f"{len(features):,} of {subject.feature_dim:,} features {'is' if len(features) == 1 else 'are'} constant in "
        f"train, so nothing is learned of {'it' if len(features) == 1 else 'them'}: {named}{more}.",
        [feature + 1 for feature in features[:NAMED]],
    )
