"""Looks at the folder of a job before it runs: all that the job would stumble over, and what it would train on.

The checks are those of the job itself. Where it ends at the first one, this goes on: with the next file, the next
channel, and what can still be checked.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from linear_learner import hyperparameters
from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.columns import unseen_notice
from linear_learner.data.dataset import Dataset, check_same_columns
from linear_learner.data.dataset_builder import BESIDE_FEATURES
from linear_learner.data.feature_ranges import coarse_columns_notice, far_columns_notice
from linear_learner.data.labels import (
    absent_classes_notice,
    check_labels,
    constant_label_notice,
    one_label_notice,
    only_one_class,
)
from linear_learner.data.profile import Profile
from linear_learner.environment import ChannelConfig, Environment, available_memory, cpu_count
from linear_learner.errors import ClientError
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.options import Options
from linear_learner.formats.schema_learner import TextSettings
from linear_learner.formats.table_schema import TableSchema
from linear_learner.hyperparameters import HyperParameters
from linear_learner.hyperparameters.schema import MULTICLASS, REGRESSOR
from linear_learner.training.checks import requirements
from linear_learner.training.checks.memory import ModelSize, candidates_that_fit, fewer_notice
from linear_learner.training.engines.candidates import make_candidates
from linear_learner.training.preparation import warm_start
from linear_learner.training.preparation.channels import (
    COPIES,
    given_schema,
    left_for_train,
    memory_budget,
    room_for_held_out,
    room_for_train,
)
from linear_learner.training.preparation.class_weights import positive_weights
from linear_learner.training.preparation.text_columns import doubtful_categories_notice, text_settings, with_classes

OPERATIONS_A_SECOND = {"dense": 2e10, "sparse": 2e9}
"""Of one processor: what a slow one reaches. Each value costs four for each model: forward and back, times and plus."""
WIDE = 1 << 20
"""Columns for which there is always room."""
CHANNELS = ("train", "validation", "test")


@dataclass
class Channel:
    """What is known of a channel. ``features``: how many there are. ``schema``: of a table with text."""

    name: str
    profile: Profile
    features: int
    is_sparse: bool
    names: tuple[str, ...] | None
    seconds: float
    first: Dataset
    schema: TableSchema | None = None

    @property
    def held_bytes(self) -> int:
        """What its rows take in memory. Of sparse ones each value has a column, and each row a beginning."""
        of_value, of_row = (8, BESIDE_FEATURES + 8) if self.is_sparse else (4, BESIDE_FEATURES)
        return of_value * self.profile.stored + of_row * self.profile.rows


@dataclass
class Estimate:
    """``megabytes`` that the job takes, of which ``free_megabytes`` may be rows; ``is_streamed``: those of the train
    channel do not fit; ``sampled``: of these channels a sample is held. ``seconds`` are those of all epochs, at most;
    ``reading_seconds`` those of the channels."""

    models: int
    epochs: int
    processors: int
    megabytes: float
    free_megabytes: float
    is_streamed: bool
    sampled: list[str]
    seconds: float
    reading_seconds: float


@dataclass
class JobCheck:
    """``problems`` would end the job, ``warnings`` would not."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    channels: dict[str, Channel] = field(default_factory=dict)
    estimate: Estimate | None = None

    def add(self, error: ClientError) -> None:
        self.problems.append(str(error))

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """A ClientError ends the ``with`` and is one of the problems."""
        try:
            yield
        except ClientError as error:
            self.add(error)


def check_job(env: Environment) -> JobCheck:
    """Reads every row of every channel, and writes nothing."""
    found = JobCheck()
    hp, configs, hosts = None, None, 1
    with found.noted():
        hosts = len(env.hosts()[1])
    with found.noted():
        hp = hyperparameters.validate(env.hyperparameters())
        found.warnings += hyperparameters.notices(hp, hosts)
        hp = hyperparameters.without_unused(hp, hosts)
    with found.noted():
        env.checkpoint_dir()
    with found.noted():
        configs = env.channels()
    if hp is not None and configs is not None:
        with found.noted():
            hyperparameters.check_demands(hp, configs, hosts)
    if configs is not None:
        hp = _check_channels(env, hp, configs, found)
    if hp is not None and "train" in found.channels:
        _estimate(hp, configs or {}, found, hosts)
    return found


def _check_channels(
    env: Environment, hp: HyperParameters | None, configs: Mapping[str, ChannelConfig], found: JobCheck
) -> HyperParameters | None:
    """The hyperparameters, with as many classes as the train channel has texts of labels; None if they do not fit."""
    if "train" not in configs:
        found.problems.append(f"The channel 'train' is missing: put its files in {env.data_dir / 'train'}")
    for name in sorted(configs.keys() - {*CHANNELS, warm_start.CHANNEL}):
        found.warnings.append(f"The channel '{name}' is ignored: only train, validation, test and model are read.")
    width = None if hp is None or hp.is_auto("feature_dim") else hp.feature_dim
    texts = TextSettings() if hp is None else text_settings(hp)
    schema: TableSchema | None = None
    for name in CHANNELS:
        if name not in configs or (texts and name != "train" and schema is None):
            continue
        if configs[name].input_mode == "Pipe":
            found.warnings.append(f"Channel '{name}' comes through a pipe, and its rows are not looked at.")
            continue
        train = found.channels.get("train")
        label_column = hp.label_column if hp is not None else ""
        options = Options(
            train.features if train else width,
            label_column=label_column,
            # A missing category is not told from a mistake afterwards, as a missing number is.
            allow_missing=texts.keeps_missing if texts else True,
            schema=schema,
        )
        try:
            reader = ChannelReader(configs[name], feature_dim=width, options=options)
            if texts and name == "train":
                schema = given_schema(configs) or reader.learn_schema(texts).schema()
                reader.use_schema(schema)
                hp = _with_classes(hp, schema, found)
            channel = _read(reader, name, hp, found)
        except ClientError as error:
            found.add(error)
            continue
        if channel is not None:
            found.channels[name] = channel
            _judge(channel, hp, found)
    if "train" in found.channels:
        learnt = None if warm_start.CHANNEL in configs else schema
        rows = found.channels["train"].profile.rows
        if hp is not None and (notice := doubtful_categories_notice(learnt, rows, hp)):
            found.warnings.append(notice)
        _compare_columns(found)
        firsts = {name: channel.first for name, channel in found.channels.items()}
        for name in firsts.keys() - {"train"}:
            with found.noted():
                check_same_columns(firsts["train"], [firsts[name]])
    return hp


def _with_classes(hp: HyperParameters | None, schema: TableSchema, found: JobCheck) -> HyperParameters | None:
    with found.noted():
        return None if hp is None else with_classes(hp, schema)
    return None


def _read(reader: ChannelReader, name: str, hp: HyperParameters | None, found: JobCheck) -> Channel | None:
    """All rows that can be read; None if there are none."""
    start, profile = time.perf_counter(), Profile()
    first: Dataset | None = None
    problems_before = len(found.problems)
    missing_at, labels_are_good, widest = "", hp is not None, WIDE
    for batch, _ in reader.batches(on_error=found.add):
        if not len(batch):
            continue
        data = Dataset.of_batch(name, batch)
        _check_width(data.feature_dim, widest)
        widest = max(widest, data.feature_dim)
        first = first or replace(data, features=data.features[:1], labels=data.labels[:1])
        before = int(profile.missing.sum())
        profile.add(data)
        if not missing_at and int(profile.missing.sum()) > before:
            missing_at = _first_missing(data)
        if hp is not None and labels_are_good:
            try:
                check_labels(data, predictor_type=hp.predictor_type, num_classes=hp.num_classes, is_train=False)
            except ClientError as error:
                found.add(error)
                labels_are_good = False
    if first is None:
        if len(found.problems) == problems_before:
            found.problems.append(f"Channel '{name}' has no rows ({reader.place})")
        return None
    if missing_at and hp is not None and hp.missing_values == "error":
        count = int(profile.missing.sum())
        found.problems.append(
            f"Channel '{name}' has {count} missing values (the first: {missing_at}). Remove them, or set "
            "missing_values=mean to fill them in"
        )
    width = reader.columns.width or first.feature_dim
    if isinstance(first.features, CsrMatrix):
        first = replace(first, features=replace(first.features, shape=(1, width)))
    if notice := unseen_notice(f"Channel '{name}'", reader.unseen):
        found.warnings.append(notice)
    seconds = time.perf_counter() - start
    return Channel(name, profile, width, first.is_sparse, reader.columns.names, seconds, first, reader.schema)


def _check_width(width: int, widest: int) -> None:
    """ClientError where what is kept of so many columns leaves no room for a model, which takes more: told before it
    is kept. ``widest``: of those for which there is room."""
    if width > widest:
        candidates_that_fit(1, ModelSize(1, 1, width), memory=available_memory(), may_be_fewer=True)


def _first_missing(data: Dataset) -> str:
    features = data.features
    if isinstance(features, CsrMatrix):
        entry = int(np.argmax(np.isnan(features.values)))
        row, column = int(features.row_numbers()[entry]), int(features.indices[entry])
    else:
        row, column = map(int, np.argwhere(np.isnan(features))[0])
    name = f" '{data.feature_names[column]}'" if data.feature_names else ""
    return f"{data.where(row)}, feature {column + 1}{name}"


def _judge(channel: Channel, hp: HyperParameters | None, found: JobCheck) -> None:
    """What all labels of a channel together say, and its columns."""
    labels = channel.profile.labels
    if hp is not None and labels is not None and len(labels) == 1:
        (one_label,) = labels
        notice_of = constant_label_notice if channel.name == "train" else one_label_notice
        if channel.name == "train" and hp.predictor_type != REGRESSOR:
            found.add(only_one_class(channel.name, one_label, channel.profile.rows))
        elif notice := notice_of(channel.name, one_label, predictor_type=hp.predictor_type):
            found.warnings.append(notice)
    if channel.name == "train" and (
        notice := coarse_columns_notice(channel.name, *channel.profile.extremes(), channel.names)
    ):
        found.warnings.append(notice)
    if hp is not None and hp.predictor_type == MULTICLASS and channel.name == "train" and labels is not None:
        absent = sorted(set(range(hp.num_classes)) - set(map(int, labels)))
        if notice := absent_classes_notice(channel.name, absent):
            found.warnings.append(notice)


def _compare_columns(found: JobCheck) -> None:
    """Those of each channel with those of the train channel."""
    train = found.channels["train"]
    for name, channel in found.channels.items():
        if name == "train" or channel.is_sparse or channel.features != train.features:
            continue
        extremes = channel.profile.extremes(), train.profile.extremes()
        if notice := far_columns_notice(name, *extremes, train.names):
            found.warnings.append(notice)


def _estimate(hp: HyperParameters, configs: Mapping[str, ChannelConfig], found: JobCheck, hosts: int) -> None:
    train = found.channels["train"]
    rows = train.profile.rows
    judge = found.channels.get("validation", train)
    budget = memory_budget(hp, configs)
    held_out = {name: found.channels[name].held_bytes for name in COPIES if name in found.channels}
    room = room_for_held_out(budget)
    left = left_for_train(budget, {name: min(taken, room) for name, taken in held_out.items()})
    held = sum(channel.held_bytes for channel in found.channels.values()) + judge.held_bytes
    try:
        resolved = hyperparameters.resolve(hp, feature_dim=train.features, rows=rows, seen=rows)
        size = _model_size(resolved, train, hosts)
        resolved = _with_models_that_fit(hp, resolved, size, min(held, budget), found)
    except ClientError as error:
        found.add(error)
        return
    with found.noted():
        if warm_start.CHANNEL in configs:
            warm_start.read_model(configs[warm_start.CHANNEL], resolved, train.first.feature_names)
    weights = _positive_weights(resolved, train)
    models = len(make_candidates(hp, resolved, rows=rows, sparse=train.is_sparse, positive_weights=weights))
    with found.noted():
        _check_confidence(resolved, models, found.channels.get("validation"))
    operations = 4.0 * models * size.outputs * (resolved.epochs * (train.profile.stored + judge.profile.stored))
    rate = OPERATIONS_A_SECOND["sparse" if train.is_sparse else "dense"]
    found.estimate = Estimate(
        models=models,
        epochs=resolved.epochs,
        processors=cpu_count(),
        megabytes=round((min(held, budget) + size.bytes_of(models) + size.bytes_of_the_model) / 1e6, 1),
        free_megabytes=round(budget / 1e6, 1),
        is_streamed=train.held_bytes > room_for_train(left, is_judge=judge is train),
        sampled=[name for name, taken in held_out.items() if taken > room],
        seconds=round(operations / (rate * cpu_count()), 1),
        reading_seconds=round(sum(channel.seconds for channel in found.channels.values()), 1),
    )


def _positive_weights(resolved: HyperParameters, train: Channel) -> list[float]:
    """As in the job. That a class has no rows is told by then."""
    labels: Mapping[float, int] = train.profile.labels or {}
    counts = np.array([labels.get(label, 0) for label in (0.0, 1.0)])
    return positive_weights(resolved, counts) if counts.all() else [1.0]


def _model_size(resolved: HyperParameters, train: Channel, hosts: int) -> ModelSize:
    outputs = resolved.num_classes if resolved.predictor_type == MULTICLASS else 1
    return ModelSize(outputs, train.profile.used_columns if train.is_sparse else train.features, train.features, hosts)


def _with_models_that_fit(
    hp: HyperParameters, resolved: HyperParameters, size: ModelSize, held: int, found: JobCheck
) -> HyperParameters:
    """With as many models as fit beside ``held`` bytes of rows. ClientError as in the job."""
    memory = available_memory()
    fitting = candidates_that_fit(
        resolved.num_models,
        size,
        memory=None if memory is None else max(0, memory - held),
        may_be_fewer=hp.is_auto("num_models"),
    )
    if notice := fewer_notice(fitting, resolved.num_models, size):
        found.warnings.append(notice)
    return replace(resolved, num_models=fitting)


def _check_confidence(resolved: HyperParameters, models: int, validation: Channel | None) -> None:
    if validation is not None and validation.profile.labels is not None:
        rows = min(validation.profile.rows, resolved.num_calibration_samples)
        requirements.check_counts(resolved, validation.profile.labels[1.0], rows, models)
