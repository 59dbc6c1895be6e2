"""The log's lines, read back by the regular expressions of the platform's tuner and by a strict JSON parser."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest

from linear_learner.training.evaluation.metrics import METRICS, Metric, Terms, evaluate
from linear_learner.training.logs.log_lines import (
    BEST_MODEL_KEYS,
    PassCounter,
    Reporter,
    Timers,
    configure_logging,
)

PREFIX = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] "
LOGISTIC = "binary_classification_cross_entropy_objective"


@pytest.fixture(autouse=True)
def package_logging() -> Iterator[None]:
    """Other tests find the loggers as they were."""
    package = logging.getLogger("linear_learner")
    handlers, level = package.handlers[:], package.level
    yield
    package.handlers[:] = handlers
    package.setLevel(level)


class FlushedStream(io.StringIO):
    """Holds what a reader at the other end of a pipe has seen."""

    seen = ""

    def flush(self) -> None:
        super().flush()
        self.seen = self.getvalue()


@pytest.fixture
def stream() -> FlushedStream:
    stream = FlushedStream()
    configure_logging("info", stream)
    return stream


@pytest.fixture
def reporter(stream: FlushedStream) -> Reporter:
    return Reporter("algo-1", clock=count(1000.5).__next__)


def lines(stream: FlushedStream) -> list[str]:
    return stream.seen.splitlines()


def messages(stream: FlushedStream) -> list[str]:
    """Lines without their prefix."""
    return [re.sub("^" + PREFIX, "", line) for line in lines(stream)]


def metrics_lines(stream: FlushedStream) -> list[dict]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = [line.removeprefix("#metrics ") for line in lines(stream) if line.startswith("#metrics ")]
    return [json.loads(line, parse_constant=refuse) for line in found]


# -- what the platform's regular expressions find in a job's lines


def binary_job(reporter: Reporter, channels: tuple[str, ...]) -> None:
    reporter.epoch_quality(0, "train", LOGISTIC, 0.25)
    reporter.epoch_quality(0, "validation", LOGISTIC, 0.5)
    reporter.progress(0, 15)
    reporter.throughput(49_169, 2.0)
    scores, labels = np.array([0.1, 0.8, 0.4, 0.9], np.float32), np.array([0, 1, 1, 0], np.float32)
    kind = {"predictor_type": "binary_classifier", "link": "logistic", "threshold": 0.5}
    for channel in channels:
        found = evaluate(scores, labels, Terms(**kind, f_beta=1.0, accuracy_top_k=3))
        reporter.scores(channel, [Metric(LOGISTIC, "loss", 0.75), *found])


def multiclass_job(reporter: Reporter, channels: tuple[str, ...]) -> None:
    scores = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], np.float32)
    kind = {"predictor_type": "multiclass_classifier", "link": "softmax", "threshold": None}
    for channel in channels:
        found = evaluate(scores, np.array([0, 1], np.float32), Terms(**kind, f_beta=1.0, accuracy_top_k=3))
        reporter.scores(channel, found)


def regression_job(reporter: Reporter, channels: tuple[str, ...]) -> None:
    kind = {"predictor_type": "regressor", "link": "identity", "threshold": None}
    for channel in channels:
        found = evaluate(
            np.array([1, 3], np.float32), np.array([1, 2], np.float32), Terms(**kind, f_beta=1.0, accuracy_top_k=3)
        )
        reporter.scores(channel, found)


ALL = ("train", "validation", "test")
HELD_OUT = ("validation", "test")
FINAL = r"#quality_metric: host=\S+, {c} {m} <{t}>=(\S+)"
REGEXES: list[tuple[Callable, str, float]] = [
    (binary_job, r"#progress_metric: host=\S+, completed (\S+) %", 6),
    (binary_job, r"#throughput_metric: host=\S+, train throughput=(\S+) records/second", 24584.5),
    (binary_job, r"#quality_metric: host=\S+, epoch=\S+, train \S+_objective <loss>=(\S+)", 0.25),
    (binary_job, r"#quality_metric: host=\S+, train \S+_objective <loss>=(\S+)", 0.75),
    (binary_job, r"#quality_metric: host=\S+, epoch=\S+, validation \S+_objective <loss>=(\S+)", 0.5),
    (binary_job, r"#quality_metric: host=\S+, validation \S+_objective <loss>=(\S+)", 0.75),
    (binary_job, r"#quality_metric: host=\S+, test \S+_objective <loss>=(\S+)", 0.75),
]
REGEXES += [
    (job, FINAL.format(c=channel, m=name, t=tag), value)
    for job, channels, rows in (
        (
            binary_job,
            ALL,
            [
                ("binary_classification_accuracy", "score", 0.5),
                (r"binary_f_\S+", "score", 0.5),
                ("precision", "score", 0.5),
                ("recall", "score", 0.5),
                ("roc_auc_score", "score", 0.5),
            ],
        ),
        (
            multiclass_job,
            HELD_OUT,
            [
                ("multiclass_accuracy", "score", 0.5),
                (r"multiclass_top_k_accuracy_\S+", "score", 1.0),
                ("dcg", "score", (1 + 1 / np.log2(3)) / 2),
                ("macro_precision", "score", 0.25),
                ("macro_recall", "score", 0.5),
                (r"macro_f_\S+", "score", 1 / 3),
                (r"multiclass_balanced_accuracy", "score", 0.5),
                (r"multiclass_log_loss", "score", np.log(8) / 2),
            ],
        ),
        (regression_job, ALL, [("mse", "loss", 0.5), ("absolute_loss", "loss", 0.5), ("rmse", "loss", 0.5**0.5)]),
    )
    for channel in channels
    for name, tag, value in rows
]


@pytest.mark.parametrize(("job", "regex", "value"), REGEXES)
def test_a_tuner_finds_its_metric_once(
    stream: FlushedStream, reporter: Reporter, job: Callable, regex: str, value: float
) -> None:
    job(reporter, ALL)
    found = re.findall(regex, stream.seen)
    assert [float(one) for one in found] == [pytest.approx(value)]


@pytest.mark.parametrize("level", ["warning", "critical"])
def test_a_quiet_log_still_has_what_machines_read(level: str) -> None:
    stream = FlushedStream()
    configure_logging(level, stream)
    reporter = Reporter("algo-1")
    reporter.final_configuration({"epochs": "15"})
    reporter.progress(0, 15)
    reporter.totals(Timers(), 15)
    assert [message.split()[0] for message in messages(stream)] == ["#progress_metric:", "#metrics"]


# -- line by line


def test_every_logger_of_the_package_has_the_prefix(stream: FlushedStream) -> None:
    logging.getLogger("linear_learner.training.trainer").info("Model %d stops", 3)
    logging.getLogger("linear_learner.training.trainer").debug("not at this level")
    assert re.fullmatch(PREFIX + "Model 3 stops", stream.seen.rstrip("\n"))


def test_a_warning_and_a_traceback_keep_their_form(stream: FlushedStream) -> None:
    try:
        raise ValueError("oh")
    except ValueError:
        logging.getLogger("linear_learner").exception("Failed")
    assert re.match(r"\[.* ERROR \d+\] Failed$", lines(stream)[0])
    assert lines(stream)[-1] == "ValueError: oh"


def test_configuring_again_moves_the_log_and_writes_nothing_twice(stream: FlushedStream) -> None:
    second = FlushedStream()
    configure_logging("debug", second)
    logging.getLogger("linear_learner").debug("hello")
    assert stream.seen == ""
    assert len(lines(second)) == 1


def test_a_log_that_cannot_be_written_says_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    configure_logging("info", Full())
    logging.getLogger("linear_learner").info("hello")
    assert capsys.readouterr() == ("", "")


def test_every_line_is_flushed(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.store("local")
    assert re.fullmatch(PREFIX + r"Create Store: local\n", stream.seen)


def test_lines_of_the_start(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.entrypoint("train")
    reporter.default_configuration("the schema", {"epochs": "15", "loss": "auto"})
    reporter.provided_configuration("/opt/ml/input/config/hyperparameters.json", {"epochs": "3"})
    reporter.final_configuration({"epochs": "3", "loss": "auto"})
    reporter.resolved({"learning_rate": np.float32(0.1), "loss": "logistic", "epochs": np.int64(3)})
    reporter.checkpoints(None)
    reporter.store("local")
    reporter.no_gpus()
    assert lines(stream)[:2] == [
        "Docker entrypoint called with argument(s): train",
        "Running default environment configuration script",
    ]
    assert all(re.match(PREFIX, line) for line in lines(stream)[2:])
    assert messages(stream)[2:] == [
        "Reading default configuration from the schema: {'epochs': '15', 'loss': 'auto'}",
        "Merging with provided configuration from /opt/ml/input/config/hyperparameters.json: {'epochs': '3'}",
        "Final configuration: {'epochs': '3', 'loss': 'auto'}",
        "Resolved hyperparameters: {'learning_rate': 0.1, 'loss': 'logistic', 'epochs': 3}",
        "Checkpoint loading and saving are disabled.",
        "Create Store: local",
        "Number of GPUs being used: 0",
    ]


def test_a_percent_sign_in_a_value_is_no_format(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.final_configuration({"_tuning_objective_metric": "100 %s %d"})
    reporter.say("100 %s")
    assert messages(stream) == ["Final configuration: {'_tuning_objective_metric': '100 %s %d'}", "100 %s"]


def test_the_scaler_is_one_line_with_amazons_names(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.scaler(
        mean_weight=np.array([0.5, 2.0], np.float32),
        stdev_weight=np.array([1.0, 0.25], np.float32),
        mean_label=None,
        stdev_label=np.float32(0.1),
    )
    assert messages(stream) == [
        "Scaling model computed with parameters: {'stdev_weight': [1.  , 0.25], 'stdev_label': 0.1, "
        "'mean_label': None, 'mean_weight': [0.5, 2. ]}"
    ]


def test_a_wide_scaler_stays_one_short_line(stream: FlushedStream, reporter: Reporter) -> None:
    wide = np.linspace(0, 1, 500, dtype=np.float32)
    reporter.scaler(mean_weight=wide, stdev_weight=wide, mean_label=None, stdev_label=None)
    assert len(lines(stream)) == 1
    assert len(lines(stream)[0]) < 1000


def test_epoch_lines(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_quality(0, "train", LOGISTIC, np.float64(0.1) + np.float64(0.2))
    reporter.early_stopping_criterion(0, "sampled_accuracy", 0.943377806704)
    reporter.say("Epoch 0: Loss improved. Updating best model")
    reporter.say(None)
    assert messages(stream) == [
        f"#quality_metric: host=algo-1, epoch=0, train {LOGISTIC} <loss>=0.30000000000000004",
        "#early_stopping_criteria_metric: host=algo-1, epoch=0, criteria=sampled_accuracy, value=0.943377806704",
        "Epoch 0: Loss improved. Updating best model",
    ]


def test_progress_is_the_floor_of_the_percentage(stream: FlushedStream, reporter: Reporter) -> None:
    for epoch in range(15):
        reporter.progress(epoch, 15)
    done = re.findall(r"completed (\d+) % of epochs", stream.seen)
    assert done == ["6", "13", "20", "26", "33", "40", "46", "53", "60", "66", "73", "80", "86", "93", "100"]


def test_an_epoch_too_short_to_time_has_a_throughput(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.throughput(10, 0.0)
    assert float(re.findall(r"throughput=(\S+) records", stream.seen)[0]) > 0


def test_losses_of_each_model_are_json_in_the_order_of_2024(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_losses(3, LOGISTIC, np.array([0.5, 0.25]), np.array([0.75, 0.125]))
    assert lines(stream)[0] == (
        '#metrics {"StartTime": 1000.5, "EndTime": 1001.5, "Dimensions": {"Algorithm": "Linear Learner", '
        '"Host": "algo-1", "Operation": "training", "epoch": 3, "model": 0}, "Metrics": '
        f'{{"train_{LOGISTIC}": {{"sum": 0.5, "count": 1, "min": 0.5, "max": 0.5}}}}}}'
    )
    found = [(line["Dimensions"]["model"], *line["Metrics"].items()) for line in metrics_lines(stream)]
    assert [(model, name, spread["sum"]) for model, (name, spread) in found] == [
        (0, f"train_{LOGISTIC}", 0.5),
        (1, f"train_{LOGISTIC}", 0.25),
        (0, f"validation_{LOGISTIC}", 0.75),
        (1, f"validation_{LOGISTIC}", 0.125),
    ]


def test_without_validation_there_are_train_losses_alone(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_losses(0, LOGISTIC, np.array([0.5, 0.25]), None)
    assert [list(line["Metrics"]) for line in metrics_lines(stream)] == [[f"train_{LOGISTIC}"]] * 2


def test_a_diverged_model_is_null_in_json(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_losses(0, LOGISTIC, np.array([np.nan, np.inf]), None)
    spreads = [line["Metrics"][f"train_{LOGISTIC}"] for line in metrics_lines(stream)]
    assert spreads == [{"sum": None, "count": 1, "min": None, "max": None}] * 2


def test_of_many_models_a_summary_and_the_best_are_logged(stream: FlushedStream, reporter: Reporter) -> None:
    validation = np.linspace(2.0, 1.0, 500)
    validation[:3] = np.nan
    reporter.epoch_losses(2, LOGISTIC, np.full(500, 0.5), validation)
    assert re.fullmatch(
        rf"Epoch 2: {LOGISTIC} of 500 models: best 1\.0, median 1\.49\d*, worst 1\.99\d*, 3 diverged; "
        "the best 8 follow",
        messages(stream)[0],
    )
    models = [line["Dimensions"]["model"] for line in metrics_lines(stream)]
    assert models == [499, 498, 497, 496, 495, 494, 493, 492] * 2


def test_many_models_that_all_diverged(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_losses(0, LOGISTIC, np.full(65, np.nan), None)
    assert messages(stream)[0] == f"Epoch 0: {LOGISTIC} of 65 models: all diverged"


def test_up_to_sixty_four_models_are_logged_in_full(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.epoch_losses(0, LOGISTIC, np.full(64, 0.5), None)
    assert len(metrics_lines(stream)) == len(lines(stream)) == 64


def test_counters_follow_the_passes(stream: FlushedStream, reporter: Reporter) -> None:
    counter = PassCounter()
    counter.saw(batches=1, records=1000)
    reporter.counters("init_train_data_iter", counter)
    counter.reset()
    counter.saw(batches=40, records=40_000)
    counter.saw(batches=10, records=9_169)
    reporter.counters("training_data_iter", counter, epoch=0)
    first, second = metrics_lines(stream)
    assert first["Dimensions"] == {
        "Algorithm": "Linear Learner",
        "Host": "algo-1",
        "Operation": "training",
        "Meta": "init_train_data_iter",
    }
    assert second["Dimensions"]["epoch"] == 0
    assert {name: spread["max"] for name, spread in second["Metrics"].items()} == {
        "Total Records Seen": 50_169,
        "Total Batches Seen": 51,
        "Max Records Seen Between Resets": 49_169,
        "Max Batches Seen Between Resets": 50,
        "Reset Count": 1,
        "Number of Records Since Last Reset": 49_169,
        "Number of Batches Since Last Reset": 50,
    }
    assert second["StartTime"] > first["EndTime"]


def test_final_scores_are_tuples_first_and_quality_metrics_after(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.scores(
        "test",
        [Metric("mse_objective", "loss", 22.5), Metric("mse", "loss", np.float32(22.5)), Metric("r2", "score", 0.5)],
    )
    assert messages(stream) == [
        "#test_score (algo-1) : ('mse_objective', 22.5)",
        "#test_score (algo-1) : ('mse', 22.5)",
        "#test_score (algo-1) : ('r2', 0.5)",
        "#quality_metric: host=algo-1, test mse_objective <loss>=22.5",
        "#quality_metric: host=algo-1, test mse <loss>=22.5",
        "#quality_metric: host=algo-1, test r2 <score>=0.5",
    ]


def test_every_metric_of_the_table_fits_the_line() -> None:
    for rows in METRICS.values():
        for row in rows:
            assert re.fullmatch(r"\S+", row.name)
            assert row.tag in ("score", "loss")


def test_lines_of_the_end(stream: FlushedStream, reporter: Reporter) -> None:
    values = {
        "learning_rate": np.float32(0.1),
        "lr_scheduler_minimum_lr": np.float32(1e-5),
        "l1": 0.0,
        "wd": np.float32(0.0001),
        "optimizer": "adam",
        "lr_scheduler_factor": np.float32(0.99),
        "lr_scheduler_step": np.int64(100),
        "momentum": 0.9,
    }
    reporter.best_model(values)
    reporter.saved("/opt/ml/model/mx-mod-0000.params")
    reporter.no_test_data()
    assert messages(stream) == [
        'Best model found for hyperparameters: {"lr_scheduler_step": 100, "wd": 0.0001, "optimizer": "adam", '
        '"lr_scheduler_factor": 0.99, "l1": 0.0, "learning_rate": 0.1, "lr_scheduler_minimum_lr": 1e-05}',
        'Saved checkpoint to "/opt/ml/model/mx-mod-0000.params"',
        "Test data is not provided.",
    ]
    assert list(json.loads(messages(stream)[0].partition(": ")[2])) == list(BEST_MODEL_KEYS)


def test_totals_are_milliseconds_in_the_order_of_amazons_line(stream: FlushedStream, reporter: Reporter) -> None:
    timers = Timers(clock=count(0.0, 0.5).__next__)
    for name in ("setuptime", "initialize.time", "update.time", "update.time", "check_early_stopping.time"):
        with timers.measure(name):
            pass
    with pytest.raises(ValueError, match="lost"), timers.measure("finalize.time"):
        raise ValueError("lost")
    reporter.epoch_losses(0, LOGISTIC, np.array([0.5]), None)
    reporter.totals(timers, epochs=15)
    line = metrics_lines(stream)[-1]
    assert line["StartTime"] == 1000.5
    assert list(line["Dimensions"]) == ["Algorithm", "Host", "Operation"]
    assert list(line["Metrics"]) == [
        "totaltime",
        "finalize.time",
        "initialize.time",
        "check_early_stopping.time",
        "setuptime",
        "update.time",
        "epochs",
    ]
    assert line["Metrics"]["totaltime"]["sum"] == 6500
    assert line["Metrics"]["update.time"] == {"sum": 1000, "count": 2, "min": 500, "max": 500}
    assert line["Metrics"]["epochs"]["sum"] == 15


def test_a_step_that_never_ran_is_left_out_of_the_totals(stream: FlushedStream, reporter: Reporter) -> None:
    reporter.totals(Timers(), epochs=3)
    assert list(metrics_lines(stream)[0]["Metrics"]) == ["totaltime", "epochs"]
