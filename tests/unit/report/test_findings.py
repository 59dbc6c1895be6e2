"""What is pointed out, and what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from subjects import candidates, subject

from linear_learner.formats.csr import CsrMatrix
from linear_learner.report import findings
from linear_learner.report.findings import Finding
from linear_learner.report.subject import Channel, Sample, Subject

KINDS = ("binary_classifier", "multiclass_classifier", "regressor")
RANDOM = np.random.default_rng(0)


def found(made: Subject, kind: str) -> list[Finding]:
    return [finding for finding in findings.look(made) if finding.kind == kind]


def with_sample(made: Subject, channel: str, **changes: Any) -> Subject:
    sample = made.samples[channel]
    changed = Sample(**{"features": sample.features, "labels": sample.labels, **changes})
    return made._replace(samples={**made.samples, channel: changed})


@pytest.mark.parametrize("kind", KINDS)
def test_an_ordinary_job_has_none(kind: str) -> None:
    assert findings.look(subject(kind)) == []


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_that_is_the_label_with_noise_is_a_leak(kind: str, sparse: bool) -> None:
    made = subject(kind, names=("a", "b", "c", "answer", "e"))
    features = made.samples["train"].features.copy()
    features[:, 3] = made.samples["train"].labels + 0.01 * RANDOM.standard_normal(400)
    leaks = found(with_sample(made, "train", features=CsrMatrix.from_dense(features) if sparse else features), "leak")
    assert leaks and {feature for leak in leaks for feature in leak.features} == {4}
    assert "'answer' alone" in leaks[0].text


def test_a_leak_in_a_sparse_job_has_the_number_of_its_feature() -> None:
    made = subject(columns=np.array([3, 5, 8, 13, 21]), features=5)
    made = made._replace(weights=np.zeros((30, 1), np.float32), names=None)
    features = made.samples["train"].features.copy()
    features[:, 2] = made.samples["train"].labels
    assert [leak.features for leak in found(with_sample(made, "train", features=features), "leak")] == [[9]]


@pytest.mark.parametrize("sparse", [False, True])
def test_correlations_are_those_of_numpy(sparse: bool) -> None:
    features = (RANDOM.random((300, 7)) * (RANDOM.random((300, 7)) < 0.4) * 50 + [0, 9, 99, 0, 0, 0, 0]).astype(
        np.float32
    )
    features[:, 6] = 3
    target = RANDOM.standard_normal(300) + features[:, 1] / 20
    expected = [np.corrcoef(column, target)[0, 1] for column in features[:, :6].T.astype(float)]
    given = CsrMatrix.from_dense(features) if sparse else features
    (found,) = findings.correlations(Sample(given, target), target[np.newaxis])
    np.testing.assert_allclose(found, [*expected, 0], atol=1e-5)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_the_area_of_a_feature_is_that_of_sklearn(rows: list[tuple[int, bool]]) -> None:
    values, positive = np.array([v for v, _ in rows], np.float32), np.array([p for _, p in rows])
    if 0 < positive.sum() < len(positive):
        area = metrics.roc_auc_score(positive, values)
        assert findings._area(values, positive) == pytest.approx(max(area, 1 - area))


@given(st.lists(st.tuples(st.integers(-3, 3) | st.just(1000), st.booleans()), min_size=2, max_size=40))
def test_no_suspicious_area_is_missed_by_the_look_at_the_mean(rows: list[tuple[int, bool]]) -> None:
    values, positive = np.array([v for v, _ in rows], np.float32), np.array([p for _, p in rows])
    assert findings._may_part(values, positive) or findings._area(values, positive) < findings.SUSPICIOUS


def test_the_look_at_the_mean_spares_ordinary_features_the_ranking() -> None:
    sample = subject().samples["train"]
    assert not any(findings._may_part(column, sample.labels > 0) for column in sample.features.T)


def test_classes_of_a_few_rows_have_no_leaks() -> None:
    made = subject("multiclass_classifier", rows=30)
    features = made.samples["train"].labels[:, np.newaxis] + np.zeros((1, 5), np.float32)
    few = Sample(features[:12], made.samples["train"].labels[:12])
    assert not found(made._replace(samples={**made.samples, "train": few}), "leak")


def test_a_mean_that_moved_is_drift_and_the_farthest_comes_first() -> None:
    made = subject(names=("a", "b", "c", "d", "e"))
    features = made.samples["test"].features + np.array([0, 0.9, 0, -0.6, 0], np.float32)
    (drift,) = found(with_sample(made, "test", features=features), "drift")
    assert drift.features == [2, 4] and "channel 'test'" in drift.text and "'b' by 0.9" in drift.text


def test_a_few_rows_are_no_drift() -> None:
    made = subject()
    small = Sample(made.samples["test"].features[:6] + np.float32(0.7), made.samples["test"].labels[:6])
    assert not found(made._replace(samples={**made.samples, "test": small}), "drift")


def test_a_column_that_begins_to_vary_is_drift() -> None:
    made = subject()
    train = made.samples["train"].features.copy()
    train[:, 1] = 0
    test = made.samples["test"].features + np.array([0, 1, 0, 0, 0], np.float32)
    drifts = found(with_sample(with_sample(made, "train", features=train), "test", features=test), "drift")
    assert any("constant in train" in drift.text for drift in drifts)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_moved(kind: str) -> None:
    made = subject(kind)
    labels = made.samples["test"].labels
    moved = labels + np.float32(1) if kind == "regressor" else np.where(np.arange(400) < 120, 1, labels)
    shifts = found(with_sample(made, "test", labels=moved.astype(np.float32)), "label_drift")
    assert shifts and all("'test'" in shift.text for shift in shifts)


def test_a_rare_class() -> None:
    made = subject()
    channels = {**made.channels, "train": Channel(5000, np.array([4980, 20]))}
    (rare,) = found(made._replace(channels=channels), "rare_class")
    assert "'1' (20)" in rare.text


def test_candidates_that_diverged() -> None:
    alive = np.array([True, False, False, True])
    (finding,) = found(subject(candidates=candidates()._replace(alive=alive)), "diverged")
    assert "2 of 4" in finding.text


def test_a_loss_that_still_fell_at_the_end() -> None:
    assert not found(subject(stopped_early=True), "still_improving")
    (finding,) = found(subject(stopped_early=False), "still_improving")
    made = subject()
    before, last = made.candidates.judge_loss[-2:, made.choice.candidate]
    assert f"{(before - last) / before:.1%}" in finding.text


def test_a_loss_that_stood_still_in_the_end() -> None:
    flat = candidates()
    flat.judge_loss[-1] = flat.judge_loss[-2] * 0.9999
    assert not found(subject(stopped_early=False, candidates=flat), "still_improving")


@pytest.mark.parametrize(("chosen", "kinds"), [(0, ["largest"]), (1, ["smallest"]), (2, [])])
def test_a_learning_rate_at_the_end_of_those_tried(chosen: int, kinds: list[str]) -> None:
    made = subject()
    ends = found(made._replace(choice=made.choice._replace(candidate=chosen, tied=(chosen,))), "grid_end")
    assert [kind for end in ends for kind in ("smallest", "largest") if kind in end.text] == kinds


def test_the_least_penalty_is_no_end() -> None:
    settings = [{"learning_rate": 0.1, "wd": wd, "l1": 0.0} for wd in (1e-5, 1e-4, 1e-3, 1e-2)]
    for chosen, expected in ((0, 0), (3, 1)):
        made = subject(candidates=candidates()._replace(settings=settings))
        made = made._replace(choice=made.choice._replace(candidate=chosen, tied=(chosen,)))
        assert len(found(made, "grid_end")) == expected


def test_constant_columns_are_counted_and_the_first_named() -> None:
    (finding,) = found(subject(features=40, constant=np.arange(5, 35)), "constant_columns")
    assert "30 of 40" in finding.text and "'feature 6'" in finding.text and "and 20 more" in finding.text
    assert finding.features == list(range(6, 16))
