"""The loop around an engine that does simple arithmetic, so that every outcome can be told in advance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from in_threads import together
from matrix_of_weights import weight_matrix

from linear_learner.data.chunk import Chunk
from linear_learner.errors import ClientError
from linear_learner.training.cluster.averaging import Averaging
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.engines.engine import Snapshots
from linear_learner.training.engines.state import State
from linear_learner.training.epochs.early_stopping import EarlyStopping
from linear_learner.training.epochs.progress import EpochReport, Progress, Trained
from linear_learner.training.logs.log_lines import Timers
from linear_learner.training.trainer import train

ROWS = 64


class InChunks:
    """An epoch that comes in chunks of ``sizes`` rows, by a reader that gives nothing more once it was left early."""

    def __init__(self, *sizes: int, rows: int | None) -> None:
        self.sizes, self.rows = sizes, rows

    def chunks(self, epoch: int) -> Iterator[Chunk]:
        try:
            yield from map(chunk, self.sizes)
        except GeneratorExit:
            self.sizes = ()


def chunk(rows: int = ROWS) -> Chunk:
    return Chunk(np.zeros((rows, 2), np.float32), np.zeros(rows, np.float32), np.arange(rows))


class Scripted:
    """Each call of ``step`` moves every weight up by 1; ``losses[epoch]`` is what ``evaluate`` finds, (K,)."""

    def __init__(self, losses: list[list[float]], zero_weight: bool = False) -> None:
        self.losses, self.zero_weight = losses, zero_weight
        self.evaluations = 0
        self.seen: list[np.ndarray] = []
        self.calls: list[int] = []
        self.pieces: list[int] = []
        self.judged: list[list[int]] = []

    def step(self, piece: Chunk, state: State, snapshots: Snapshots | None = None) -> np.ndarray:
        if snapshots is not None:
            self.calls.append(len(piece.order))
            return snapshots.along(self.step, piece, state)
        state.weights += 1
        self.pieces.append(len(piece.order))
        if self.zero_weight and state.updates == 3:
            state.weights[:, 0] = 0
        state.updates += 1
        return np.full(state.candidates, float(len(piece.order)))

    def evaluate(self, judge: Chunk, state: State) -> np.ndarray:
        self.seen.append(weight_matrix(state))
        self.judged.append(judge.order.tolist())
        loss = self.losses[self.evaluations]
        self.evaluations += judge.order[-1] == ROWS - 1
        return np.array(loss) * len(judge.order)


def run(engine: Scripted, epochs: InChunks | None = None, **changed: object) -> tuple[Trained, list[EpochReport]]:
    reports: list[EpochReport] = []
    settings: dict = {
        "mini_batch_size": 16,
        "max_epochs": len(engine.losses),
        "criterion": None,
        "should_stop": lambda: False,
    } | changed
    stopping = settings.pop("stopping", None) or EarlyStopping(3, 0.001, higher_is_better=False)
    trained = train(
        engine,
        Progress.at_the_start(State.zeros(len(engine.losses[0]), 1, 2), stopping),
        epochs or InChunks(ROWS, rows=ROWS),
        averaging=Averaging(ALONE, "adam"),
        judge=chunk,
        timers=Timers(),
        **{"report": reports.append, **settings},
    )
    return trained, reports


def test_each_candidate_keeps_the_weights_of_its_own_best_epoch() -> None:
    engine = Scripted([[3, 1], [1, 2], [2, 3]])
    trained, _ = run(engine)
    assert trained.best_epoch.tolist() == [1, 0]
    assert trained.loss.tolist() == [1, 1]
    np.testing.assert_array_equal(trained.best.candidate(0)[0][:, 0], engine.seen[1][:, 0])
    np.testing.assert_array_equal(trained.best.candidate(1)[0][:, 0], engine.seen[0][:, 1])


def test_the_weights_of_an_epoch_are_the_mean_along_the_way() -> None:
    """Four mini-batches move a weight to 1, 2, 3, 4 in the first epoch and to 5, 6, 7, 8 in the second."""
    engine = Scripted([[1.0], [0.5]])
    run(engine)
    assert [float(seen[0, 0]) for seen in engine.seen] == [2.5, 6.5]


def test_a_weight_that_ends_the_epoch_at_zero_is_zero() -> None:
    engine = Scripted([[1.0]], zero_weight=True)
    run(engine)
    assert engine.seen[0][0, 0] == 0 and engine.seen[0][1, 0] == 2.5


def test_a_diverged_candidate_is_dropped_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    trained, reports = run(Scripted([[1, 1], [np.nan, 0.9], [0.1, 0.8]]))
    assert trained.alive.tolist() == [False, True]
    assert np.isnan(reports[2].judge_loss[0]) and reports[2].judge_loss[1] == 0.8
    assert "Model 0 diverged in epoch 1" in caplog.text


def test_diverged_candidates_are_told_of_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    run(Scripted([[np.nan] * 12 + [1]]))
    (line,) = [record.getMessage() for record in caplog.records if "diverged" in record.getMessage()]
    assert line == (
        "12 models diverged in epoch 0 and are dropped: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, .... "
        "Their learning rates are too high."
    )


def test_when_all_diverge_the_error_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ClientError, match=r"every model.*Lower learning_rate, leave normalize_data on, and look for"):
        run(Scripted([[np.inf, np.nan]]))
    assert "is dropped" not in caplog.text


def test_training_ends_when_patience_does() -> None:
    _, reports = run(Scripted([[1.0]] * 10))
    assert len(reports) == 5
    assert reports[-1].message == "Epoch 4: Loss has not improved for 4 epochs."


def test_a_rising_criterion_keeps_training_alive() -> None:
    values = iter([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]])
    watch: Callable[[State], np.ndarray] = lambda state: np.array(next(values))  # noqa: E731
    stopping = EarlyStopping(1, 0.001, higher_is_better=True)
    _, reports = run(Scripted([[1.0]] * 6), criterion=watch, stopping=stopping)
    assert [report.criterion for report in reports] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_a_stop_cuts_the_epoch_short_and_keeps_what_there_is() -> None:
    engine = Scripted([[1.0], [0.5]])
    trained, reports = run(engine, rows_at_once=32, should_stop=lambda: len(engine.pieces) >= 2)
    assert [report.rows for report in reports] == [32]
    assert reports[0].train_loss.tolist() == [1.0]
    assert float(trained.best.candidate(0)[0][0, 0]) == 1.5


class Noting:
    """Checkpoints that remember the epochs of which they were told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def due(self, *, epoch_is_over: bool = False) -> bool:
        return epoch_is_over

    def save(self, progress: Progress) -> None:
        self.epochs.append(progress.epoch)


class TestLongCalls:
    """No call of the engine takes more rows than ``rows_at_once``, so that a stop is heard."""

    def test_pieces_end_at_snapshots_and_between(self) -> None:
        """16 snapshots of 16 rows each, in pieces of 12 rows at most."""
        engine = Scripted([[1.0]])
        run(engine, InChunks(20, 236, rows=256), mini_batch_size=4, rows_at_once=12)
        assert engine.pieces == [12, 4, 4, 8, 4, *[12, 4] * 14]
        assert engine.seen[0][0, 0] == pytest.approx(np.mean([2, 5, *range(7, 35, 2)]))

    def test_a_call_takes_as_many_whole_strides_as_it_may(self) -> None:
        """Two of 16 rows each, counted from the beginning of the epoch, of 40 rows at most."""
        engine = Scripted([[1.0]])
        run(engine, InChunks(20, 236, rows=256), mini_batch_size=4, rows_at_once=40)
        assert engine.calls == [20, 12, *[32] * 7]
        assert engine.seen[0][0, 0] == pytest.approx(np.mean([1, *range(3, 18)]))

    def test_judging_goes_piece_by_piece_too(self) -> None:
        engine = Scripted([[1.5]])
        _, reports = run(engine, rows_at_once=48)
        assert engine.judged == [list(range(48)), list(range(48, 64))]
        assert reports[0].judge_loss.tolist() == [1.5]

    def test_an_epoch_whose_judging_is_stopped_is_left_out(self) -> None:
        """The second epoch is over when the job is stopped."""
        engine = Scripted([[1.0], [0.5]])
        trained, reports = run(engine, rows_at_once=16, should_stop=lambda: len(engine.judged) == 5)
        assert len(engine.judged) == 5
        assert len(reports) == len(trained.epochs) == 1
        assert trained.best_epoch.tolist() == [0]

    def test_the_first_epoch_is_judged_by_fewer_rows_then(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        engine = Scripted([[1.5], [0.5]])
        trained, reports = run(engine, rows_at_once=16, should_stop=lambda: True)
        assert engine.pieces == [16]
        assert engine.judged == [list(range(16)), list(range(0, 64, 4))]
        assert reports[0].judge_loss.tolist() == [1.5]
        assert trained.best_epoch.tolist() == [0]
        assert "judged by 16 of 64 rows" in caplog.text

    @pytest.mark.parametrize(("judged", "saved"), [(1, []), (4, [1])])
    def test_no_checkpoint_holds_such_a_loss(self, judged: int, saved: list[int]) -> None:
        """The job is stopped after the first call, or the last, that judges the first epoch."""
        checkpoints = Noting()
        engine = Scripted([[1.5], [0.5]])
        trained, _ = run(
            engine, rows_at_once=16, should_stop=lambda: len(engine.judged) >= judged, checkpoints=checkpoints
        )
        assert len(trained.epochs) == 1
        assert checkpoints.epochs == saved


class TestEpochsInChunks:
    """Rows that come chunk by chunk train as those that lie in one, and are averaged over in the same way."""

    def test_snapshots_are_evenly_spaced_whatever_the_chunks(self) -> None:
        """16 mini-batches of 4 make 16 snapshots of 64 rows; of twice as many, every second is one."""
        engine = Scripted([[1.0]])
        run(engine, InChunks(20, 4, 100, 4, rows=128), mini_batch_size=4)
        assert engine.pieces == [8, 8, 4, 4, *[8] * 12, 4, 4]
        # The weights are the number of the piece; snapshots are taken where 8 rows are complete.
        taken = [1, 2, 4, *range(5, 17), 18]
        assert engine.seen[0][0, 0] == pytest.approx(np.mean(taken))

    def test_the_last_rows_count_though_they_fill_no_stretch(self) -> None:
        engine = Scripted([[1.0]])
        _, reports = run(engine, InChunks(64, 10, rows=74), mini_batch_size=32)
        assert engine.pieces == [32, 32, 10]
        assert engine.seen[0][0, 0] == 2
        assert reports[0].rows == 74
        assert reports[0].train_loss.tolist() == [1.0]

    def test_an_epoch_of_unknown_length_is_averaged_over_stretches_of_many_mini_batches(self) -> None:
        engine = Scripted([[1.0]])
        run(engine, InChunks(100, 100, rows=None), mini_batch_size=1)
        assert engine.pieces == [64, 36, 28, 64, 8]
        assert engine.seen[0][0, 0] == pytest.approx(np.mean([1, 3, 4, 5]))

    def test_an_epoch_that_is_stopped_before_it_begins_is_none(self) -> None:
        epochs = InChunks(64, rows=64)
        engine = Scripted([[1.0], [0.5]])

        def stop_in_the_second(report: EpochReport) -> None:
            epochs.sizes = ()

        trained, _ = run(engine, epochs, report=stop_in_the_second)
        assert len(trained.epochs) == 1
        assert trained.loss.tolist() == [1.0]
        assert trained.best_epoch.tolist() == [0]


class TestSeveralHosts:
    """Hosts as threads. Each call of ``step`` moves every weight of its own host up by 1."""

    @staticmethod
    def run(rows: list[list[int]], known: list[int | None], **changed: object) -> list[tuple[Trained, Scripted]]:
        """``rows``: the chunks of each host."""

        def one(cluster: Cluster) -> tuple[Trained, Scripted]:
            engine = Scripted([[1.0]] * 2)
            trained = train(
                engine,
                Progress.at_the_start(
                    State.zeros(1, 1, 2), EarlyStopping(3, 0.001, higher_is_better=False), cluster.size
                ),
                InChunks(*rows[cluster.rank], rows=known[cluster.rank]),
                judge=chunk,
                timers=Timers(),
                report=lambda report: None,
                **{  # type: ignore[arg-type]
                    "averaging": Averaging(cluster, "sgd"),
                    "mini_batch_size": 1,
                    "max_epochs": 2,
                    "criterion": None,
                    "should_stop": lambda: False,
                    **changed,
                },
            )
            return trained, engine

        return together(len(rows), one)

    @pytest.mark.parametrize("known", [[64, 20, 0], [None, 20, 0], [None, None, None]])
    def test_each_joins_as_often_as_the_one_with_the_most_rows(self, known: list[int | None]) -> None:
        """Two epochs of 84 rows. The judged weights are those of all hosts together."""
        found = self.run([[64], [20], []], known)
        for trained, engine in found:
            assert [report.rows for report in trained.epochs] == [84, 84]
            assert [report.train_loss.tolist() for report in trained.epochs] == [[1.0], [1.0]]
            assert [report.judge_loss.tolist() for report in trained.epochs] == [[1.0], [1.0]]
            np.testing.assert_array_equal(engine.seen, found[0][1].seen)
        assert sum(found[0][1].pieces) == 2 * 64
        assert found[2][1].pieces == []

    def test_the_weights_are_means_by_rows(self) -> None:
        """After each of 48 mini-batches of the first host: the other has none, and no say."""
        (trained, _), _ = self.run([[48], []], [48, 0], max_epochs=1)
        assert trained.best.weights[0, 0, 0] == pytest.approx(np.mean(np.arange(1, 49)))

    def test_a_stop_of_one_is_a_stop_of_all(self) -> None:
        stopped = threading.local()

        def should_stop() -> bool:
            """Of one thread alone, and only after a while."""
            stopped.asked = getattr(stopped, "asked", 0) + 1
            return threading.current_thread().name.endswith("_1") and stopped.asked > 3

        found = self.run([[64], [64], [64]], [64, 64, 64], should_stop=should_stop)
        assert len({trained.epochs[0].rows for trained, _ in found}) == 1
        assert [len(trained.epochs) for trained, _ in found] == [1, 1, 1]
        assert 0 < found[0][0].epochs[0].rows < 3 * 64

    @pytest.mark.parametrize(("judged", "epochs"), [(1, 1), (6, 1)])
    def test_a_stop_while_they_judge_ends_that_on_all(
        self, judged: int, epochs: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Of the first epoch, which is judged by fewer rows then, or the second, which is left out. Of the rows of two
        hosts, 16 at a time, one has four times 16 and the other none."""
        caplog.set_level("INFO")
        calls = threading.local()

        def should_stop() -> bool:
            """Of the host that has rows."""
            return len(getattr(calls, "judged", [])) >= judged

        def one(cluster: Cluster) -> tuple[Trained, Scripted]:
            engine = Scripted([[1.5]] * 3)
            calls.judged = engine.judged
            trained = train(
                engine,
                Progress.at_the_start(State.zeros(1, 1, 2), EarlyStopping(3, 0.001, higher_is_better=False), 2),
                InChunks(ROWS, rows=ROWS),
                mini_batch_size=16,
                max_epochs=3,
                averaging=Averaging(cluster, "sgd"),
                judge=lambda: chunk() if cluster.is_first else chunk(0),
                criterion=None,
                report=lambda report: None,
                timers=Timers(),
                should_stop=should_stop,
                rows_at_once=16,
            )
            return trained, engine

        (first, engine), (second, idle) = together(2, one)
        assert idle.judged == []
        for trained in (first, second):
            assert len(trained.epochs) == epochs
            assert trained.epochs[0].judge_loss.tolist() == [1.5]
        assert ("judged by 16 of 64 rows" in caplog.text) == (judged == 1)
        assert len(engine.judged) == (2 if judged == 1 else judged)

    @pytest.mark.parametrize(("rows", "known", "saved"), [(5, 64, []), (8, 64, [16, 16]), (5, 5, [13, 13])])
    def test_a_stop_is_a_checkpoint_only_where_hosts_join_anyway(self, rows: int, known: int, saved: list[int]) -> None:
        """They join after every 8 rows of each, and the rows of one stop coming, or it has no more."""
        found: list[int] = []

        class OfRows(Noting):
            def save(self, progress: Progress) -> None:
                found.append(progress.current.rows)

        self.run(
            [[rows], [64]], [known, 64], mini_batch_size=2, snapshots=2, should_stop=lambda: True, checkpoints=OfRows()
        )  # fmt: skip
        assert found == saved

    def test_a_join_without_rows_is_no_snapshot(self) -> None:
        """The hosts do not know that 64 rows are all: they join once more, of which the average shows nothing."""
        (trained, _), _ = self.run([[64, 64], []], [None, 0], max_epochs=1)
        assert trained.best.weights[0, 0, 0] == np.mean([1, 2])
