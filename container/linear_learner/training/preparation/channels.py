"""The channels of a job, in memory as far as they fit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.columns import unseen_notice
from linear_learner.data.dataset import Dataset, check_same_columns, in_form_of, without_rows
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.fifo import Patience
from linear_learner.data.labels import check_labels, constant_label_notice, one_label_notice
from linear_learner.data.reservoir import Reservoir
from linear_learner.data.sources import EmptyChannelError, empty
from linear_learner.data.stream import Stream
from linear_learner.data.survey import Survey
from linear_learner.environment import ChannelConfig, Environment, Part, available_memory
from linear_learner.errors import ClientError
from linear_learner.formats import imputation
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix
from linear_learner.formats.options import Options
from linear_learner.formats.schema_learner import SchemaLearner, TextSettings
from linear_learner.formats.table_schema import TableSchema
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.scaler import sample_rows
from linear_learner.training.cluster.agreement import Shape, agree_on_columns, agree_on_rows, agree_on_texts
from linear_learner.training.cluster.interface import ALONE, Cluster
from linear_learner.training.preparation.class_weights import number_of_classes
from linear_learner.training.preparation.text_columns import log_schema, text_settings, with_classes
from linear_learner.training.preparation.warm_start import CHANNEL as MODEL
from linear_learner.training.preparation.warm_start import schema_of
from linear_learner.training.sigterm import later

logger = logging.getLogger(__name__)

MIB = 1 << 20
SECONDS_TO_A_JOIN = 20.0
"""Several hosts stop where they join next, for which each needs the rows up to there. Hosts whose rows have stopped
coming do not wait for ever."""
SHARE_OF_FREE_MEMORY = 0.75
LARGEST_BUDGET_IN_PIPE_MODE = 256 * MIB
"""Who chooses Pipe mode wants to stream; such windows shuffle as well as any."""
FILLED = 0.5
"""The share of values stored from which sparse rows are held as dense ones: half, so that they take no more memory. A
stored value takes eight bytes with its column, a dense one four."""
COPIES = {"validation": 2, "test": 1}
"""How many times held-out rows are held: those of validation as they are and normalised."""
BUDGET_UNKNOWN = 1024 * MIB
"""Where neither the machine nor its control group tells what is free."""


def read_channels(
    env: Environment,
    hp: HyperParameters,
    should_stop: Callable[[], bool] = lambda: False,
    cluster: Cluster = ALONE,
) -> dict[str, Dataset | Stream]:
    """The channels train (required), validation and test, checked. The train channel is a Stream where it does not fit
    in memory, and the others are samples then. Of several hosts, each has its rows of them, which may be none.

    Of the budget, the validation channel, which is held twice, takes at most half, the test channel a quarter, and the
    train channel what is left. Raises Stopped once ``should_stop`` says yes.
    """
    configs = configs_of(env, cluster)
    if "train" not in configs:
        raise ClientError(
            "The channel 'train' is missing",
            where=f"the job has {', '.join(sorted(configs)) or 'no channels'}",
            fix=f"give the job a channel named 'train', whose files lie in {env.data_dir / 'train'}",
        )
    for name in configs.keys() - {"train", "validation", "test", "model"}:
        logger.warning("The channel '%s' is ignored: only train, validation, test and model are read.", name)
    budget = memory_budget(hp, configs)
    given_width = None if hp.is_auto("feature_dim") else hp.feature_dim
    options = Options(given_width, label_column=hp.label_column, allow_missing=hp.missing_values != "error")
    patience = Patience(hp.pipe_timeout, should_stop)

    def reader(name: str, options: Options) -> ChannelReader | EmptyChannelError:
        try:
            return ChannelReader(configs[name], feature_dim=given_width, options=options, patience=patience)
        except EmptyChannelError as nothing:
            return nothing

    train_reader = reader("train", options)
    if texts := text_settings(hp):
        schema = given_schema(configs) or learn_schema(train_reader, texts, configs["train"], cluster)
        if isinstance(train_reader, ChannelReader):
            train_reader.use_schema(schema)
        hp = with_classes(hp, schema)
        log_schema(schema, hp)
        options = replace(options, schema=schema)
    check = partial(check_labels, predictor_type=hp.predictor_type, num_classes=hp.num_classes, is_train=False)
    width = learn_columns(train_reader, cluster)
    # Rows that name only some of their columns have those of the train channel.
    options = replace(options, feature_dim=width or given_width)
    held_out: dict[str, Dataset] = {}
    for name in COPIES:
        if name in configs:
            held_out_reader = reader(name, options)
            held_out[name] = read_held_out(name, held_out_reader, room_for_held_out(budget), check, hp, cluster)
            if isinstance(held_out_reader, ChannelReader) and (
                found := unseen_notice(f"Channel '{name}'", held_out_reader.unseen)
            ):
                logger.warning("%s", found)
    left = left_for_train(budget, {name: bytes_of(data.features) for name, data in held_out.items()})
    train = read_train(train_reader, left, hp, cluster, is_judge="validation" not in held_out)
    if cluster.size > 1 and isinstance(train_reader, ChannelReader):
        train_reader.should_stop = later(should_stop, SECONDS_TO_A_JOIN)
    if isinstance(train, Dataset):
        train = replace(train, schema=options.schema)  # a host without rows has learnt nothing by itself
    train = dense_where_filled(train, left, cluster)
    check_same_columns(train, held_out.values())
    return {"train": train} | {
        name: fill_missing(in_form_of(train, data), train.fills) for name, data in held_out.items()
    }


def configs_of(env: Environment, cluster: Cluster) -> dict[str, ChannelConfig]:
    """Those of the job: a channel that only other hosts have files of is empty here."""
    configs = env.channels()
    if cluster.size == 1:
        return configs
    for name in sorted(set().union(*cluster.gather(sorted(configs)))):
        config = configs.get(name) or ChannelConfig(name, env.data_dir / name)
        is_own = config.is_sharded or name == MODEL
        configs[name] = config if is_own else replace(config, part=Part(cluster.rank, cluster.size))
    return configs


def given_schema(configs: Mapping[str, ChannelConfig]) -> TableSchema | None:
    """That of the model which the job starts from, if there is one: its features are those of the job."""
    schema = schema_of(configs[MODEL]) if MODEL in configs else None
    if schema is not None:
        logger.info("Categories and labels are those of the model in channel '%s'.", MODEL)
    return schema


def learn_schema(
    reader: ChannelReader | EmptyChannelError, texts: TextSettings, config: ChannelConfig, cluster: Cluster
) -> TableSchema:
    """What the columns of the train channel mean, by the rows of all hosts."""
    found = reader.learn_schema(texts) if isinstance(reader, ChannelReader) else SchemaLearner(texts)
    found = agree_on_texts(found, cluster)
    if not found.begun:
        raise empty(config, str(config.path))
    return found.schema()


def learn_columns(reader: ChannelReader | EmptyChannelError, cluster: Cluster) -> int | None:
    """The width of the train channel on all hosts, as far as its first rows show it."""
    columns = None
    if isinstance(reader, ChannelReader):
        reader.learn_columns()
        columns = reader.columns
    width = agree_on_columns(columns, "train", cluster).feature_dim
    if width is not None and isinstance(reader, ChannelReader):
        reader.widen(width)
    return width


def read_rows(
    name: str, reader: ChannelReader | EmptyChannelError, limit: int, cluster: Cluster
) -> tuple[Dataset, Iterator[Batch] | None, Shape]:
    """What ``ChannelReader.read`` gives, and what the channel is like on all hosts. Where this host has no rows, it is
    a data set without any. EmptyChannelError where no host has rows."""
    data, rest, nothing = None, None, None
    if isinstance(reader, ChannelReader):
        try:
            data, rest = reader.read(limit)
        except EmptyChannelError as error:
            nothing = error
    else:
        nothing = reader
    shape = agree_on_rows(data, name, cluster)
    if shape.feature_dim is None or shape.is_sparse is None:
        assert nothing is not None  # noqa: S101 (for the type checker: there are no rows)
        raise nothing
    if data is None:
        logger.info("Channel '%s' has no rows on this host; all of them are on the others.", name)
        data = without_rows(name, shape.feature_dim, is_sparse=shape.is_sparse, feature_names=shape.feature_names)
    return replace(data, feature_names=shape.feature_names), rest, shape


def dense_where_filled(train: Dataset | Stream, budget: int, cluster: Cluster) -> Dataset | Stream:
    """The train channel with dense rows where its sparse ones, those of all hosts, have FILLED of their values.

    LIBSVM is the form of many a table of plain numbers, and the form should not decide what is learnt: sparse rows are
    not shifted, and a column far from 0 beside its std then goes together with the bias. A stream stays as it is, and
    so do rows of which the ``budget``, in bytes, has no room for both forms on every host.
    """
    if not train.is_sparse:
        return train
    fits = isinstance(train, Dataset) and (
        bytes_of(train.features) + 4 * train.rows_seen * train.feature_dim <= budget  # float32
    )
    misfits, rows, values = cluster.sum(
        np.array([not fits, train.rows_seen, train.values_per_row * train.rows_seen], np.float64)
    )
    if misfits or values < FILLED * rows * train.feature_dim or not isinstance(train, Dataset):
        return train
    logger.info(
        "Channel '%s': rows hold %.0f %% of their values, and are taken as dense ones: features are unbiased.",
        *(train.name, 100 * values / max(1, rows * train.feature_dim)),
    )
    assert isinstance(train.features, CsrMatrix)  # noqa: S101 (for the type checker)
    return replace(train, features=train.features.toarray())


def fill_missing(data: Dataset, fills: np.ndarray | None) -> Dataset:
    """The channel with ``fills``, if there are any, in the place of its missing values, which the log counts."""
    if fills is None:
        return data
    count = imputation.fill(data.features, fills)
    logger.info("Channel '%s': %d missing values are filled with the means of their columns.", data.name, count)
    return replace(data, fills=fills)


def memory_budget(hp: HyperParameters, configs: Mapping[str, ChannelConfig]) -> int:
    """Bytes of rows that the job may hold."""
    if not hp.is_auto("memory_mb"):
        return hp.memory_mb * MIB
    free = available_memory()
    budget = BUDGET_UNKNOWN if free is None else int(free * SHARE_OF_FREE_MEMORY)
    if any(config.input_mode == "Pipe" for config in configs.values()):
        budget = min(budget, LARGEST_BUDGET_IN_PIPE_MODE)
    return budget


def room_for_held_out(budget: int) -> int:
    """Bytes of a channel that is held as a whole; of a larger one it is a sample of so many."""
    return budget // 4


def left_for_train(budget: int, held_out: Mapping[str, int]) -> int:
    """What is left of a budget where channels, by name, take so many bytes. As the first block of a channel is held
    whatever it takes, they may take more than all of it; a quarter is left in any case."""
    return max(budget - sum(COPIES[name] * taken for name, taken in held_out.items()), budget // 4)


def room_for_train(left: int, *, is_judge: bool) -> int:
    """Of what is ``left`` for the train channel, in bytes, what its rows may take to be held as a whole: five eighths,
    or half where the channel ``is_judge`` as well, since they are held twice then."""
    return left // 2 if is_judge else left * 5 // 8


def read_held_out(
    name: str,
    reader: ChannelReader | EmptyChannelError,
    limit: int,
    check: Callable[[Dataset], None],
    hp: HyperParameters,
    cluster: Cluster = ALONE,
) -> Dataset:
    """All rows of a channel, or a uniform sample of as many as take ``limit`` bytes."""
    data, rest, shape = read_rows(name, reader, limit, cluster)
    check(data)
    if notice := one_label_notice(name, shape.one_label, predictor_type=hp.predictor_type):
        logger.warning("%s", notice)
    if rest is None:
        logger.info("Channel '%s': %d rows of %d features.", data.name, len(data), data.feature_dim)
        return data
    sample = Reservoir(data.features, data.labels)
    for batch in rest:
        if len(batch):
            more = Dataset.of_batch(data.name, batch)
            check(more)
            sample.add(more.features, more.labels)
    features, labels = sample.rows()
    logger.info(
        "Channel '%s': %d rows of %d features. A random sample of %d rows fits in memory and stands for all.",
        *(data.name, sample.seen, data.feature_dim, len(labels)),
    )
    return replace(data, features=features, labels=labels, segments=data.segments[:1])


def read_train(
    reader: ChannelReader | EmptyChannelError, budget: int, hp: HyperParameters, cluster: Cluster, *, is_judge: bool
) -> Dataset | Stream:
    """All rows of the train channel, if there is room for them in ``budget`` bytes. Else a stream of them, whose
    windows are a quarter of the budget. An eighth is for the sample that the scaler is fitted on, or that judges."""
    data, rest, shape = read_rows("train", reader, room_for_train(budget, is_judge=is_judge), cluster)
    check = partial(check_labels, predictor_type=hp.predictor_type, num_classes=hp.num_classes)
    if hp.missing_values == "mean":
        (rows_of_all,) = cluster.sum(np.array([float(len(data))]))
        share = len(data) / max(1.0, rows_of_all)
        sample = data.features[sample_rows(len(data), math.ceil(hp.num_point_for_scaler * share))]
        fills = imputation.means_of(cluster.sum(imputation.column_sums(sample)))
        data = fill_missing(data, fills)
        if isinstance(reader, ChannelReader):
            reader.fills = fills
    if rest is None or not isinstance(reader, ChannelReader):
        check(data, is_train=cluster.size == 1)
        if notice := constant_label_notice(data.name, shape.one_label, predictor_type=hp.predictor_type):
            logger.warning("%s", notice)
        if isinstance(reader, ChannelReader) and (notice := unseen_notice(f"Channel '{data.name}'", reader.unseen)):
            logger.warning("%s", notice)
        logger.info("Channel '%s': %d rows of %d features.", data.name, len(data), data.feature_dim)
        return data
    survey = Survey(
        partial(check, is_train=False),
        classes=number_of_classes(hp),
        sample_size=budget // 8,
        sample_rows=None if is_judge else hp.num_point_for_scaler,
        is_shard=cluster.size > 1,
    )
    logger.info(
        "Channel '%s': %d rows of %d features and more, which do not fit in the %.1f MiB that there are for them. They "
        "are streamed: read anew in every epoch.",
        *(data.name, len(data), data.feature_dim, budget / MIB),
    )
    stream = Stream(reader, data, rest, survey, window_size=max(1, budget // 4))
    if stream.rows is not None:
        logger.info("Channel '%s': %d rows.", data.name, stream.rows)
    return stream
