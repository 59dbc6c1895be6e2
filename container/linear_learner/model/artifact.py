"""The model on disk, in the form that Amazon's container writes and its users load.

    mx-mod-symbol.json · mx-mod-0000.params · additional-params.json · manifest.json     the model
    model_algo-1                                                                         a zip of these four
    model.tar.gz                                                                         all five

Reading needs no MXNet unless a graph is none that we know.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from linear_learner.errors import ClientError, PlatformError
from linear_learner.model import additional_params, archive, mxnet_files
from linear_learner.model.additional_params import AdditionalParams
from linear_learner.model.archive import ADDITIONAL_PARAMS, MANIFEST, PARAMS, SYMBOL, TAR
from linear_learner.model.graph import LinearGraph, Node, linear_graph, read_graph
from linear_learner.model.linear_model import LinearModel, Model
from linear_learner.model.losses import MULTICLASS
from linear_learner.model.params_file import read_params

LOOSE = (ADDITIONAL_PARAMS, MANIFEST, SYMBOL, PARAMS)

LOCAL_MODE_HOST = re.compile(r"^(algo-\d+)-[a-z0-9]{5}$")
"""The SageMaker SDK's local mode adds random letters to a host's name; but users' code opens ``model_algo-1``."""

BIAS_LR_MULT = 10.0
"""What ``auto`` means for it, where a model does not tell what it was trained with."""


def save(model: LinearModel, model_dir: Path, *, host: str = "algo-1", pack: bool, own_keys: bool = True) -> None:
    """Write the four files and ``model_<host>``, in local mode too ``model_algo-1``; with ``pack`` also model.tar.gz.
    The same model gives the same bytes. Without ``own_keys`` additional-params.json has Amazon's keys alone.

    Everything is written to temporary names first. The zip appears at once; of the loose files an earlier model's are
    taken away before the first new one appears, so that a job killed at any moment leaves an earlier model, the new
    one, or none. Other files in the folder are left alone.
    """
    if not (np.isfinite(model.weights).all() and np.isfinite(model.bias).all()):
        raise ClientError(
            "The model cannot be written: a weight in raw feature units is not a finite float32",
            fix="scale features whose values are extremely small or large",
        )
    writers = _loose_writers(model, own_keys)
    zip_name = "model_" + LOCAL_MODE_HOST.sub(r"\1", host)
    names = [*LOOSE, zip_name, *([TAR] if pack else [])]
    new = {name: model_dir / f".{name}.{host}.partial" for name in names}
    writers[zip_name] = lambda path: _write_zip(path, {name: new[name] for name in LOOSE})
    writers[TAR] = lambda path: write_tar(path, {name: new[name] for name in (*LOOSE, zip_name)})
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        for name in names:
            new[name].unlink(missing_ok=True)
            writers[name](new[name])
            _to_disk(new[name])
        new[zip_name].replace(model_dir / zip_name)
        for name in LOOSE:
            (model_dir / name).unlink(missing_ok=True)
        for name in names:
            if name != zip_name:
                new[name].replace(model_dir / name)
        _to_disk(model_dir)
    except OSError as error:
        raise PlatformError(
            f"The model could not be written: {error.strerror or error}",
            where=str(model_dir),
            fix="free or mend the disk",
        ) from error
    finally:
        for path in new.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _loose_writers(model: LinearModel, own_keys: bool) -> dict[str, Callable[[Path], object]]:
    """For each of the four files, what writes it to a path."""
    bias_lr_mult = model.metadata.get("hyperparameters", {}).get("bias_lr_mult", BIAS_LR_MULT)
    symbol = mxnet_files.linear_symbol(model.link, model.feature_dim, model.outputs, bias_lr_mult)
    manifest = {ADDITIONAL_PARAMS: "json", "mx-mod": "mxnet_module", "version": 1}
    facts = additional_params.to_json(model, own_keys=own_keys)
    return {
        SYMBOL: lambda path: path.write_text(symbol, encoding="utf-8"),
        PARAMS: lambda path: mxnet_files.write_params(path, model.weights, model.bias),
        ADDITIONAL_PARAMS: lambda path: path.write_text(facts, encoding="utf-8"),
        MANIFEST: lambda path: path.write_text(json.dumps(manifest), encoding="utf-8"),
    }


def _write_zip(path: Path, files: dict[str, Path]) -> None:
    """Stored, as Amazon's is, with one date for all."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name, source in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.file_size = source.stat().st_size
            with source.open("rb") as content, target.open(entry, "w") as member:
                shutil.copyfileobj(content, member)


def write_tar(path: Path, files: dict[str, Path]) -> None:
    """A gzipped tar of the files by name. Equal files give equal bytes."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for name, source in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = source.stat().st_size
            with source.open("rb") as content:
                target.addfile(entry, content)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive the machine."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(model_dir: Path) -> Model:
    """The model in a folder (loose, ``model_<host>`` or model.tar.gz), or in one such archive.

    It is a ``LinearModel``, or where the graph is no linear one, MXNet's evaluation of it. A ClientError says what is
    missing or wrong.
    """
    return of_files(*archive.read_files(model_dir))


def of_files(files: dict[str, bytes], place: str) -> Model:
    """The model that the files of ``archive.read_files``, which were at ``place``, are."""
    _check_manifest(files.get(MANIFEST), f"{place}: {MANIFEST}")
    facts = additional_params.read(files[ADDITIONAL_PARAMS], where=f"{place}: {ADDITIONAL_PARAMS}")
    graph = read_graph(files[SYMBOL], where=f"{place}: {SYMBOL}")
    params = read_params(files[PARAMS], where=f"{place}: {PARAMS}")
    for name, values in params.items():
        if not np.isfinite(values).all():
            raise _unfit(f"{name} has values that are not finite", f"{place}: {PARAMS}")
    linear = linear_graph(graph)
    if linear is not None:
        return _linear_model(linear, params, facts, place)

    if facts.probability_map is not None:
        raise _unfit("probability_map is for a linear graph", place)

    from linear_learner.model.network import SymbolModel

    return SymbolModel(
        graph,
        params,
        predictor_type=facts.predictor_type,
        loss=facts.loss,
        threshold=facts.threshold,
        metadata=facts.metadata,
        where=place,
    )


def _linear_model(
    graph: LinearGraph, params: dict[str, np.ndarray], facts: AdditionalParams, place: str
) -> LinearModel:
    weights = _array(graph.weight, params, place)
    if weights.ndim != 2 or 0 in weights.shape:
        raise _unfit(f"{graph.weight.name} has the shape {weights.shape} and not (features, outputs)", place)
    feature_dim, outputs = weights.shape
    bias = np.zeros((1, outputs), np.float32) if graph.bias is None else _array(graph.bias, params, place)
    if bias.shape not in ((1, outputs), (outputs,)):
        raise _unfit(f"the bias has the shape {bias.shape} and not (1, {outputs})", place)
    multiclass = facts.predictor_type == MULTICLASS
    if multiclass != (outputs > 1):
        raise _unfit(f"a {facts.predictor_type} has {outputs} outputs", place)
    for name, said, found in (
        ("link", facts.link, graph.link),
        ("feature_dim", facts.feature_dim, feature_dim),
        ("num_classes", facts.num_classes if multiclass else None, outputs),
    ):
        if said is not None and said != found:
            raise _unfit(f"{ADDITIONAL_PARAMS} says {name} {said}, the model has {found}", place)
    return LinearModel(
        weights=weights,
        bias=bias.reshape(outputs),
        predictor_type=facts.predictor_type,
        loss=facts.loss,
        link=graph.link,
        threshold=facts.threshold,
        num_classes=facts.num_classes or outputs,
        probability_map=facts.probability_map,
        metadata=facts.metadata,
    )


def _array(variable: Node, params: dict[str, np.ndarray], place: str) -> np.ndarray:
    """The float32 array of a variable, which has the shape that the symbol declares."""
    array = params.get(f"arg:{variable.name}")
    if array is None:
        raise _unfit(f"{PARAMS} has no arg:{variable.name}", place)
    if variable.shape is not None and variable.shape != array.shape:
        raise _unfit(f"{variable.name} is {variable.shape} in the symbol and {array.shape} in the params", place)
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(array).all():
        raise _unfit(f"{variable.name} has values beyond float32", place)
    return array


def _check_manifest(content: bytes | None, where: str) -> None:
    """A model without a manifest is taken for one of version 1."""
    version = 1 if content is None else additional_params.read_object(content, where).get("version")
    if version != 1:
        raise ClientError(f"The model is of version {version!r}; only 1 is known", where=where)


def _unfit(message: str, where: str) -> ClientError:
    return ClientError(
        f"The files of the model do not fit together: {message}", where=where, fix="train or copy the model again"
    )
