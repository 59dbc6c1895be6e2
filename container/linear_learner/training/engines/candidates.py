"""The candidates: which models a job trains side by side.

The first has the values that the user gave, and the resolved defaults where the user gave none. The others differ in
what was left to us, first along a grid of learning-rate schedules and regularisations, then, if more models are wanted
than the grid has, by random draws around it. What the user gave is never changed.

The grid is relative to the first candidate. Its regularisations follow the number of rows, since a penalty that wins
on a thousand rows drowns a million. docs/algorithm.md says how it was chosen and where it differs from Amazon's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.auto import steady
from linear_learner.training.engines.state import Rates

SCHEDULES = ((1.0, 1.0, False), (3.0, 4.3, True), (1.0, 4.3, False), (0.4, 4.3, True))
"""Times the first candidate's learning rate, a power of its lr_scheduler_factor, and whether candidates for sparse rows
have a raw penalty. A factor that halves the learning rate over the job takes it to a twentieth with power 4.3."""

REGULARISATIONS = ((0.01, 0), (1, 0), (3, 0), (30, 0), (0.01, 1), (0.01, 3), (0.01, 10), (0.01, 30))
"""Pairs (wd, l1), divided by the number of training rows. The first is the first candidate's."""

STRONGER = {1: 300, 2: 3000}
"""Of the schedules with these numbers, the wd in the place of the largest: once each is enough of what suits noise and
more columns than rows. They fall as the third schedule does."""

VARIED = ("learning_rate", "lr_scheduler_factor", "wd", "l1")
"""What candidates differ in, as far as the user left it to us."""


@dataclass(frozen=True)
class Candidate:
    """The numbers by which one model is trained; the names are those of the hyperparameters. ``raw_penalty``: whether
    wd and l1 count the weights of raw columns (see ``training/preparation/penalties.py``)."""

    learning_rate: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float
    wd: float
    l1: float
    momentum: float
    beta_1: float
    beta_2: float
    bias_lr_mult: float
    bias_wd_mult: float
    positive_weight: float = 1.0
    raw_penalty: bool = False


def make_candidates(
    requested: HyperParameters,
    resolved: HyperParameters,
    *,
    rows: float,
    sparse: bool = False,
    positive_weights: Sequence[float] = (1.0,),
) -> list[Candidate]:
    """The candidates of a job with ``rows`` training rows, which are ``sparse`` or not; of weighted ones, their number
    over the mean weight, since it is the sum of losses that penalties are held against.

    ``requested`` still holds AUTO where the user left the choice to us, ``resolved`` does not. ``positive_weights``
    are the weights of positive examples to try, dealt out in turn. Returns at most ``resolved.num_models`` candidates;
    fewer where nothing is left to vary, since equal candidates would become equal models.
    """
    first = _first(resolved, positive_weights[0])
    varied = [name for name in VARIED if requested.is_auto(name)]
    if not resolved.use_lr_scheduler and "lr_scheduler_factor" in varied:
        varied.remove("lr_scheduler_factor")  # it is 1 in all of them
    if sparse and {"wd", "l1"} <= set(varied):
        varied.append("raw_penalty")
    found = dict.fromkeys(_grid(first, varied, rows, positive_weights))
    draws = _draws(first, varied, rows, positive_weights, resolved.seed)
    while varied and len(found) < resolved.num_models:
        found[next(draws)] = None
    base, *others = list(found)[: resolved.num_models]
    if resolved.optimizer == "sgd" and {"learning_rate", "wd"} <= set(varied):
        # That of the first bears its own wd already.
        others = [replace(each, learning_rate=steady(each.learning_rate, each.wd)) for each in others]
    return [base, *others]


def rates(candidates: Sequence[Candidate]) -> Rates:
    """The candidates' numbers, stacked for an engine."""

    def column(name: str) -> np.ndarray:
        dtype = np.int64 if name == "lr_scheduler_step" else np.float64
        return np.array([getattr(candidate, name) for candidate in candidates], dtype)

    return Rates(**{field.name: column(field.name) for field in fields(Rates)})


def _first(hp: HyperParameters, positive_weight: float) -> Candidate:
    return Candidate(
        learning_rate=hp.learning_rate,
        lr_scheduler_step=hp.lr_scheduler_step,
        lr_scheduler_factor=hp.lr_scheduler_factor if hp.use_lr_scheduler else 1.0,
        lr_scheduler_minimum_lr=hp.lr_scheduler_minimum_lr,
        wd=hp.wd,
        l1=hp.l1,
        momentum=hp.momentum,
        beta_1=hp.beta_1,
        beta_2=hp.beta_2,
        bias_lr_mult=hp.bias_lr_mult,
        bias_wd_mult=hp.bias_wd_mult,
        positive_weight=positive_weight,
    )


def _grid(first: Candidate, varied: list[str], rows: float, positive_weights: Sequence[float]) -> list[Candidate]:
    """The first candidate and its neighbours, which differ in the ``varied`` names only. May hold equal ones."""
    points = []
    largest = max(REGULARISATIONS)
    for (wd, l1), number in itertools.product(REGULARISATIONS, range(len(SCHEDULES))):
        times, power, raw_penalty = SCHEDULES[number]
        if (wd, l1) == largest and number in STRONGER:
            wd, (times, power, _) = STRONGER[number], SCHEDULES[2]
        values = {
            "learning_rate": first.learning_rate * times,
            "lr_scheduler_factor": first.lr_scheduler_factor**power,
            "wd": wd / rows,
            "l1": l1 / rows,
            "raw_penalty": raw_penalty,
        }
        points.append(replace(first, **{name: values[name] for name in varied}))
    # Four schedules and at most three weights have no common divisor, so every pair of them comes up.
    dealt = itertools.cycle(positive_weights)
    distinct = dict.fromkeys(points) if len(positive_weights) == 1 else points
    return [replace(point, positive_weight=weight) for point, weight in zip(distinct, dealt, strict=False)]


def _draws(
    first: Candidate, varied: list[str], rows: float, positive_weights: Sequence[float], seed: int
) -> itertools.chain[Candidate]:
    """Endless random candidates around the grid, the same for the same seed."""

    def draw(number: int) -> Candidate:
        rng = np.random.default_rng([seed, number])
        values = {
            "learning_rate": first.learning_rate * 10 ** rng.uniform(-1, 0.7),
            "lr_scheduler_factor": first.lr_scheduler_factor ** rng.uniform(1, 6),
            "wd": 10 ** rng.uniform(-2, 3.5) / rows,
            "l1": float(rng.random() < 0.5) * 10 ** rng.uniform(-1, 1.5) / rows,
            "raw_penalty": bool(rng.random() < 0.5),
        }
        return replace(
            first,
            positive_weight=positive_weights[number % len(positive_weights)],
            **{name: values[name] for name in varied},
        )

    return itertools.chain(draw(number) for number in itertools.count())
