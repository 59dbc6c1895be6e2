"""A training job from its folder to its model, top to bottom."""

from __future__ import annotations

import contextlib
import cProfile
import functools
import logging
import pstats
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from linear_learner import hyperparameters
from linear_learner.data.labels import absent_classes_notice
from linear_learner.environment import Environment, available_memory, cpu_count, failure_text
from linear_learner.errors import INTERRUPTED, ClientError, LinearLearnerError, PlatformError, Stopped
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.auto import expected_rows
from linear_learner.model.linear_model import LinearModel
from linear_learner.training.checks import requirements
from linear_learner.training.checks.memory import ModelSize, candidates_that_fit, fewer_notice, size_notice
from linear_learner.training.cluster.agreement import totals
from linear_learner.training.cluster.averaging import Averaging
from linear_learner.training.cluster.hosts import joined
from linear_learner.training.cluster.interface import Cluster
from linear_learner.training.cluster.watch import HostFailed
from linear_learner.training.ending.conclusion import finish
from linear_learner.training.engines.candidates import make_candidates, rates
from linear_learner.training.engines.engine import make_engine
from linear_learner.training.epochs.checkpoint import Checkpoints
from linear_learner.training.epochs.early_stopping import EarlyStopping
from linear_learner.training.epochs.progress import Progress, Trained
from linear_learner.training.epochs.strides import rows_at_once
from linear_learner.training.evaluation import model_selection
from linear_learner.training.logs.epoch_log import EpochLog
from linear_learner.training.logs.log_lines import Reporter, Timers, configure_logging
from linear_learner.training.logs.progress_log import Pulse, life_signs
from linear_learner.training.preparation import warm_start
from linear_learner.training.preparation.channels import read_channels
from linear_learner.training.preparation.class_weights import number_of_classes, positive_weights, row_weights
from linear_learner.training.preparation.head_start import head_start
from linear_learner.training.preparation.initializer import initial_state
from linear_learner.training.preparation.task import Task, make_objective, prepare
from linear_learner.training.preparation.text_columns import doubtful_categories_notice, with_classes
from linear_learner.training.sigterm import stop_on_sigterm
from linear_learner.training.trainer import train
from linear_learner.training.training_job import TrainingJob

logger = logging.getLogger(__name__)

DOES_NOT_TRAIN = (
    "_log_level", "_enable_profiler", "_kvstore", "_num_kv_servers", "pipe_timeout", "num_calibration_samples",
    "probability_calibration", "correct_weighted_probabilities", "target_confidence", "bootstrap_samples",
)  # fmt: skip
"""Hyperparameters that may differ between a job and the one that goes on from its checkpoints."""

STOPPED = 143
"""The exit code of a command that SIGTERM ended: 128 and the number of the signal."""


def run(env: Environment, should_stop: Callable[[], bool] | None = None) -> int:
    """Run the job of ``env``; returns its exit code. Every error ends here, in the log and in the failure file.
    ``should_stop``: of a caller that already hears SIGTERM."""
    configure_logging("info", sys.stdout)
    try:
        env.forget_failure()
        train_job(env, should_stop or stop_on_sigterm())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return conclude(env, error)


def conclude(env: Environment, error: BaseException) -> int:
    """Tell of what ended the job; returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        logger.error("Interrupted; no model is written.")
        return INTERRUPTED
    if isinstance(error, Stopped):
        logger.error(
            "Stopped by SIGTERM before training began: there is nothing to save, so no model is written. The exit code "
            "is %d, since the job is not done. Checkpoints, if there are any, stay as they are.",
            STOPPED,
        )
        return STOPPED
    if isinstance(error, HostFailed):
        logger.error("%s; no model is written.", error)
        return error.code
    assert isinstance(error, Exception)  # noqa: S101 (for the type checker: nothing else is caught)
    return fail(env, error)


def fail(env: Environment, error: Exception) -> int:
    """Log why the job failed and write it to the failure file; returns the exit code."""
    if isinstance(error, MemoryError):
        error = ClientError(
            "Out of Memory. Please use a larger instance type or reduce batch size", fix="fewer models need less, too"
        )
    elif isinstance(error, OSError):
        error = PlatformError(error.strerror or str(error), where=str(error.filename or env.base))
    code = error.exit_code if isinstance(error, LinearLearnerError) else LinearLearnerError.exit_code
    if code == LinearLearnerError.exit_code:
        # A bug of ours: whoever mends it needs the place.
        logger.error("%s", "".join(traceback.format_exception(error)))
    logger.error("%s", failure_text(error))
    try:
        env.write_failure(error)
    except OSError as problem:
        logger.error("The failure file could not be written: %s", problem)
    return code


def train_job(env: Environment, should_stop: Callable[[], bool]) -> None:
    """The whole job. Once ``should_stop`` says yes, training ends and the best model so far is the outcome; before
    there is one, Stopped is raised.

    Raises for what went wrong, and leaves the model folder as it was then.
    """
    timers = Timers()
    log = Reporter(env.hosts()[0])
    log.entrypoint("train")
    with timers.measure("initialize.time"):
        requested = configure(env, log)
    profiled = profile(env.output_data_dir if requested._enable_profiler else None)
    with profiled, joined(env, requested, should_stop, conclude) as cluster:
        with timers.measure("initialize.time"):
            channels = read_channels(env, requested, should_stop, cluster)
            train = channels["train"]
            requested = with_classes(requested, train.schema)
            found = totals(train, number_of_classes(requested), cluster)
            if notice := absent_classes_notice(train.name, found.absent_classes):
                logger.warning("%s", notice)
            learnt = None if warm_start.CHANNEL in env.channels() else train.schema
            if notice := doubtful_categories_notice(learnt, found.rows_seen, requested):
                logger.warning("%s", notice)
            weights = row_weights(requested, found.class_counts)
            hp = hyperparameters.resolve(
                requested,
                feature_dim=train.feature_dim,
                rows=found.rows,
                seen=found.rows_seen,
                values_per_row=found.values_per_row,
                weights=weights,
            )
            log.resolved(hp.as_dict())
            task = prepare(hp, channels, cluster)
            report_scaler(task, hp, log)
        with timers.measure("setuptime"):
            start = model_to_start_from(env, hp, train.feature_names)
            hp = replace(hp, num_models=models_that_fit(requested, hp, task, cluster))
            candidates = make_candidates(
                requested,
                hp,
                rows=expected_rows(found.rows, found.rows_seen) / weights.mean,
                sparse=train.is_sparse,
                positive_weights=positive_weights(hp, found.class_counts),
            )
            requirements.check_confidence(hp, channels.get("validation"), len(candidates), cluster)
        job = TrainingJob(env, hp, channels, task, candidates, log, should_stop, cluster)
        trained = train_candidates(job, timers, make_checkpoints(job, start, found.class_counts), start)
        if not trained.epochs:
            raise Stopped
        with timers.measure("finalize.time"):
            finish(job, trained)
        log.totals(timers, hp.epochs)


def configure(env: Environment, log: Reporter) -> HyperParameters:
    """Read and check the hyperparameters, and log them as Amazon's container does. Those without an effect in this job
    come back as their defaults."""
    provided = env.hyperparameters()
    defaults = hyperparameters.defaults()
    log.default_configuration("linear_learner.hyperparameters.schema", defaults)
    log.provided_configuration(str(env.hyperparameters_file), provided)
    log.final_configuration(defaults | provided)
    hp = hyperparameters.validate(provided)
    hosts = len(env.hosts()[1])
    notices = hyperparameters.notices(hp, hosts)
    hp = hyperparameters.without_unused(hp, hosts)
    hyperparameters.check_demands(hp, env.channels(), hosts)
    configure_logging(hp._log_level, sys.stdout)
    for notice in notices:
        logger.warning("%s", notice)
    log.checkpoints(env.checkpoint_dir())
    log.store(hp._kvstore)
    log.no_gpus()
    return hp


def report_scaler(task: Task, hp: HyperParameters, log: Reporter) -> None:
    log.scaler(
        mean_weight=task.scaler.mean if hp.unbias_data else None,
        stdev_weight=task.scaler.std if hp.normalize_data else None,
        mean_label=task.scaler.label_mean if hp.unbias_label else None,
        stdev_label=task.scaler.label_std if hp.normalize_label else None,
    )


def models_that_fit(requested: HyperParameters, hp: HyperParameters, task: Task, cluster: Cluster) -> int:
    """How many models to train: as many as asked for, or fewer where the number was left to us and memory is short on
    any host."""
    size = ModelSize(make_objective(hp, task).outputs, task.trained_columns, task.scaler.feature_dim, cluster.size)
    memory = available_memory()
    fitting = candidates_that_fit(hp.num_models, size, memory=memory, may_be_fewer=requested.is_auto("num_models"))
    if memory is not None:
        logger.info("%s", size_notice(fitting, size, memory))
    if notice := fewer_notice(fitting, hp.num_models, size):
        logger.warning("%s", notice)
    return min(cluster.gather(fitting))


def model_to_start_from(env: Environment, hp: HyperParameters, names: Sequence[str] | None) -> LinearModel | None:
    channel = env.channels().get(warm_start.CHANNEL)
    if channel is None:
        return None
    model = warm_start.read_model(channel, hp, names)
    logger.info("All models start from the one in channel '%s'.", channel.name)
    return model


def make_checkpoints(job: TrainingJob, start: LinearModel | None, class_counts: np.ndarray) -> Checkpoints | None:
    """The checkpoints of this job, None without a folder for them, and on any host but the first, which keeps them for
    all. What the scaler came to stands for the data, and ``class_counts``, of all hosts, for the labels."""
    folder, rows = job.env.checkpoint_dir(), job.cluster.gather(job.task.train.rows)
    if folder is None or not job.cluster.is_first:
        return None
    scaler = job.task.scaler
    same = {
        **{name: value for name, value in job.hp.as_dict().items() if name not in DOES_NOT_TRAIN},
        "models": [vars(candidate) for candidate in job.candidates],
        "rows": rows[0] if job.cluster.size == 1 else rows,
        "scaler": _checksum(scaler.mean, scaler.std),
        "label scaler": [scaler.label_mean, scaler.label_std],
        "rows by class": class_counts.tolist(),
        "judging channel": job.task.judge_channel,
        "model channel": None if start is None else _checksum(start.weights, start.bias),
    }
    return Checkpoints(folder, same)


def _checksum(*arrays: np.ndarray) -> int:
    return functools.reduce(lambda found, array: zlib.crc32(array.tobytes(), found), arrays, 0)


def train_candidates(
    job: TrainingJob, timers: Timers, checkpoints: Checkpoints | None = None, start: LinearModel | None = None
) -> Trained:
    """All candidates, epoch by epoch, with a line for each step in the log; from the checkpoint on, if there is one,
    else from ``start``, if there is one."""
    hp, task, cluster, models = job.hp, job.task, job.cluster, len(job.candidates)
    objective = make_objective(hp, task)
    engine = make_engine(hp._engine, objective, rates(job.candidates), cpu_count())
    logger.info("Training %d models on %d threads.", models, cpu_count())
    criterion = model_selection.criterion_of(hp)
    state = initial_state(hp, candidates=models, outputs=objective.outputs, feature_dim=task.trained_columns)
    if start is not None:
        warm_start.start_from(start, task, state)
    elif (near := head_start(hp, task, objective, cluster)) is not None:
        state.set_every_candidate(*near)
    progress = Progress.at_the_start(
        state,
        EarlyStopping(hp.early_stopping_patience, hp.early_stopping_tolerance, higher_is_better=criterion is not None),
        cluster.size,
    )
    found = restore(checkpoints, progress, cluster)
    if found is not None:
        done = f"epoch {progress.epoch}, after {progress.current.rows} of its rows"
        logger.info("Going on from %s: %s.", found, "training had ended" if progress.finished else done)
    if progress.epoch:
        task.train.go_on_after_the_first()
    epoch_log = EpochLog(hp, task, job.log, cluster)
    epoch_log.begin()
    with life_signs(Pulse(progress, hp, lambda: task.rows), hp.epochs) as watch:
        return train(
            engine,
            progress,
            task.train,
            mini_batch_size=objective.mini_batch_size,
            max_epochs=hp.epochs,
            averaging=Averaging(cluster, hp.optimizer),
            judge=lambda: task.judge().rows,
            criterion=None if criterion is None else model_selection.watcher(task, criterion, cluster),
            report=epoch_log.write,
            timers=timers,
            should_stop=job.should_stop,
            snapshots=task.snapshots,
            rows_at_once=rows_at_once(task.work * objective.outputs * models, objective.mini_batch_size),
            checkpoints=checkpoints,
            watch=watch,
        )


def restore(checkpoints: Checkpoints | None, progress: Progress, cluster: Cluster) -> str | None:
    """Bring ``progress``, on every host, to where the first host's newest checkpoint is, and return its name."""
    found = None if checkpoints is None else checkpoints.restore(progress)
    (name, *_) = cluster.gather(None if found is None else str(found))
    if name is not None and cluster.size > 1:
        progress.unpack(cluster.from_first(progress.pack()))
    return None if name is None else str(name)


@contextlib.contextmanager
def profile(folder: Path | None) -> Iterator[None]:
    """Write where the time inside the ``with`` went to profile.txt in ``folder``, if one is given."""
    if folder is None:
        yield
        return
    with cProfile.Profile() as profiler:
        yield
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "profile.txt").open("w", encoding="utf-8") as file:
        pstats.Stats(profiler, stream=file).sort_stats("cumulative").print_stats()
