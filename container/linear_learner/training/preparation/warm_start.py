"""Going on learning: the channel ``model`` holds a model, ours or Amazon's, whose weights the candidates start from."""

from __future__ import annotations

from collections.abc import Sequence

from linear_learner.data.dataset import differing_names
from linear_learner.environment import ChannelConfig
from linear_learner.errors import ClientError
from linear_learner.formats.table_schema import TableSchema
from linear_learner.hyperparameters import HyperParameters
from linear_learner.model import artifact
from linear_learner.model.linear_model import LinearModel, Model
from linear_learner.model.losses import LOSSES
from linear_learner.training.engines.state import State
from linear_learner.training.preparation.task import Task

CHANNEL = "model"


def read_model(channel: ChannelConfig, hp: HyperParameters, feature_names: Sequence[str] | None) -> LinearModel:
    """The model of the channel's folder: model.tar.gz, or the files in it. ``hp`` is resolved, ``feature_names`` are
    those of the train channel. ClientError if it cannot be read, or is not of the same task and columns as the job. Its
    loss may be another."""
    outputs = hp.num_classes if LOSSES[hp.predictor_type, hp.loss].coupled else 1
    model = _load(channel)
    if not isinstance(model, LinearModel):
        raise _unfit(channel, "its graph is not that of a linear model")
    if model.predictor_type != hp.predictor_type:
        raise _unfit(channel, f"it is a {model.predictor_type}, and predictor_type is {hp.predictor_type}")
    if model.feature_dim != hp.feature_dim:
        raise _unfit(channel, f"it has {model.feature_dim} features, and the train channel {hp.feature_dim}")
    if model.outputs != outputs:
        raise _unfit(channel, f"it has {model.outputs} outputs, and this job's models have {outputs}")
    problem = differing_names(model.metadata.get("feature_names"), feature_names)
    if problem:
        raise _unfit(channel, f"its columns are not those of the train channel: {problem}")
    return model


def schema_of(channel: ChannelConfig) -> TableSchema | None:
    """What the columns of tables mean to the model of the channel; None where it was trained on numbers."""
    content = _load(channel).metadata.get("schema")
    return None if content is None else TableSchema.of_json(content)


def start_from(model: LinearModel, task: Task, state: State) -> None:
    """Give all candidates of ``state`` the weights that give normalised rows the answers of the model on raw ones."""
    weights, bias = task.scaler.unfold(model.weights, model.bias)
    if task.columns is not None:
        weights = weights[task.columns]
    state.set_every_candidate(weights, bias)


def _load(channel: ChannelConfig) -> Model:
    if channel.input_mode == "Pipe":
        raise ClientError(
            f"Channel '{channel.name}' comes through pipes, and a model is files",
            where=str(channel.path),
            fix=f"give the channel '{channel.name}' the input mode File",
        )
    return artifact.load(channel.path)


def _unfit(channel: ChannelConfig, reason: str) -> ClientError:
    return ClientError(
        f"The model of channel '{channel.name}' cannot be the start of this job: {reason}",
        where=str(channel.path),
        fix=f"give the model of a job like this one, or leave the channel '{channel.name}' out",
    )
