"""What a report is about: a finished job, as plain values.

The classes are NamedTuples: to make that of a frozen dataclass takes several times as long, in every job.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from linear_learner.formats.csr import Rows
from linear_learner.model.scaler import Moments


class Channel(NamedTuple):
    """``rows``: None where a stopped job has not seen the end of them. ``class_counts``: int64 (classes,), of a
    classifier."""

    rows: int | None
    class_counts: np.ndarray | None


class Sample:
    """Some rows of a channel as training saw them: ``features`` (m, u), normalised, of the trained columns alone;
    ``labels`` float32 (m,), in raw units."""

    def __init__(self, features: Rows, labels: np.ndarray) -> None:
        self.features, self.labels = features, labels

    @cached_property
    def moments(self) -> Moments:
        """Of the features."""
        moments = Moments(self.features.shape[1])
        moments.add(self.features)
        return moments


class Scored(NamedTuple):
    """A channel that the chosen model was judged on: ``scores`` float32 (n,) or (n, C), as served, ``labels`` float32
    (n,) in raw units, and the final metrics by name."""

    scores: np.ndarray
    labels: np.ndarray
    metrics: dict[str, float]


class Candidates(NamedTuple):
    """All K models of a job.

    ``settings``: of each, the hyperparameters that make it. ``train_loss`` and ``judge_loss``: float64 (E, K), means in
    raw label units after each of E epochs, nan where a candidate diverged. ``best_epoch``: (K,), -1 where there was
    none. ``values``: (K,), what they were compared by, nan where they diverged.
    """

    settings: list[dict[str, float]]
    train_loss: np.ndarray
    judge_loss: np.ndarray
    best_epoch: np.ndarray
    alive: np.ndarray
    values: np.ndarray


class Choice(NamedTuple):
    """Which candidate was chosen, by which criterion. ``tied``: those whose value counts as equal to the best, itself
    among them."""

    candidate: int
    criterion: str
    higher_is_better: bool
    tied: tuple[int, ...]


class Subject(NamedTuple):
    """A finished job.

    ``given`` and ``resolved``: hyperparameters by name, as the user wrote them and as they were used. ``objective``:
    the loss by its name in the log. ``link``: of the model; "identity" means that scores are no probabilities.
    ``channels``, ``samples`` and ``scored``: by channel. ``judge``: the channel that candidates were compared on.
    ``weights`` (d, C), ``bias`` (C,), ``threshold``: of the saved model. ``columns``: int64 (u,), those that were
    trained; None for all. ``classes``: what labels are called, empty where they are numbers. ``scale``: float32 (d,),
    what training divided the columns by. ``constant``: int64, columns in which all train rows are equal; None where
    nobody looked. ``stopped_early``: before the last epoch allowed. ``intervals``: of the bootstrap, as in the metadata
    of the model; None where there are none. ``hosts``: how many trained; the rows are those of the first. ``job``: its
    name on the platform, None without one.
    """

    predictor_type: str
    given: dict[str, Any]
    resolved: dict[str, Any]
    objective: str
    link: str
    channels: dict[str, Channel]
    samples: dict[str, Sample]
    scored: dict[str, Scored]
    judge: str
    candidates: Candidates
    choice: Choice
    weights: np.ndarray
    bias: np.ndarray
    threshold: float | None
    is_sparse: bool
    names: Sequence[str] | None
    classes: Sequence[str]
    columns: np.ndarray | None
    scale: np.ndarray
    constant: np.ndarray | None
    stopped_early: bool
    versions: dict[str, str]
    intervals: dict[str, Any] | None = None
    hosts: int = 1
    job: str | None = None

    @property
    def feature_dim(self) -> int:
        return int(self.weights.shape[0])

    def name(self, feature: int) -> str:
        """What to call feature number ``feature``, from 0."""
        return self.names[feature] if self.names is not None else f"feature {feature + 1}"

    def class_name(self, label: float) -> str:
        return self.classes[int(label)] if self.classes else f"{label:g}"

    def trained(self, column: int) -> int:
        """The number of the feature in column ``column`` of the samples."""
        return int(column if self.columns is None else self.columns[column])
