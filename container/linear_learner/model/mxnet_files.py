"""The two files of a model that its users open with MXNet, written by MXNet's library."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linear_learner.errors import ClientError
from linear_learner.model.graph import OUTPUT_OF_LINK
from linear_learner.model.params_file import read_params
from linear_learner.native import mxnet_arrays
from linear_learner.native.mxnet_arrays import Array
from linear_learner.native.mxnet_library import MXNetError
from linear_learner.native.mxnet_symbols import apply, variable


def linear_symbol(link: str, feature_dim: int, outputs: int, bias_lr_mult: float) -> str:
    """The graph that Amazon's container writes, node for node: output(dot(data, fc0_weight) + fc0_bias).

    fc0_weight is (feature_dim, outputs) and fc0_bias (1, outputs). The label is named ``out_label``: loaders say so.
    """
    weight = variable("fc0_weight", __shape__=(feature_dim, outputs))
    product = apply("dot", variable("data"), weight, name="dot0")
    bias = variable("fc0_bias", __shape__=(1, outputs), __lr_mult__=float(bias_lr_mult))
    score = apply("broadcast_add", product, bias, name="broadcast_plus0")
    output = OUTPUT_OF_LINK[link]
    return apply(output, score, variable("out_label"), name=f"{output.lower()}0").to_json()


def write_params(path: Path, weights: np.ndarray, bias: np.ndarray) -> None:
    """weights float32 (d, C) and bias (C,) as ``arg:fc0_weight`` (d, C) and ``arg:fc0_bias`` (1, C). OSError if it
    cannot be written."""
    arrays = {"arg:fc0_weight": weights, "arg:fc0_bias": bias.reshape(1, -1)}
    try:
        mxnet_arrays.save(
            path, {name: Array(np.ascontiguousarray(array, np.float32)) for name, array in arrays.items()}
        )
        # MXNet does not notice a disk that is full by the time the last bytes are flushed.
        read_params(path.read_bytes())
    except (MXNetError, ClientError) as error:
        raise OSError(f"MXNet could not write {path.name}") from error
