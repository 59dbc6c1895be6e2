"""The channels of a job, in memory as far as they fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.dataset import Dataset, check_same_columns, in_form_of
from linear_learner.data.dataset_builder import bytes_of
from linear_learner.data.fifo import Patience
from linear_learner.data.labels import check_labels, label_notice
from linear_learner.data.reservoir import Reservoir
from linear_learner.data.stream import Stream
from linear_learner.data.survey import Survey
from linear_learner.environment import ChannelConfig, Environment, available_memory
from linear_learner.errors import ClientError
from linear_learner.formats import imputation
from linear_learner.formats.options import Options
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model.scaler import sample_rows
from linear_learner.training.class_weights import number_of_classes
from linear_learner.training.table_text import log_schema, text_settings, unseen_notice, with_classes

logger = logging.getLogger(__name__)

MIB = 1 << 20
SHARE_OF_FREE_MEMORY = 0.75
LARGEST_BUDGET_IN_PIPE_MODE = 256 * MIB
"""Who chooses Pipe mode wants to stream; such windows shuffle as well as any."""
BUDGET_UNKNOWN = 1024 * MIB
"""Where neither the machine nor its control group tells what is free."""


def read_channels(
    env: Environment, hp: HyperParameters, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, Dataset | Stream]:
    """The channels train (required), validation and test, checked. The train channel is a Stream where it does not fit
    in memory, and the others are samples then.

    Of the budget, the validation channel, which is held twice, takes at most half, the test channel a quarter, and the
    train channel what is left. Raises Stopped once ``should_stop`` says yes.
    """
    configs = env.channels()
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
    texts = text_settings(hp)
    reader = partial(ChannelReader, feature_dim=given_width, patience=Patience(hp.pipe_timeout, should_stop))
    train_reader = reader(configs["train"], options=options)
    if texts:
        schema = train_reader.learn_schema(texts)
        hp = with_classes(hp, schema)
        log_schema(schema, hp)
        options = replace(options, schema=schema)
    check = partial(check_labels, predictor_type=hp.predictor_type, num_classes=hp.num_classes, is_train=False)
    train_reader.learn_columns()
    # Rows that name only some of their columns have those of the train channel.
    options = replace(options, feature_dim=train_reader.columns.width or given_width)
    held_out: dict[str, Dataset] = {}
    left = budget
    for name, copies in (("validation", 2), ("test", 1)):
        if name in configs:
            held_out_reader = reader(configs[name], options=options)
            data = held_out[name] = read_held_out(held_out_reader, budget // 4, check)
            left -= copies * bytes_of(data.features)
            unseen = unseen_notice(name, held_out_reader.unseen)
            for notice in filter(None, (unseen, label_notice(data, predictor_type=hp.predictor_type))):
                logger.warning("%s", notice)
    train = read_train(train_reader, left, hp, is_judge="validation" not in held_out)
    check_same_columns(train, held_out.values())
    return {"train": train} | {
        name: fill_missing(in_form_of(train, data), train.fills) for name, data in held_out.items()
    }


def fill_missing(data: Dataset, fills: np.ndarray | None) -> Dataset:
    """The channel with ``fills``, if there are any, in the place of its missing values, which the log counts."""
    if fills is None:
        return data
    count = imputation.fill(data.features, fills)
    logger.info("Channel '%s': %d missing values are filled with the means of their columns.", data.name, count)
    return replace(data, fills=fills)


def memory_budget(hp: HyperParameters, configs: dict[str, ChannelConfig]) -> int:
    """Bytes of rows that the job may hold."""
    if not hp.is_auto("memory_mb"):
        return hp.memory_mb * MIB
    free = available_memory()
    budget = BUDGET_UNKNOWN if free is None else int(free * SHARE_OF_FREE_MEMORY)
    if any(config.input_mode == "Pipe" for config in configs.values()):
        budget = min(budget, LARGEST_BUDGET_IN_PIPE_MODE)
    return budget


def read_held_out(reader: ChannelReader, limit: int, check: Callable[[Dataset], None]) -> Dataset:
    """All rows of a channel, or a uniform sample of as many as take ``limit`` bytes."""
    data, rest = reader.read(limit)
    check(data)
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


def read_train(reader: ChannelReader, budget: int, hp: HyperParameters, *, is_judge: bool) -> Dataset | Stream:
    """All rows of the train channel, if five eighths of ``budget`` bytes hold them, or half of it where the channel
    ``is_judge`` as well: its rows are held twice then. Else a stream of them, whose windows are a quarter of the
    budget. An eighth is for the sample that the scaler is fitted on, or that judges."""
    data, rest = reader.read(budget // 2 if is_judge else budget * 5 // 8)
    check = partial(check_labels, predictor_type=hp.predictor_type, num_classes=hp.num_classes)
    if hp.missing_values == "mean":
        sample = data.features[sample_rows(len(data), hp.num_point_for_scaler)]
        reader.fills = imputation.column_means(sample)
        data = fill_missing(data, reader.fills)
    if rest is None:
        check(data, is_train=True)
        logger.info("Channel '%s': %d rows of %d features.", data.name, len(data), data.feature_dim)
        return data
    survey = Survey(
        partial(check, is_train=False),
        classes=number_of_classes(hp),
        sample_size=budget // 8,
        sample_rows=None if is_judge else hp.num_point_for_scaler,
    )
    logger.info(
        "Channel '%s': %d rows of %d features and more, which do not fit in the %d MiB that there are for them. They "
        "are streamed: read anew in every epoch.",
        *(data.name, len(data), data.feature_dim, budget // MIB),
    )
    stream = Stream(reader, data, rest, survey, window_size=max(1, budget // 4))
    if stream.rows is not None:
        logger.info("Channel '%s': %d rows.", data.name, stream.rows)
    return stream
