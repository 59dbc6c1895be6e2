"""Scores and labels of the rows of all hosts, brought together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from linear_learner.training.cluster.interface import Cluster

MOST_GATHERED_SCORES = 1 << 26
"""Scores of several hosts' rows that one host may hold: 256 MiB."""


def share_of(rows: int, most: int, cluster: Cluster) -> int:
    """How many of this host's ``rows`` to take, so that all hosts together take about ``most``."""
    total = sum(cluster.gather(rows))
    return rows if total <= most else -(-most * rows // total)


def on_first_host(
    cluster: Cluster,
    scores: np.ndarray,
    labels: np.ndarray,
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """What ``function`` makes, on the first host, of the scores, float32 (n,) or (n, m), and labels, float32 (n,), of
    all hosts' rows, in the order of ranks: float64 (k,)."""
    if cluster.size == 1:
        return function(scores, labels)
    answer = cluster.exchange(
        _packed(scores, labels), lambda parts: function(*_joined(parts, scores.shape[1:])).tobytes()
    )
    return np.frombuffer(answer)


def gather_scores(cluster: Cluster, scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores and labels of all hosts' rows, as ``on_first_host`` takes them, on every host."""
    if cluster.size == 1:
        return scores, labels
    width = scores.shape[1:]
    together = cluster.exchange(_packed(scores, labels), lambda parts: _packed(*_joined(parts, width)))
    return _joined([together], width)


def _packed(scores: np.ndarray, labels: np.ndarray) -> bytes:
    return np.ascontiguousarray(scores, np.float32).tobytes() + np.ascontiguousarray(labels, np.float32).tobytes()


def _joined(parts: list[bytes], width: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The rows that were packed, with scores (n, *width)."""
    columns = int(np.prod(width, dtype=np.int64)) + 1
    arrays = [np.frombuffer(part, np.float32) for part in parts]
    found = [np.split(array, [len(array) // columns * (columns - 1)]) for array in arrays]
    scores = np.concatenate([scores.reshape(-1, *width) for scores, _ in found])
    return scores, np.concatenate([labels for _, labels in found])
